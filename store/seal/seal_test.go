package seal_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
)

func newRing(t testing.TB, keys ...[]byte) *seal.Ring {
	t.Helper()
	if len(keys) == 0 {
		keys = [][]byte{seal.NewKey()}
	}
	r, err := seal.New(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)

func fullRecord() *store.Record {
	return &store.Record{
		ID: "R1", Generation: 7, Subject: "user\x00\xff", Provider: "ulule",
		Token: store.Token{
			AccessToken: "access-secret", TokenType: "bearer", RefreshToken: "refresh-secret", IDToken: "id-secret",
			Scopes: []string{"read", "", "write"}, Expiry: noon.Add(time.Minute), RefreshExpiry: noon.Add(time.Hour),
			Extra: json.RawMessage(`{"a":[1,2]}`),
		},
		Grant:   store.Key("ulule", "", "42"),
		Created: noon.Add(-time.Hour), Updated: noon, Expires: noon.Add(24 * time.Hour),
		Refresh: []byte{0, 1, 2, 255},
	}
}

// The record under test has every stored field set, so that a field added to Record and forgotten here is found.
func TestSeal_keepsEveryField(t *testing.T) {
	t.Parallel()
	full := fullRecord()
	full.Ended = noon.Add(time.Second)
	for _, v := range []reflect.Value{reflect.ValueOf(*full), reflect.ValueOf(full.Token)} {
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; v.Field(i).IsZero() && name != "Version" && name != "ReadAt" && name != "Handle" {
				t.Errorf("the record under test has no %s", name)
			}
		}
	}
	cases := []struct {
		name string
		rec  *store.Record
	}{
		{"all fields", full},
		{"empty", &store.Record{}},
		{"key of no parts", &store.Record{Grant: store.Key()}},
		{"largest numbers", &store.Record{Generation: math.MaxUint64, Expires: time.Unix(math.MaxInt64>>1, 999_999_000).UTC()}},
		{"before Christ", &store.Record{Created: time.Date(-4000, 1, 1, 0, 0, 0, 1000, time.UTC)}},
		{"year 300000", &store.Record{Expires: time.Date(300_000, 1, 1, 0, 0, 0, 0, time.UTC)}},
		{"unix epoch", &store.Record{Created: time.Unix(0, 0).UTC()}},
		{"just before the epoch", &store.Record{Created: time.Unix(-1, 999_999_000).UTC()}},
		{"64 KiB", &store.Record{ID: "big", Token: store.Token{AccessToken: strings.Repeat("x", 64<<10)}}},
	}
	for _, ring := range []*seal.Ring{newRing(t), newRing(t).Compact(), seal.InsecurePlaintext()} {
		for _, tc := range cases {
			t.Run(tc.name, func(t *testing.T) {
				t.Parallel()
				want := tc.rec.Clone()
				sealed, err := ring.Seal("n", tc.rec)
				if err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(tc.rec, want) {
					t.Error("Seal changed the record")
				}
				got, err := ring.Open("n", sealed, time.Time{})
				if err != nil && !errors.Is(err, store.ErrEnded) {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("got %#v\nwant %#v", *got, *want)
				}
			})
		}
	}
}

func TestSeal_leavesOutWhatTheStoreSets(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	rec := fullRecord()
	rec.Version, rec.ReadAt, rec.Handle = "v", noon, store.Credential("session", "text")
	sealed, err := ring.Seal("n", rec)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ring.Open("n", sealed, noon)
	if err != nil {
		t.Fatal(err)
	}
	if got.Version != "" || !got.ReadAt.IsZero() || !got.Handle.IsZero() {
		t.Errorf("got version %q, read at %v, handle %v", got.Version, got.ReadAt, got.Handle)
	}
}

func TestSeal_times(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	zone := time.FixedZone("odd", 5*3600+1800+17)
	rec := &store.Record{Created: time.Date(2026, 1, 2, 3, 4, 5, 123_456_999, zone)}
	sealed, err := ring.Seal("n", rec)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ring.Open("n", sealed, noon)
	if err != nil {
		t.Fatal(err)
	}
	if want := rec.Created.Truncate(time.Microsecond); !got.Created.Equal(want) {
		t.Errorf("got %v, want %v", got.Created, want)
	}
}

func TestSeal_refuses(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	cases := []struct {
		name        string
		rec         *store.Record
		unsupported bool
	}{
		{"nil", nil, false},
		{"grant is a credential", &store.Record{Grant: store.Credential("session", "secret-text")}, true},
		{"grant is a sum", &store.Record{Grant: store.Hashed([32]byte{1})}, true},
		{"beyond 1 MiB", &store.Record{Refresh: make([]byte, 1<<20)}, true},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			sealed, err := ring.Seal("n", tc.rec)
			if err == nil || sealed != nil {
				t.Fatal("sealed")
			}
			if got := errors.Is(err, errors.ErrUnsupported); got != tc.unsupported {
				t.Errorf("%v: unsupported is %t, want %t", err, got, tc.unsupported)
			}
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error tells the secret: %v", err)
			}
		})
	}
}

func TestOpen_judgesTime(t *testing.T) {
	t.Parallel()
	past, future := noon.Add(-time.Second), noon.Add(time.Second)
	cases := []struct {
		name string
		rec  store.Record
		now  time.Time
		want error
		none bool
	}{
		{name: "live", rec: store.Record{Expires: future}, now: noon},
		{name: "no expiry", rec: store.Record{}, now: noon},
		{name: "expired", rec: store.Record{Expires: past}, now: noon, want: store.ErrNotFound, none: true},
		{name: "expires now", rec: store.Record{Expires: noon}, now: noon, want: store.ErrNotFound, none: true},
		{name: "access token expired", rec: store.Record{Token: store.Token{Expiry: past}}, now: noon},
		{name: "ended", rec: store.Record{Ended: past}, now: noon, want: store.ErrEnded},
		{name: "ended and expired", rec: store.Record{Ended: past, Expires: past}, now: noon, want: store.ErrEnded},
		{name: "expired, no clock", rec: store.Record{Expires: past}},
		{name: "expired before the year 1, no clock", rec: store.Record{Expires: time.Date(-5, 1, 1, 0, 0, 0, 0, time.UTC)}},
		{name: "ended, no clock", rec: store.Record{Ended: past, Expires: past}, want: store.ErrEnded},
	}
	ring := newRing(t)
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			sealed, err := ring.Seal("n", &tc.rec)
			if err != nil {
				t.Fatal(err)
			}
			rec, err := ring.Open("n", sealed, tc.now)
			if err != tc.want {
				t.Errorf("got %v, want %v", err, tc.want)
			}
			if (rec == nil) != tc.none {
				t.Errorf("got %v", rec)
			}
		})
	}
}

func TestOpen_sharesNoMemory(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	sealed, err := ring.Seal("n", fullRecord())
	if err != nil {
		t.Fatal(err)
	}
	before := bytes.Clone(sealed)
	a, err := ring.Open("n", sealed, noon)
	if err != nil {
		t.Fatal(err)
	}
	b, err := ring.Open("n", sealed, noon)
	if err != nil {
		t.Fatal(err)
	}
	a.Refresh[0], a.Token.Extra[0], a.Token.Scopes[0] = 'x', 'x', "x"
	a.Refresh, a.Token.Extra = append(a.Refresh, "more"...), append(a.Token.Extra, "more"...)
	clear(sealed)
	if want := fullRecord(); !reflect.DeepEqual(b, want) {
		t.Errorf("got %#v\nwant %#v", *b, *want)
	}
	if again, err := ring.Open("n", before, noon); err != nil || !reflect.DeepEqual(again, fullRecord()) {
		t.Errorf("got %v, %v", again, err)
	}
}

package cookiestore_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/cookiestore"
)

func newRing(t testing.TB, keys ...[]byte) *seal.Ring {
	t.Helper()
	if len(keys) == 0 {
		keys = [][]byte{seal.NewKey()}
	}
	ring, err := seal.New(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func open(t testing.TB, ring *seal.Ring) *cookiestore.Store {
	t.Helper()
	s, err := cookiestore.New(ring, cookiestore.SingleReplica())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func put(t testing.TB, s store.TokenStore, h store.Handle, rec *store.Record) *store.Record {
	t.Helper()
	got, err := s.Put(context.Background(), h, rec)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// other is a compare-and-set store, as far as New can see.
type other struct{ store.TokenStore }

func TestNew(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	tokens := &other{}
	cases := []struct {
		name     string
		ring     *seal.Ring
		replicas cookiestore.Replicas
		faults   []string
		want     store.TokenStore // nil: one of its own
	}{
		{name: "nothing", faults: []string{"no key ring", "say how replicas are coordinated"}},
		{name: "zero replicas", ring: ring, faults: []string{"say how replicas are coordinated"}},
		{name: "no ring", replicas: cookiestore.SingleReplica(), faults: []string{"no key ring"}},
		{name: "no coordinator", ring: ring, replicas: cookiestore.Coordinator(nil), faults: []string{"Coordinator: no store"}},
		{name: "stateless coordinator", ring: ring, replicas: cookiestore.Coordinator(open(t, ring)), faults: []string{"stateless"}},
		{name: "single", ring: ring, replicas: cookiestore.SingleReplica()},
		{name: "uncoordinated", ring: ring, replicas: cookiestore.InsecureUncoordinated()},
		{name: "coordinated", ring: ring, replicas: cookiestore.Coordinator(tokens), want: tokens},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s, err := cookiestore.New(tc.ring, tc.replicas)
			if (s == nil) != (err != nil) || (err != nil) != (tc.faults != nil) {
				t.Fatalf("got %v, %v", s, err)
			}
			for _, fault := range tc.faults {
				if !strings.Contains(err.Error(), fault) {
					t.Errorf("got %q, want %q in it", err, fault)
				}
			}
			if err == nil && (s.Coordinator() == nil || tc.want != nil && s.Coordinator() != tc.want) {
				t.Errorf("coordinator is %v", s.Coordinator())
			}
		})
	}
}

func TestStore_Bind(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	a, b, c := open(t, ring), open(t, ring), open(t, ring)
	for _, s := range []*cookiestore.Store{a, a, b} {
		if err := s.Bind("__Host-kit https://a.example"); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Bind("__Host-kit https://b.example"); err == nil {
		t.Error("bound twice")
	}
	rec := put(t, a, store.Handle{}, &store.Record{ID: "R1"})
	if got, err := b.Get(t.Context(), rec.Handle); err != nil || got.ID != "R1" {
		t.Errorf("another replica: got %v, %v", got, err)
	}
	if got, err := c.Get(t.Context(), rec.Handle); got != nil || err != store.ErrNotFound {
		t.Errorf("unbound: got %v, %v", got, err)
	}
	if err := c.Bind("other"); err != nil {
		t.Errorf("a Get does not bind: %v", err)
	}
	if got, err := c.Get(t.Context(), rec.Handle); got != nil || err != store.ErrNotFound {
		t.Errorf("another cookie: got %v, %v", got, err)
	}
	d := open(t, ring)
	put(t, d, store.Handle{}, &store.Record{})
	if err := d.Bind("late"); err == nil {
		t.Error("bound after a record was put")
	}
}

func TestStore_purposes(t *testing.T) {
	t.Parallel()
	s := open(t, newRing(t))
	cases := []struct {
		name    string
		h       store.Handle
		purpose string
	}{
		{"zero", store.Handle{}, "session"},
		{"session", store.NewCredential("session"), "session"},
		{"flow", store.NewCredential("flow"), "flow"},
		{"none", store.NewCredential(""), ""},
	}
	for _, tc := range cases {
		rec := put(t, s, tc.h, &store.Record{ID: tc.name})
		if rec.Handle.Purpose() != tc.purpose || rec.Handle == tc.h {
			t.Errorf("%s: handle %v", tc.name, rec.Handle)
		}
		for _, purpose := range []string{"session", "flow", "", "sessio"} {
			got, err := s.Get(t.Context(), store.Credential(purpose, rec.Handle.Reveal()))
			if (err == nil) != (purpose == tc.purpose) || (got == nil) != (err != nil) {
				t.Errorf("%s as %q: got %v, %v", tc.name, purpose, got, err)
			}
		}
	}
}

func TestStore_refuses(t *testing.T) {
	t.Parallel()
	s := open(t, newRing(t))
	for name, h := range map[string]store.Handle{"key": store.Key("ulule", "42"), "sum": store.Hashed([32]byte{1})} {
		if rec, err := s.Put(t.Context(), h, &store.Record{}); rec != nil || !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("Put under a %s: %v, %v", name, rec, err)
		}
	}
	key := store.Key("ulule", "42")
	if rec, err := s.Get(t.Context(), key); rec != nil || !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Get: %v, %v", rec, err)
	}
	if err := s.Delete(t.Context(), key, ""); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Delete: %v", err)
	}
}

// The limit is exact, and the error tells what the text would have taken.
func TestStore_size(t *testing.T) {
	t.Parallel()
	const limit = 15_600
	s := open(t, newRing(t))
	noise := make([]byte, 11_700)
	rand.Read(noise)
	var last int
	for n := 11_600; ; n++ {
		if n == len(noise) {
			t.Fatal("the limit was not reached")
		}
		rec, err := s.Put(t.Context(), store.Handle{}, &store.Record{Refresh: noise[:n]})
		if err == nil {
			last = len(rec.Handle.Reveal())
			if _, err := s.Get(t.Context(), rec.Handle); err != nil {
				t.Fatalf("%d bytes: %v", last, err)
			}
			continue
		}
		if rec != nil || !errors.Is(err, errors.ErrUnsupported) || errors.Is(err, store.ErrNotFound) {
			t.Fatalf("got %v, %v", rec, err)
		}
		size := limit + 2 // 15,602: base64 has no text of 15,601 bytes
		if want := strconv.Itoa(size) + " bytes of cookies, the limit is " + strconv.Itoa(limit); !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want %q in it", err, want)
		}
		break
	}
	if last != limit {
		t.Errorf("the longest text has %d bytes, want %d", last, limit)
	}
}

// What an identity provider hands out: three JWTs, of which two list the user's groups.
func TestStore_holdsThreeJWTs(t *testing.T) {
	t.Parallel()
	groups := make([]string, 40)
	for i := range groups {
		groups[i] = fmt.Sprintf("/departments/engineering/team-%02d", i)
	}
	jwt := func(claims map[string]any) string {
		body, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		signature := make([]byte, 256)
		rand.Read(signature)
		enc := base64.RawURLEncoding.EncodeToString
		return enc([]byte(`{"alg":"RS256","typ":"JWT","kid":"k1"}`)) + "." + enc(body) + "." + enc(signature)
	}
	now := time.Now()
	claims := func(kind string) map[string]any {
		return map[string]any{"iss": "https://id.example/realms/main", "sub": "8c6f2d1e-2f7a-4a52-9a29-6f3d4f1d9f3b",
			"aud": "web", "typ": kind, "exp": now.Unix(), "iat": now.Unix(), "jti": rand.Text(), "groups": groups}
	}
	refresh := claims("Refresh")
	delete(refresh, "groups")
	rec := &store.Record{ID: rand.Text(), Subject: "8c6f2d1e", Provider: "https://id.example/realms/main", Created: now, Updated: now,
		Expires: now.Add(time.Hour), Token: store.Token{AccessToken: jwt(claims("Bearer")), IDToken: jwt(claims("ID")),
			RefreshToken: jwt(refresh), TokenType: "Bearer", Expiry: now}}
	plain := len(rec.Token.AccessToken) + len(rec.Token.IDToken) + len(rec.Token.RefreshToken)
	got := put(t, open(t, newRing(t)), store.Handle{}, rec)
	if n := len(got.Handle.Reveal()); n > 3900 || n > plain*2/3 {
		t.Errorf("%d bytes of tokens take %d bytes of cookie", plain, n)
	} else {
		t.Logf("%d bytes of tokens take %d bytes of cookie", plain, n)
	}
}

func TestStore_unreadable(t *testing.T) {
	t.Parallel()
	oldKey, newKey := seal.NewKey(), seal.NewKey()
	before, during, after := open(t, newRing(t, oldKey)), open(t, newRing(t, newKey, oldKey)), open(t, newRing(t, newKey))
	rec := put(t, before, store.Handle{}, &store.Record{ID: "R1"})
	got, err := during.Get(t.Context(), rec.Handle)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := after.Get(t.Context(), rec.Handle); !errors.Is(err, seal.ErrUnreadable) || errors.Is(err, store.ErrNotFound) {
		t.Errorf("a key that is gone: %v", err)
	}
	again := put(t, during, got.Handle, got)
	if _, err := after.Get(t.Context(), again.Handle); err != nil {
		t.Errorf("writing did not seal again with the first key: %v", err)
	}
}

func TestStore_strictText(t *testing.T) {
	t.Parallel()
	s := open(t, newRing(t))
	text := put(t, s, store.Handle{}, &store.Record{ID: "R1"}).Handle.Reveal()
	for name, text := range map[string]string{
		"line end inside": text[:10] + "\n" + text[10:],
		"line end after":  text + "\r\n",
		"padded":          text + "=",
		"standard base64": strings.Replace(text[:40], text[20:21], "+", 1) + text[40:],
		"garbage":         "AAAA",
		"huge":            strings.Repeat("A", 1<<20),
		"a handle":        store.NewCredential("session").Reveal(),
	} {
		if got, err := s.Get(t.Context(), store.Credential("session", text)); got != nil || err != store.ErrNotFound {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
	// Every last character of a text but its own is refused, also where base64 has bits to spare; and so are line ends,
	// whatever the text's length.
	for id := range 4 {
		text := put(t, s, store.Handle{}, &store.Record{ID: "R1234"[:id+1]}).Handle.Reveal()
		for _, end := range []string{"\n", "\r", "\r\n", "\n\n\n"} {
			if got, err := s.Get(t.Context(), store.Credential("session", text+end)); got != nil || err != store.ErrNotFound {
				t.Errorf("%d bytes and %q: got %v, %v", len(text), end, got, err)
			}
		}
		for _, c := range "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" {
			forged := text[:len(text)-1] + string(c)
			if got, err := s.Get(t.Context(), store.Credential("session", forged)); (err == nil) != (forged == text) {
				t.Errorf("last character %q for %q: got %v, %v", c, text[len(text)-1:], got, err)
			}
		}
	}
}

func TestStore_expiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := open(t, newRing(t))
		now := time.Now()
		rec := put(t, s, store.Handle{}, &store.Record{ID: "R1", Expires: now.Add(time.Hour)})
		time.Sleep(time.Hour - time.Nanosecond)
		if _, err := s.Get(t.Context(), rec.Handle); err != nil {
			t.Errorf("before it expires: %v", err)
		}
		time.Sleep(time.Nanosecond)
		if got, err := s.Get(t.Context(), rec.Handle); got != nil || err != store.ErrNotFound {
			t.Errorf("when it expires: got %v, %v", got, err)
		}
		rec.Ended = now
		ended := put(t, s, rec.Handle, rec)
		if got, err := s.Get(t.Context(), ended.Handle); got == nil || err != store.ErrEnded {
			t.Errorf("ended and expired: got %v, %v", got, err)
		}
	})
}

// Put reports what Get will read.
func TestStore_reportsWhatIsStored(t *testing.T) {
	t.Parallel()
	s := open(t, newRing(t))
	at := time.Date(2026, 1, 2, 3, 4, 5, 678_901_234, time.FixedZone("", 3600))
	in := &store.Record{ID: "R1", Created: at, Updated: at, Token: store.Token{Expiry: at}, ReadAt: at, Version: "v"}
	out := put(t, s, store.Handle{}, in)
	got, err := s.Get(t.Context(), out.Handle)
	if err != nil {
		t.Fatal(err)
	}
	if got.Created != out.Created || got.Token.Expiry != out.Token.Expiry || got.Version != out.Version || got.Handle != out.Handle {
		t.Errorf("put %+v, got %+v", *out, *got)
	}
	if !out.ReadAt.IsZero() || out.Version == in.Version {
		t.Errorf("read at %v, version %q", out.ReadAt, out.Version)
	}
	if next := put(t, s, out.Handle, out); next.Version == out.Version {
		t.Error("the version repeats")
	}
}

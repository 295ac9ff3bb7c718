package store_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// full returns a Record of which no field is zero; it fails when a field was added and is not filled here.
func full(t *testing.T) *store.Record {
	t.Helper()
	at := time.Unix(1e9, 1000)
	rec := &store.Record{
		ID: "id", Generation: 1, Subject: "subject", Provider: "provider",
		Token: store.Token{
			AccessToken: "access", TokenType: "type", RefreshToken: "refresh", IDToken: "id", Scopes: []string{"a", "b"},
			Expiry: at, RefreshExpiry: at, Extra: json.RawMessage(`{}`),
		},
		Grant: store.Key("grant"), Created: at, Updated: at, Expires: at, Ended: at, Refresh: []byte("state"),
		Version: "version", ReadAt: at, Handle: store.Key("handle"),
	}
	for _, v := range []reflect.Value{reflect.ValueOf(*rec), reflect.ValueOf(rec.Token)} {
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Fatalf("%s.%s is zero: fill it here", v.Type(), v.Type().Field(i).Name)
			}
		}
	}
	return rec
}

func TestClone(t *testing.T) {
	t.Parallel()
	rec, want := full(t), full(t)
	c := rec.Clone()
	if !reflect.DeepEqual(c, want) {
		t.Fatal("the clone differs")
	}
	c.Token.Scopes[0], c.Token.Extra[0], c.Refresh[0] = "changed", 'X', 'X'
	*c = store.Record{}
	if !reflect.DeepEqual(rec, want) {
		t.Error("changing the clone changed the record")
	}
	tok := rec.Token.Clone()
	tok.Scopes[0], tok.Extra[0] = "changed", 'X'
	if !reflect.DeepEqual(rec, want) {
		t.Error("changing the token's clone changed the record")
	}
}

// TestCloneSharesNothing finds by reflection whatever could be shared, in fields to come as well.
func TestCloneSharesNothing(t *testing.T) {
	t.Parallel()
	rec := full(t)
	c := rec.Clone()
	for _, pair := range [][2]reflect.Value{
		{reflect.ValueOf(*rec), reflect.ValueOf(*c)}, {reflect.ValueOf(rec.Token), reflect.ValueOf(c.Token)},
	} {
		for i := range pair[0].NumField() {
			name := pair[0].Type().Field(i).Name
			switch a, b := pair[0].Field(i), pair[1].Field(i); a.Kind() {
			case reflect.Slice, reflect.Map, reflect.Pointer:
				if a.Pointer() == b.Pointer() {
					t.Errorf("%s is shared", name)
				}
			}
		}
	}
}

func TestCloneOfNothing(t *testing.T) {
	t.Parallel()
	if c := (&store.Record{}).Clone(); !reflect.DeepEqual(c, &store.Record{}) {
		t.Error("the clone of the zero record is not zero")
	}
}

func TestExpired(t *testing.T) {
	t.Parallel()
	at := time.Unix(1e9, 0)
	for _, c := range []struct {
		name    string
		expires time.Time
		now     time.Time
		want    bool
	}{
		{"never", time.Time{}, at.AddDate(1000, 0, 0), false},
		{"before", at, at.Add(-1), false},
		{"at", at, at, true},
		{"after", at, at.Add(1), true},
		{"at, in another zone", at.In(time.FixedZone("east", 3600)), at.UTC(), true},
	} {
		rec := &store.Record{Expires: c.expires, Token: store.Token{Expiry: at.AddDate(-1, 0, 0)}}
		if got := rec.Expired(c.now); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestDue(t *testing.T) {
	t.Parallel()
	at := func(s int64) time.Time { return time.Unix(s, 0) }
	var never time.Time
	for _, c := range []struct {
		name                    string
		expires, ended, updated time.Time
		want                    time.Time
	}{
		{"never", never, never, at(5), never},
		{"live", at(7), never, at(9), at(7)},
		{"ended", at(7), at(5), at(3), at(5)},
		{"ended, then updated", at(7), at(5), at(6), at(6)},
		{"ended, never updated", never, at(5), never, at(5)},
	} {
		rec := &store.Record{Expires: c.expires, Ended: c.ended, Updated: c.updated}
		if got := rec.Due(); !got.Equal(c.want) {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	all := []error{store.ErrNotFound, store.ErrEnded, store.ErrExists, store.ErrConflict}
	for i, a := range all {
		for j, b := range all {
			want := i == j || a == store.ErrEnded && b == store.ErrNotFound
			for _, err := range []error{a, fmt.Errorf("wrapped: %w", a)} {
				if got := errors.Is(err, b); got != want {
					t.Errorf("errors.Is(%v, %v): %v, want %v", err, b, got, want)
				}
			}
		}
	}
}

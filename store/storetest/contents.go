package storetest

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// contents: V1.
func contents() []testcase {
	as := func(name string, edit func(rec *store.Record)) testcase {
		return testcase{name, 0, func(t *testing.T, e *env) {
			want := sample()
			edit(want)
			got := e.create(t, want)
			same(t, want, got)
			e.holdsAll(t, got.Handle, want)
			got = e.put(t, got.Handle, e.get(t, got.Handle)) // and once more, as it was read
			e.holdsAll(t, got.Handle, want)
			if !e.Stateless {
				same(t, want, read(t, e.peer, got.Handle))
			}
		}}
	}
	allBytes := make([]byte, 256)
	for i := range allBytes {
		allBytes[i] = byte(i)
	}
	odd := "NUL \x00, invalid \xff\xfe\xc3\x28, quotes '\"`\\, line\r\nend, 日本語, \u2028 <b>&amp; %s "
	cases := []testcase{
		as("every field", func(*store.Record) {}),
		as("nothing but an ID", func(rec *store.Record) { *rec = store.Record{ID: "only"} }),
		as("nothing at all", func(rec *store.Record) { *rec = store.Record{} }),
		as("odd texts", func(rec *store.Record) {
			rec.ID, rec.Subject, rec.Provider = "I"+odd, "S"+odd, "P"+odd
			rec.Token.AccessToken, rec.Token.RefreshToken, rec.Token.IDToken = "A"+odd, "R"+odd, "D"+odd
			rec.Token.TokenType = "T" + odd
			rec.Token.Scopes = []string{odd, odd + "2"}
			rec.Grant = store.Key(odd, "", odd)
		}),
		as("scopes in order, doubled, spaced and empty", func(rec *store.Record) {
			rec.Token.Scopes = []string{"z", "a", "a", "", "with space", " ", ",", "a,b", "Z"}
		}),
		as("one empty scope", func(rec *store.Record) { rec.Token.Scopes = []string{""} }),
		as("every byte in the refresh state", func(rec *store.Record) { rec.Refresh = allBytes }),
		as("extra as it was answered", func(rec *store.Record) {
			rec.Token.Extra = json.RawMessage("{ \"n\": 12345678901234567890.10, \"b\":1,\"a\":2 ,\n\"a\":3, \"u\":\"\\u003c<\", \"\":null}")
		}),
		as("extra that is no JSON", func(rec *store.Record) { rec.Token.Extra = allBytes }),
		as("empty slices", func(rec *store.Record) {
			rec.Token.Scopes, rec.Token.Extra, rec.Refresh = []string{}, json.RawMessage{}, []byte{}
		}),
		as("largest generation", func(rec *store.Record) { rec.Generation = math.MaxUint64 }),
		as("grant without parts", func(rec *store.Record) { rec.Grant = store.Key() }),
		as("no grant", func(rec *store.Record) { rec.Grant = store.Handle{} }),
		as("zones", func(rec *store.Record) {
			east, west := time.FixedZone("east", 14*60*60), time.FixedZone("west", -(9*60+30)*60)
			rec.Created, rec.Updated = rec.Created.In(east), rec.Updated.In(west)
			rec.Token.Expiry, rec.Token.RefreshExpiry = rec.Token.Expiry.In(west), rec.Token.RefreshExpiry.In(east)
			rec.Expires = day().AddDate(100, 0, 0).In(east)
		}),
		as("nanoseconds", func(rec *store.Record) {
			rec.Created = rec.Created.Add(999)
			rec.Token.Expiry = rec.Token.Expiry.Add(501)
		}),
		as("the last microsecond of a second", func(rec *store.Record) {
			rec.Created = rec.Created.Truncate(time.Second).Add(999_999 * time.Microsecond)
			rec.Token.Expiry = rec.Created.AddDate(100, 0, 0)
		}),
		as("old and far times", func(rec *store.Record) {
			rec.Created = time.Date(1901, 2, 3, 4, 5, 6, 7000, time.UTC)
			rec.Updated = time.Unix(0, 0)
			rec.Token.Expiry = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)
			rec.Token.RefreshExpiry = time.Date(2262, 4, 12, 0, 0, 0, 0, time.UTC) // beyond 63 bits of nanoseconds
		}),
	}
	return append(cases, testcase{"ended, every field", 0, func(t *testing.T, e *env) {
		want := sample()
		want.Ended = e.now(t).Truncate(time.Microsecond)
		want = e.create(t, want)
		e.holdsAll(t, want.Handle, want)
	}})
}

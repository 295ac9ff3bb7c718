package middleware_test

import (
	"context"
	"net/http"
	"regexp"
	"testing"

	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/internal/guardtest"
	"github.com/tokenkeep/tokenkeep/store"
)

var credentials = regexp.MustCompile(`\A(?i:bearer) +([A-Za-z0-9\-._~+/]+=*)\z`)

// FuzzAuthorization compares the scanner with the grammar of RFC 6750 section 2.1 written as a regular expression: the
// verifier sees exactly what that matches, whatever else the line holds, and every refusal is well-formed.
func FuzzAuthorization(f *testing.F) {
	for _, seed := range []string{
		"Bearer good.tok-1~a+b/c==", "bearer x", "BEARER  x", "Bearer\tx", "Bearer a b", "Bearer ", "Bearer", "Bearer a=b", "Bearer ==",
		"Bearerx y", "Bearer,x", "Bearer/x", "Bearer=x", "Basic czZCaGRSa3F0Mzpn", "", " Bearer x", "Bearer a\x00b", "Bearer é", "Bearer a,Bearer b", "ＢEARER x", "bea\u212Aer x",
	} {
		f.Add(seed)
	}
	const long = "Bearer abcdefghijklmnopqrs"
	for c := range 256 { // each character among others, and a foreign one at each place
		f.Add(long[:12] + string([]byte{byte(c)}) + long[13:])
	}
	for i := len("Bearer "); i < len(long); i++ {
		f.Add(long[:i] + "!" + long[i+1:])
	}
	var got []string
	guard, err := middleware.New(middleware.VerifierFunc(func(_ context.Context, credential string) (*store.Record, error) {
		got = append(got, credential)
		return &store.Record{}, nil
	}), middleware.Self, nil)
	if err != nil {
		f.Fatal(err)
	}
	h := guard.Require()(done)
	f.Fuzz(func(t *testing.T, line string) {
		got = nil
		r := request("GET", "/", "")
		r.Header["Authorization"] = []string{line}
		w := serve(h, r)
		match := credentials.FindStringSubmatch(line)
		if match == nil || len(match[1]) > 8<<10 {
			if len(got) != 0 || w.Code != http.StatusUnauthorized && w.Code != http.StatusBadRequest {
				t.Fatalf("%q: status %d, verifier got %q", line, w.Code, got)
			}
			guardtest.Challenge(t, w.Header())
			return
		}
		if len(got) != 1 || got[0] != match[1] || w.Code != http.StatusOK {
			t.Fatalf("%q: status %d, verifier got %q, want %q", line, w.Code, got, match[1])
		}
	})
}

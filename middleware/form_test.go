package middleware_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/store"
)

// named is a verifier whose records say who verified.
func named(name string) middleware.Verifier {
	return middleware.VerifierFunc(func(_ context.Context, credential string) (*store.Record, error) {
		return &store.Record{Subject: name, ID: credential}, nil
	})
}

func TestByForm(t *testing.T) {
	t.Parallel()
	v := middleware.ByForm(named("jwt"), named("opaque"))
	tests := []struct{ name, token, want string }{
		{"a JWT", "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln", "jwt"},
		{"its header with a space", "eyAiYWxnIjoiUlMyNTYifQ.e30.c2ln", "jwt"},
		{"ours", store.NewCredential("session").Reveal(), "opaque"},
		{"no signature", "eyJhbGciOiJub25lIn0.e30.", "opaque"},
		{"no payload", "eyJhbGciOiJIUzI1NiJ9..c2ln", "opaque"},
		{"two segments", "eyJhbGciOiJIUzI1NiJ9.e30", "opaque"},
		{"encrypted: five segments", "eyJhbGciOiJkaXIifQ..a.b.c", "opaque"},
		{"four segments", "eyJhbGciOiJkaXIifQ.a.b.c", "opaque"},
		{"three segments, no JSON", "ory_at_a.b.c", "opaque"},
		{"three segments, almost JSON", "eaJ.b.c", "opaque"},
		{"three segments, another first letter", "ayJh.e30.c2ln", "opaque"},
		{"one letter", "e.b.c", "opaque"},
		{"another alphabet", "eyJ+.e30.c2ln", "opaque"},
		{"padding", "eyJh.e30.c2ln==", "opaque"},
		{"nothing", "", "opaque"},
		{"dots", strings.Repeat(".", 100), "opaque"},
	}
	for _, tt := range tests {
		rec, err := v.Verify(t.Context(), tt.token)
		if err != nil || rec.Subject != tt.want || rec.ID != tt.token {
			t.Errorf("%s: %v, %v", tt.name, rec, err)
		}
	}
}

// What one verifier refuses or cannot judge is not tried with the other.
func TestByFormTriesOnce(t *testing.T) {
	t.Parallel()
	const jwt, opaque = "eyJh.e30.c2ln", "opaque"
	for _, fault := range []error{store.ErrNotFound, errors.New("down")} {
		failing := middleware.VerifierFunc(func(context.Context, string) (*store.Record, error) { return nil, fault })
		if rec, err := middleware.ByForm(failing, named("opaque")).Verify(t.Context(), jwt); rec != nil || !errors.Is(err, fault) {
			t.Errorf("a JWT: %v, %v", rec, err)
		}
		if rec, err := middleware.ByForm(named("jwt"), failing).Verify(t.Context(), opaque); rec != nil || !errors.Is(err, fault) {
			t.Errorf("an opaque token: %v, %v", rec, err)
		}
	}
	for token, v := range map[string]middleware.Verifier{jwt: middleware.ByForm(nil, named("opaque")), opaque: middleware.ByForm(named("jwt"), nil)} {
		if rec, err := v.Verify(t.Context(), token); rec != nil || !errors.Is(err, store.ErrNotFound) {
			t.Errorf("%s, for which there is no verifier: %v, %v", token, rec, err)
		}
	}
}

var jwtForm = regexp.MustCompile(`\Ae[w-z0-9\-_][A-Za-z0-9\-_]*\.[A-Za-z0-9\-_]+\.[A-Za-z0-9\-_]+\z`)

// FuzzByForm compares the form with itself written as a regular expression.
func FuzzByForm(f *testing.F) {
	for _, seed := range []string{"eyJh.e30.c2ln", "eyJh.e30.", "eyJh..a", "eyJh.e30.c2ln.x", "e.a.b", "eaa.a.b", "", "..", "ey=.a.b", "eyJ\x00.a.b"} {
		f.Add(seed)
	}
	v := middleware.ByForm(named("jwt"), named("opaque"))
	f.Fuzz(func(t *testing.T, token string) {
		rec, err := v.Verify(t.Context(), token)
		if err != nil || (rec.Subject == "jwt") != jwtForm.MatchString(token) {
			t.Errorf("%q: %v, %v", token, rec, err)
		}
	})
}

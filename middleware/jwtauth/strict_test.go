package jwtauth_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/jwtauth"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// answers are what a guard with this verifier says to an Authorization line: status, challenge and body.
func answers(tb testing.TB, v middleware.Verifier, o *middleware.Options) func(line string) string {
	tb.Helper()
	guard, err := middleware.New(v, middleware.Self, o)
	if err != nil {
		tb.Fatal(err)
	}
	h := guard.Require("read")(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	return func(line string) string {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header["Authorization"] = []string{line}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Result().Status + w.Header().Get("WWW-Authenticate") + w.Body.String()
	}
}

// FuzzAuthorization: the guard leaves it to this verifier to refuse what is no b64token. Whatever the line, the answer is
// the one of a guard that reads each token first, as it does for everybody else's verifiers.
func FuzzAuthorization(f *testing.F) {
	s := newSigner(f, "a")
	good := mint(f, s, nil)
	for i, at := 0, 0; at < len(good); i, at = i+1, at+len(good)/60 {
		f.Add(byte(i*5), uint16(at), "")
	}
	for _, insert := range []string{"", " ", "\t", "\x00", "\x7f", "\r\n", "=", "==", "~", "+", "/", ".", "..", ",", "é", "\xff", "\xff~", strings.Repeat("a", 8<<10), strings.Repeat(".", 7<<10), strings.Repeat("é", 900)} {
		for _, at := range []int{0, 3, 30, len(good) / 2, len(good) - 3, len(good)} {
			f.Add(byte(0), uint16(at), insert)
		}
	}
	v := newVerifier(f, rules(s), nil)
	own := answers(f, v, nil)
	read := answers(f, middleware.VerifierFunc(v.Verify), nil)
	f.Fuzz(func(t *testing.T, flip byte, at uint16, insert string) {
		i := int(at) % (len(good) + 1)
		token := []byte(good[:i] + insert + good[i:])
		if flip != 0 {
			token[i%len(token)] ^= flip
		}
		line := "Bearer " + string(token)
		if got, want := own(line), read(line); got != want {
			t.Fatalf("%q: %s, want %s", line, got, want)
		}
	})
}

// wrapped is a verifier of somebody who also has a look at the token.
type wrapped struct {
	*jwtauth.Verifier

	seen []string
}

func (w *wrapped) Verify(ctx context.Context, credential string) (*store.Record, error) {
	w.seen = append(w.seen, credential)
	return w.Verifier.Verify(ctx, credential)
}

func TestOthersSeeTokensOnly(t *testing.T) {
	t.Parallel()
	s := newSigner(t, "a")
	w := &wrapped{Verifier: newVerifier(t, rules(s), nil)}
	answer := answers(t, w, nil)
	for _, token := range []string{"a b", "a\nb", "a\x00b", "é", "a=b", "a,b", strings.Repeat("a", 9<<10)} {
		if got := answer("Bearer " + token); !strings.HasPrefix(got, "40") || len(w.seen) != 0 {
			t.Errorf("%q: %s, and the verifier saw %q", token, got, w.seen)
		}
	}
	if got := answer("Bearer " + mint(t, s, nil)); !strings.HasPrefix(got, "200") || len(w.seen) != 1 {
		t.Errorf("%s, and the verifier saw %q", got, w.seen)
	}
}

// Where there are other ways to send credentials, which of them is at fault depends on whether the header has a token.
func TestOtherWays(t *testing.T) {
	t.Parallel()
	tokens, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	keep, err := keeper.New(tokens, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := newSigner(t, "a")
	v := newVerifier(t, rules(s), nil)
	good := mint(t, s, nil)
	for name, o := range map[string]*middleware.Options{
		"session": {Session: &middleware.Session{Keeper: keep}}, "form": {FormToken: true}, "query": {InsecureQueryToken: true}, "none": nil,
	} {
		for _, token := range []string{"a b", "a.b.!", good, good + "!", good + "\t"} {
			var got [2]string
			for i, v := range []middleware.Verifier{v, middleware.VerifierFunc(v.Verify)} {
				guard, err := middleware.New(v, middleware.Self, o)
				if err != nil {
					t.Fatal(err)
				}
				r := httptest.NewRequest(http.MethodPost, "/?access_token=x", strings.NewReader("access_token=y"))
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				r.Header.Set("Cookie", "__Host-session=z")
				r.Header["Authorization"] = []string{"Bearer " + token}
				w := httptest.NewRecorder()
				guard.Require()(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})).ServeHTTP(w, r)
				got[i] = w.Result().Status + w.Header().Get("WWW-Authenticate")
			}
			if got[0] != got[1] {
				t.Errorf("%s, %q: %s, want %s", name, token, got[0], got[1])
			}
		}
	}
}

package jwtauth_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/grants/jose"
	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/jwtauth"
)

// A verifier by a secret prints none of it, nor do the guard around it and the rules it was made by.
func TestNothingPrintsTheSecret(t *testing.T) {
	t.Parallel()
	const secret = "canary-canary-canary-canary-canary"
	r := &jose.Verifier{
		Keys: jose.KeySet{{Algorithm: "HS256", Public: []byte(secret)}}, Algorithms: []string{"HS256"},
		Issuer: "https://as.example", Audience: []string{"api"},
	}
	v, err := jwtauth.New(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	guard, err := middleware.New(v, middleware.Self, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []any{r, *r, v, guard, *guard} {
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", x)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", x)
		b, _ := json.Marshal(x)
		text := fmt.Sprintf("%v %+v %#v %s %q %x %d", x, x, x, x, x, x, x) + log.String() + string(b)
		for _, form := range []string{secret, fmt.Sprintf("%x", secret), fmt.Sprint([]byte(secret))[1:20], fmt.Sprintf("%#v", []byte(secret))[7:20]} {
			if strings.Contains(text, form) {
				t.Errorf("%T prints %s", x, form)
			}
		}
	}
}

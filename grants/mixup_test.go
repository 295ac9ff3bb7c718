package grants_test

import (
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/grants"
)

// Two servers that go by one name: a flow of the one is not ended at the other, even if the callback names its issuer.
func TestFlowOfAnotherIssuerUnderOneName(t *testing.T) {
	t.Parallel()
	s := answering(t, 200, okBody)
	honest, evil := s.client(), s.client()
	honest.Issuer, evil.Issuer = "https://honest.example", "https://evil.example"
	f, err := honest.AuthorizationCode(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = evil.Exchange(t.Context(), f, url.Values{"code": {"c"}, "state": {f.State}, "iss": {f.Issuer}})
	if !errors.Is(err, grants.ErrCallback) || len(s.requests()) != 0 {
		t.Errorf("%v, %d requests", err, len(s.requests()))
	}
}

// With openid among the extras there would be no nonce and no check of the ID token.
func TestScopeIsNoExtra(t *testing.T) {
	t.Parallel()
	c := answering(t, 200, okBody).client()
	more := map[string][]string{"scope": {"openid"}}
	_, err1 := c.AuthorizationCode(t.Context(), &grants.FlowOptions{Params: more})
	c.Extra = map[string]grants.Extra{"authorize": {Params: more}}
	_, err2 := c.AuthorizationCode(t.Context(), nil)
	for _, err := range []error{err1, err2, c.Validate()} {
		if err == nil || !strings.Contains(err.Error(), "scope") {
			t.Error(err)
		}
	}
}

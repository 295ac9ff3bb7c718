package authserver

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/tokenkeep/tokenkeep/grants/jose"
)

// keys are the signing keys of one moment.
type keys struct {
	signer    *jose.Signer // nil: there are none
	published []byte       // the JWK Set
}

// SetKeys replaces [Options.Keys] while the Server runs: the first signs from now on, all are published. To rotate without
// a token that somebody cannot check, publish a new key behind the old one, put it first once every verifier has fetched
// it ([Server.JWKS] may be cached for 5 minutes), and leave the old one out when its last token has expired. A compromised
// key is left out at once: [Server.Verify] and introspection know what was issued, and never believed a signature alone.
// With an error nothing changes.
func (s *Server) SetKeys(signers ...*jose.Signer) error {
	var errs []error
	add := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("authserver: Keys: "+format, args...))
	}
	var set jose.KeySet
	var ids []string
	for i, signer := range signers {
		if signer == nil {
			add("the one at index %d is nil", i)
			continue
		}
		key := signer.Key()
		if key.ID == "" || slices.Contains(ids, key.ID) {
			add("the one at index %d has no kid of its own", i)
		}
		set, ids = append(set, key), append(ids, key.ID)
	}
	if len(signers) == 0 {
		for _, c := range s.clients {
			if len(c.d.Audience) > 0 || slices.Contains(c.Scopes, scopeOpenID) {
				add("none, and the client %q needs signed tokens", c.ID)
			}
		}
	} else if s.issuer == "" {
		add("signed tokens need an Issuer")
	}
	if len(errs) > 0 {
		return errors.Join(errs...)
	}
	k := &keys{published: []byte(`{"keys":[]}`)}
	if len(signers) > 0 {
		var err error
		if k.published, err = json.Marshal(set); err != nil { // one is a secret, which is never published
			return fmt.Errorf("authserver: Keys: %w", err)
		}
		k.signer = signers[0]
	}
	s.keys.Store(k)
	return nil
}

// JWKS returns the public keys (RFC 7517 section 5), for those who check signed tokens: the place that metadata calls
// jwks_uri.
func (s *Server) JWKS() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			w.Header().Set("Allow", "GET, HEAD")
			fail(http.StatusMethodNotAllowed, "invalid_request", "the method must be GET").write(w)
			return
		}
		h := w.Header()
		h.Set("Cache-Control", "public, max-age=300")
		h.Set("Content-Type", "application/jwk-set+json")
		h.Set("X-Content-Type-Options", "nosniff")
		w.Write(s.keys.Load().published) //nolint:errcheck // the client is gone
	})
}

package authserver

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/tokenkeep/tokenkeep/store"
)

// maxCredential bounds an access token before it is hashed.
const maxCredential = 8 << 10

// UserInfo returns the userinfo endpoint: GET or POST with an access token of this server in the Authorization header, and a
// proof of its key if it is bound to one, is answered with what [Options.UserInfo] says, if its login was granted all of
// scopes. An application that wants more of its resources than this uses a guard around them.
func (s *Server) UserInfo(scopes ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodPost {
			w.Header().Set("Allow", "GET, POST")
			fail(http.StatusMethodNotAllowed, "invalid_request", "the method must be GET or POST").write(w)
			return
		}
		info, err := s.info(w, r, scopes)
		if err != nil {
			deny(w, failureOf(err), scopes)
			return
		}
		writeJSON(w, http.StatusOK, info)
	})
}

func (s *Server) info(w http.ResponseWriter, r *http.Request, scopes []string) (any, error) {
	ctx, headers := r.Context(), r.Header.Values("Authorization")
	invalid := fail(http.StatusUnauthorized, "invalid_token", "the access token is unknown, expired or revoked")
	if len(headers) == 0 {
		return nil, fail(http.StatusUnauthorized, "", "")
	}
	scheme, credential, _ := strings.Cut(headers[0], " ")
	credential = strings.Trim(credential, " ")
	switch {
	case len(headers) > 1:
		return nil, invalidRequest("more than one Authorization header")
	case !strings.EqualFold(scheme, "Bearer") && !strings.EqualFold(scheme, "DPoP"): // as good as none (RFC 6750 section 3.1)
		return nil, fail(http.StatusUnauthorized, "", "")
	case credential == "":
		return nil, invalidRequest("the Authorization header has no token")
	case len(credential) > maxCredential:
		return nil, invalid
	}
	rec, st, _, err := s.live(ctx, credential, purposeAccess)
	if err == nil {
		err = s.confirm(w, r, st.Key, strings.EqualFold(scheme, "DPoP"), credential)
	}
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, invalid
	case err != nil:
		return nil, err
	case rec.Subject == "": // a client's own token
		return nil, invalid
	case !within(scopes, rec.Token.Scopes):
		return nil, fail(http.StatusForbidden, "insufficient_scope", "the access token is for another scope")
	case s.userInfo == nil:
		return map[string]string{"sub": rec.Subject}, nil
	}
	info, err := s.userInfo(ctx, rec)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, invalid
	case err != nil || !slices.Contains(rec.Token.Scopes, scopeOpenID):
		return info, err
	}
	return withSub(info, rec.Subject)
}

// withSub is info with sub, which must be the ID token's (OpenID Connect Core section 5.3.2).
func withSub(info any, subject string) (any, error) {
	text, err := json.Marshal(info)
	var members map[string]json.RawMessage
	if err == nil {
		err = json.Unmarshal(text, &members)
	}
	if err != nil || members == nil {
		return nil, errors.New("authserver: UserInfo returned what is no JSON object")
	}
	members["sub"], err = json.Marshal(subject)
	return members, err
}

// deny challenges as RFC 6750 section 3 says: no error code for a request without a token.
func deny(w http.ResponseWriter, f *failure, scopes []string) {
	if f.status < http.StatusInternalServerError {
		challenge := `Bearer realm="userinfo"`
		if f.scheme != "" {
			challenge = f.scheme + ` algs="` + strings.Join(assertionAlgs, " ") + `"`
		}
		if f.code != "" {
			challenge += `, error="` + f.code + `"`
		}
		if f.code == "insufficient_scope" {
			challenge += `, scope="` + strings.Join(scopes, " ") + `"`
		}
		w.Header().Set("WWW-Authenticate", challenge)
	}
	if f.code == "" {
		noStore(w.Header())
		w.WriteHeader(f.status)
		return
	}
	f.write(w)
}

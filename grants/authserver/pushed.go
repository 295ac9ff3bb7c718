package authserver

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

const (
	purposePushed = "request_uri"
	requestURN    = "urn:ietf:params:oauth:request_uri:"
	pushedTTL     = 90 * time.Second // until the browser comes with it, reloads included
)

// PushedAuthorization returns the endpoint that takes authorize requests from the clients themselves (RFC 9126), of these
// dialects or of all when none is given: it authenticates the client and answers with a request_uri for [Server.Authorize],
// good for 90 seconds, so that nothing of the request passes through the browser.
func (s *Server) PushedAuthorization(dialects ...*Dialect) http.Handler {
	m := s.mount(dialects)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var h store.Handle
		req, err := s.admit(w, r, m)
		if err == nil && len(r.Header.Values("DPoP")) > 0 { // the other way to say dpop_jkt (RFC 9449 section 10.1)
			err = s.bind(w, r, req)
		}
		if err == nil {
			h, err = s.push(r.Context(), req)
		}
		s.log(r.Context(), "pushed authorization request", req, err)
		if err != nil {
			failureOf(err).write(w)
			return
		}
		writeJSON(w, http.StatusCreated, struct {
			RequestURI string `json:"request_uri"`
			ExpiresIn  int64  `json:"expires_in"`
		}{requestURN + h.Reveal(), seconds(pushedTTL)})
	})
}

// push checks an authorize request as that endpoint does, and keeps it.
func (s *Server) push(ctx context.Context, req *request) (store.Handle, error) {
	c, p := req.client, req.params
	if p.get("request_uri") != "" {
		return store.Handle{}, invalidRequest("request_uri cannot be pushed") // RFC 9126 section 2.1
	}
	redirect, ok := c.redirectTo(p.get("redirect_uri"))
	if c.ID == "" || !ok {
		return store.Handle{}, invalidRequest("redirect_uri is missing or not registered for this client")
	}
	a := &asked{
		Client: c.ID, Redirect: redirect, Explicit: p.get("redirect_uri") != "", Implicit: p.get("response_type") == "token",
		State: p.get("state"),
	}
	if err := s.checkAuthorize(a, c, p); err != nil {
		return store.Handle{}, err
	}
	if req.key != "" {
		if a.Key != "" && a.Key != req.key {
			return store.Handle{}, invalidProof("the proof is by another key than dpop_jkt's")
		}
		a.Key = req.key
	}
	text, err := json.Marshal(a)
	if err != nil {
		return store.Handle{}, err
	}
	now, h := s.now(), store.NewCredential(purposePushed)
	_, err = s.tokens.Put(ctx, h, &store.Record{
		ID: rand.Text(), Provider: s.issuer, Created: now, Updated: now, Expires: now.Add(pushedTTL),
		Token: store.Token{Extra: text},
	})
	return h, err
}

// pushed returns the request that c has pushed.
func (s *Server) pushed(ctx context.Context, c *client, text string) (*asked, error) {
	rec, err := s.tokens.Get(ctx, store.Credential(purposePushed, text))
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	var a asked
	if err != nil || rec.Expired(s.now()) || json.Unmarshal(rec.Token.Extra, &a) != nil || a.Client != c.ID {
		return nil, invalidRequest("request_uri is unknown or expired: go back to the application and start again")
	}
	return &a, nil
}

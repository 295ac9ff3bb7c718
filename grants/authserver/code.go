package authserver

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"

	"github.com/tokenkeep/tokenkeep/store"
)

const purposeCode = "code"

// mintCode creates an authorization code (RFC 6749 section 4.1.2) for what the request asked and subject allowed.
func (s *Server) mintCode(ctx context.Context, subject string, scopes []string, st state) (store.Handle, error) {
	now, h := s.now(), store.NewCredential(purposeCode)
	_, err := s.tokens.Put(ctx, h, &store.Record{
		ID: rand.Text(), Subject: subject, Provider: s.issuer, Created: now, Updated: now, Expires: now.Add(s.codeTTL),
		Token: store.Token{Scopes: scopes, Extra: st.raw()},
	})
	return h, err
}

// redeem answers an authorization code (RFC 6749 section 4.1.3).
func (s *Server) redeem(ctx context.Context, req *request) (*pair, error) {
	text := req.params.get("code")
	if text == "" {
		return nil, invalidRequest("code is missing")
	}
	h := store.Credential(purposeCode, text)
	p, err := s.redeemOnce(ctx, req, h)
	if lost(err) { // a race; the winner has spent it
		p, err = s.redeemOnce(ctx, req, h)
	}
	return p, err
}

func (s *Server) redeemOnce(ctx context.Context, req *request, h store.Handle) (*pair, error) {
	rec, st, err := s.checkCode(ctx, req, h)
	if err != nil {
		return nil, err
	}
	if !st.Spent.IsZero() {
		// Two parties hold the code, so what it gave may be in the wrong hands (RFC 6749 section 4.1.2).
		if err := s.end(ctx, rec.Grant); err != nil {
			return nil, err
		}
		return nil, invalidGrant("the code was used before: what it gave is revoked")
	}
	who := login{subject: rec.Subject, auth: st.Auth, nonce: st.Nonce, key: req.key}
	p, err := s.begin(ctx, req.client, who, rec.Token.Scopes, req.client.may(grantRefresh))
	if err != nil {
		return nil, err
	}
	// The spent code lives on at least as long as the access token, for a second use to find the family.
	rec.Grant = p.family
	if p.expiry.After(rec.Expires) {
		rec.Expires = p.expiry
	}
	if err := s.spend(ctx, rec, &st, p); err != nil {
		if lost(err) {
			s.discard(ctx, p)
		}
		return nil, err
	}
	return p, nil
}

// checkCode returns the record of a code, spent or not, that this client may use with this redirect URI and verifier.
func (s *Server) checkCode(ctx context.Context, req *request, h store.Handle) (*store.Record, state, error) {
	rec, err := s.tokens.Get(ctx, h)
	if errors.Is(err, store.ErrNotFound) {
		return nil, state{}, invalidGrant("the code is unknown or expired")
	}
	if err != nil {
		return nil, state{}, err
	}
	st, err := s.stateOf(rec)
	redirect := req.params.get("redirect_uri")
	switch {
	case err != nil:
	case st.Client != req.client.ID || rec.Expired(s.now()):
		err = invalidGrant("the code is unknown or expired")
	case redirect != st.Redirect && (st.Asked || redirect != ""): // RFC 6749 section 4.1.3
		err = invalidGrant("redirect_uri is not the one that the code was sent to")
	case st.Key != "" && st.Key != req.key:
		err = invalidGrant("the code is bound to another key") // RFC 9449 section 10
	case !verifies(req.params.get("code_verifier"), st.Challenge):
		err = invalidGrant("code_verifier does not match the code_challenge")
	}
	return rec, st, err
}

// verifies compares by S256 (RFC 7636 section 4.6). A verifier for a code without challenge is refused: somebody has
// removed the challenge on the way (RFC 9700 section 4.8.2).
func verifies(verifier, challenge string) bool {
	if verifier == "" || challenge == "" {
		return verifier == challenge
	}
	sum := sha256.Sum256([]byte(verifier))
	computed := base64.RawURLEncoding.EncodeToString(sum[:])
	return isVerifier(verifier) && subtle.ConstantTimeCompare([]byte(computed), []byte(challenge)) == 1
}

// isVerifier checks RFC 7636 section 4.1: 43 to 128 unreserved characters.
func isVerifier(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' && c != '~' {
			return false
		}
	}
	return len(s) >= 43 && len(s) <= 128
}

// isChallenge reports whether s can be the S256 of anything: 43 characters of base64url.
func isChallenge(s string) bool {
	sum, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(sum) == sha256.Size && len(s) == base64.RawURLEncoding.EncodedLen(sha256.Size)
}

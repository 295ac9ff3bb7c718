package grants

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/url"

	"github.com/tokenkeep/tokenkeep/store"
)

// Exchange ends a login: it takes the whole query of the callback, checks it against the flow and trades the code for a
// token. There is no way to do the one without the other.
//
// A callback that does not belong to the flow is an [*Error] that errors.Is [ErrCallback]; one in which the server
// reports an error is an [*Error] with its Code and a Status of 0. In both cases the token endpoint was not called. The
// code is sent once: after any other error the login has to begin anew.
//
// If "openid" was asked for, and the client has Issuer and Keys, the answer must hold an ID token of this login (OpenID
// Connect Core section 3.1.3.7): otherwise the error is [ErrIDToken], or says that the keys could not be had. With it
// comes the refresh token, if there was one, so that it can be revoked. [Client.IDToken] tells who has signed in.
func (c *Client) Exchange(ctx context.Context, f *Flow, callback url.Values) (store.Token, error) {
	const grant = "authorization_code"
	code, err := c.checkCallback(f, callback)
	if err != nil {
		return store.Token{}, err
	}
	p := make(params, 0, 8)
	p = append(p, param{"grant_type", grant}, param{"code", code})
	if f.RedirectURI != "" {
		p = append(p, param{"redirect_uri", f.RedirectURI})
	}
	if f.Verifier != "" {
		p = append(p, param{"code_verifier", f.Verifier})
	}
	tok, err := c.token(ctx, p, f.Scopes)
	if err != nil {
		return tok, err
	}
	if err := c.checkLogin(ctx, f, tok, code); err != nil {
		return store.Token{RefreshToken: tok.RefreshToken}, c.idFailure(&call{what: grant}, err, UnknownOutcome)
	}
	return tok, nil
}

// checkCallback returns the code of a callback that answers f.
func (c *Client) checkCallback(f *Flow, callback url.Values) (string, error) {
	q := &call{what: "authorize"}
	if f != nil && f.Implicit {
		return "", c.rejected(q, errors.New("the flow asked for a fragment"))
	}
	if err := c.checkAnswer(q, f, callback); err != nil {
		return "", err
	}
	switch {
	case callback.Has("access_token"):
		return "", c.rejected(q, errors.New("it carries an access token, which was not asked for"))
	case callback.Get("code") == "":
		return "", c.rejected(q, errors.New("it carries no code"))
	case f.Verifier == "" && !c.InsecureNoPKCE || f.Verifier != "" && !verifierOK(f.Verifier):
		return "", c.rejected(q, errors.New("the flow has no PKCE verifier of RFC 7636's grammar"))
	}
	return callback.Get("code"), nil
}

// checkAnswer checks whether an authorization response belongs to f, and whether it tells an error.
func (c *Client) checkAnswer(q *call, f *Flow, response url.Values) error {
	if err := c.flowFault(f); err != nil {
		return c.rejected(q, err)
	}
	if err := c.callbackFault(f, response); err != nil {
		return c.rejected(q, err)
	}
	refused := response.Get("error")
	if refused == "" {
		return nil
	}
	if response.Get("code") != "" || response.Get("access_token") != "" {
		return c.rejected(q, errors.New("it carries both a grant and an error"))
	}
	q.secrets = []string{f.State, f.Verifier, f.Nonce}
	e := c.fail(q, nil, c.classify(refused, 400), nil)
	e.Code = q.clean(refused, 100)
	e.Description = q.clean(response.Get("error_description"), 300)
	return e
}

func (c *Client) rejected(q *call, cause error) *Error {
	return c.fail(q, nil, ProtocolError, fmt.Errorf("%w: %w", ErrCallback, cause))
}

// flowFault says why f cannot be answered at all.
func (c *Client) flowFault(f *Flow) error {
	switch {
	case f == nil || f.State == "":
		return errors.New("there is no flow")
	case f.Provider != c.provider():
		return fmt.Errorf("the flow began at %q", shownName(f.Provider))
	case f.Issuer != c.Issuer: // another server by the same name, or the configuration has changed
		return fmt.Errorf("the flow began at the issuer %q", shownName(f.Issuer))
	case !c.now().Before(f.Expires):
		return errors.New("the flow has expired")
	}
	return nil
}

// answers are the parameters of an authorization response that may stand there once (RFC 6749 section 3.1, RFC 9207).
var answers = [...]string{
	"state", "iss", "code", "error", "error_description", "error_uri", "access_token", "token_type", "expires_in",
	"scope", "id_token", "response",
}

// callbackFault checks what binds the callback to the flow: state (RFC 6749 section 10.12) and issuer (RFC 9207).
func (c *Client) callbackFault(f *Flow, callback url.Values) error {
	for _, name := range answers {
		if len(callback[name]) > 1 {
			return fmt.Errorf("%s is there more than once", name)
		}
	}
	state := callback.Get("state")
	dropped := c.InsecureNoState && !f.Implicit && !callback.Has("state")
	if !dropped && subtle.ConstantTimeCompare([]byte(state), []byte(f.State)) != 1 {
		return errors.New("its state is not the flow's")
	}
	iss := callback.Get("iss")
	switch {
	case callback.Has("iss") && f.Issuer == "":
		return fmt.Errorf("it names the issuer %q, but Client.Issuer is empty", bounded(iss, 200))
	case callback.Has("iss") && iss != f.Issuer:
		return fmt.Errorf("it comes from the issuer %q", bounded(iss, 200))
	case !callback.Has("iss") && c.RequireIss:
		return errors.New("it names no issuer, though this server promised to")
	}
	return nil
}

package grants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"

	"github.com/tokenkeep/tokenkeep/store"
)

// Implicit begins a login of the implicit grant (RFC 6749 section 4.2), in which the token itself comes back through
// the browser, in the URL's fragment. RFC 9700 section 2.1.2 advises against it: it is for servers that offer nothing
// else. A page of the application has to take the fragment and hand it, over the same browser's session, to
// [Client.ImplicitToken]; weblogin has that page.
func (c *Client) Implicit(ctx context.Context, o *FlowOptions) (*Flow, error) {
	q := &call{what: "authorize"}
	if err := ctx.Err(); err != nil {
		return nil, c.neverSent(q, context.Cause(ctx))
	}
	if c.InsecureNoState {
		return nil, c.misconfigured(q, errors.New("without state nothing binds a fragment to its flow"))
	}
	if err := c.implicitFault(); err != nil {
		return nil, c.misconfigured(q, err)
	}
	f, p, err := c.begin("token", o)
	if err != nil {
		return nil, c.misconfigured(q, err)
	}
	f.Implicit = true
	f.URL = withQuery(c.AuthorizeURL, p)
	return f, nil
}

func (c *Client) implicitFault() error {
	if c.IntrospectURL == "" && c.VerifyImplicit == nil && !c.InsecureImplicit {
		return errors.New("nothing would tell a token of this client from one of another: set IntrospectURL or VerifyImplicit")
	}
	return nil
}

// ImplicitToken ends a login of the implicit grant: it takes the whole fragment, checks it against the flow like
// [Client.Exchange] does a callback, and has the token proved to be this client's. A refresh token in a fragment is
// dropped (RFC 6749 section 4.2.2), and so is an ID token, which was not asked for.
func (c *Client) ImplicitToken(ctx context.Context, f *Flow, fragment url.Values) (store.Token, error) {
	q := &call{what: "implicit"}
	if f != nil && !f.Implicit {
		return store.Token{}, c.rejected(q, errors.New("the flow did not ask for a fragment"))
	}
	if err := c.checkAnswer(q, f, fragment); err != nil {
		return store.Token{}, err
	}
	if fragment.Has("code") || fragment.Get("access_token") == "" {
		return store.Token{}, c.rejected(q, errors.New("it carries no access token, or a code"))
	}
	if err := c.implicitFault(); err != nil {
		return store.Token{}, c.misconfigured(q, err)
	}
	ans := &answer{status: 200, body: fragmentObject(fragment), asked: c.now()} // read like any other token answer
	q.secrets = append(q.secrets, fragment.Get("access_token"))
	tok, err := c.read(q, ans, f.Scopes)
	if err != nil {
		var e *Error
		if errors.As(err, &e) {
			e.Status = 0 // it came through the browser
		}
		return store.Token{}, err
	}
	return tok, c.proveImplicit(ctx, q, &tok)
}

// proveImplicit makes sure that the token was issued to this client: anybody can put another client's token into a
// fragment (RFC 9700 section 4.6). On failure tok is emptied.
func (c *Client) proveImplicit(ctx context.Context, q *call, tok *store.Token) error {
	if c.InsecureImplicit && c.VerifyImplicit == nil && c.IntrospectURL == "" {
		return nil
	}
	err := func() error {
		if c.VerifyImplicit != nil {
			return c.VerifyImplicit(ctx, tok.Clone())
		}
		in, err := c.Introspect(ctx, tok.AccessToken)
		if err != nil {
			return err
		}
		if !in.Active || in.ClientID != c.ID && !slices.Contains(in.Audience, c.ID) {
			return fmt.Errorf("%w: the token was not issued to this client", ErrCallback)
		}
		return nil
	}()
	if err == nil {
		return nil
	}
	*tok = store.Token{}
	var e *Error
	if errors.As(err, &e) {
		return err
	}
	return c.fail(q, nil, ProtocolError, q.safe(err))
}

// fragmentObject writes a fragment as the JSON object it would have been, less what it may not carry.
func fragmentObject(fragment url.Values) []byte {
	object := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(fragment)) {
		if name != "refresh_token" && name != "id_token" && name != "state" && name != "iss" {
			object[name] = fragment.Get(name)
		}
	}
	b, _ := json.Marshal(object) // strings always encode
	return b
}

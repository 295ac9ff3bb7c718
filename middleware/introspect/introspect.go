package introspect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/internal/facts"
	"github.com/tokenkeep/tokenkeep/store"
)

// Options are a verifier's optional settings; nil and the zero value mean the defaults.
type Options struct {
	// Audience are the names of this service: an answer must carry one of them in aud, compared byte for byte. Empty: aud
	// is not looked at, and every token of the server's is good here.
	Audience []string

	// Life is for how long an answer is believed, at most until the token expires; default 5 s. It is how long a revoked
	// token may go on. Negative: not at all, so that each request asks.
	Life time.Duration

	// MaxTokens bounds the answers held; default 10,000.
	MaxTokens int
}

// Verifier asks an authorization server about tokens (RFC 7662). It must be made by [New]; all methods may be called
// concurrently.
type Verifier struct {
	client   *grants.Client
	provider string
	audience []string
	life     time.Duration
	patience time.Duration
	kept     *facts.Cache[*told]
}

var _ middleware.Verifier = (*Verifier)(nil)

const (
	defaultLife      = 5 * time.Second
	defaultMaxTokens = 10_000
	patience         = 20 * time.Second // in case the client's own timeout, which is added, is not heeded
	leeway           = 30 * time.Second // what the server's clock and ours may differ
)

// New returns the verifier that asks client.IntrospectURL, authenticated as client; it keeps a copy. A nil o means the defaults; the
// error names every setting that is wrong.
func New(client *grants.Client, o *Options) (*Verifier, error) {
	if o == nil {
		o = &Options{}
	}
	var errs []error
	switch {
	case client == nil:
		errs = append(errs, errors.New("introspect: the client is nil"))
	case client.IntrospectURL == "":
		errs = append(errs, errors.New("introspect: the client has no IntrospectURL"))
	}
	if slices.Contains(o.Audience, "") {
		errs = append(errs, errors.New("introspect: Options.Audience holds an empty name"))
	}
	if o.MaxTokens < 0 || o.MaxTokens == 1 {
		errs = append(errs, fmt.Errorf("introspect: Options.MaxTokens is %d, at least 2", o.MaxTokens))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	named := *client
	if named.Providers()[0] == "" { // no issuer and no token endpoint: then by what it is asked at
		named.Provider = named.IntrospectURL
	}
	v := &Verifier{
		client: &named, provider: named.Providers()[0], audience: slices.Clone(o.Audience), life: o.Life,
		patience: patience + client.Timeout,
	}
	if v.life == 0 {
		v.life = defaultLife
	}
	most := o.MaxTokens
	if most == 0 {
		most = defaultMaxTokens
	}
	v.kept = facts.New[*told](most)
	return v, nil
}

// Verify implements [middleware.Verifier]. The record has the token's jti as ID, its sub as Subject, the client's
// provider, and scopes, type and expiry in Token; Token.Extra is the server's whole answer. The token itself is not in it.
// Requests with one token share its record: it is for reading.
func (v *Verifier) Verify(ctx context.Context, credential string) (*store.Record, error) {
	in, err := v.told(ctx, credential)
	if err != nil {
		return nil, fmt.Errorf("introspect: asking about a token: %w", err)
	}
	if why := v.refuses(in, time.Now()); why != "" {
		return nil, fmt.Errorf("introspect: %s: %w", why, store.ErrNotFound)
	}
	return in.rec, nil
}

// told is what the server said of a token. It does not change.
type told struct {
	*grants.Introspection
	rec       *store.Record // the same one for all requests; nil if the token is not active
	wrongKind string        // why this kind of token is no good here; "" if it is
}

func (v *Verifier) told(ctx context.Context, credential string) (*told, error) {
	if v.life < 0 {
		in, _, err := v.ask(ctx, credential)
		return in, err
	}
	key := facts.Key(credential)
	if in, ok := v.kept.Get(key, time.Now()); ok {
		return in, nil
	}
	return v.kept.Find(ctx, key, v.patience, func(ctx context.Context) (*told, time.Time, error) { return v.ask(ctx, credential) })
}

// ask also says until when the answer may be believed: that a token is not active is not kept, so that nobody fills the
// cache with rubbish.
func (v *Verifier) ask(ctx context.Context, credential string) (in *told, until time.Time, err error) {
	began := time.Now() // what the server read may be as old as this
	answer, err := v.client.Introspect(ctx, credential)
	if err != nil {
		return nil, time.Time{}, err
	}
	in = &told{Introspection: answer}
	if !in.Active {
		return in, time.Time{}, nil
	}
	in.read(v.provider)
	life := v.life
	if !in.Expiry.IsZero() {
		life = min(life, in.Expiry.Sub(began))
	}
	return in, began.Add(life), nil
}

// Forget makes the next request with this token ask again, for when it was revoked here. It reaches this process only.
func (v *Verifier) Forget(credential string) { v.kept.Forget(facts.Key(credential)) }

// Format tells whom the verifier asks, as whom, and nothing of tokens.
func (v Verifier) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "introspect.Verifier(%v)", v.client) }

// refuses decides, on every use, by what the server told; "" means that the token is good now.
func (v *Verifier) refuses(in *told, now time.Time) string {
	switch {
	case !in.Active:
		return "the token is not active"
	case !in.Expiry.IsZero() && !now.Before(in.Expiry.Add(leeway)):
		return "the token has expired"
	case now.Before(in.NotBefore.Add(-leeway)):
		return "the token is not valid yet"
	case in.Issuer != "" && v.client.Issuer != "" && in.Issuer != v.client.Issuer:
		return "the token is another issuer's"
	case len(v.audience) > 0 && !slices.ContainsFunc(in.Audience, func(aud string) bool { return slices.Contains(v.audience, aud) }):
		return "the token is for another audience"
	}
	return in.wrongKind
}

// read takes what Introspection has no fields for. It keeps out what is active but no bearer access token: refresh and ID
// tokens, which some servers answer for as well, and tokens bound to a key (cnf: RFC 7800), whose binding nobody has
// checked.
func (in *told) read(provider string) {
	var is struct {
		ID    any             `json:"jti"`
		Bound json.RawMessage `json:"cnf"`
		Use   any             `json:"token_use"`
		Type  any             `json:"typ"`
	}
	if json.Unmarshal(in.Claims, &is) != nil || len(is.Bound) > 0 && string(is.Bound) != "null" {
		in.wrongKind = "the token is bound to a key"
	}
	in.rec = &store.Record{Subject: in.Subject, Provider: provider, Token: store.Token{
		TokenType: in.TokenType, Expiry: in.Expiry,
		Scopes: slices.Clip(in.Scopes), Extra: slices.Clip(in.Claims), // or requests would append to one place
	}}
	in.rec.ID, _ = is.ID.(string)
	if t := in.TokenType; t != "" && !strings.EqualFold(t, "bearer") && !strings.EqualFold(t, "access_token") {
		in.wrongKind = "the token is no bearer token"
	}
	for _, kind := range []any{is.Use, is.Type} {
		text, _ := kind.(string)
		switch strings.ToLower(text) {
		case "refresh", "refresh_token", "offline", "id", "id_token":
			in.wrongKind = "the token is no access token"
		}
	}
}

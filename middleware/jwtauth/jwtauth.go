package jwtauth

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/jose"
	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/internal/facts"
	"github.com/tokenkeep/tokenkeep/store"
)

// Options are a verifier's optional settings; nil and the zero value mean the defaults.
type Options struct {
	// Life is for how long a token that was verified need not be verified again, unless it expires or the keys change;
	// default 60 s. Time, issuer and audience are compared on every request all the same. Negative: verify on each request.
	Life time.Duration

	// MaxTokens bounds the tokens remembered, each with at most 8 KiB and by the SHA-256 of its signature; default 10,000.
	// Tokens of more than 4 KiB are not.
	MaxTokens int
}

// Verifier checks self-contained access tokens (RFC 9068). It must be made by [New]; all methods may be called
// concurrently.
type Verifier struct {
	tokens     jose.Verifier
	limit      int
	life       time.Duration
	now        func() time.Time
	keys       interface{ Generation() uint64 } // nil: the keys never change
	generation atomic.Uint64                    // of what is remembered
	seen       *facts.Cache[*known]
}

var _ middleware.Verifier = (*Verifier)(nil)

const (
	defaultLife      = time.Minute
	defaultMaxTokens = 10_000
	defaultLimit     = 8 << 10
	longestSeen      = 4 << 10
	longestKept      = 2 << 10
)

// profile are the claims that RFC 9068 section 2.2 requires, besides iss, exp and aud.
var profile = []string{"sub", "client_id", "iat", "jti"}

// New returns the verifier by the rules of v, of which it takes a copy: keys, algorithms, issuer and audience at least.
// Without v.Types, tokens follow RFC 9068: typ is "at+jwt", and sub, client_id, iat and jti are there unless v.Required
// says otherwise. For issuers of plain JWTs name the types: {"JWT", ""}; ID tokens then differ by their audience only. A
// nil o means the defaults; the error names every setting that is wrong.
func New(v *jose.Verifier, o *Options) (*Verifier, error) {
	if v == nil {
		return nil, errors.New("jwtauth: the rules are nil")
	}
	if o == nil {
		o = &Options{}
	}
	w := &Verifier{tokens: *v, limit: v.Limit, life: o.Life, now: v.Now}
	if len(v.Types) == 0 {
		w.tokens.Types = []string{"at+jwt"}
		if v.Required == nil {
			w.tokens.Required = profile
		}
	}
	if w.limit == 0 {
		w.limit = defaultLimit
	}
	if w.life == 0 {
		w.life = defaultLife
	}
	if w.now == nil {
		w.now = time.Now
	}
	w.keys, _ = v.Keys.(interface{ Generation() uint64 })
	most := o.MaxTokens
	if most == 0 {
		most = defaultMaxTokens
	}
	var err error
	if most < 2 {
		err = fmt.Errorf("jwtauth: Options.MaxTokens is %d, at least 2", most)
	}
	if err := errors.Join(v.Validate(), err); err != nil {
		return nil, err
	}
	w.seen = facts.New[*known](most)
	return w, nil
}

// Verify implements [middleware.Verifier]. The record has sub as Subject, iss as Provider and jti as ID; scopes and expiry
// are in Token, and Token.Extra is all the claims as the issuer wrote them. The token itself is not in it. It is for
// reading: requests with the same token get the same record, and whoever wants to change it takes a Clone.
func (v *Verifier) Verify(ctx context.Context, credential string) (*store.Record, error) {
	if len(credential) > v.limit { // before it is searched
		return nil, errForm
	}
	signed, signature, ok := split(credential)
	if !ok { // before anything is hashed
		return nil, errForm
	}
	k, err := v.known(ctx, credential, signed, signature)
	if err != nil {
		return nil, err
	}
	return &k.record, nil
}

// split returns header with claims, and the signature, of what has three parts.
func split(credential string) (signed, signature string, ok bool) {
	first := strings.IndexByte(credential, '.')
	last := first + 1 + strings.IndexByte(credential[first+1:], '.')
	if first < 0 || last == first || strings.IndexByte(credential[last+1:], '.') >= 0 {
		return "", "", false
	}
	return credential[:last], credential[last+1:], true
}

// known is what the token says, from memory if it was verified lately, and still good. What is remembered is found by
// the signature, which is short; the rest is then compared.
func (v *Verifier) known(ctx context.Context, credential, signed, signature string) (*known, error) {
	if v.life < 0 || len(credential) > longestSeen {
		return v.verify(ctx, credential)
	}
	now := v.now()
	generation := v.current() // before the keys are asked for: what they change meanwhile is not remembered
	key := facts.Key(signature)
	if k, ok := v.seen.Get(key, now); ok && k.generation == generation && k.isOf(signed) {
		c := k.claims()
		if err := v.tokens.Check(&c, now); err != nil {
			return nil, refused{err}
		}
		return k, nil
	}
	k, err := v.verify(ctx, credential)
	if err != nil {
		return nil, err
	}
	k.generation = generation
	k.keep(signed)
	v.seen.Put(key, k, now.Add(v.life))
	return k, nil
}

func (v *Verifier) verify(ctx context.Context, credential string) (*known, error) {
	c, err := v.tokens.Verify(ctx, credential)
	switch {
	case errors.Is(err, jose.ErrInvalid):
		return nil, refused{err}
	case err != nil:
		return nil, fmt.Errorf("jwtauth: %w", err)
	}
	return newKnown(c)
}

// current counts what makes all that is remembered worthless: other keys, and Forget.
func (v *Verifier) current() uint64 {
	n := v.generation.Load()
	if v.keys != nil {
		n += v.keys.Generation()
	}
	return n
}

// Forget makes the next request with each token verify it anew, with the keys of then: for a change of keys that their
// source does not tell of. It does not revoke a token, which stays good until it expires: to refuse some, the guard's
// resolver looks at Record.ID or Record.Subject, which it gets on every request.
func (v *Verifier) Forget() { v.generation.Add(1) }

// Format prints nothing of the keys, among which may be a secret.
func (*Verifier) Format(f fmt.State, _ rune) { fmt.Fprint(f, "jwtauth.Verifier") }

// refused is a token that is not good: not found, as stores call it.
type refused struct{ err error }

func (r refused) Error() string        { return "jwtauth: " + r.err.Error() }
func (r refused) Is(target error) bool { return target == store.ErrNotFound }
func (r refused) Unwrap() error        { return r.err }

var (
	errForm  error = refused{errors.New("not a signed token in compact form, or too long")}
	errBound error = refused{errors.New("the token is bound to a key")}
	errScope error = refused{errors.New("the scopes are neither text nor a list of texts")}
)

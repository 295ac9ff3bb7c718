package jose

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

const (
	defaultSize   = 8 << 10
	defaultLeeway = time.Minute
	maxCandidates = 4
)

// Verifier checks signed tokens: JWS in compact form (RFC 7515) that carry claims (RFC 7519), by the rules of RFC 8725.
// Write it as a literal and do not change it once it is in use; its methods may then be called concurrently. The zero
// Verifier accepts nothing.
type Verifier struct {
	Keys       KeySource // required
	Algorithms []string  // required: HS…, or RS…, PS…, ES… and EdDSA; what the token's header says chooses among these only

	Issuer   string   // required: the exact iss
	Audience []string // required: aud must name one of these

	// Types are the accepted values of typ, compared without case and with or without "application/"; "" stands for tokens
	// that have none. Empty: "JWT" or none, so that tokens made for another purpose (at+jwt, logout+jwt, dpop+jwt) are
	// refused.
	Types []string
	// Required are claims that must be there, besides exp, iss and aud.
	Required []string

	Leeway time.Duration    // for clocks that differ, at most a minute; default 60 s, negative: none
	Limit  int              // the longest token looked at, in bytes; default 8192
	Now    func() time.Time // default time.Now

	// InsecureAnyIssuer and InsecureAnyAudience accept tokens whoever issued them, and whomever they were issued for, as
	// long as the keys fit: only for issuers that leave out iss or aud, and whose keys sign nothing else.
	InsecureAnyIssuer   bool
	InsecureAnyAudience bool
}

// Validate reports all faults of the configuration, joined; of the keys too if they are a [KeySet].
func (v *Verifier) Validate() error {
	errs := []error{checkAlgorithms(v.Algorithms)}
	if v.Keys == nil {
		errs = append(errs, errors.New("jose: no keys"))
	}
	if v.Issuer == "" && !v.InsecureAnyIssuer {
		errs = append(errs, errors.New("jose: no issuer"))
	}
	if (len(v.Audience) == 0 || slices.Contains(v.Audience, "")) && !v.InsecureAnyAudience {
		errs = append(errs, errors.New("jose: no audience, or an empty one"))
	}
	if v.Leeway > time.Minute {
		errs = append(errs, fmt.Errorf("jose: leeway %s is more than a minute", v.Leeway))
	}
	if set, ok := v.Keys.(KeySet); ok && errs[0] == nil {
		errs = append(errs, set.check(v.Algorithms))
	}
	return errors.Join(errs...)
}

// check reports each key that no algorithm can use, and a set without any.
func (s KeySet) check(algorithms []string) error {
	if len(s) == 0 {
		return errors.New("jose: no keys")
	}
	var errs []error
	for _, k := range s {
		var reason error
		for _, name := range algorithms {
			if reason = k.fits(algorithmNamed(name)); reason == nil {
				break
			}
		}
		errs = append(errs, reason)
	}
	return errors.Join(errs...)
}

// Verify returns the claims of a token that is in order. A refused one is [ErrInvalid]; any other error means that
// the keys could not be had, or that the verifier is not configured.
func (v *Verifier) Verify(ctx context.Context, compact string) (*Claims, error) {
	if v.Issuer == "" && !v.InsecureAnyIssuer || len(v.Audience) == 0 && !v.InsecureAnyAudience {
		return nil, v.Validate()
	}
	t, err := v.open(compact)
	if err != nil {
		return nil, err
	}
	payload, err := decode(t.claims)
	if err != nil {
		return nil, refuseForm
	}
	c, err := readClaims(string(payload))
	if err != nil {
		return nil, err
	}
	// What is read before the signature may only refuse: a stale token costs neither a signature check nor a fetch.
	if err := v.Check(c, v.now()); err != nil {
		return nil, err
	}
	if !has(v.Required, c) {
		return nil, refuseRequired
	}
	if err := v.verify(ctx, &t); err != nil {
		return nil, err
	}
	c.Payload, c.algorithm = payload, t.algorithm
	return c, nil
}

// VerifyJWS checks all but the claims, which need not be any, and returns the payload. Issuer, Audience, Required, Leeway
// and Now have no part in it. It is for what is signed in the same form but follows other rules, such as DPoP proofs.
func (v *Verifier) VerifyJWS(ctx context.Context, compact string) ([]byte, error) {
	t, err := v.open(compact)
	if err != nil {
		return nil, err
	}
	payload, err := decode(t.claims)
	if err != nil {
		return nil, refuseForm
	}
	if err := v.verify(ctx, &t); err != nil {
		return nil, err
	}
	return payload, nil
}

func (v *Verifier) open(compact string) (jws, error) {
	if err := checkAlgorithms(v.Algorithms); err != nil || v.Keys == nil {
		return jws{}, v.Validate()
	}
	limit := v.Limit
	if limit == 0 {
		limit = defaultSize
	}
	if len(compact) > limit {
		return jws{}, refuseSize
	}
	t, err := parse(compact)
	if err != nil {
		return jws{}, err
	}
	t.algorithm = allowed(v.Algorithms, t.alg)
	switch {
	case t.algorithm == nil:
		return jws{}, refuseAlgorithm
	case !t.typed(v.Types):
		return jws{}, refuseType
	}
	return t, nil
}

func (v *Verifier) verify(ctx context.Context, t *jws) error {
	signature, err := decode(t.signature)
	if err != nil {
		return refuseForm
	}
	keys, err := v.Keys.Keys(ctx, t.kid)
	if err != nil {
		return fmt.Errorf("jose: keys not available: %w", err)
	}
	reason := refuseKey
	tried := 0
	for _, k := range keys {
		if k.fits(t.algorithm) != nil || t.kid != "" && k.ID != "" && k.ID != t.kid {
			continue
		}
		if t.algorithm.verifies(t.signed, signature, k.Public) {
			return nil
		}
		reason = refuseSignature
		if tried++; tried == maxCandidates {
			break
		}
	}
	return reason
}

func (v *Verifier) now() time.Time {
	if v.Now != nil {
		return v.Now()
	}
	return time.Now()
}

// Check says whether claims that were verified are still good at now: time, issuer and audience. For those who keep
// claims and decide anew on each use. The error is [ErrInvalid].
func (v *Verifier) Check(c *Claims, now time.Time) error {
	leeway := v.leeway()
	switch {
	case c.Expires.IsZero():
		return refuseRequired
	case !now.Before(c.Expires.Add(leeway)):
		return refuseExpired
	case now.Before(c.NotBefore.Add(-leeway)), now.Before(c.IssuedAt.Add(-leeway)):
		return refuseEarly
	case c.Issuer != v.Issuer && !v.InsecureAnyIssuer:
		return refuseIssuer
	case !v.InsecureAnyAudience && !slices.ContainsFunc(c.Audience, v.isAudience):
		return refuseAudience
	}
	return nil
}

// has says whether the required claims are there, and not empty. Of those that were read no search is needed.
func has(required []string, c *Claims) bool {
	for _, name := range required {
		var there bool
		switch name {
		case "sub":
			there = c.Subject != ""
		case "jti":
			there = c.ID != ""
		case "iat":
			there = !c.IssuedAt.IsZero()
		default:
			value := find(c.text, c.members, name)
			there = value != "" && value != "null" && value != `""`
		}
		if !there {
			return false
		}
	}
	return true
}

func (v *Verifier) isAudience(name string) bool {
	return name != "" && slices.Contains(v.Audience, name)
}

func (v *Verifier) leeway() time.Duration {
	if v.Leeway == 0 {
		return defaultLeeway
	}
	return min(max(v.Leeway, 0), defaultLeeway)
}

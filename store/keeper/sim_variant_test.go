package keeper_test

import (
	"context"
	"slices"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/cookiestore"
)

// variant is the arrangement that a history takes place in.
type variant uint8

const (
	ordinary    variant = iota // one record under a Key
	cookies                    // in cookies, of which callers present any that was ever set; replicas share a coordinator
	shared                     // half of the calls go through a session that shares the Key's grant
	clockless                  // the store has no clock
	neverResend                // Options.NeverResend
	revokeAll                  // Options.RevokeEndsGrant, and a provider where a revocation ends all that the user has
)

func (v variant) String() string {
	return [...]string{"ordinary", "cookies", "shared", "clockless", "NeverResend", "RevokeEndsGrant"}[v]
}

// variantOf deals the variants out: five of ten histories are ordinary.
func variantOf(seed uint64) variant {
	return [...]variant{ordinary, cookies, ordinary, shared, ordinary, clockless, ordinary, neverResend, ordinary, revokeAll}[seed%10]
}

// simRing is that of all processes of all histories.
var simRing = func() *seal.Ring {
	ring, err := seal.New(seal.NewKey())
	if err != nil {
		panic(err)
	}
	return ring
}()

// over returns the store that a keeper is given, where tokens is the one that processes share.
func (s *sim) over(tokens store.TokenStore) store.TokenStore {
	if s.variant != cookies {
		return tokens
	}
	jar, err := cookiestore.New(simRing, cookiestore.Coordinator(tokens))
	if err != nil {
		panic(err)
	}
	return jar
}

func (s *sim) options() *keeper.Options {
	o := chaosOptions()
	o.NeverResend, o.RevokeEndsGrant = s.variant == neverResend, s.variant == revokeAll
	return o
}

// presents is the handle that a caller comes with.
func (p *proc) presents(ctx context.Context) store.Handle {
	h := p.roll(ctx, "presents")
	p.Lock()
	defer p.Unlock()
	switch {
	case p.variant == cookies:
		return p.jar[h%uint64(len(p.jar))]
	case p.variant == shared && h%2 == 0:
		return p.jar[0]
	default:
		return chaosKey
	}
}

// key is where the grant stands in the store that processes share.
func (s *sim) key() store.Handle {
	if s.variant == cookies {
		return store.Key("grant", s.first.ID)
	}
	return chaosKey
}

// row is what stands there, read past all faults. A cookie that nobody has refreshed has left nothing there.
func (s *sim) row() (*store.Record, error) {
	rec, err := s.mem.Get(background, s.key())
	switch {
	case rec == nil && s.variant == cookies:
		return s.first, nil
	case rec != nil && over(rec):
		rec.Ended = rec.Updated
		return rec, store.ErrEnded
	}
	return rec, err
}

// over reports whether rec has ended; the coordinator of cookies holds a mark instead.
func over(rec *store.Record) bool { return !rec.Ended.IsZero() || len(rec.Refresh) == 1 }

// current is the ID of the live record behind h.
func (s *sim) current(h store.Handle) string {
	if s.variant == shared && h != chaosKey {
		if rec, err := s.mem.Get(background, h); err == nil {
			return rec.ID
		}
		return ""
	}
	if rec, err := s.row(); err == nil {
		return rec.ID
	}
	return ""
}

// repeats reports what NeverResend forbids: a refresh token that may have been spent is sent again while the access
// token is valid.
func (p *proc) repeats(x *send, expiry time.Time) bool {
	return p.variant == neverResend && p.now().Before(expiry) && slices.ContainsFunc(p.sends, func(y *send) bool {
		return y != x && y.token == x.token && y.gen == x.gen && !y.unspent
	})
}

// List implements store.Lister.
func (t *simStore) List(ctx context.Context, subject, cursor string, n int) (recs []*store.Record, next string, err error) {
	e := t.call(ctx, "list", func() error {
		t.listed[ctx] = time.Since(t.begun)
		recs, next, err = t.mem.List(ctx, subject, cursor, n)
		return err
	})
	if e != err {
		return nil, "", e
	}
	return recs, next, err
}

// sweeping is the provider of revokeAll: each revocation ends all families that the user has. None may end one that is
// newer and was in the store when the keeper looked.
func (p *proc) sweeping(ctx context.Context, rec *store.Record) {
	looked, did := p.listed[ctx]
	current := -1
	if row, err := p.row(); err == nil {
		current = familyOf(row.Token.RefreshToken)
	}
	for fam := range p.issuer.families {
		if len(p.issuer.live(fam)) == 0 {
			continue
		}
		p.swept = true
		y, stored := p.began[fam]
		if fam == current && fam != familyOf(rec.Token.RefreshToken) && stored && !p.had.skew && y.created.After(rec.Created) && (!did || y.stored < looked) {
			p.fault("NL4: the revocation of %s, of a record begun at %v, ends a newer grant, %d", rec.Token.RefreshToken, rec.Created.Sub(p.begun), fam)
		}
	}
	p.issuer.endAll(p.name)
}

// calmStore is the shared store without faults.
func (s *sim) calmStore() store.TokenStore {
	if s.variant == clockless {
		return &sweeping{*withoutClock(s.mem), s.mem}
	}
	return s.mem
}

type sweeping struct {
	tamper
	store.Sweeper
}

// provider is that of processes that meet no fault.
func (s *sim) provider() keeper.Refresher {
	if s.variant == revokeAll {
		return ender{plain{s.issuer}}
	}
	return plain{s.issuer}
}

type ender struct{ plain }

// Revoke implements keeper.Revoker.
func (e ender) Revoke(context.Context, *store.Record) error {
	e.endAll("ender")
	return nil
}

// beginning is when a grant began, and when it was first in the store.
type beginning struct {
	created time.Time
	stored  time.Duration
}

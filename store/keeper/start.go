package keeper

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"

	"github.com/tokenkeep/tokenkeep/store"
)

// Start begins a grant, or a session, and returns its record as stored. It is the only way one begins. rec says whose
// it is (Subject; required except under a Key), what was granted (Token, or Grant to share another record's) and until
// when it lasts (Expires); identifiers, times and state are the keeper's.
//
// The zero Handle mints a fresh session credential, before anything is written: what the browser or the bearer gets is
// Record.Handle.Reveal(). A Key replaces what stands there: the old grant ends, and what of it is still to be revoked
// is carried along. Any other Credential only creates: store.ErrExists if it is taken.
//
// The provider's name is filled in when the refresher has exactly one and refused when it has no such. An error that
// wraps ErrUnavailable means that the record may exist; nobody but the caller can know its handle.
func (k *Keeper) Start(ctx context.Context, h store.Handle, rec *store.Record) (*store.Record, error) {
	next, st, err := k.newRecord(h, rec)
	if err != nil {
		return nil, err
	}
	if h.IsZero() && k.coord == nil {
		h = store.NewCredential("session")
	}
	ctx, cancel := context.WithTimeout(ctx, k.o.CommitBudget)
	defer cancel()
	var stood *string
	for pause := k.retryPause(); ; {
		out, err := k.place(ctx, h, next, st, &stood)
		switch {
		case err == nil:
			k.payLater(ctx, h, out)
			return out, nil
		case errors.Is(err, errOvertaken), errors.Is(err, errFormat):
			return nil, unavailable("storing the record", err)
		case errors.Is(err, errors.ErrUnsupported), errors.Is(err, store.ErrExists) && !h.IsKey():
			return nil, err
		}
		if !pause.wait(ctx) {
			if errors.Is(err, store.ErrConflict) || errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrExists) {
				err = context.Cause(ctx) // others kept writing under this Key
			}
			return nil, unavailable("storing the record", err)
		}
	}
}

func (k *Keeper) newRecord(h store.Handle, rec *store.Record) (*store.Record, state, error) {
	var errs []error
	fault := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("keeper: Start: "+format, args...))
	}
	next := rec.Clone()
	if next.Provider == "" && len(k.providers) == 1 && next.Grant.IsZero() {
		next.Provider = k.providers[0]
	}
	if next.Provider != "" && !k.knows(next.Provider) {
		fault("unknown provider %q", next.Provider)
	}
	if next.Subject == "" && !h.IsKey() {
		fault("%w", errNobody)
	}
	if err := grantFault(next); err != nil {
		fault("%w", err)
	}
	if !next.Ended.IsZero() {
		fault("the record has ended")
	}
	now := k.o.Now()
	next.ID, next.Generation, next.Version = rand.Text(), 0, ""
	next.Created, next.Updated = now, now
	st := state{Keyed: h.IsKey()}
	st.early = k.earlyRefresh(next, store.Token{}, now)
	return next, st, errors.Join(errs...)
}

var errNobody = errors.New("a session needs a Subject")

// grantFault returns what is wrong with rec's Grant.
func grantFault(rec *store.Record) error {
	switch {
	case rec.Grant.IsZero():
		return nil
	case !rec.Grant.IsKey():
		return errors.New("Grant must be a Key")
	case rec.Token.AccessToken != "" || rec.Token.RefreshToken != "":
		return errors.New("a record has a Token or shares a Grant, not both")
	default:
		return nil
	}
}

// errOvertaken: an earlier try may have been stored, and then have ended or been replaced, its token revoked. Storing
// it once more would put a dead grant in the place of a living one.
var errOvertaken = errors.New("the record, or another one, has been there meanwhile")

// place puts next behind h: created, or in the place of what a Key held. stood is the ID of the record that an earlier
// try of unknown outcome was to replace, empty if there was none; nil without such a try.
func (k *Keeper) place(ctx context.Context, h store.Handle, next *store.Record, st state, stood **string) (*store.Record, error) {
	version, id := store.Version(""), ""
	if h.IsKey() {
		old, err := k.tokens.Get(ctx, h)
		switch {
		case old != nil: // live or ended
			version, id = old.Version, old.ID
			switch {
			case id == next.ID && err == nil:
				return old, nil // an earlier try was stored after all
			case id == next.ID, *stood != nil && **stood != id:
				return nil, errOvertaken
			}
			if err := k.inherit(&st, old, next); err != nil {
				return nil, err
			}
		case !errors.Is(err, store.ErrNotFound):
			return nil, err
		case *stood != nil: // it may have been stored, ended and removed
			return nil, errOvertaken
		}
	}
	put, err := st.with(next)
	if err != nil {
		return nil, err
	}
	put.Version = version
	out, err := k.tokens.Put(ctx, h, put)
	if errors.Is(err, store.ErrExists) && !h.IsKey() {
		switch cur, gerr := k.tokens.Get(ctx, h); {
		case gerr == nil && cur.ID == next.ID:
			return cur, nil
		case gerr != nil && !errors.Is(gerr, store.ErrNotFound):
			err = gerr // it may be ours
		}
	}
	if err != nil && !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrNotFound) && !errors.Is(err, store.ErrExists) {
		*stood = &id
	}
	return out, err
}

// inherit notes what the replaced record leaves to be revoked.
func (k *Keeper) inherit(st *state, old, next *store.Record) error {
	ost, err := decodeState(old)
	if err != nil || k.revoker == nil || k.o.RevokeEndsGrant {
		return err
	}
	if t := old.Token; !old.Ended.IsZero() && t.RefreshToken == "" && t.AccessToken != "" && t.AccessToken != next.Token.AccessToken {
		st.Pending = append(st.Pending, accessMark+t.AccessToken) // first, so that a long one takes no other's room
	}
	st.Pending = append(st.Pending, ost.Pending...)
	if t := old.Token.RefreshToken; t != "" && t != next.Token.RefreshToken {
		st.Pending = append(st.Pending, t)
	}
	if n := st.fit(); n > 0 {
		k.o.Logger.Warn("keeper: more revocations pending than fit into the record; the oldest are dropped", "record", next.ID, "dropped", n)
	}
	return nil
}

var errToken = errors.New("keeper: Update must not change ID, Generation, Token, Refresh or Ended")

// Update changes the application's own fields of the record behind h (Subject, Expires, Grant) through fn, by
// compare-and-set: fn may be called again with what somebody else wrote meanwhile, and must not keep what it is given.
// It returns the record as stored, and refuses a Subject or a Grant that Start would refuse. For a session that shares a
// grant it acts on the session, whose Token is empty.
func (k *Keeper) Update(ctx context.Context, h store.Handle, fn func(*store.Record) error) (*store.Record, error) {
	for pause := k.retryPause(); ; {
		rec, err := k.tokens.Get(ctx, h)
		if err != nil {
			return nil, storeError("reading the record", err)
		}
		next := rec.Clone()
		if err := fn(next); err != nil {
			return nil, err
		}
		if !sameGrant(rec, next) {
			return nil, errToken
		}
		if err := changeFault(rec, next, h); err != nil {
			return nil, fmt.Errorf("keeper: Update: %w", err)
		}
		next.Version, next.Updated = rec.Version, k.o.Now()
		out, err := k.tokens.Put(ctx, h, next)
		if !errors.Is(err, store.ErrConflict) {
			return out, storeError("storing the record", err)
		}
		if !pause.wait(ctx) {
			return nil, context.Cause(ctx)
		}
	}
}

// changeFault returns what is wrong with next as it is, unless rec was so before.
func changeFault(rec, next *store.Record, h store.Handle) error {
	if next.Subject == "" && rec.Subject != "" && !h.IsKey() {
		return errNobody
	}
	if next.Grant != rec.Grant {
		return grantFault(next)
	}
	return nil
}

func sameGrant(a, b *store.Record) bool {
	return a.ID == b.ID && a.Generation == b.Generation && a.Ended.Equal(b.Ended) && bytes.Equal(a.Refresh, b.Refresh) &&
		sameToken(a.Token, b.Token)
}

func sameToken(a, b store.Token) bool {
	return a.AccessToken == b.AccessToken && a.RefreshToken == b.RefreshToken && a.IDToken == b.IDToken &&
		a.TokenType == b.TokenType && a.Expiry.Equal(b.Expiry) && a.RefreshExpiry.Equal(b.RefreshExpiry) &&
		slices.Equal(a.Scopes, b.Scopes) && bytes.Equal(a.Extra, b.Extra)
}

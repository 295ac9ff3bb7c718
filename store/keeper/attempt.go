package keeper

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// attempt is one flight's way through the protocol.
type attempt struct {
	k         *Keeper
	tokens    store.TokenStore
	h         store.Handle
	seen      *store.Record // what the caller found; a higher generation is what it wants
	began     time.Time     // taken before the Get that returned the record in hand
	committed bool          // by this flight
	resent    bool          // the refresh token was sent more than once under the lease in hand
	unsent    string        // owner of a lease of ours under which nothing was sent: it need not be waited for

	// Waiting for another holder.
	waitFrom time.Time
	watched  string // owner of the lease being watched
	since    time.Time
}

// errAgain: somebody else wrote; read and decide again.
var errAgain = errors.New("again")

// run goes round read, decide, write until the grant is refreshed, by us or others, or cannot be.
func (a *attempt) run(ctx context.Context) (*store.Record, error) {
	rec := a.seen
	for pause := a.k.retryPause(); ; {
		if rec == nil {
			var err error
			a.began = time.Now()
			if rec, err = a.tokens.Get(ctx, a.h); err != nil {
				if errors.Is(err, store.ErrNotFound) {
					return nil, err
				}
				if !pause.wait(ctx) {
					return nil, unavailable("reading the record", err)
				}
				rec = nil
				continue
			}
			rec = a.k.overlay(rec)
		}
		got, err := a.step(ctx, rec)
		if !errors.Is(err, errAgain) {
			return got, err
		}
		if ctx.Err() != nil {
			return nil, unavailable("another process is refreshing", nil)
		}
		rec = nil
	}
}

// step decides on the record in hand.
func (a *attempt) step(ctx context.Context, rec *store.Record) (*store.Record, error) {
	k := a.k
	if rec.ID != a.seen.ID || rec.Generation > a.seen.Generation {
		k.observe(Adopted, rec)
		a.observeWait(rec)
		return rec, nil
	}
	st, err := decodeState(rec)
	if err != nil {
		return nil, unavailable("reading the record", err)
	}
	if st.Owner != "" && st.Owner == a.unsent {
		st.Owner, st.LeaseUntil = "", time.Time{}
		st.Tries--
	}
	switch {
	case st.Failed != "":
		return nil, loginRequired(st.Failed, nil)
	case k.closing():
		return nil, errClosed
	case a.busy(rec, &st):
		a.poll(ctx, rec, &st)
		return nil, errAgain
	case a.k.backingOff(rec, &st):
		return nil, unavailable("backing off after "+st.Reason, nil)
	case k.o.NeverResend && st.Tries > 0 && !expired(rec, k.o.Now()):
		return nil, unavailable("the refresh token may have been spent; it is sent again once the access token has expired", nil)
	}
	a.observeWait(rec)
	leave, err := a.enter(ctx, rec)
	if err != nil {
		return nil, err
	}
	verdict := unasked
	defer func() { leave(verdict) }()
	leased, st, err := a.lease(ctx, rec, st)
	if err != nil {
		return nil, err
	}
	return a.refresh(ctx, leased, st, &verdict)
}

// enter takes a place at the provider; if that took time, the record must still be the one in hand.
func (a *attempt) enter(ctx context.Context, rec *store.Record) (leave func(verdict), err error) {
	leave, waited, err := a.k.enter(ctx, rec.Provider)
	if err != nil || !waited {
		return leave, err
	}
	a.began = time.Now()
	cur, err := a.tokens.Get(ctx, a.h)
	if err != nil || cur.Version != rec.Version {
		leave(unasked)
		return nil, errAgain
	}
	rec.ReadAt = cur.ReadAt
	return leave, nil
}

// busy reports whether another holder's lease is to be respected. Without a store clock that is until the same owner
// has been watched for a whole lease on our own.
func (a *attempt) busy(rec *store.Record, st *state) bool {
	if st.Owner == "" {
		return false
	}
	if !rec.ReadAt.IsZero() {
		return st.leased(rec.ReadAt)
	}
	if a.watched != st.Owner {
		a.watched, a.since = st.Owner, time.Now()
	}
	return time.Since(a.since) < a.k.o.Lease
}

// poll sleeps 50 ms ± 50 % during the first second, then up to 200 ms, and not past the lease.
func (a *attempt) poll(ctx context.Context, rec *store.Record, st *state) {
	if a.waitFrom.IsZero() {
		a.waitFrom = time.Now()
	}
	d := 50 * time.Millisecond
	for over := time.Since(a.waitFrom); over > time.Second && d < 200*time.Millisecond; over -= time.Second {
		d *= 2
	}
	d = time.Duration((0.5 + a.k.o.Jitter()) * float64(d))
	if !rec.ReadAt.IsZero() {
		d = min(d, st.LeaseUntil.Sub(rec.ReadAt))
	}
	sleep(ctx, max(d, time.Millisecond))
}

func (a *attempt) observeWait(rec *store.Record) {
	if a.waitFrom.IsZero() {
		return
	}
	e := event(Waited, rec)
	e.Wait = time.Since(a.waitFrom)
	a.k.observeEvent(e)
	a.waitFrom = time.Time{}
}

// lease writes the intent to send: the write-ahead record of the attempt, and the proof that the store can be written.
func (a *attempt) lease(ctx context.Context, rec *store.Record, st state) (*store.Record, state, error) {
	st.Fence++
	st.Owner = rand.Text()
	st.Tries++
	st.SentAt = rec.ReadAt
	st.LeaseUntil = time.Time{}
	if !rec.ReadAt.IsZero() {
		st.LeaseUntil = rec.ReadAt.Add(a.k.o.Lease)
	}
	next, err := st.with(rec)
	if err != nil {
		return nil, st, unavailable("writing the lease", err)
	}
	leased, err := a.tokens.Put(ctx, a.h, next)
	switch {
	case err == nil:
		a.k.o.at(ctx, "after-lease", rec.ID)
		return leased, st, nil
	case errors.Is(err, store.ErrConflict):
		return nil, st, errAgain
	case errors.Is(err, store.ErrNotFound), errors.Is(err, errors.ErrUnsupported):
		return nil, st, err
	}
	// The write may have happened. It is ours if, and only if, the owner is.
	cur, rerr := a.reread(ctx)
	if rerr != nil {
		return nil, st, unavailable("writing the lease", err)
	}
	cst, derr := decodeState(cur)
	if derr == nil && cur.ID == rec.ID && cst.Owner == st.Owner {
		return cur, st, nil
	}
	if cur.Version == rec.Version { // nobody wrote, and the store refuses to
		return nil, st, unavailable("writing the lease", err)
	}
	return nil, st, errAgain
}

// reread is Get with a few retries; ErrNotFound and ErrEnded come back at once, the latter with its record.
func (a *attempt) reread(ctx context.Context) (*store.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, a.k.o.CommitBudget)
	defer cancel()
	for pause := a.k.retryPause(); ; {
		rec, err := a.tokens.Get(ctx, a.h)
		if err == nil || errors.Is(err, store.ErrNotFound) {
			return rec, err
		}
		if !pause.wait(ctx) {
			return nil, err
		}
	}
}

// held reports how much of the lease is certainly left: by the monotonic and by the wall clock, since a suspended
// machine stops the former.
func (a *attempt) held() time.Duration {
	now := time.Now()
	gone := max(now.Sub(a.began), now.Round(0).Sub(a.began.Round(0)))
	return a.k.o.Lease - gone
}

// pauser spaces retries: 5 ms, doubling to a second, jittered.
type pauser struct {
	k    *Keeper
	next time.Duration
}

func (k *Keeper) retryPause() *pauser { return &pauser{k: k, next: 5 * time.Millisecond} }

func (p *pauser) wait(ctx context.Context) bool {
	d := time.Duration((0.5 + p.k.o.Jitter()) * float64(p.next))
	p.next = min(2*p.next, time.Second)
	return sleep(ctx, d)
}

// sleep reports whether it slept all of d.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

package keeper_test

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// act makes one call of an application. If the process dies meanwhile, the call has no answer.
func (p *proc) act(id string) {
	ctx, cancel := context.WithCancel(context.WithValue(p.ctx, callID{}, id))
	defer cancel()
	time.Sleep(time.Duration(p.roll(ctx, "begins") % 1000)) // no two at the same instant
	c := call{proc: p, what: "Get", begin: time.Since(p.begun)}
	switch h := p.roll(ctx, "what"); {
	case p.had.logout && h%5 == 0:
		c.what = "End"
	case p.had.login && h%5 == 1:
		c.what = "Start"
	case h%7 == 2:
		c.what = "Refresh"
	}
	if p.had.leave && p.roll(ctx, "leaves")%3 == 0 {
		ctx, cancel = context.WithTimeout(ctx, time.Duration(p.roll(ctx, "after")>>8)%chaosLease)
		defer cancel()
	}
	h := p.presents(ctx)
	there := p.current(h)
	switch c.what {
	case "Get":
		c.rec, c.err = p.keep.Get(ctx, h)
	case "Refresh":
		c.rec, c.err = p.keep.Refresh(ctx, h)
	case "End":
		c.err = p.keep.End(ctx, h)
	case "Start":
		text := p.issuer.login()
		rec := chaosRecord(text)
		rec.Token.Expiry = p.now().Add(p.had.life)
		if c.rec, c.err = p.keep.Start(ctx, chaosKey, rec); c.err == nil {
			p.Lock()
			p.families[c.rec.ID] = familyOf(text)
			p.Unlock()
		}
	}
	p.Lock()
	defer p.Unlock()
	if p.dead {
		return
	}
	c.end = time.Since(p.begun)
	if p.variant == cookies && c.err == nil && c.rec != nil && !slices.Contains(p.jar, c.rec.Handle) {
		p.jar = append(p.jar, c.rec.Handle)
	}
	if c.what == "End" && c.err == nil && there != "" {
		if _, twice := p.acked[there]; !twice {
			p.acked[there] = c.end
		}
	}
	p.say("%s.%s: %s: %v, %v", p.name, id, c.what, c.rec, c.err)
	p.calls = append(p.calls, c)
}

var errStore = errors.New("store: connection lost")

// simStore is the shared store as one process reaches it: slow, and failing before or after the effect.
type simStore struct{ *proc }

func (t *simStore) call(ctx context.Context, op string, do func() error) error {
	t.yield(ctx, op)
	if !t.takes(ctx, op+" goes", 20*time.Millisecond) {
		return context.Cause(ctx)
	}
	if t.strikes(ctx, &t.left.storeErrs, "error before "+op, 8) {
		return errStore
	}
	t.hold(ctx)
	t.Lock()
	err := do()
	t.Unlock()
	if t.strikes(ctx, &t.left.storeErrs, "error after "+op, 8) {
		return errStore
	}
	if !t.takes(ctx, op+" returns", 20*time.Millisecond) {
		return context.Cause(ctx)
	}
	t.hold(ctx)
	return err
}

// Get implements store.TokenStore.
func (t *simStore) Get(ctx context.Context, h store.Handle) (rec *store.Record, err error) {
	if e := t.call(ctx, "get", func() error { rec, err = t.mem.Get(ctx, h); return err }); e != err {
		return nil, e
	}
	return t.unclocked(rec), err
}

// Put implements store.TokenStore.
func (t *simStore) Put(ctx context.Context, h store.Handle, next *store.Record) (rec *store.Record, err error) {
	e := t.call(ctx, "put", func() error {
		if rec, err = t.mem.Put(ctx, h, next); err == nil {
			t.wrote(rec)
		}
		t.say("    %s put generation %d, %s, ended %t: %v", t.name, next.Generation, next.Token.RefreshToken, !next.Ended.IsZero(), err)
		return err
	})
	if e != err {
		return nil, e
	}
	return t.unclocked(rec), err
}

func (t *simStore) unclocked(rec *store.Record) *store.Record {
	if rec != nil && t.variant == clockless {
		rec.ReadAt = time.Time{}
	}
	return rec
}

// Delete implements store.TokenStore.
func (t *simStore) Delete(ctx context.Context, h store.Handle, v store.Version) (err error) {
	return t.call(ctx, "delete", func() error { return t.mem.Delete(ctx, h, v) })
}

// wrote checks what no later write may undo.
func (s *sim) wrote(rec *store.Record) {
	if rec.Generation < s.gens[rec.ID] {
		s.fault("NL2: record %s fell from generation %d to %d", rec.ID, s.gens[rec.ID], rec.Generation)
	}
	if s.ended[rec.ID] && !over(rec) {
		s.fault("NL4: record %s is live again", rec.ID)
	}
	if fam := familyOf(rec.Token.RefreshToken); rec.Generation == 0 && s.began[fam].created.IsZero() {
		s.began[fam] = beginning{rec.Created, time.Since(s.begun)}
	}
	s.gens[rec.ID] = rec.Generation
	s.ended[rec.ID] = over(rec)
}

// send is one refresh request and what became of it.
type send struct {
	proc           *proc
	token          string
	gen            uint64
	begin          time.Duration
	arrived, ended time.Duration
	late           bool // it arrived after its sender had given it up
	answer         answerOf
	received       bool // by a process that was alive
	unspent        bool // its sender knows that the provider did not take it
}

// Refresh implements keeper.Refresher.
func (p *proc) Refresh(ctx context.Context, rec *store.Record) (store.Token, error) {
	x := &send{proc: p, token: rec.Token.RefreshToken, gen: rec.Generation, begin: time.Since(p.begun)}
	p.Lock()
	if p.repeats(x, rec.Token.Expiry) {
		p.fault("NeverResend: %s of generation %d was sent again at %v", x.token, x.gen, x.begin)
	}
	p.sends = append(p.sends, x)
	p.inflight[x.token]++
	if p.inflight[x.token] > 1 && p.pauses() == 0 {
		p.fault("two sends of %s in flight at %v, and nobody was stopped", x.token, x.begin)
	}
	p.Unlock()
	defer func() {
		p.Lock()
		defer p.Unlock()
		p.inflight[x.token]--
		x.ended = time.Since(p.begun)
	}()
	got, err := p.exchange(ctx, x)
	p.hold(ctx)
	if err != nil {
		return store.Token{}, err
	}
	p.Lock()
	x.received = true
	p.Unlock()
	if got.refused {
		return store.Token{}, errRefused
	}
	return store.Token{AccessToken: got.access, RefreshToken: got.refresh, Expiry: p.now().Add(p.had.life)}, nil
}

func (s *sim) pauses() (n int) {
	for _, p := range s.procs {
		n += p.paused
	}
	return n
}

// exchange sends x, which arrives whatever becomes of its sender.
func (p *proc) exchange(ctx context.Context, x *send) (answerOf, error) {
	if ctx.Err() != nil {
		return answerOf{}, &fault{"not sent", keeper.Unknown}
	}
	if p.strikes(ctx, &p.left.lose, "request lost", 6) {
		return answerOf{}, errLost
	}
	if p.strikes(ctx, &p.left.lose, "provider says 503", 6) {
		x.unspent = true
		return answerOf{}, &fault{"503", keeper.RetryLater}
	}
	most := chaosSend / 8
	if p.strikes(ctx, &p.left.slow, "provider is slow", 3) {
		most = 3 * chaosLease
	}
	there := time.Duration(p.roll(ctx, "there")>>8) % most
	back := time.Duration(p.roll(ctx, "back")>>8) % (most - there)
	lost := p.strikes(ctx, &p.left.lose, "answer lost", 3)
	answer := make(chan answerOf, 1)
	p.net.Go(func() {
		time.Sleep(there)
		p.Lock()
		x.late = ctx.Err() != nil
		x.arrived = time.Since(p.begun)
		x.answer = p.issuer.use(p.name, x.token)
		p.say("    provider: %s: %s: %+v", p.name, x.token, x.answer)
		p.Unlock()
		time.Sleep(back)
		if !lost {
			answer <- x.answer
		}
	})
	var reset <-chan time.Time
	if lost {
		reset = time.After(there + time.Microsecond)
	}
	select {
	case got := <-answer:
		return got, nil
	case <-reset:
		return answerOf{}, errLost
	case <-ctx.Done():
	}
	p.hold(ctx)
	select {
	case got := <-answer: // a process that was stopped finds it in its socket
		return got, nil
	default:
		return answerOf{}, &fault{"no answer", keeper.Unknown}
	}
}

// Revoke implements keeper.Revoker.
func (p *proc) Revoke(ctx context.Context, rec *store.Record) error {
	text := rec.Token.RefreshToken
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if p.strikes(ctx, &p.left.lose, "revocation lost", 3) {
		return errLost
	}
	if !p.takes(ctx, "revoke", chaosSend/8) {
		return ctx.Err()
	}
	p.hold(ctx)
	if p.variant == revokeAll {
		p.Lock()
		p.sweeping(ctx, rec)
		p.Unlock()
		return nil
	}
	p.issuer.revoke(p.name, text)
	p.say("    provider: %s: revoke %s", p.name, text)
	return nil
}

//go:build chaos

package keeper_test

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// actor is a process: a keeper of its own, and what it has seen.
type actor struct {
	stage  *stage
	name   string
	kind   string // of program
	index  int
	keep   *keeper.Keeper
	ctx    context.Context
	cancel context.CancelFunc

	dead, paused, done bool
	until              time.Time // of the pause
	seen               uint64    // a hash over all that its store and provider answered, and when

	rec      *store.Record // what its call returned
	err      error
	answered bool
	tooLate  bool // it began after a logout was acknowledged
}

func (s *stage) newActor(kind, name string, program func(*actor)) {
	a := &actor{stage: s, name: name, kind: kind, index: len(s.actors)}
	a.ctx, a.cancel = context.WithCancel(background)
	o := chaosOptions()
	o.Hook = func(_ context.Context, point, _ string) { a.yield(point, false, false) }
	keep, err := keeper.New(&actorStore{a}, a, o)
	if err != nil {
		panic(err)
	}
	a.keep = keep
	s.actors = append(s.actors, a)
	go func() {
		defer func() {
			s.Lock()
			a.done = true
			s.Unlock()
			s.rouse()
		}()
		a.yield("start", true, true)
		s.Lock()
		a.tooLate = s.ended
		s.Unlock()
		program(a)
		a.keep.Close(a.ctx)
	}()
}

func (a *actor) refresher() {
	rec, err := a.keep.Get(a.ctx, chaosKey)
	a.stage.Lock()
	defer a.stage.Unlock()
	a.rec, a.err, a.answered = rec, err, true
	a.stage.say("%s: Get: %v, %v", a.name, rec, err)
}

func (a *actor) logout() {
	err := a.keep.End(a.ctx, chaosKey)
	a.stage.Lock()
	defer a.stage.Unlock()
	a.err, a.answered = err, true
	a.stage.ended = a.stage.ended || err == nil
	a.stage.say("%s: End: %v", a.name, err)
}

func (a *actor) login() {
	text := a.stage.issuer.login()
	rec, err := a.keep.Start(a.ctx, chaosKey, chaosRecord(text))
	a.stage.Lock()
	defer a.stage.Unlock()
	a.rec, a.err, a.answered = rec, err, true
	a.stage.say("%s: Start: %v, %v", a.name, rec, err)
}

// note adds to what the process has seen.
func (a *actor) note(what ...any) {
	h := fnv.New64a()
	fmt.Fprint(h, a.seen, time.Since(a.stage.begun), what)
	a.seen = h.Sum64()
}

// actorStore is the shared store as one process reaches it; each call is a yield point, and takes effect at once.
type actorStore struct{ a *actor }

// Get implements store.TokenStore.
func (t *actorStore) Get(ctx context.Context, h store.Handle) (*store.Record, error) {
	t.a.yield("get", true, false)
	rec, err := t.a.stage.mem.Get(ctx, h)
	t.seen("get", rec, err)
	return rec, err
}

// Put implements store.TokenStore.
func (t *actorStore) Put(ctx context.Context, h store.Handle, rec *store.Record) (*store.Record, error) {
	t.a.yield("put", true, false)
	out, err := t.a.stage.mem.Put(ctx, h, rec)
	if err == nil {
		t.a.stage.Lock()
		t.a.stage.writes[out.Version] = fmt.Sprintf("%s %x", t.a.name, t.a.seen)
		t.a.stage.Unlock()
	}
	t.seen("put", out, err)
	return out, err
}

// Delete implements store.TokenStore.
func (t *actorStore) Delete(ctx context.Context, h store.Handle, v store.Version) error {
	t.a.yield("delete", true, false)
	err := t.a.stage.mem.Delete(ctx, h, v)
	t.seen("delete", nil, err)
	return err
}

func (t *actorStore) seen(op string, rec *store.Record, err error) {
	s := t.a.stage
	s.Lock()
	defer s.Unlock()
	by := "-"
	if rec != nil {
		by = s.writes[rec.Version]
		s.say("    %s %s: generation %d, %s, ended %t, err %v", t.a.name, op, rec.Generation, rec.Token.RefreshToken, !rec.Ended.IsZero(), err)
	} else {
		s.say("    %s %s: %v", t.a.name, op, err)
	}
	t.a.note(op, by, err)
}

// Refresh implements keeper.Refresher: a request goes out if the context still lasts, and arrives when it arrives.
func (a *actor) Refresh(ctx context.Context, rec *store.Record) (store.Token, error) {
	text := rec.Token.RefreshToken
	got, err := a.call(ctx, true, "refresh "+text, func() any { return a.stage.issuer.use(a.name, text) })
	if err != nil {
		return store.Token{}, err
	}
	answer := got.(answerOf)
	if answer.refused {
		return store.Token{}, errRefused
	}
	return store.Token{AccessToken: answer.access, RefreshToken: answer.refresh, Expiry: time.Now().Add(time.Hour)}, nil
}

// Revoke implements keeper.Revoker.
func (a *actor) Revoke(ctx context.Context, rec *store.Record) error {
	text := rec.Token.RefreshToken
	_, err := a.call(ctx, false, "revoke "+text, func() any { a.stage.issuer.revoke(a.name, text); return "ok" })
	return err
}

func (a *actor) call(ctx context.Context, fails bool, name string, serve func() any) (any, error) {
	if ctx.Err() != nil {
		a.note(name, "too late")
		return nil, &fault{"not sent: " + ctx.Err().Error(), keeper.Unknown}
	}
	s := a.stage
	j := &job{actor: a, name: a.name + ": " + name, serve: serve, fails: fails, answer: make(chan any, 1)}
	s.Lock()
	s.jobs = append(s.jobs, j)
	s.Unlock()
	a.yield("sent", false, false)
	var got any
	select {
	case got = <-j.answer:
	case <-ctx.Done():
		got = ctx.Err()
	}
	a.yield("answered", false, true) // a stopped process reads its socket when it goes on
	if _, late := got.(error); late {
		select {
		case got = <-j.answer:
		default:
			if j.late {
				select {
				case got = <-j.answer:
				case <-a.ctx.Done():
				}
			}
		}
	}
	a.note(name, got)
	if err, ok := got.(error); ok {
		if errors.Is(err, errLost) {
			return nil, err
		}
		return nil, &fault{err.Error(), keeper.Unknown}
	}
	return got, nil
}

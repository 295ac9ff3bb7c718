package keeper_test

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// profile is what a seed lets happen. Numbers are budgets.
type profile struct {
	crash, pause, lose, storeErrs int
	slow                          int // provider calls that take up to three leases
	skew, logout, login, leave    bool
	life                          time.Duration // of an access token
}

func newProfile(rng *rand.Rand) profile {
	p := profile{life: []time.Duration{2 * time.Second, time.Minute, time.Hour}[rng.IntN(3)]}
	some := func() int {
		if rng.IntN(3) > 0 {
			return 0
		}
		return 1 + rng.IntN(3)
	}
	p.skew, p.leave = rng.IntN(4) == 0, rng.IntN(4) == 0
	p.logout, p.login = rng.IntN(4) == 0, rng.IntN(4) == 0
	if rng.IntN(4) == 0 {
		return p
	}
	p.crash, p.pause, p.lose, p.storeErrs, p.slow = some(), some(), some(), 2*some(), some()
	return p
}

func (p profile) calm() bool {
	return p.crash == 0 && p.pause == 0 && p.lose == 0 && p.storeErrs == 0 && p.slow == 0
}

// sim is one history: four processes live through a few calls each, on one grant. What happens at a yield point, and
// how long a call takes, follows from the seed, the process, the point and how often it came there.
type sim struct {
	sync.Mutex
	seed    uint64
	kind    kind
	variant variant
	begun   time.Time
	had     profile // as dealt
	left    profile // still to happen
	mem     *memstore.Store
	issuer  *issuer
	procs   []*proc
	net     sync.WaitGroup
	first   *store.Record  // the grant's, as started
	jar     []store.Handle // what callers may present, beside the Key

	gens     map[string]uint64        // highest generation stored, by record ID
	ended    map[string]bool          // record IDs that were stored ended
	acked    map[string]time.Duration // of logouts, by record ID: when the answer came
	families map[string]int           // of record IDs
	sends    []*send
	inflight map[string]int // by refresh token
	calls    []call
	began    map[int]beginning                 // by family
	listed   map[context.Context]time.Duration // when the store was listed, on behalf of a revocation
	swept    bool                              // a revocation ended more than its own

	faults []string // what went against the rules
	orphan bool     // a keeper reported a refresh token that it could not revoke

	loud    bool
	traceMu sync.Mutex
	trace   []string
}

// proc is one process: a keeper of its own. A crash ends it, and the slot goes on with another.
type proc struct {
	*sim
	name   string
	keep   *keeper.Keeper
	ctx    context.Context
	cancel context.CancelFunc
	skew   time.Duration
	count  map[string]uint64
	dead   bool
	until  time.Time // stopped so long
	paused int       // how often
}

// call is one call of an application.
type call struct {
	proc       *proc
	what       string
	begin, end time.Duration
	rec        *store.Record
	err        error
}

func (s *sim) fault(format string, args ...any) {
	s.faults = append(s.faults, fmt.Sprintf(format, args...))
}

func (s *sim) say(format string, args ...any) {
	if s.loud {
		s.traceMu.Lock()
		defer s.traceMu.Unlock()
		s.trace = append(s.trace, fmt.Sprintf("%14v  ", time.Since(s.begun))+fmt.Sprintf(format, args...))
	}
}

func (s *sim) newProc(name string) *proc {
	p := &proc{sim: s, name: name, count: map[string]uint64{}}
	p.ctx, p.cancel = context.WithCancel(background)
	if s.had.skew {
		p.skew = time.Duration(p.roll(background, "skew")%7200)*time.Second - time.Hour
	}
	o := s.options()
	p.hook(o)
	o.Logger = slog.New(listener{slog.DiscardHandler, s})
	o.Now = p.now
	o.Jitter = func() float64 { return float64(p.roll(background, "jitter")>>11) / (1 << 53) }
	var err error
	if p.keep, err = keeper.New(s.over(&simStore{p}), p, o); err != nil {
		panic(err)
	}
	s.Lock()
	s.procs = append(s.procs, p)
	s.Unlock()
	return p
}

// listener hears what an operator would.
type listener struct {
	slog.Handler
	sim *sim
}

// Enabled implements slog.Handler.
func (listener) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (l listener) Handle(_ context.Context, r slog.Record) error {
	if strings.Contains(r.Message, "could not be revoked") {
		l.sim.Lock()
		l.sim.orphan = true
		l.sim.Unlock()
	}
	return nil
}

func (p *proc) now() time.Time { return time.Now().Add(p.skew) }

// callID is the context key of the call that caused the work: a flight keeps its founder's.
type callID struct{}

// roll is the seed's word for the next time that this process comes to label on behalf of this call.
func (p *proc) roll(ctx context.Context, label string) uint64 {
	p.Lock()
	defer p.Unlock()
	return p.rollLocked(ctx, label)
}

func (p *proc) rollLocked(ctx context.Context, label string) uint64 {
	if id, ok := ctx.Value(callID{}).(string); ok {
		label = id + label
	}
	n := p.count[label]
	p.count[label]++
	h := p.seed ^ 0x9e3779b97f4a7c15*(n+1)
	for _, text := range [2]string{p.name, label} {
		for i := range len(text) {
			h = (h ^ uint64(text[i])) * 0x100000001b3
		}
	}
	h ^= h >> 30
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 27
	h *= 0x94d049bb133111eb
	return h ^ h>>31
}

// strikes reports whether a fault of this sort happens now: one time in n while its budget lasts.
func (p *proc) strikes(ctx context.Context, budget *int, label string, n uint64) bool {
	p.Lock()
	defer p.Unlock()
	if *budget == 0 || p.rollLocked(ctx, label)%n != 0 {
		return false
	}
	*budget--
	p.say("%s: %s", p.name, label)
	return true
}

func (p *proc) gone() bool {
	p.Lock()
	defer p.Unlock()
	return p.dead
}

// yield is a point at which a process may die or stop.
func (p *proc) yield(ctx context.Context, point string) {
	if p.gone() {
		runtime.Goexit()
	}
	if p.strikes(ctx, &p.left.crash, "crash at "+point, 20) {
		p.crash()
		runtime.Goexit()
	}
	if p.strikes(ctx, &p.left.pause, "pause at "+point, 15) {
		d := chaosLease + time.Duration(p.roll(ctx, "how long")>>8)%(2*chaosLease)
		p.Lock()
		p.until = time.Now().Add(d)
		p.paused++
		p.Unlock()
	}
	p.hold(ctx)
}

// hold keeps the goroutine of a stopped process where it is, for ever if the process dies.
func (p *proc) hold(ctx context.Context) {
	for {
		p.Lock()
		d, dead := time.Until(p.until), p.dead
		p.Unlock()
		if dead {
			runtime.Goexit()
		}
		if d <= 0 {
			return
		}
		time.Sleep(d + time.Duration(p.roll(ctx, "wakes")%1000)) // no two at the same instant
	}
}

// crash ends the process; what it has sent is under way.
func (p *proc) crash() {
	p.Lock()
	p.dead = true
	p.Unlock()
	p.cancel()
	p.keep.Close(p.ctx)
}

// takes waits for a while that the seed chooses: mostly short, sometimes up to most.
func (p *proc) takes(ctx context.Context, label string, most time.Duration) bool {
	h := p.roll(ctx, label)
	d := time.Duration(h>>8) % (2 * time.Millisecond)
	if h%8 == 0 {
		d = time.Duration(h>>8) % most
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// newSim sets up the grant, expired.
func newSim(k kind, v variant, seed uint64, loud bool) *sim {
	rng := rand.New(rand.NewPCG(seed, uint64(k)))
	s := &sim{
		seed: rng.Uint64(), kind: k, variant: v, begun: time.Now(), had: newProfile(rng), loud: loud,
		issuer: newIssuer(k, chaosGrace, time.Now),
		gens:   map[string]uint64{}, ended: map[string]bool{}, acked: map[string]time.Duration{}, families: map[string]int{},
		inflight: map[string]int{}, began: map[int]beginning{}, listed: map[context.Context]time.Duration{},
	}
	s.had.login = s.had.login && v != cookies // a login there is another record, under no common key
	s.left = s.had
	var err error
	if s.mem, err = memstore.New(&memstore.Options{MaxRecords: 16}); err != nil {
		panic(err)
	}
	keep, err := keeper.New(s.over(s.mem), plain{s.issuer}, s.options())
	if err != nil {
		panic(err)
	}
	at := chaosKey
	if v == cookies {
		at = store.Handle{}
	}
	if s.first, err = keep.Start(background, at, chaosRecord(s.issuer.login())); err != nil {
		panic(err)
	}
	s.families[s.first.ID] = 0
	s.jar = []store.Handle{s.first.Handle}
	if v == shared {
		session, err := keep.Start(background, store.Handle{}, &store.Record{Subject: "u", Grant: chaosKey})
		if err != nil {
			panic(err)
		}
		s.jar[0] = session.Handle
	}
	s.say("kind %v, %v, profile %+v", k, v, s.had)
	return s
}

// live runs four slots to their end: each makes its calls one after the other, two at a time now and then.
func (s *sim) live() {
	var slots sync.WaitGroup
	for i := range 4 {
		slots.Go(func() { s.slot(i) })
	}
	slots.Wait()
	for _, p := range s.procs {
		if !p.gone() {
			ctx, cancel := context.WithTimeout(background, time.Minute)
			if err := p.keep.Close(ctx); err != nil {
				s.fault("%s: Close: %v", p.name, err)
			}
			cancel()
		}
	}
	s.net.Wait()
}

func (s *sim) slot(i int) {
	p := s.newProc(fmt.Sprintf("%c0", 'A'+i))
	for n := range 2 {
		p.takes(background, "think", 2*chaosLease)
		if p.gone() {
			p = s.newProc(fmt.Sprintf("%c%d", 'A'+i, n+1))
		}
		var both sync.WaitGroup
		both.Go(func() { p.act(fmt.Sprint(n)) })
		if p.roll(background, "twice")%4 == 0 {
			both.Go(func() { p.act(fmt.Sprint(n, "'")) })
		}
		both.Wait()
	}
}

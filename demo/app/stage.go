package app

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
)

// stage is the app on every store that the demo has: one partner each, made when it is first asked for, and the store
// that this browser has picked.
type stage struct {
	d  *surroundings
	mu sync.Mutex // guards what follows

	byStore      map[string]*partner
	understudies map[role][]*understudy
	hired        []*understudy // all that there ever were
}

const pickCookie = "store"

func newStage(d *surroundings) *stage {
	return &stage{d: d, byStore: map[string]*partner{}, understudies: map[role][]*understudy{}}
}

// on returns the partner on that store.
func (s *stage) on(kind string) (*partner, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.byStore[kind]; p != nil {
		return p, nil
	}
	tokens := s.d.stores.app
	if kind != s.d.cfg.store {
		var err error
		if tokens, err = s.d.stores.view(kind); err != nil {
			return nil, err
		}
	}
	p, err := newPartner(s.d, role{kind: kind}, tokens, s.d.cfg.replica)
	if err != nil {
		return nil, err
	}
	s.byStore[kind] = p
	return p, nil
}

// picked is the store that the browser's cookie names.
func (s *stage) picked(r *http.Request) string {
	if c, err := r.Cookie(pickCookie); err == nil && slices.Contains(s.d.cfg.kinds(), c.Value) {
		return c.Value
	}
	return s.d.cfg.store
}

// ServeHTTP passes a request to the app on the picked store.
func (s *stage) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost && r.URL.Path == "/store" {
		s.pick(w, r)
		return
	}
	p, err := s.on(s.picked(r))
	if err != nil {
		http.Error(w, "the store cannot be reached: "+s.picked(r), http.StatusServiceUnavailable)
		return
	}
	p.handler.ServeHTTP(w, r)
}

// pick remembers another store. Its sessions are its own: who is signed in depends on it.
func (s *stage) pick(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	r.Body = http.MaxBytesReader(w, r.Body, maxLogin)
	kind := r.PostFormValue("store")
	if !slices.Contains(s.d.cfg.kinds(), kind) {
		http.Error(w, "there is no such store", http.StatusBadRequest)
		return
	}
	http.SetCookie(w, &http.Cookie{Name: pickCookie, Value: kind, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode})
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// each calls do with every partner there is.
func (s *stage) each(do func(*partner) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, p := range s.byStore {
		errs = append(errs, do(p))
	}
	return errors.Join(errs...)
}

func (s *stage) close(ctx context.Context) error {
	var errs []error
	for _, u := range s.hired {
		errs = append(errs, u.at.shutdown(ctx), u.close(ctx))
	}
	return errors.Join(append(errs, s.each(func(p *partner) error { return p.close(ctx) }))...)
}

// storeTexts say what each store can and cannot do.
var storeTexts = map[string]string{
	memory:    "Fast, gone at a restart, one process.",
	sqlite:    "One file; survives restarts; processes of one machine share it.",
	cookie:    "The browser keeps the sealed record; nothing to list, so no signing out everywhere.",
	redisKind: "Shared by machines; survives what Redis survives.",
}

func (c *config) storeText(kind string) string {
	for _, s := range c.more {
		if s.Name == kind {
			return s.Text
		}
	}
	return storeTexts[kind]
}

// understudy is a replica that a storm plays with: the same app on its own view of the store, on an address of its own.
type understudy struct {
	*partner
	at *endpoint
}

// role is what an understudy is good for.
type role struct {
	kind  string
	brisk bool // its leases are short, since nobody wants to watch one of fifteen seconds
}

// replicas returns n of them. They stay for the next storm, but for those that were killed.
func (s *stage) replicas(kind string, n int, brisk bool) ([]target, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	part := role{kind, brisk}
	cast := s.understudies[part]
	var targets []target
	for i := range n {
		if i == len(cast) {
			cast = append(cast, nil)
		}
		if cast[i] == nil || cast[i].life.dead.Load() {
			u, err := s.understudy(part, i+1)
			if err != nil {
				return nil, err
			}
			cast[i] = u
			s.hired = append(s.hired, u)
		}
		targets = append(targets, target{cast[i].at.url, cast[i].kill})
	}
	s.understudies[part] = cast
	return targets, nil
}

//show:replica

func (s *stage) understudy(part role, number int) (*understudy, error) {
	tokens, err := s.d.stores.view(part.kind) // the same records
	if err != nil {
		return nil, err
	}
	// a keeper and a guard of its own: nothing but the store is shared
	p, err := newPartner(s.d, part, tokens, number)
	if err != nil {
		return nil, err
	}
	at, err := listen("addr", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	at.serve(p.handler, s.d.logs, make(chan error, 1))
	return &understudy{p, at}, nil
}

//end

// kill stops the replica dead: its callers lose their connections, and nothing it still does has an effect.
func (u *understudy) kill() {
	u.life.dead.Store(true)
	u.at.server.Close() // that is the point
}

// Package site is what tables 1 and 2 have in common: a protected handler, requests that must come through as their
// user, and requests that must not.
package site

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/tokenkeep/tokenkeep/demo/bench/measure"
)

// Site is one contestant. Handler calls Seen with the user's name, once, for a request it lets through.
type Site struct {
	Handler http.Handler
	// Good are requests that must be let through, as users "user-0", "user-1", ...
	Good []*http.Request
	// Bad are requests that must be refused, by what is wrong with them.
	Bad map[string]*http.Request
	// Delete ends the session or token of Good[i]; nil where there is nothing to delete (a self-contained token).
	Delete func(i int) error
	// Fresh gives the handler a copy of the request each time: for those that write into the one they are given.
	Fresh bool

	witness atomic.Pointer[func(user string)]
}

// UserName is the name behind Good[i].
func UserName(i int) string { return fmt.Sprint("user-", i) }

// Seen is called by the protected handler.
func (s *Site) Seen(user string) {
	if hear := s.witness.Load(); hear != nil {
		(*hear)(user)
	}
}

// Trial times requests that are let through.
func (s *Site) Trial() *measure.Trial {
	return &measure.Trial{Honest: s.Honest, Run: func(i int) error {
		return s.serve(s.Good[i*7919%len(s.Good)], http.StatusOK)
	}}
}

// Refusing times one of the bad requests.
func (s *Site) Refusing(name string) *measure.Trial {
	bad := s.Bad[name]
	return &measure.Trial{Honest: s.Honest, Run: func(int) error { return s.serve(bad, http.StatusUnauthorized) }}
}

// Honest checks everything that is good and bad. It ends Good's last entry and takes it away.
func (s *Site) Honest() error {
	last := len(s.Good) - 1
	for _, i := range []int{0, len(s.Good) / 2, last} {
		if seen, code := s.ask(s.Good[i]); len(seen) != 1 || seen[0] != UserName(i) {
			return fmt.Errorf("%s came through as %q with status %d", UserName(i), seen, code)
		}
	}
	if len(s.Bad) == 0 {
		return fmt.Errorf("was shown nothing bad")
	}
	for name, r := range s.Bad {
		if seen, code := s.ask(r); len(seen) > 0 || code < 400 {
			return fmt.Errorf("accepts %s (status %d)", name, code)
		}
	}
	if s.Delete == nil {
		return nil
	}
	if err := s.Delete(last); err != nil {
		return err
	}
	if seen, code := s.ask(s.Good[last]); len(seen) > 0 || code < 400 {
		return fmt.Errorf("accepts what was deleted (status %d)", code)
	}
	s.Good = s.Good[:last]
	return nil
}

// ask returns who the protected handler saw.
func (s *Site) ask(r *http.Request) (seen []string, status int) {
	hear := func(user string) { seen = append(seen, user) }
	s.witness.Store(&hear)
	defer s.witness.Store(nil)
	w := &sink{h: http.Header{}}
	s.Handler.ServeHTTP(w, r.Clone(r.Context()))
	return seen, w.code()
}

func (s *Site) serve(r *http.Request, want int) error {
	w := sinks.Get().(*sink)
	if s.Fresh {
		w.r = *r
		r = &w.r
	}
	s.Handler.ServeHTTP(w, r)
	code := w.code()
	w.status = 0
	clear(w.h)
	sinks.Put(w)
	if code != want && (want == http.StatusOK || code < 400) {
		return fmt.Errorf("status %d", code)
	}
	return nil
}

var sinks = sync.Pool{New: func() any { return &sink{h: http.Header{}} }}

// sink is a ResponseWriter that costs next to nothing, and room for a copy of a request.
type sink struct {
	h      http.Header
	status int
	r      http.Request
}

func (s *sink) Header() http.Header         { return s.h }
func (s *sink) Write(b []byte) (int, error) { return len(b), nil }
func (s *sink) WriteHeader(code int) {
	if s.status == 0 {
		s.status = code
	}
}

func (s *sink) code() int {
	if s.status == 0 {
		return http.StatusOK
	}
	return s.status
}

// Bearer returns a request with this token.
func Bearer(token string) *http.Request {
	r, err := http.NewRequest(http.MethodGet, "https://api.example/me", nil)
	if err != nil {
		panic(err)
	}
	r.RequestURI = "/me"
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return r
}

// Cookie returns a browser's request with this cookie.
func Cookie(name, value string) *http.Request {
	r := Bearer("")
	r.Header.Set("Cookie", name+"="+value)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return r
}

// Flip changes one character in the middle of a text.
func Flip(text string) string {
	b := []byte(text)
	i := len(b) / 2
	if b[i] == 'A' {
		b[i] = 'B'
	} else {
		b[i] = 'A'
	}
	return string(b)
}

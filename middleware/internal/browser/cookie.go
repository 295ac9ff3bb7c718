package browser

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// MaxAge is the longest that browsers keep a cookie (RFC 6265bis section 5.6): 400 days.
	MaxAge = 400 * 24 * time.Hour

	partSize = 4000 // name and value; browsers take 4096, some count the attributes too
	maxParts = 4    // what goes beyond would be refused by servers as too large a header
)

// ErrTooLarge: the value does not fit into the parts that a session cookie may have.
var ErrTooLarge = errors.New("value too large for a cookie")

// Presence is what a request says about the session cookie.
type Presence uint8

const (
	None   Presence = iota // no session cookie
	One                    // one complete value
	Broken                 // several, or parts that do not belong together: nobody can tell which one is meant
)

// A value that does not fit into one cookie is split: the first part begins with "~", the number of parts and "~", and
// the others are in cookies called name-1, name-2, … Values never begin with "~" otherwise.
type parts struct {
	value [maxParts]string
	seen  [maxParts]uint8
}

// Scan visits the request's cookies as they are, in order.
func (s *Site) Scan(r *http.Request, visit func(name, value string)) {
	if !s.reaches(r) {
		return
	}
	for _, line := range r.Header["Cookie"] {
		for line != "" {
			var pair string
			pair, line, _ = strings.Cut(line, ";")
			if name, value, ok := strings.Cut(strings.Trim(pair, " \t"), "="); ok {
				visit(name, value)
			}
		}
	}
}

func (s *Site) scan(r *http.Request) (p parts) {
	s.Scan(r, func(name, value string) {
		rest, ok := strings.CutPrefix(name, s.Cookie)
		i := 0
		switch {
		case !ok:
			return
		case rest == "":
		case len(rest) == 2 && rest[0] == '-' && '1' <= rest[1] && rest[1] < '0'+maxParts:
			i = int(rest[1] - '0')
		default:
			return
		}
		p.value[i] = value
		p.seen[i] = min(p.seen[i]+1, 2)
	})
	return p
}

// join returns the value and how many parts it is made of.
func (p *parts) join() (value string, n int, state Presence) {
	for _, v := range p.value {
		if len(v) > partSize { // none that was ever set; nobody needs to hash it
			return "", 0, Broken
		}
	}
	switch p.seen[0] {
	case 0:
		return "", 0, None
	case 1:
	default:
		return "", 0, Broken
	}
	first := p.value[0]
	if !strings.HasPrefix(first, "~") {
		if first == "" {
			return "", 0, Broken
		}
		return first, 1, One
	}
	if len(first) < 3 || first[1] < '2' || first[1] > '0'+maxParts || first[2] != '~' {
		return "", 0, Broken
	}
	n = int(first[1] - '0')
	var b strings.Builder
	b.WriteString(first[3:])
	for i := 1; i < n; i++ {
		if p.seen[i] != 1 {
			return "", 0, Broken
		}
		b.WriteString(p.value[i])
	}
	return b.String(), n, One
}

// Read returns the session cookie's value. stale says that parts of an older value are there too.
func (s *Site) Read(r *http.Request) (value string, state Presence, stale bool) {
	p := s.scan(r)
	value, n, state := p.join()
	for i := max(n, 1); i < maxParts; i++ {
		stale = stale || p.seen[i] > 0
	}
	return value, state, stale
}

// Set makes value the session cookie for maxAge, and expires the parts of an older one.
func (s *Site) Set(w http.ResponseWriter, r *http.Request, value string, maxAge time.Duration) error {
	if value == "" || strings.HasPrefix(value, "~") || !isValue(value) {
		return errors.New("value is none for a cookie")
	}
	pieces := []string{value}
	if room := partSize - len(s.Cookie) - len("-1"); len(value) > room {
		room -= len("~1~")
		pieces = slices.Collect(chunks(value, room))
		if len(pieces) > maxParts {
			return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(value), room*maxParts)
		}
		pieces[0] = "~" + strconv.Itoa(len(pieces)) + "~" + pieces[0]
	}
	for i, piece := range pieces {
		s.SetCookie(w, s.part(i), piece, maxAge, s.sameSite)
	}
	s.expireFrom(w, r, len(pieces))
	return nil
}

func chunks(value string, size int) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for len(value) > size {
			if !yield(value[:size]) {
				return
			}
			value = value[size:]
		}
		yield(value)
	}
}

// Clear expires the session cookie and whatever parts of it the request carries.
func (s *Site) Clear(w http.ResponseWriter, r *http.Request) {
	s.Expire(w, s.Cookie)
	s.expireFrom(w, r, 1)
}

// ClearStale expires the parts that do not belong to the value that [Site.Read] returned.
func (s *Site) ClearStale(w http.ResponseWriter, r *http.Request) {
	p := s.scan(r)
	_, n, _ := p.join()
	s.expireFrom(w, r, max(n, 1))
}

func (s *Site) expireFrom(w http.ResponseWriter, r *http.Request, from int) {
	p := s.scan(r)
	for i := from; i < maxParts; i++ {
		if p.seen[i] > 0 {
			s.Expire(w, s.part(i))
		}
	}
}

func (s *Site) part(i int) string {
	if i == 0 {
		return s.Cookie
	}
	return s.Cookie + "-" + strconv.Itoa(i)
}

// SetCookie sets one cookie for maxAge, in the place of what this response set under the same name before.
func (s *Site) SetCookie(w http.ResponseWriter, name, value string, maxAge time.Duration, sameSite string) {
	NoStore(w)
	seconds := max(0, int64(min(maxAge, MaxAge)/time.Second))
	line := name + "=" + value + "; Path=/; Max-Age=" + strconv.FormatInt(seconds, 10) + "; HttpOnly"
	if !s.insecure {
		line += "; Secure"
	}
	line += "; SameSite=" + sameSite
	h := w.Header()
	h["Set-Cookie"] = append(slices.DeleteFunc(h["Set-Cookie"], func(old string) bool {
		return strings.HasPrefix(old, name+"=")
	}), line)
}

// Expire makes the browser forget a cookie.
func (s *Site) Expire(w http.ResponseWriter, name string) { s.SetCookie(w, name, "", 0, "Lax") }

// NoStore marks an answer that sets, clears or depends on a cookie (RFC 9111).
func NoStore(w http.ResponseWriter) {
	w.Header()["Cache-Control"] = []string{"no-store"} // by its canonical name
	Vary(w)
}

// Vary says that the answer depends on the request's cookies.
func Vary(w http.ResponseWriter) {
	h := w.Header()
	if !slices.Contains(h["Vary"], "Cookie") {
		h["Vary"] = append(h["Vary"], "Cookie")
	}
}

// isValue is cookie-octet of RFC 6265 section 4.1.1.
func isValue(s string) bool {
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c > '~' || c == '"' || c == ',' || c == ';' || c == '\\' {
			return false
		}
	}
	return true
}

package keeper_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// kind is how a provider treats a refresh token that is used, and one that is used again. The proofs run over all.
type kind uint8

const (
	p0  kind = iota // does not rotate
	p1a             // rotates; within a grace period the same successor again
	p1b             // rotates; within a grace period a sibling, and both live
	p1c             // rotates; within a grace period a sibling, and only the newest lives
	p1d             // rotates; the previous generation is accepted, for a sibling
	p2              // rotates; a second use is refused
	p3              // rotates; a second use is refused and revokes the family
)

var kinds = []kind{p0, p1a, p1b, p1c, p1d, p2, p3}

func (k kind) String() string { return [...]string{"P0", "P1a", "P1b", "P1c", "P1d", "P2", "P3"}[k] }

// forgiving reports whether a lost answer can be had again, so that no single fault loses a grant.
func (k kind) forgiving() bool { return k <= p1d }

// issuer is a provider's memory without its network: it rotates, forgives and punishes, and keeps a log.
type issuer struct {
	mu       sync.Mutex
	kind     kind
	grace    time.Duration
	now      func() time.Time
	tokens   map[string]*grantToken
	families []*family
	count    int
	log      []request
	printed  string // by fingerprint, when there were
	lines    int    // so many lines in the log
}

// family is one grant as the provider sees it.
type family struct {
	newest int  // generation
	killed bool // by reuse detection
}

type grantToken struct {
	text   string
	family int
	gen    int
	child  *grantToken // the latest successor
	spent  time.Time   // zero: not yet
	dead   bool
}

// request is one line of the provider's log.
type request struct {
	who, op, token string
	at             time.Time
	result         string // the refresh token answered, or "refused", "killed", "ok"
}

// answerOf is what the token endpoint says: a refresh token is absent where it does not rotate.
type answerOf struct {
	access, refresh string
	refused         bool
}

func newIssuer(k kind, grace time.Duration, now func() time.Time) *issuer {
	return &issuer{kind: k, grace: grace, now: now, tokens: map[string]*grantToken{}}
}

// login begins a family and returns its first refresh token.
func (s *issuer) login() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.families, s.printed = append(s.families, &family{}), ""
	return s.mint(len(s.families)-1, 0).text
}

func (s *issuer) mint(fam, gen int) *grantToken {
	s.count++
	t := &grantToken{text: fmt.Sprintf("rt-%d.%d-%d", fam, gen, s.count), family: fam, gen: gen}
	s.tokens[t.text] = t
	s.families[fam].newest = max(s.families[fam].newest, gen)
	return t
}

// use is the refresh grant.
func (s *issuer) use(who, text string) answerOf {
	s.mu.Lock()
	defer s.mu.Unlock()
	next, result := s.next(text)
	s.log = append(s.log, request{who, "refresh", text, s.now(), result})
	if next == nil {
		return answerOf{refused: true}
	}
	s.count++
	a := answerOf{access: fmt.Sprintf("at-%d.%d-%d", next.family, next.gen, s.count)}
	if s.kind != p0 {
		a.refresh = next.text
	}
	return a
}

func (s *issuer) next(text string) (*grantToken, string) {
	t := s.tokens[text]
	switch {
	case t == nil || t.dead:
		return nil, "refused"
	case s.kind == p0:
		return t, "ok"
	case t.spent.IsZero():
		t.spent = s.now()
		return s.succeed(t)
	case s.forgives(t):
		if s.kind == p1a {
			return t.child, t.child.text
		}
		return s.succeed(t)
	case s.kind == p3:
		s.families[t.family].killed = true
		s.kill(func(x *grantToken) bool { return x.family == t.family })
		return nil, "killed"
	default:
		return nil, "refused"
	}
}

func (s *issuer) succeed(t *grantToken) (*grantToken, string) {
	if s.kind == p1c {
		s.kill(func(x *grantToken) bool { return x.family == t.family && x.spent.IsZero() })
	}
	t.child = s.mint(t.family, t.gen+1)
	return t.child, t.child.text
}

func (s *issuer) kill(which func(*grantToken) bool) {
	for _, x := range s.tokens {
		if which(x) {
			x.dead = true
		}
	}
}

// forgives reports whether a spent token would be answered once more.
func (s *issuer) forgives(t *grantToken) bool {
	recent := s.now().Sub(t.spent) < s.grace
	switch s.kind {
	case p1a, p1b:
		return recent
	case p1c:
		return recent && t.child.spent.IsZero()
	case p1d:
		return t.gen >= s.families[t.family].newest-1
	default:
		return false
	}
}

// revoke is RFC 7009 at its least: that token and no other.
func (s *issuer) revoke(who, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t := s.tokens[text]; t != nil {
		t.dead = true
	}
	s.log = append(s.log, request{who, "revoke", text, s.now(), "ok"})
}

// endAll is a revocation where one ends all tokens of user and client.
func (s *issuer) endAll(who string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kill(func(*grantToken) bool { return true })
	s.log = append(s.log, request{who, "revoke", "all", s.now(), "ok"})
}

// usable reports whether text would be answered now.
func (s *issuer) usable(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tokens[text]
	return t != nil && !t.dead && (t.spent.IsZero() || s.forgives(t))
}

// live returns the unspent refresh tokens of the families, all if none is given.
func (s *issuer) live(families ...int) (texts []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tokens {
		if !t.dead && t.spent.IsZero() && (len(families) == 0 || slices.Contains(families, t.family)) {
			texts = append(texts, t.text)
		}
	}
	slices.Sort(texts)
	return texts
}

func (s *issuer) killed(fam int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.families[fam].killed
}

// calls returns the log of op, all of it if op is empty.
func (s *issuer) calls(op string) (out []request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.log {
		if op == "" || r.op == op {
			out = append(out, r)
		}
	}
	return out
}

// fingerprint is the provider's state, the log apart.
func (s *issuer) fingerprint() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.printed != "" && s.lines == len(s.log) {
		return s.printed
	}
	var parts []string
	for _, t := range s.tokens {
		child := ""
		if t.child != nil {
			child = t.child.text
		}
		parts = append(parts, fmt.Sprint(t.text, child, t.spent.UnixMicro(), t.dead))
	}
	slices.Sort(parts)
	s.printed, s.lines = fmt.Sprint(s.count, parts), len(s.log)
	return s.printed
}

// familyOf returns the family that a refresh token or access token belongs to, -1 for neither.
func familyOf(text string) int {
	_, rest, _ := strings.Cut(text, "-")
	var fam, gen, n int
	if _, err := fmt.Sscanf(rest, "%d.%d-%d", &fam, &gen, &n); err != nil {
		return -1
	}
	return fam
}

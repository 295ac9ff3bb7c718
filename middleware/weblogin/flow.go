package weblogin

import (
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

const (
	flowLife   = 10 * time.Minute // RFC 9700 section 2.1
	maxFlows   = 6                // logins under way in one browser
	maxCookies = 4096             // bytes of the Cookie header
	maxLooked  = 32               // flow cookies looked at in one request

	abandonPatience = 5 * time.Second
)

// flow is one login on its way, as sealed into its cookie.
type flow struct {
	Flow     *grants.Flow `json:"f"` // once used: the state only
	Used     bool         `json:"u,omitempty"`
	ReturnTo string       `json:"r,omitempty"`
	Who      string       `json:"w,omitempty"` // who was signed in when it began
	Connect  bool         `json:"c,omitempty"` // adds an account to that user
	Began    time.Time    `json:"b"`
}

func (f *flow) over(now time.Time) bool {
	return now.Sub(f.Began) > flowLife || f.Began.Sub(now) > flowLife
}

// flowPrefix begins the names of the cookies of logins; what follows is the hash of the state, so that a callback finds
// its own.
func (l *Login) flowPrefix() string { return l.site.Cookie + "-flow-" }

func (l *Login) flowCookie(state string) string {
	sum := sha256.Sum256([]byte(state))
	return l.flowPrefix() + base64.RawURLEncoding.EncodeToString(sum[:9])
}

// who hides a subject: cookies are sealed, but logs of them need not name users.
func who(subject string) string {
	sum := store.Key("subject", subject).Sum()
	return base64.RawURLEncoding.EncodeToString(sum[:12])
}

func (l *Login) seal(f *flow) (string, error) {
	plain, err := json.Marshal(f)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(l.session.Ring.SealBytes("flow", l.site.Bound, plain)), nil
}

func (l *Login) open(value string) (*flow, bool) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(value)
	if err != nil {
		return nil, false
	}
	plain, err := l.session.Ring.OpenBytes("flow", l.site.Bound, sealed)
	if err != nil {
		return nil, false
	}
	var f flow
	if err := json.Unmarshal(plain, &f); err != nil || f.Flow == nil || f.Flow.State == "" {
		return nil, false
	}
	return &f, true
}

// find returns this browser's login of that state.
func (l *Login) find(r *http.Request, state string) (*flow, bool) {
	name, value, n := l.flowCookie(state), "", 0
	l.site.Scan(r, func(got, v string) {
		if got == name {
			value = v
			n++
		}
	})
	if n != 1 {
		return nil, false
	}
	f, ok := l.open(value)
	if !ok || subtle.ConstantTimeCompare([]byte(f.Flow.State), []byte(state)) != 1 {
		return nil, false
	}
	return f, true
}

// keep sets the cookie of f for what is left of its life.
func (l *Login) keep(w http.ResponseWriter, f *flow) (size int, err error) {
	value, err := l.seal(f)
	if err != nil {
		return 0, err
	}
	name := l.flowCookie(f.Flow.State)
	l.site.SetCookie(w, name, value, time.Until(f.Began.Add(flowLife)), "Lax")
	return cookieSize(name, value), nil
}

// use marks f as used up: the secrets go, the rest is kept for a reload.
func (l *Login) use(w http.ResponseWriter, f *flow) error {
	used := *f
	used.Used, used.Flow = true, &grants.Flow{State: f.Flow.State}
	_, err := l.keep(w, &used)
	return err
}

// remember records that state was used up; false: it had been. The cookie alone says so to its own browser, this to a
// copy of the cookie.
func (l *Login) remember(r *http.Request, state string) (bool, error) {
	rec := &store.Record{ID: rand.Text(), Created: time.Now(), Expires: time.Now().Add(flowLife)}
	_, err := l.o.Flows.Put(r.Context(), store.Credential("flow", state), rec)
	switch {
	case errors.Is(err, store.ErrExists):
		return false, nil
	case l.ownFlows && errors.Is(err, memstore.ErrFull):
		return true, nil // provider and cookie still know; nobody is kept out because others sign in
	}
	return err == nil, err
}

// makeRoom expires cookies of logins that are over, then of used ones, then of the oldest, until a new one of size
// bytes leaves room for what else the browser sends.
func (l *Login) makeRoom(w http.ResponseWriter, r *http.Request, size int) {
	type pending struct {
		name string
		size int
		flow *flow
	}
	var flows []pending
	total := size
	l.site.Scan(r, func(name, value string) {
		switch {
		case !strings.HasPrefix(name, l.flowPrefix()):
			total += cookieSize(name, value)
		case len(flows) < maxLooked:
			f, ok := l.open(value)
			if !ok {
				f = &flow{Used: true} // goes first
			}
			flows = append(flows, pending{name, cookieSize(name, value), f})
			total += cookieSize(name, value)
		}
	})
	slices.SortFunc(flows, func(a, b pending) int {
		if a.flow.Used != b.flow.Used {
			return cmp.Compare(b2i(b.flow.Used), b2i(a.flow.Used))
		}
		return a.flow.Began.Compare(b.flow.Began)
	})
	now := time.Now()
	for i, p := range flows {
		if len(flows)-i >= maxFlows || total >= maxCookies || p.flow.over(now) {
			l.site.Expire(w, p.name)
			total -= p.size
		}
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// cookieSize is what a cookie adds to the Cookie header.
func cookieSize(name, value string) int { return len(name) + len("=") + len(value) + len("; ") }

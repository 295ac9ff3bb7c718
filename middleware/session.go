package middleware

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/tokenkeep/tokenkeep/middleware/internal/browser"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/store/seal"
)

// Session is everything about browsers in one value, so that guard, login and logout cannot disagree: which cookie
// carries the session, how long, and whose records it finds.
//
//	session := &middleware.Session{Keeper: keep, Ring: ring}
//	guard, err := middleware.New(keep, users.ByRecord, &middleware.Options{Session: session})
//	web, err := weblogin.New(client, session, identify, nil)
//	mux.Handle("POST /logout", session.Logout("/"))
//
// The cookie is called __Host-session and is HttpOnly, Secure and SameSite=Lax, for the whole host and no other. What
// it carries is the text of Record.Handle; one that does not fit into a cookie is split. Write a Session as a literal
// and do not change it once it is in use; its methods may then be called concurrently. The zero Session lacks a Keeper
// and fails.
type Session struct {
	Keeper *keeper.Keeper // required: keeps the sessions
	Ring   *seal.Ring     // required by weblogin: seals what a login needs until the browser comes back

	// Name is the cookie's, without the prefix: letters, digits, "_" and "."; default "session".
	Name string
	// Origin is the site's own, such as "https://app.example". It is what sealed cookies are bound to, and what the
	// Origin header of a browser without Sec-Fetch-Site must be. Empty: the request's Host counts.
	Origin string
	// SameSite is Lax by default. With Strict, a browser that comes from another site, such as back from a login,
	// shows the first page without its session.
	SameSite http.SameSite
	// Lifetime is how long a session lasts from login on, unless Record.Expires says otherwise; default 14 days. The
	// browser is told what remains, at most 400 days.
	Lifetime time.Duration

	// InsecureLoopbackHTTP is for trying things out on plain http: the cookie has neither the __Host- prefix nor Secure
	// (some clients keep no Secure cookies from http://127.0.0.1), Origin must be one such as http://127.0.0.1:8080,
	// and requests for other hosts have no session.
	InsecureLoopbackHTTP bool

	once sync.Once
	site *browser.Site
	err  error
}

const defaultLifetime = 14 * 24 * time.Hour

// Validate reports all faults of the Session, joined. New and weblogin.New call it.
func (s *Session) Validate() error {
	_, err := s.ready()
	return err
}

func (s *Session) ready() (*browser.Site, error) {
	s.once.Do(func() {
		site, err := browser.New(browser.Config{
			Name: s.Name, Origin: s.Origin, SameSite: s.SameSite, InsecureLoopbackHTTP: s.InsecureLoopbackHTTP,
		})
		if s.Keeper == nil {
			err = errors.Join(err, errors.New("Keeper is nil"))
		}
		if s.Lifetime < 0 {
			err = errors.Join(err, errors.New("Lifetime is negative"))
		}
		if err == nil {
			err = s.Keeper.Bind(site.Bound)
		}
		if err != nil {
			err = prefixed("middleware: Session: ", err)
		}
		s.site, s.err = site, err
	})
	return s.site, s.err
}

// Start begins a session for this browser and sets its cookie. rec says whose it is (Subject) and what was granted
// (Token). If Grant is set too, the token becomes that grant's and the session shares it. The session's identifier is
// always a new one, whatever the request presents. Call it before the response's first byte, after the login was
// checked; weblogin does.
//
// If the cookie cannot be written, what was started is ended again.
func (s *Session) Start(w http.ResponseWriter, r *http.Request, rec *store.Record) (*store.Record, error) {
	site, err := s.ready()
	if err != nil {
		return nil, err
	}
	if rec.Subject == "" {
		return nil, errors.New("middleware: Session: a session needs a Subject")
	}
	next := rec.Clone()
	if next.Expires.IsZero() {
		life := s.Lifetime
		if life == 0 {
			life = defaultLifetime
		}
		next.Expires = time.Now().Add(life)
	}
	if !next.Grant.IsZero() && (next.Token.AccessToken != "" || next.Token.RefreshToken != "") {
		grant := &store.Record{Subject: next.Subject, Provider: next.Provider, Token: next.Token}
		if _, err := s.Keeper.Start(r.Context(), next.Grant, grant); err != nil {
			return nil, err
		}
		next.Token = store.Token{}
	}
	started, err := s.Keeper.Start(r.Context(), store.Handle{}, next)
	if err != nil {
		return nil, err
	}
	if err := s.carry(site, w, r, started); err != nil {
		return nil, errors.Join(err, s.Keeper.End(context.WithoutCancel(r.Context()), started.Handle))
	}
	return started, nil
}

// carry writes rec's handle into the cookie.
func (s *Session) carry(site *browser.Site, w http.ResponseWriter, r *http.Request, rec *store.Record) error {
	left := browser.MaxAge
	if !rec.Expires.IsZero() {
		left = max(time.Second, time.Until(rec.Expires))
	}
	if err := site.Set(w, r, rec.Handle.Reveal(), left); err != nil {
		return prefixed("middleware: Session: ", err)
	}
	return nil
}

// Verify returns the record of the session that the request's cookie carries, refreshed if need be. On w it only sets
// headers: it writes the cookie anew if the record has another handle now, and clears the cookie of a session that is
// over, or of which nobody can tell which one is meant. The error is [ErrNoToken], [ErrInvalidToken],
// [ErrForbidden] (a request of another origin that changes state or opens a WebSocket) or [ErrUnavailable], by
// errors.Is, and goes to [Guard.Deny]. The record is for reading: other requests may hold it too. Call it before the
// response's first byte: a cookie that changes later never reaches the browser.
func (s *Session) Verify(w http.ResponseWriter, r *http.Request) (*store.Record, error) {
	rec, refused := s.verify(w, r)
	if refused != nil {
		return nil, refused
	}
	return rec, nil
}

func (s *Session) verify(w http.ResponseWriter, r *http.Request) (*store.Record, *denial) {
	site, err := s.ready()
	if err != nil {
		return nil, denyUnavailable.because(err)
	}
	browser.Vary(w)
	value, presence, stale := site.Read(r)
	if stale {
		site.ClearStale(w, r)
	}
	if presence == browser.None {
		return nil, denyNoToken
	}
	if err := site.CheckOrigin(r); err != nil {
		return nil, denyCrossOrigin.because(err)
	}
	if presence == browser.Broken {
		site.Clear(w, r)
		return nil, denySession
	}
	rec, err := s.Keeper.Verify(r.Context(), value)
	if isElsewhere(value, rec, err) {
		return nil, denySession
	}
	rec, refused := verified(rec, err)
	if refused != nil {
		if refused.over {
			site.Clear(w, r)
			refused.anonymous = true
		}
		return nil, refused
	}
	browser.NoStore(w)
	if now := rec.Handle.Reveal(); now != "" && now != value {
		if err := s.carry(site, w, r, rec); err != nil {
			return nil, denyUnavailable.because(err)
		}
	}
	return rec, nil
}

// isElsewhere says whether the cookie may be good for another replica, or at another time, but not here and now. Such a
// request is anonymous, and its cookie is left alone.
func isElsewhere(value string, rec *store.Record, err error) bool {
	if err != nil {
		// A cookie that is the record itself comes from the browser: one that this ring cannot read must not become an
		// error that lasts as long as the browser keeps it. Handles of records that a server keeps are shorter; there,
		// an unreadable record is the operator's fault and stays an error.
		return len(value) > 64 && errors.Is(err, seal.ErrUnreadable)
	}
	if rec == nil {
		return false
	}
	now := rec.ReadAt
	if now.IsZero() { // the store has no clock
		now = time.Now()
	}
	return rec.Created.After(now.Add(maxSkew))
}

// maxSkew is how far the clock of the replica that began a session may be ahead.
const maxSkew = 5 * time.Minute

// presented says whether the request carries the session cookie at all.
func (s *Session) presented(r *http.Request) bool {
	if r.Header["Cookie"] == nil {
		return false
	}
	site, err := s.ready()
	if err != nil {
		return false
	}
	_, presence, _ := site.Read(r)
	return presence != browser.None
}

// forget clears the cookie of a session whose user is gone.
func (s *Session) forget(w http.ResponseWriter, r *http.Request) {
	if site, err := s.ready(); err == nil {
		site.Clear(w, r)
	}
}

// prefixed puts prefix before each of the errors that err joins.
func prefixed(prefix string, err error) error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return &prefixedError{prefix, err}
	}
	var errs []error
	for _, e := range joined.Unwrap() {
		errs = append(errs, prefixed(prefix, e))
	}
	return errors.Join(errs...)
}

type prefixedError struct {
	prefix string
	error
}

func (e *prefixedError) Error() string { return e.prefix + e.error.Error() }
func (e *prefixedError) Unwrap() error { return e.error }

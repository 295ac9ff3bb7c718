package app

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"html/template"
	"net/http"
	"path"
	"strings"
	"time"

	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

//go:embed web
var web embed.FS

// assets are the files that the page consists of.
var assets = []string{"base.css", "panels.css", "storm.css", "app.js", "live.js", "storm.js", "popup.js", "device.js", "icon.svg"}

// state is what the page shows of a session. It holds no secret: a handle's first letters open nothing.
type state struct {
	SignedIn      bool      `json:"signedIn"`
	Subject       string    `json:"subject,omitempty"`
	Provider      string    `json:"provider,omitempty"`
	Store         string    `json:"store"`
	Carrier       string    `json:"carrier,omitempty"`
	Handle        string    `json:"handle,omitempty"`
	Record        string    `json:"record,omitempty"`
	Generation    uint64    `json:"generation"`
	Scopes        string    `json:"scopes,omitempty"`
	Updated       time.Time `json:"updated,omitzero"`
	Expiry        time.Time `json:"expiry,omitzero"`
	RefreshExpiry time.Time `json:"refreshExpiry,omitzero"`
	Refreshable   bool      `json:"refreshable"`
	Expired       bool      `json:"expired"`
	Ends          time.Time `json:"ends,omitzero"`
}

// current returns the session's record as it is, without refreshing it; ErrNoToken if nobody is signed in.
func (p *partner) current(w http.ResponseWriter, r *http.Request) (*store.Record, error) {
	r, err := p.look.Check(w, r)
	if expired := (*keeper.ExpiredError)(nil); errors.As(err, &expired) {
		return expired.Record, nil
	}
	rec, _ := p.look.Record(r.Context())
	return rec, err
}

func (p *partner) state(w http.ResponseWriter, r *http.Request) (state, error) {
	s := state{Store: p.kind}
	rec, err := p.current(w, r)
	switch {
	case errors.Is(err, middleware.ErrNoToken), errors.Is(err, middleware.ErrInvalidToken):
		return s, nil
	case err != nil:
		return s, err
	}
	s.SignedIn, s.Subject, s.Provider, s.Record, s.Generation = true, rec.Subject, rec.Provider, rec.ID, rec.Generation
	s.Scopes, s.Updated, s.Ends = strings.Join(rec.Token.Scopes, " "), rec.Updated, rec.Expires
	s.Expiry, s.RefreshExpiry, s.Refreshable = rec.Token.Expiry, rec.Token.RefreshExpiry, rec.Token.RefreshToken != ""
	s.Expired = !s.Expiry.IsZero() && !time.Now().Before(s.Expiry)
	s.Carrier, s.Handle = "cookie", shorten(rec.Handle.Reveal())
	if r.Header.Get("Authorization") != "" {
		s.Carrier = "Authorization header"
	}
	return s, nil
}

// shorten leaves enough of a handle to tell two apart.
func shorten(handle string) string {
	if len(handle) < 20 {
		return "…"
	}
	return handle[:6] + "…"
}

// shown is an account as the page lists it.
type shown struct{ Login, Password string }

// choice is a store as the picker lists it.
type choice struct {
	Name, Text string
	Picked     bool
}

type view struct {
	AppURL, ProviderURL string
	Example             string
	Accounts            []shown // none beyond loopback
	Problem             string
	State               state
	Way                 *way // that signed the user in
	Ways                []*way
	Stores              []choice
	Lists               bool // the store knows whose sessions there are
	Processes           int  // behind a front; 0: there is none
	Killable            bool
	Code                map[string]string
}

func (p *partner) view(problem string, s state) view {
	v := view{
		AppURL: p.d.appURL, ProviderURL: p.d.providerURL, Problem: problem, State: s, Way: p.way(s.Provider),
		Example: p.d.accounts[0].login, Processes: p.d.cfg.replicas, Killable: killable, Code: snippets(),
	}
	_, stateless := p.tokens.(store.Stateless)
	v.Lists = !stateless
	for _, w := range p.ways {
		if w.Show() {
			v.Ways = append(v.Ways, w)
		}
	}
	for _, kind := range p.d.cfg.kinds() {
		v.Stores = append(v.Stores, choice{kind, p.d.cfg.storeText(kind), kind == p.kind})
	}
	if !p.d.cfg.insecureBind {
		for _, a := range p.d.accounts {
			v.Accounts = append(v.Accounts, shown{a.login, a.password})
		}
	}
	return v
}

// show answers with the page.
func (p *partner) show(w http.ResponseWriter, r *http.Request, status int, problem string) {
	s, err := p.state(w, r)
	if err != nil {
		p.guard.Deny(w, r, err)
		return
	}
	var body bytes.Buffer
	if err := p.page.ExecuteTemplate(&body, "index.html", p.view(problem, s)); err != nil {
		p.logger.Error("showing the page", "error", err)
		http.Error(w, "the page could not be shown", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(body.Bytes()) // the client left
}

func parsePage() (*template.Template, error) { return template.ParseFS(web, "web/*.html") }

// static serves one embedded file; browsers ask again each time and get a 304.
func static(name string) (http.HandlerFunc, error) {
	text, err := web.ReadFile("web/" + name)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(text)
	tag := `"` + hex.EncodeToString(sum[:8]) + `"`
	kind := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}[path.Ext(name)]
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", kind)
		h.Set("Cache-Control", "no-cache")
		h.Set("ETag", tag)
		http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(text))
	}, nil
}

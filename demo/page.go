package main

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

// state is what the page shows of a session. It holds no secret.
type state struct {
	SignedIn      bool      `json:"signedIn"`
	Subject       string    `json:"subject,omitempty"`
	Record        string    `json:"record,omitempty"`
	Generation    uint64    `json:"generation"`
	Scopes        string    `json:"scopes,omitempty"`
	Expiry        time.Time `json:"expiry,omitzero"`
	Expired       bool      `json:"expired"`
	Lifetime      float64   `json:"lifetime"` // in seconds
	TokenRequests int64     `json:"tokenRequests"`
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
	s := state{TokenRequests: p.d.tokenRequests.n.Load()}
	rec, err := p.current(w, r)
	switch {
	case errors.Is(err, middleware.ErrNoToken), errors.Is(err, middleware.ErrInvalidToken):
		return s, nil
	case err != nil:
		return s, err
	}
	now := time.Now()
	s.SignedIn, s.Subject, s.Record, s.Generation = true, rec.Subject, rec.ID, rec.Generation
	s.Scopes, s.Expiry = strings.Join(rec.Token.Scopes, " "), rec.Token.Expiry
	s.Expired = !s.Expiry.IsZero() && !now.Before(s.Expiry)
	s.Lifetime = max(s.Expiry.Sub(rec.Updated), 0).Seconds()
	return s, nil
}

// shown is an account as the page lists it.
type shown struct{ Login, Password string }

type view struct {
	AppURL, ProviderURL, Store string
	Example                    string
	Accounts                   []shown // none beyond loopback
	Problem                    string
	State                      state
}

func (p *partner) view(problem string, s state) view {
	v := view{
		AppURL: p.d.app.url, ProviderURL: p.d.provider.url, Store: p.d.cfg.store, Problem: problem, State: s,
		Example: p.d.accounts[0].login,
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
	if err := p.page.Execute(&body, p.view(problem, s)); err != nil {
		p.logger.Error("showing the page", "error", err)
		http.Error(w, "the page could not be shown", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(body.Bytes()) //nolint:errcheck // the client left
}

func parsePage() (*template.Template, error) { return template.ParseFS(web, "web/index.html") }

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

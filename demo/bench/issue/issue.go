// Package issue is table 7: a token endpoint that issues by password, refreshes with rotation and introspects. Password
// hashing is left out everywhere: it would be all one sees.
package issue

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/tokenkeep/tokenkeep/demo/bench/measure"
	"github.com/tokenkeep/tokenkeep/demo/bench/site"
)

// Server is one contestant: two endpoints that know the client app:app-secret and the user bob:bob-password.
type Server struct {
	Token, Introspect http.Handler
	Close             func() error
}

const (
	clientID, clientSecret = "app", "app-secret-0123456789abcdef"
	userName, userPassword = "bob", "bob-password"
)

var (
	loginForm = url.Values{"grant_type": {"password"}, "username": {userName}, "password": {userPassword}, "scope": {"profile"}}.Encode()
	wrongForm = url.Values{"grant_type": {"password"}, "username": {userName}, "password": {"wrong"}, "scope": {"profile"}}.Encode()
	basic     = basicHeader(clientSecret)
	basicBad  = basicHeader("wrong")
	endpoint  = &url.URL{Scheme: "https", Host: "as.example", Path: "/token"}
)

func basicHeader(secret string) []string {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(clientID, secret)
	return r.Header["Authorization"]
}

// answer is a ResponseWriter that keeps the body.
type answer struct {
	h      http.Header
	status int
	body   []byte
}

func (a *answer) Header() http.Header         { return a.h }
func (a *answer) WriteHeader(code int)        { a.status = code }
func (a *answer) Write(b []byte) (int, error) { a.body = append(a.body, b...); return len(b), nil }

// send posts a form. The request is built by hand, so that it weighs little in what is measured.
func send(h http.Handler, form string, auth []string) *answer {
	r := &http.Request{
		Method: http.MethodPost, URL: endpoint, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Host: "as.example",
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Authorization": auth},
		Body:   io.NopCloser(strings.NewReader(form)), ContentLength: int64(len(form)), RequestURI: "/token",
	}
	a := &answer{h: http.Header{}, status: http.StatusOK}
	h.ServeHTTP(a, r)
	return a
}

// member finds a string in a flat JSON object.
func (a *answer) member(name string) string {
	_, after, _ := strings.Cut(string(a.body), `"`+name+`":"`)
	value, _, _ := strings.Cut(after, `"`)
	return value
}

func (a *answer) err() error {
	if a.status != http.StatusOK {
		return fmt.Errorf("status %d: %.200s", a.status, a.body)
	}
	return nil
}

func refreshForm(token string) string {
	return "grant_type=refresh_token&refresh_token=" + url.QueryEscape(token)
}

func (s *Server) login() (access, refresh string, err error) {
	a := send(s.Token, loginForm, basic)
	if err := a.err(); err != nil {
		return "", "", err
	}
	access, refresh = a.member("access_token"), a.member("refresh_token")
	if access == "" || refresh == "" {
		return "", "", fmt.Errorf("an answer without both tokens: %.200s", a.body)
	}
	return access, refresh, nil
}

func (s *Server) active(token string, auth []string) (bool, error) {
	a := send(s.Introspect, "token="+url.QueryEscape(token), auth)
	return strings.Contains(strings.ReplaceAll(string(a.body), " ", ""), `"active":true`), a.err()
}

// Honest: wrong passwords, wrong secrets, spent and changed tokens are refused.
func (s *Server) Honest() error {
	access, refresh, err := s.login()
	if err != nil {
		return err
	}
	refused := func(what string, h http.Handler, form string, auth []string) {
		if a := send(h, form, auth); err == nil && a.status < 400 {
			err = fmt.Errorf("accepts %s (status %d)", what, a.status)
		}
	}
	refused("a wrong password", s.Token, wrongForm, basic)
	refused("a wrong client secret", s.Token, loginForm, basicBad)
	refused("a refresh by a wrong client secret", s.Token, refreshForm(refresh), basicBad)
	refused("a changed refresh token", s.Token, refreshForm(site.Flip(refresh)), basic)
	refused("an access token as refresh token", s.Token, refreshForm(access), basic)
	if err != nil {
		return err
	}
	if live, err := s.active(access, basic); err != nil || !live {
		return fmt.Errorf("calls a live token inactive: %w", err)
	}
	if live, _ := s.active(site.Flip(access), basic); live {
		return fmt.Errorf("calls a changed token active")
	}
	if live, _ := s.active(access, basicBad); live {
		return fmt.Errorf("tells whoever has a wrong client secret")
	}
	a := send(s.Token, refreshForm(refresh), basic)
	if err := a.err(); err != nil {
		return err
	}
	if next := a.member("refresh_token"); next == "" || next == refresh {
		return fmt.Errorf("does not rotate")
	}
	refused("a spent refresh token", s.Token, refreshForm(refresh), basic)
	return err
}

// Password is one login per operation.
func (s *Server) Password() func(int) error {
	return func(int) error { return send(s.Token, loginForm, basic).err() }
}

// Refresh spends the token that the operation before got.
func (s *Server) Refresh() func(int) error {
	var token string
	return func(int) (err error) {
		if token == "" {
			if _, token, err = s.login(); err != nil {
				return err
			}
		}
		a := send(s.Token, refreshForm(token), basic)
		token = a.member("refresh_token")
		return a.err()
	}
}

// Ask introspects one live token.
func (s *Server) Ask() func(int) error {
	var token string
	return func(int) (err error) {
		if token == "" {
			if token, _, err = s.login(); err != nil {
				return err
			}
		}
		if live, err := s.active(token, basic); err != nil || !live {
			return fmt.Errorf("not active: %w", err)
		}
		return nil
	}
}

type contestant struct {
	name string
	role measure.Role
	open func(dir string) (*Server, error)
}

// Rows are all jobs over one kind of store.
func Rows(where string, contestants []contestant) []measure.Row {
	var rows []measure.Row
	for _, job := range []struct {
		name string
		run  func(*Server) func(int) error
	}{{"password", (*Server).Password}, {"refresh", (*Server).Refresh}, {"introspect", (*Server).Ask}} {
		for _, c := range contestants {
			rows = append(rows, measure.Row{
				Table: "issue/" + job.name + ", " + where, Name: c.name, Role: c.role,
				Setup: func(scene *measure.Scene) (*measure.Trial, error) {
					s, err := c.open(scene.Dir)
					if err != nil {
						return nil, err
					}
					return &measure.Trial{Honest: s.Honest, Run: job.run(s), Close: s.Close}, nil
				},
			})
		}
	}
	return rows
}

// InMemory is everybody with a store of the own in this process.
func InMemory() []measure.Row {
	return Rows("memory", []contestant{
		{"tokenkeep: authserver, memstore", measure.Ours, oursInMemory},
		{"fosite: memory store", measure.Peer, fositeInMemory},
		{"go-oauth2: memory token store", measure.Peer, goOAuth2InMemory},
	})
}

// OnSQLite is everybody on a file of the own, WAL, synchronous FULL: what was answered is on the disk.
func OnSQLite() []measure.Row {
	return Rows("SQLite", []contestant{
		{"tokenkeep: authserver, sqlitestore", measure.Ours, oursOnSQLite},
		{"fosite: tables by hand, prepared", measure.Peer, fositeOnSQLite},
		{"go-oauth2: table by hand, prepared", measure.Peer, goOAuth2OnSQLite},
	})
}

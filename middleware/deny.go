package middleware

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// WithDeny returns the same guard with another Options.Deny, for the routes whose refusals look different, such as the
// pages of a site that also has an API; nil: the standard answers. The users are the same, whichever of the two is asked.
//
//	pages := guard.WithDeny(middleware.ToLogin("/login"))
//	mux.Handle("GET /account", pages.Require()(account))
func (g *Guard[U]) WithDeny(deny func(w http.ResponseWriter, r *http.Request, err error) bool) *Guard[U] {
	c := *g
	c.o.Deny = deny
	return &c
}

// ToLogin is an Options.Deny that sends browsers without a session to the login page, with where they wanted to go in
// return_to, as weblogin's Start takes it. It does so for what a browser shows as a page of its own, which it knows by
// Sec-Fetch-Mode and Sec-Fetch-Dest; a script's request, a frame and a program get the standard answer, and so does a
// bad bearer token, since a login cures none. Browsers send these headers over https and to loopback hosts only.
func ToLogin(path string) func(w http.ResponseWriter, r *http.Request, err error) bool {
	return func(w http.ResponseWriter, r *http.Request, err error) bool {
		h := r.Header
		page := r.Method == http.MethodGet && h.Get("Sec-Fetch-Mode") == "navigate" && h.Get("Sec-Fetch-Dest") == "document"
		bearer := h.Get("Authorization") != "" || strings.Contains(r.URL.RawQuery, "access_token") // which no URL shall repeat
		if !page || bearer || !errors.Is(err, ErrNoToken) && !errors.Is(err, ErrInvalidToken) {
			return false
		}
		w.Header().Del("WWW-Authenticate")
		http.Redirect(w, r, withReturn(path, r), http.StatusSeeOther) //nolint:gosec // G710: the path is the program's, the rest one parameter
		return true
	}
}

// withReturn adds where r wanted to go, unless that is too long for a login to keep.
func withReturn(path string, r *http.Request) string {
	to := r.URL.RequestURI()
	if u, err := url.ParseRequestURI(r.RequestURI); err == nil {
		to = u.RequestURI() // what the browser asked for, whatever http.StripPrefix made of it
	}
	if len(to) > 2<<10 {
		return path
	}
	join := "?"
	if strings.Contains(path, "?") {
		join = "&"
	}
	return path + join + "return_to=" + url.QueryEscape(to)
}

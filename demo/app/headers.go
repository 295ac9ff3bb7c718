package app

import (
	"net"
	"net/http"
	"net/url"
	"strings"
)

// localHost admits requests to loopback names only: a page that had its own name rebound to 127.0.0.1 sends that name,
// and must not reach a service that trusts whoever is on this machine.
func localHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host, ok := hostname(r.Host); !ok || !isLoopback(host) {
			w.Header().Set("Cache-Control", "no-store")
			http.Error(w, "this demo answers to 127.0.0.1, localhost and [::1] only", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostname splits a Host header.
func hostname(host string) (string, bool) {
	u, err := url.Parse("http://" + host)
	if err != nil || u.Host != host || u.User != nil {
		return "", false
	}
	return strings.ToLower(u.Hostname()), true
}

// oneOrigin sends browsers that came by another loopback name to the one that redirects and cookies are made for.
func oneOrigin(origin string, next http.Handler) http.Handler {
	want := strings.TrimPrefix(origin, "http://")
	_, port, _ := net.SplitHostPort(want)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		u := url.URL{Host: r.Host}
		if r.Host != want && isLoopback(u.Hostname()) && u.Port() == port && r.Method == http.MethodGet && (r.URL.Path == "/" || r.URL.Path == "/login") {
			w.Header().Set("Cache-Control", "no-store")
			http.Redirect(w, r, origin+r.URL.Path, http.StatusTemporaryRedirect)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// pagePolicy lets the page load its own two files, talk to its own origin, and nothing else.
const pagePolicy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// harden sets what every answer of the app carries.
func harden(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", pagePolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		if r.URL.Path == "/" { // a login's way through a pop-up must keep the page that opened it
			h.Set("Cross-Origin-Opener-Policy", "same-origin-allow-popups")
		}
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

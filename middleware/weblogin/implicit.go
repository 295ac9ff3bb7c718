package weblogin

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"errors"
	"html"
	"io"
	"net/http"
)

// relayScript moves the fragment out of the URL, its history entry included, and into the form.
//
//go:embed relay.js
var relayScript string

// implicit serves the page that a provider's fragment comes back to, and takes what that page posts.
func (l *Login) implicit(w http.ResponseWriter, r *http.Request) *Failure {
	switch r.Method {
	case http.MethodGet:
		if r.URL.RawQuery != "" { // a token in a query is in logs and histories by now (RFC 9700 section 4.3.2)
			return stray(errors.New("weblogin: an implicit answer is a fragment, this is a query"))
		}
		l.relay(w)
		return nil
	case http.MethodPost:
	default:
		return notAllowed(w, "GET, POST")
	}
	if failure := l.ownPage(r); failure != nil {
		return failure
	}
	form, failure := readForm(w, r, "fragment")
	if failure != nil {
		return failure
	}
	fragment, err := parseAnswer(form.Get("fragment"))
	if err != nil {
		return stray(err)
	}
	return l.answered(w, r, fragment, l.client.ImplicitToken)
}

// relay shows the page. Its one script is allowed by its hash, and it can send a form to this site and nothing else.
func (l *Login) relay(w http.ResponseWriter) {
	sum := sha256.Sum256([]byte(relayScript))
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])+
		"'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	io.WriteString(w, pageHead+ //nolint:errcheck // the client left
		"<form method=\"post\"><input type=\"hidden\" name=\"fragment\"></form>\n"+
		"<p>Signing in takes JavaScript, and an answer of the sign-in service. If nothing happens, please start again.</p>\n"+
		"<p><a href=\""+html.EscapeString(l.o.Home)+"\">Continue</a></p>\n"+
		"<script>"+relayScript+"</script>\n")
}

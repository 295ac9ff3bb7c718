package authserver

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"net/http"
)

// Page is what an authorize page shows: [Options.Page] is executed with one. The page is a form that posts, to its own URL,
// request (the value of Request), decision ("allow" or "deny") and, if SignIn is set, username and password. Its style
// sheets and images come from its own origin, or are inline style elements with the nonce; it has no scripts.
type Page struct {
	Client   string  // the name of who asks
	Host     string  // where the answer goes: shown so that a user can tell
	Scopes   []Scope // what is asked for
	SignIn   bool    // the user has to give username and password
	Username string  // as given before, when that failed
	Problem  string  // what to tell the user about that; "" at first
	Request  string  // sealed, good for 15 minutes
	Nonce    string  // for style elements
}

// Scope is one scope as shown to a user.
type Scope struct {
	Name string
	Text string // Options.Scopes' text; "" if there is none
}

// pageHeaders keep the page out of frames, caches, referrers and reach of everything external (RFC 9700 section 4.16). There
// is no form-action: browsers apply it to the client's own redirects after the answer, and there is nothing to inject.
func pageHeaders(h http.Header) {
	noStore(h)
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
}

// showPage shows the page for a.
func (s *Server) showPage(w http.ResponseWriter, status int, a *asked, username, problem string) {
	plain, err := json.Marshal(a)
	if err != nil {
		s.showFailure(w, unavailable(err))
		return
	}
	c := s.clients[a.Client]
	page := Page{
		Client: c.Name, Host: hostOf(a.Redirect), SignIn: s.authenticate == nil, Username: username, Problem: problem,
		Request: base64.RawURLEncoding.EncodeToString(s.ring.SealBytes("authorize", s.issuer, plain)),
		Nonce:   rand.Text(),
	}
	for _, name := range a.Scopes {
		page.Scopes = append(page.Scopes, Scope{Name: name, Text: s.scopes[name]})
	}
	s.execute(w, status, s.page, page.Nonce, page)
}

// showAgain shows the page again after f.
func (s *Server) showAgain(w http.ResponseWriter, a *asked, username string, f *failure) {
	status, problem := f.status, "This did not work. Please try again in a moment."
	switch {
	case f.code == "invalid_grant":
		status, problem = http.StatusForbidden, "That user name or password is not right."
	case f.status == http.StatusTooManyRequests:
		problem = "Too many wrong passwords for this account. Please try again later."
	}
	s.showPage(w, status, a, username, problem)
}

// showFailure tells the user what a redirect must not tell the client.
func (s *Server) showFailure(w http.ResponseWriter, f *failure) {
	nonce := rand.Text()
	s.execute(w, f.status, failurePage, nonce, struct{ Code, Description, Nonce string }{f.code, f.description, nonce})
}

func (s *Server) execute(w http.ResponseWriter, status int, page *template.Template, nonce string, data any) {
	var body bytes.Buffer
	if err := page.Execute(&body, data); err != nil {
		// The error quotes the template, which is the application's.
		s.logger.Error("authorize page", "error", "the page's template failed")
		http.Error(w, "the page could not be shown", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; img-src 'self'; font-src 'self'; style-src 'self' 'nonce-"+nonce+
		"'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(body.Bytes())
}

const style = `{{define "style"}}<style nonce="{{.Nonce}}">
:root { color-scheme: light dark }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 26rem; margin: 10vh auto; padding: 0 1rem }
h1 { font-size: 1.35rem; line-height: 1.3 }
label { display: block; margin-top: 1rem }
input { font: inherit; width: 100%; padding: .5rem; box-sizing: border-box }
button { font: inherit; padding: .6rem 1.2rem; margin: 1.5rem .5rem 0 0; min-height: 2.75rem }
[role=alert] { border-left: .3rem solid #c00; padding: .2rem .8rem }
:focus-visible { outline: 3px solid #06c; outline-offset: 2px }
</style>{{end}}`

var defaultPage = template.Must(template.New("authorize").Parse(style + `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{{if .Problem}}Problem: {{end}}{{if .SignIn}}Sign in{{else}}Allow access{{end}} – {{.Client}}</title>
{{template "style" .}}
</head>
<body>
<main>
<h1>{{if .SignIn}}Sign in to continue to {{.Client}}{{else}}Allow {{.Client}} to use your account?{{end}}</h1>
{{with .Problem}}<p role="alert" id="problem">{{.}}</p>{{end}}
{{if .Scopes}}<p><strong>{{.Client}}</strong> at {{.Host}} will be allowed to:</p>
<ul>{{range .Scopes}}
<li>{{if .Text}}{{.Text}}{{else}}{{.Name}}{{end}}</li>{{end}}
</ul>{{else}}<p><strong>{{.Client}}</strong> at {{.Host}} will learn who you are.</p>{{end}}
<form method="post">
<input type="hidden" name="request" value="{{.Request}}">
{{if .SignIn}}<label for="username">User name or e-mail</label>
<input id="username" name="username" value="{{.Username}}" autocomplete="username" autocapitalize="none" spellcheck="false" required{{if .Problem}} aria-describedby="problem"{{end}}{{if not .Username}} autofocus{{end}}>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password" required{{if .Problem}} aria-describedby="problem"{{end}}{{if .Username}} autofocus{{end}}>
{{end}}<button name="decision" value="allow">{{if .SignIn}}Sign in and allow{{else}}Allow{{end}}</button>
<button name="decision" value="deny" formnovalidate>Deny</button>
</form>
</main>
</body>
</html>
`))

var failurePage = template.Must(template.New("failure").Parse(style + `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>The request cannot be answered</title>
{{template "style" .}}
</head>
<body>
<main>
<h1>The request cannot be answered</h1>
<p role="alert">{{.Description}}.</p>
<p>This is a fault of the application that sent you here, or the page is out of date. Code: <code>{{.Code}}</code></p>
</main>
</body>
</html>
`))

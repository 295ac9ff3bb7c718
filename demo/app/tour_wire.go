package app

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

// pair is a name and a value, in the order in which they are sent.
type pair struct{ name, value string }

// ask is a request as curl would be told to send it.
type ask struct {
	method  string // "" means GET, or POST with a form or JSON body
	url     string
	user    pair // Basic
	headers []pair
	form    []pair
	json    string
	jar     http.CookieJar // of a browser; nil: none
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
	object map[string]any // the body, if it is a JSON object
}

func (a *answer) text(name string) string {
	s, _ := a.object[name].(string)
	return s
}

func (a *answer) number(name string) float64 {
	n, _ := a.object[name].(float64)
	return n
}

// query returns a parameter of the URL that the answer redirects to.
func (a *answer) query(name string) string {
	u, err := url.Parse(a.header.Get("Location"))
	if err != nil {
		return ""
	}
	return u.Query().Get(name)
}

func newJar() http.CookieJar {
	jar, _ := cookiejar.New(nil) // never fails without options
	return jar
}

// request builds what curl would send.
func (q ask) request() (*http.Request, error) {
	method, body := q.method, q.json
	if q.form != nil {
		body = encode(q.form)
	}
	switch {
	case method == "" && body == "":
		method = http.MethodGet
	case method == "":
		method = http.MethodPost
	}
	req, err := http.NewRequest(method, q.url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if q.form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if q.user.name != "" {
		req.SetBasicAuth(q.user.name, q.user.value)
	}
	for _, h := range q.headers {
		req.Header.Add(h.name, h.value)
	}
	return req, nil
}

func encode(form []pair) string {
	var parts []string
	for _, p := range form {
		parts = append(parts, url.QueryEscape(p.name)+"="+url.QueryEscape(p.value))
	}
	return strings.Join(parts, "&")
}

// send asks without following redirects, as curl does.
func (q ask) send(t http.RoundTripper) (*answer, error) {
	req, err := q.request()
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: t, Jar: q.jar, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	a := &answer{status: resp.StatusCode, header: resp.Header, body: strings.TrimSpace(string(body))}
	if json.Unmarshal(body, &a.object) != nil {
		a.object = nil
	}
	return a, nil
}

// the parameters whose values are nobody's business.
var secretNames = map[string]bool{
	"password": true, "client_secret": true, "code": true, "refresh_token": true, "code_verifier": true, "state": true,
	"request": true, "access_token": true, "handle": true, "token": true, "code_challenge": true,
	"fragment": true, "user_code": true,
}

// curl returns q in curl's words, secrets shortened.
func (q ask) curl() string {
	w := []string{"curl -i"}
	if q.method != "" && !(q.method == http.MethodPost && (q.form != nil || q.json != "")) {
		w = append(w, "-X "+q.method)
	}
	if q.user.name != "" {
		w = append(w, "-u "+quoted(q.user.name+":"+short(q.user.value)))
	}
	if q.jar != nil {
		w = append(w, "-b jar -c jar")
	}
	for _, h := range q.headers {
		value := h.value
		if scheme, rest, ok := strings.Cut(value, " "); ok && h.name == "Authorization" {
			value = scheme + " " + short(rest)
		}
		w = append(w, "-H "+quoted(h.name+": "+value))
	}
	for _, p := range q.form {
		value := p.value
		if secretNames[p.name] {
			value = short(value)
		}
		flag := "-d "
		if value != url.QueryEscape(value) && !secretNames[p.name] {
			flag = "--data-urlencode "
		}
		w = append(w, flag+quoted(p.name+"="+value))
	}
	if q.json != "" {
		w = append(w, "-d "+quoted(shortJSON(q.json)))
	}
	return strings.Join(append(w, quoted(shortURL(q.url))), " ")
}

func quoted(s string) string {
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~/:=@,+%…") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// short keeps what tells two secrets apart.
func short(secret string) string {
	if len(secret) < 8 {
		return "…"
	}
	return secret[:4] + "…"
}

var jsonMember = regexp.MustCompile(`"([a-z_]+)"\s*:\s*"((?:[^"\\]|\\.)*)"`)

func shortJSON(text string) string {
	return jsonMember.ReplaceAllStringFunc(text, func(m string) string {
		part := jsonMember.FindStringSubmatch(m)
		if !secretNames[part[1]] {
			return m
		}
		return fmt.Sprintf("%q:%q", part[1], short(part[2]))
	})
}

var queryParam = regexp.MustCompile(`([?&#])([a-z_]+)=([^&#]*)`)

func shortURL(text string) string {
	return queryParam.ReplaceAllStringFunc(text, func(m string) string {
		part := queryParam.FindStringSubmatch(m)
		if !secretNames[part[2]] {
			return m
		}
		return part[1] + part[2] + "=" + short(part[3])
	})
}

// the headers worth showing.
var shownHeaders = []string{"Content-Type", "WWW-Authenticate", "Location", "Set-Cookie", "Cache-Control", "Retry-After"}

var title = regexp.MustCompile(`(?s)<title>(.*?)</title>`)

// lines returns a as curl -i prints it, secrets shortened and pages by their title.
func (a *answer) lines() []string {
	lines := []string{fmt.Sprintf("HTTP/1.1 %d %s", a.status, http.StatusText(a.status))}
	for _, name := range shownHeaders {
		for _, value := range a.header.Values(name) {
			switch name {
			case "Location":
				value = shortURL(value)
			case "Set-Cookie":
				cookie, rest, _ := strings.Cut(value, ";")
				key, secret, _ := strings.Cut(cookie, "=")
				value = key + "=" + short(secret) + ";" + rest
			}
			lines = append(lines, name+": "+value)
		}
	}
	body := shortJSON(a.body)
	if n := strings.Count(a.body, "\n"); a.header.Get("Content-Type") == "application/x-ndjson" {
		body = fmt.Sprintf("(%d lines)", n)
	}
	if strings.HasPrefix(a.header.Get("Content-Type"), "text/html") {
		body = "(a page)"
		if m := title.FindStringSubmatch(a.body); m != nil {
			body = "(a page: " + strings.TrimSpace(m[1]) + ")"
		}
	}
	if body != "" {
		lines = append(lines, "", body)
	}
	return lines
}

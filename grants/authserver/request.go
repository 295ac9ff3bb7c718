package authserver

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// maxBody bounds a request's body, and maxParam a parameter in it.
const (
	maxBody  = 64 << 10
	maxParam = 32 << 10
)

// mount is the dialects spoken at one path.
type mount []*dialect

// mount returns the dialects given, or all when none is.
func (s *Server) mount(dialects []*Dialect) mount {
	var m mount
	for _, d := range dialects {
		if known := s.dialects[d]; known != nil {
			m = append(m, known)
		}
	}
	if len(dialects) == 0 {
		for _, d := range s.dialects {
			m = append(m, d)
		}
	}
	return m
}

func (m mount) that(match func(*dialect) bool) mount {
	if !slices.ContainsFunc(m, func(d *dialect) bool { return !match(d) }) {
		return m // as mostly: nothing to copy
	}
	var some mount
	for _, d := range m {
		if match(d) {
			some = append(some, d)
		}
	}
	return some
}

func (m mount) has(d *dialect) bool {
	return slices.Contains(m, d)
}

// atPath returns the dialects that allow path's last slash, or its absence.
func (m mount) atPath(path string) (mount, error) {
	if path == "" || path == "/" { // a prefix was stripped: nothing to tell
		return m, nil
	}
	slash := strings.HasSuffix(path, "/")
	some := m.that(func(d *dialect) bool { return d.TrailingSlash == slash })
	switch {
	case len(some) > 0:
		return some, nil
	case len(m) == 0:
		return nil, fail(http.StatusNotFound, "invalid_request", "no client uses this endpoint")
	case slash:
		return nil, fail(http.StatusNotFound, "invalid_request", "the path of this endpoint has no slash at its end: leave it out")
	default:
		return nil, fail(http.StatusNotFound, "invalid_request", "the path of this endpoint ends in a slash: add it")
	}
}

// params are a request's parameters: so few that to look along them is quicker than a map. One without a value is as good as
// absent (RFC 6749 section 3.1).
type params []param

type param struct{ name, value string }

func (p params) get(name string) string {
	for i := range p {
		if p[i].name == name {
			return p[i].value
		}
	}
	return ""
}

func (p params) has(name string) bool {
	return slices.ContainsFunc(p, func(q param) bool { return q.name == name })
}

// isKnown tells the parameters that must not come twice; others are ignored (RFC 6749 section 3.2).
func isKnown(name string) bool {
	switch name {
	case "grant_type", "client_id", "client_secret", "username", "password", "scope", "code", "redirect_uri", "code_verifier",
		"refresh_token", "token", "token_type_hint", "response_type", "state", "code_challenge", "code_challenge_method", "request",
		"decision", "nonce", "prompt", "request_uri", "response_mode", "device_code", "user_code", "dpop_jkt", "client_assertion",
		"client_assertion_type":
		return true
	}
	return false
}

// set adds a parameter and tells what is wrong with it.
func (p *params) set(name, value string) error {
	if !isKnown(name) {
		return nil
	}
	switch {
	case p.has(name):
		return invalidRequest("the parameter " + name + " comes twice")
	case len(value) > maxParam:
		return invalidRequest("the parameter " + name + " is too long")
	case strings.Contains(value, "\x00") || !utf8.ValidString(value):
		return invalidRequest("the parameter " + name + " is not UTF-8 text")
	}
	*p = append(*p, param{name, value})
	return nil
}

func (p *params) addQuery(values url.Values) error {
	for name, all := range values {
		for _, value := range all {
			if err := p.set(name, value); err != nil {
				return err
			}
		}
	}
	return nil
}

// readBody appends the parameters of a form or JSON body to p and returns the dialects of m that take such a one.
func (m mount) readBody(w http.ResponseWriter, r *http.Request, p params) (params, mount, error) {
	types := r.Header["Content-Type"]
	media := ""
	if len(types) == 1 {
		media = mediaType(types[0])
	}
	isJSON, isForm := media == "application/json", media == "application/x-www-form-urlencoded"
	some := m.that(func(d *dialect) bool { return (d.JSON && isJSON) || (!d.JSON && isForm) })
	if len(some) == 0 {
		want := "application/x-www-form-urlencoded"
		if len(m) > 0 && m[0].JSON {
			want = "application/json"
		}
		return nil, nil, invalidRequest("the Content-Type must be " + want)
	}
	body, err := readAll(w, r)
	if err != nil {
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			return nil, nil, fail(http.StatusRequestEntityTooLarge, "invalid_request", "the body is too large")
		}
		return nil, nil, invalidRequest("the body could not be read")
	}
	if isJSON {
		err = p.addJSON(body)
	} else {
		err = p.addForm(string(body))
	}
	return p, some, err
}

// readAll reads a body, in one piece if its length was told.
func readAll(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if r.ContentLength <= 0 || r.ContentLength > maxBody {
		return io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	}
	body := make([]byte, r.ContentLength)
	_, err := io.ReadFull(r.Body, body)
	return body, err
}

func mediaType(header string) string {
	if header == "application/x-www-form-urlencoded" || header == "application/json" {
		return header
	}
	media, _, err := mime.ParseMediaType(header)
	if err != nil && !errors.Is(err, mime.ErrInvalidMediaParameter) {
		return ""
	}
	return media
}

// addForm adds a form's fields: what url.ParseQuery and addQuery do, without a map between them.
func (p *params) addForm(body string) error {
	malformed := func() error { return invalidRequest("the body is not a form") }
	for field := range strings.SplitSeq(body, "&") {
		if field == "" {
			continue
		}
		if strings.Contains(field, ";") {
			return malformed()
		}
		name, value, _ := strings.Cut(field, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			return malformed()
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return malformed()
		}
		if err := p.set(name, value); err != nil {
			return err
		}
	}
	return nil
}

// addJSON adds the members of one JSON object, null ones left out. It reads member by member, since decoding into a map
// would let the second of two equal names win.
func (p *params) addJSON(body []byte) error {
	malformed := invalidRequest("the body is not a JSON object")
	if !utf8.Valid(body) {
		return malformed
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	if start, err := dec.Token(); err != nil || start != json.Delim('{') {
		return malformed
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return malformed
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return malformed
		}
		text, _ := name.(string)
		if !isKnown(text) {
			continue
		}
		var value *string
		if json.Unmarshal(raw, &value) != nil {
			return invalidRequest("the member " + text + " must be a string")
		}
		if value == nil {
			value = new(string)
		}
		if err := p.set(text, *value); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return malformed
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return malformed
	}
	return nil
}

package middleware

import (
	"bytes"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
)

const formLimit = 1 << 20

// present finds the one token that the request carries, wherever the options allow one (RFC 6750 section 2). What they
// do not allow is invisible: neither used nor an error.
func (g *Guard[U]) present(w http.ResponseWriter, r *http.Request) (string, *denial) {
	token, refused := bearer(r.Header["Authorization"], g.o.TokenLimit)
	if !g.o.FormToken && !g.o.InsecureQueryToken || refused != nil && refused != denyNoToken {
		return token, refused
	}
	var sent []string
	if g.o.InsecureQueryToken && strings.Contains(r.URL.RawQuery, "access_token") {
		sent = r.URL.Query()["access_token"]
	}
	inQuery := len(sent) > 0
	if g.o.FormToken && hasForm(r) {
		form, refused := peekForm(r)
		if refused != nil {
			return "", refused
		}
		sent = append(sent, form["access_token"]...)
	}
	switch {
	case len(sent) == 0:
		return token, refused
	case refused == nil || len(sent) > 1:
		return "", denyTwoWays
	}
	if inQuery {
		w.Header().Set("Cache-Control", "private") // RFC 6750 section 2.3
	}
	return checkToken(sent[0], g.o.TokenLimit)
}

// hasForm says whether section 2.2 allows a token in the body: methods that give a body a meaning, single-part forms.
func hasForm(r *http.Request) bool {
	switch r.Method {
	case http.MethodPost, http.MethodPut, http.MethodPatch:
		kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		return err == nil && kind == "application/x-www-form-urlencoded"
	}
	return false
}

// peekForm reads the form and puts the body back for the handler.
func peekForm(r *http.Request) (url.Values, *denial) {
	if r.Body == nil {
		return nil, nil
	}
	if r.ContentLength > formLimit {
		return nil, denyBody
	}
	body, ok := readForm(r.Body)
	if !ok {
		return nil, denyBody
	}
	r.Body = readBack{bytes.NewReader(body), r.Body}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, denyBody
	}
	return form, nil
}

// readForm reads to the end; false if there is an error or more than formLimit. It takes little for little forms, and
// not much more than the limit for any.
func readForm(from io.Reader) (body []byte, ok bool) {
	for _, room := range [...]int{4 << 10, 64 << 10, formLimit + 1} {
		wider := make([]byte, room)
		n := copy(wider, body)
		more, err := io.ReadFull(from, wider[n:])
		body = wider[:n+more]
		switch err {
		case nil: // there may be more
		case io.EOF, io.ErrUnexpectedEOF:
			return body, true
		default:
			return nil, false
		}
	}
	return nil, false
}

type readBack struct {
	io.Reader
	io.Closer
}

package migrate_test

import (
	"context"
	"encoding/json"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

func check(_ context.Context, username, password string) (string, error) {
	if username == "alice" && password == "wonderland" {
		return "42", nil
	}
	return "", store.ErrNotFound
}

func memory(t *testing.T) store.TokenStore {
	t.Helper()
	tokens, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// reply is an answer, and what is read from it.
type reply struct {
	status int
	header http.Header
	body   string
	json   map[string]any
}

func (r *reply) text(name string) string {
	s, _ := r.json[name].(string)
	return s
}

func do(h http.Handler, r *http.Request) *reply {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	got := &reply{status: w.Code, header: w.Header(), body: w.Body.String()}
	json.Unmarshal(w.Body.Bytes(), &got.json) // pages are none
	return got
}

func get(h http.Handler, path, bearer string) *reply {
	r := httptest.NewRequest("GET", path, nil)
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	return do(h, r)
}

func post(h http.Handler, path, contentType, body, bearer string) *reply {
	r := httptest.NewRequest("POST", path, strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	return do(h, r)
}

func form(h http.Handler, path string, pairs ...string) *reply {
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		values.Set(pairs[i], pairs[i+1])
	}
	return post(h, path, "application/x-www-form-urlencoded", values.Encode(), "")
}

var hidden = regexp.MustCompile(`name="request" value="([^"]+)"`)

// authorize is a browser that allows if it is asked, and ends where it is sent.
func authorize(h http.Handler, query string) *reply {
	got := get(h, "/authorize?"+query, "")
	if m := hidden.FindStringSubmatch(got.body); m != nil {
		got = form(h, "/authorize?"+query, "request", html.UnescapeString(m[1]), "decision", "allow")
	}
	return got
}

// step is one request of a sequence that both sides answer.
type step struct {
	name          string
	before, after int // status
	do            func() *reply
}

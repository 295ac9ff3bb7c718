package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// shows is an answer of the demo: what its token's digest is, and how long from now on it is valid.
type shows struct {
	status int
	token  string
	valid  time.Duration
	body   string
	takes  time.Duration
}

const page = `{"id":"alice"}`

// TestWatch: a request counts as one with a valid token from what answers have shown before it, whatever the provider may
// have given meanwhile.
func TestWatch(t *testing.T) {
	t.Parallel()
	expired := shows{200, "first", -time.Second, page, 0}
	fresh := shows{200, "first", time.Minute, page, 0}
	successor := shows{200, "second", time.Minute, page, 0}
	failing := shows{status: 503}
	for name, tt := range map[string]struct {
		answers []shows
		want    string // broken, unavailable, logins, mixed up; well and waited for
	}{
		"valid":                                    {[]shows{fresh, fresh}, "0 0 0 0; 1 1"},
		"broken under the first token":             {[]shows{fresh, failing}, "1 0 0 0; 0 1"},
		"unavailable, no successor was shown":      {[]shows{expired, failing, failing}, "0 2 0 0; 0 1"},
		"a successor came":                         {[]shows{expired, failing, successor, successor}, "0 1 0 0; 1 2"},
		"broken under the successor":               {[]shows{expired, successor, failing}, "1 0 0 0; 0 2"},
		"cut off under the successor":              {[]shows{expired, successor, {status: 0}}, "1 0 0 0; 0 2"},
		"refused under the successor":              {[]shows{expired, successor, {status: 403}}, "1 0 0 0; 0 2"},
		"an older token does not shorten it":       {[]shows{successor, expired, failing}, "1 0 0 0; 1 1"},
		"expired under way":                        {[]shows{{200, "first", 100 * time.Millisecond, page, 0}, {status: 503, takes: 200 * time.Millisecond}}, "0 1 0 0; 0 1"},
		"signed out, valid":                        {[]shows{fresh, {status: 401}}, "0 0 1 0; 0 1"},
		"signed out, expired":                      {[]shows{expired, {status: 401}}, "0 0 1 0; 0 1"},
		"another user's page":                      {[]shows{fresh, {200, "other", time.Minute, `{"id":"admin"}`, 0}}, "0 0 0 1; 0 1"},
		"nothing is known before the first answer": {[]shows{failing}, "0 1 0 0; 0 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			front := httptest.NewServer(script(tt.answers))
			defer front.Close()
			f := newWatch(front.URL, []*session{{credential: "Bearer a", user: `"id":"alice"`}})
			defer f.out.CloseIdleConnections()
			f.measured.Store(true)
			for range tt.answers {
				f.visit(t.Context(), 0, "/api/me")
			}
			got := fmt.Sprint(f.broken.Load(), f.unavailable.Load(), f.logins.Load(), f.mixedUp.Load(), "; ", f.valid.count(), " ", f.waiting.count())
			if got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
}

func script(answers []shows) http.Handler {
	n := 0
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		a := answers[min(n, len(answers)-1)] // what was cut off, the transport may ask for again
		n++
		time.Sleep(a.takes)
		if a.status == 0 {
			panic(http.ErrAbortHandler)
		}
		if a.token != "" {
			w.Header().Set("X-Demo-Token", a.token)
			w.Header().Set("X-Demo-Expiry", time.Now().Add(a.valid).Format(time.RFC3339Nano))
		}
		w.WriteHeader(a.status)
		fmt.Fprint(w, a.body)
	})
}

// TestWatchLeft: who hangs up has no complaint.
func TestWatchLeft(t *testing.T) {
	t.Parallel()
	f := newWatch("http://127.0.0.1:1", []*session{{credential: "Bearer a", until: time.Now().Add(time.Hour)}})
	ctx, left := context.WithCancel(t.Context())
	left()
	f.visit(ctx, 0, "/")
	if f.broken.Load() != 0 {
		t.Error("held against us")
	}
	f.visit(t.Context(), 0, "/")
	if f.broken.Load() != 1 {
		t.Error("an unreachable front is not")
	}
}

// TestParseCall reads a line as the demo writes it.
func TestParseCall(t *testing.T) {
	t.Parallel()
	c, ok := parseCall(`time=2026-11-21T09:11:20.576Z level=INFO msg="token answer" from=provider began=2026-11-21T09:11:20.357Z ` +
		`replica=3 grant=refresh_token sent=73 access=54 refresh=49 status=500 fault=lost`)
	if !ok || c.replica != 3 || c.grant != refreshing || c.sent != "73" || c.access != "54" || c.refresh != "49" || c.status != 500 ||
		c.fault != "lost" || c.ended.Sub(c.began) != 219*time.Millisecond {
		t.Errorf("%+v", c)
	}
	if _, ok := parseCall(`level=INFO msg="token request" grant=refresh_token`); ok {
		t.Error("another line is taken for a call")
	}
}

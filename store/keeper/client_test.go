package keeper_test

import (
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// wire records what went out and answers by URL.
type wire struct {
	sent    []string // "METHOD URL Authorization body"
	answers map[string]func(*http.Request) *http.Response
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	var body []byte
	if r.Body != nil {
		body, _ = io.ReadAll(r.Body)
		r.Body.Close()
	}
	w.sent = append(w.sent, strings.TrimSpace(r.Method+" "+r.URL.String()+" "+r.Header.Get("Authorization")+" "+string(body)))
	resp := answer(200)
	if f := w.answers[r.URL.String()]; f != nil {
		resp = f(r)
	}
	resp.Request = r
	return resp, nil
}

func TestClientPinsTheTokenToOrigins(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		moved := func(to string) func(*http.Request) *http.Response {
			return func(*http.Request) *http.Response { return answer(307, "Location", to) }
		}
		wire := &wire{answers: map[string]func(*http.Request) *http.Response{
			api + "/sub":                 moved("https://sub.api.example.com/x"),
			api + "/plain":               moved("http://api.example.com/x"),
			api + "/port":                moved("https://api.example.com:8443/x"),
			api + "/same":                moved("https://API.example.com:443/x"),
			api + "/round":               moved("https://other.example/back"),
			"https://other.example/back": moved(api + "/home"),
		}}
		w := newWorld(t, &keeper.Options{Transport: wire})
		rec := w.start(time.Hour)
		client := w.keep.Client(rec.Handle, api)
		for _, tt := range []struct{ path, want string }{
			{"/sub", "GET https://sub.api.example.com/x"},
			{"/plain", "GET http://api.example.com/x"},
			{"/port", "GET https://api.example.com:8443/x"},
			{"/same", "GET https://API.example.com:443/x Bearer access-0"},
			{"/round", "GET " + api + "/home Bearer access-0"},
		} {
			if _, err := client.Get(api + tt.path); err != nil {
				t.Fatal(err)
			}
			if got := wire.sent[len(wire.sent)-1]; got != tt.want {
				t.Errorf("%s: sent %q, want %q", tt.path, got, tt.want)
			}
		}
		for _, sent := range wire.sent {
			if strings.Contains(sent, "other.example") && strings.Contains(sent, "Bearer") {
				t.Errorf("the token went to another host: %q", sent)
			}
		}
	})
}

func TestClientRefuses(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		wire := &wire{}
		w := newWorld(t, &keeper.Options{Transport: wire})
		rec := w.start(time.Hour)
		for _, tt := range []struct {
			name    string
			origins []string
			url     string
		}{
			{"no origin", nil, api},
			{"another host", []string{api}, "https://evil.example"},
			{"another scheme", []string{api}, "http://api.example.com"},
			{"another port", []string{api}, api + ":444"},
			{"plain http origin", []string{"http://api.example.com"}, "http://api.example.com"},
			{"origin with a path", []string{api + "/v1"}, api},
			{"origin with a user", []string{"https://a@api.example.com"}, api},
		} {
			if _, err := w.keep.Client(rec.Handle, tt.origins...).Get(tt.url); err == nil {
				t.Errorf("%s: no error", tt.name)
			}
		}
		if len(wire.sent) != 0 {
			t.Errorf("sent %q", wire.sent)
		}
		if _, err := w.keep.Client(rec.Handle, "http://127.0.0.1:8080", "http://[::1]").Get("http://127.0.0.1:8080/x"); err != nil {
			t.Error("loopback:", err)
		}
	})
}

func TestClientErrorsComeThroughURLError(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		w := newWorld(t, &keeper.Options{Transport: &wire{}})
		_, err := w.keep.Client(store.Key("nobody"), api).Get(api)
		var ue *url.Error
		if !errors.As(err, &ue) || !errors.Is(err, store.ErrNotFound) {
			t.Errorf("got %v", err)
		}
	})
}

func TestClientLeavesAnOwnAuthorizationAlone(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		wire := &wire{}
		w := newWorld(t, &keeper.Options{Transport: wire})
		rec := w.start(time.Hour)
		req, _ := http.NewRequest("GET", api, nil)
		req.Header.Set("Authorization", "Basic eA==")
		if _, err := w.keep.Client(rec.Handle, api).Do(req); err != nil || wire.sent[0] != "GET "+api+" Basic eA==" {
			t.Errorf("sent %q, %v", wire.sent, err)
		}
	})
}

func TestClientReplaysAfter401(t *testing.T) {
	const invalid = `Bearer realm="x", error="invalid_token"`
	for _, tt := range []struct {
		name   string
		method string
		body   io.Reader
		answer func(*http.Request) *http.Response
		want   []string // authorizations sent
		calls  int64
	}{
		{"invalid token", "GET", nil, refuseToken("access-0", 401, invalid), []string{"0", "1"}, 1},
		{"bare challenge", "GET", nil, refuseToken("access-0", 401, "Bearer"), []string{"0", "1"}, 1},
		{"body that can be sent again", "POST", strings.NewReader("x"), refuseToken("access-0", 401, invalid), []string{"0", "1"}, 1},
		{"body that cannot", "POST", io.MultiReader(strings.NewReader("x")), refuseToken("access-0", 401, invalid), []string{"0"}, 1},
		{"other error", "GET", nil, refuseToken("access-0", 401, `Bearer error="invalid_request"`), []string{"0"}, 0},
		{"forbidden", "GET", nil, refuseToken("access-0", 403, `Bearer error="insufficient_scope"`), []string{"0"}, 0},
		{"every token refused", "GET", nil, refuseToken("access-", 401, invalid), []string{"0", "1"}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				wire := &wire{answers: map[string]func(*http.Request) *http.Response{api: tt.answer}}
				w := newWorld(t, &keeper.Options{Transport: wire})
				rec := w.start(time.Hour)
				req, err := http.NewRequest(tt.method, api, tt.body)
				req.Header.Set("X-Trace", "1")
				if err != nil {
					t.Fatal(err)
				}
				if _, err := w.keep.Client(rec.Handle, api).Do(req); err != nil {
					t.Fatal(err)
				}
				if len(wire.sent) != len(tt.want) {
					t.Fatalf("sent %q, want %d", wire.sent, len(tt.want))
				}
				for i, n := range tt.want {
					if !strings.Contains(wire.sent[i], "Bearer access-"+n) {
						t.Errorf("request %d: %q, want access-%s", i, wire.sent[i], n)
					}
					if tt.method == "POST" && !strings.HasSuffix(wire.sent[i], " x") {
						t.Errorf("request %d lost its body: %q", i, wire.sent[i])
					}
				}
				if req.Header.Get("Authorization") != "" {
					t.Error("the caller's request was changed")
				}
				w.wantCalls(tt.calls)
			})
		})
	}
}

func refuseToken(prefix string, status int, challenge string) func(*http.Request) *http.Response {
	return func(r *http.Request) *http.Response {
		if strings.HasPrefix(r.Header.Get("Authorization"), "Bearer "+prefix) {
			return answer(status, "WWW-Authenticate", challenge)
		}
		return answer(200)
	}
}

// A server that refuses every token must not turn each request into a refresh.
func TestClientForcesNoRefreshStorm(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		wire := &wire{answers: map[string]func(*http.Request) *http.Response{api: refuseToken("", 401, "Bearer")}}
		w := newWorld(t, &keeper.Options{Transport: wire})
		rec := w.start(time.Hour)
		for range 20 {
			resp, err := w.keep.Client(rec.Handle, api).Get(api)
			if err != nil || resp.StatusCode != 401 {
				t.Fatalf("got %v, %v", resp, err)
			}
		}
		w.wantCalls(1)
	})
}

// What the refresh after a 401 finds out about the grant is the caller's answer, as it is every later caller's; the
// server's 401 is the answer where nothing is known to have ended.
func TestClientTellsTheEndAfter401(t *testing.T) {
	for _, tt := range []struct {
		name  string
		end   func(w *world, rec *store.Record) (store.Token, error)
		want  error // nil: the 401
		calls int64
	}{
		{"dead", func(*world, *store.Record) (store.Token, error) { return store.Token{}, outcomeError{keeper.Dead} }, keeper.ErrLoginRequired, 1},
		{"ended meanwhile", func(w *world, rec *store.Record) (store.Token, error) {
			if err := w.keep.End(w.t.Context(), rec.Handle); err != nil {
				w.t.Error(err)
			}
			return w.p.rotate(rec)
		}, store.ErrNotFound, 1},
		{"unavailable", func(*world, *store.Record) (store.Token, error) {
			return store.Token{}, outcomeError{keeper.RetryLater}
		}, nil, 1},
		{"no refresh possible", nil, nil, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				body := &closing{Reader: strings.NewReader("no")}
				wire := &wire{answers: map[string]func(*http.Request) *http.Response{api: func(*http.Request) *http.Response {
					resp := answer(401, "WWW-Authenticate", "Bearer")
					resp.Body = body
					return resp
				}}}
				w := newWorld(t, &keeper.Options{Transport: wire})
				first := store.Record{Subject: "alice", Token: firstToken(time.Hour)}
				if tt.end == nil {
					first.Token.RefreshExpiry = time.Now()
				}
				rec, err := w.keep.Start(t.Context(), store.Handle{}, &first)
				if err != nil {
					t.Fatal(err)
				}
				h := rec.Handle
				w.p.answer = func(_ int, rec *store.Record) (store.Token, error) { rec.Handle = h; return tt.end(w, rec) }
				resp, err := w.keep.Client(h, api).Get(api)
				if tt.want == nil {
					if err != nil || resp.StatusCode != 401 || body.closed {
						t.Errorf("got %v, %v, want the 401 as it came", resp, err)
					}
				} else if !errors.Is(err, tt.want) || !body.closed {
					t.Errorf("got %v, %v, want %v; the answer's body closed: %t", resp, err, tt.want, body.closed)
				}
				w.wantCalls(tt.calls)
				_, later := w.keep.Get(t.Context(), h)
				if !errors.Is(later, tt.want) {
					t.Errorf("the next caller got %v, want %v", later, tt.want)
				}
			})
		})
	}
}

// A request that is not sent again leaves no body open.
func TestClientOpensNoBodyInVain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		wire := &wire{answers: map[string]func(*http.Request) *http.Response{api: refuseToken("access-0", 401, "Bearer")}}
		w := newWorld(t, &keeper.Options{Transport: wire})
		rec := w.start(time.Hour)
		w.p.answer = func(int, *store.Record) (store.Token, error) { return store.Token{}, outcomeError{keeper.RetryLater} }
		opened := 0
		req, _ := http.NewRequest("POST", api, strings.NewReader("x"))
		req.GetBody = func() (io.ReadCloser, error) { opened++; return io.NopCloser(strings.NewReader("x")), nil }
		resp, err := w.keep.Client(rec.Handle, api).Transport.RoundTrip(req)
		if err != nil || resp.StatusCode != 401 || opened != 0 {
			t.Errorf("got %v, %v, opened %d", resp, err, opened)
		}
	})
}

package grants_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// hostile are answers that a broken or malicious server gives to a refresh. An empty class: the token in it is usable.
var hostile = []struct {
	name   string
	status int
	body   []byte
	class  grants.Class
}{
	{"2 MiB of spaces", 200, bytes.Repeat([]byte(" "), 2<<20), grants.TooLarge},
	{"2 MiB of a token", 200, []byte(`{"access_token":"` + strings.Repeat("EVIL", 512<<10)), grants.TooLarge},
	{"2 MiB of an error page", 403, bytes.Repeat([]byte("<EVIL>"), 350<<10), grants.RetryLater},
	{"2 MiB of a failure", 500, bytes.Repeat([]byte("<EVIL>"), 350<<10), grants.UnknownOutcome},
	{"HTML", 200, []byte("<!doctype html><title>EVIL</title><p>access_token=EVIL"), grants.UnknownOutcome},
	{"truncated", 200, []byte(`{"access_token":"EVIL","refresh_token":"EV`), grants.UnknownOutcome},
	{"NULs", 200, make([]byte, 1<<20), grants.UnknownOutcome},
	{"NUL in the token", 200, []byte(`{"access_token":"EVIL\u0000"}`), grants.ProtocolError},
	{"NUL, escape and line feed in an error", 400, []byte(`{"error":"EVIL\u0000\u001b\n"}`), grants.OAuthError},
	{"a million brackets", 200, bytes.Repeat([]byte("["), 1e6), grants.UnknownOutcome},
	{"a thousand levels", 200, []byte(`{"access_token":"AT2","x":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`), ""},
	{"10,000 members", 200, members(10_000), ""},
	{"200,000 nameless members", 200, []byte(`{"access_token":"AT2"` + strings.Repeat(`,"":1`, 200_000) + `}`), ""},
	{"a token that no store takes", 200, []byte(`{"access_token":"` + strings.Repeat("EVIL", 50<<10) + `"}`), grants.TooLarge},
	{"a refresh token that no store takes", 200, []byte(`{"access_token":"EVIL","refresh_token":"` + strings.Repeat("EVIL", 100<<10) + `"}`), grants.TooLarge},
	{"an ID token that no store takes", 200, []byte(`{"access_token":"EVIL","id_token":"` + strings.Repeat("EVIL", 100<<10) + `"}`), grants.TooLarge},
	{"a type that no store takes", 200, []byte(`{"access_token":"AT2","token_type":"` + strings.Repeat("EVIL", 100<<10) + `"}`), ""},
	{"half a million scopes", 200, []byte(`{"access_token":"AT2","scope":"` + strings.Repeat("s ", 500_000) + `"}`), ""},
	{"150,000 different scopes", 200, []byte(`{"access_token":"AT2","scope":"` + numbers(150_000) + `"}`), ""},
	{"200,000 scopes in a list", 200, []byte(`{"access_token":"AT2","scope":["s"` + strings.Repeat(`,"s"`, 200_000) + `]}`), ""},
	{"a lifetime of -1e308 s", 200, []byte(`{"access_token":"AT2","expires_in":-1e308}`), ""},
	{"a lifetime of 1e308 s", 200, []byte(`{"access_token":"AT2","expires_in":1e308,"refresh_token_expires_in":"9e999"}`), ""},
	{"a fraction of a second", 200, []byte(`{"access_token":"AT2","expires_in":0.25}`), ""},
	{"9223372037 s", 200, []byte(`{"access_token":"AT2","expires_in":9223372037,"expires_at":-9223372036854775809}`), ""},
}

func numbers(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strconv.Itoa(i) + " ")
	}
	return b.String()
}

func members(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"access_token":"AT2"`)
	for i := range n {
		b.WriteString(`,"m` + strconv.Itoa(i) + `":"` + strings.Repeat("v", 40) + `"`)
	}
	b.WriteByte('}')
	return b.Bytes()
}

// Whatever comes, the heap grows by less than 4 MiB, garbage included. Not parallel: it measures the heap.
func TestHostileAnswersCostBoundedMemory(t *testing.T) {
	for _, tc := range hostile {
		measure(t, tc.name, tc.class, func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(tc.status)
			w.Write(tc.body)
		})
	}
	measure(t, "gzip bomb", grants.TooLarge, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.Write(gzipBomb)
	})
	measure(t, "gzip bomb of an error", grants.UnknownOutcome, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		w.WriteHeader(http.StatusBadGateway)
		w.Write(gzipBomb)
	})
	measure(t, "gzip of nothing", grants.UnknownOutcome, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		io.WriteString(w, `{"access_token":"AT2"}`)
	})
	measure(t, "a header of 2 MiB", grants.UnknownOutcome, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("X-Evil", strings.Repeat("EVIL", 512<<10))
		io.WriteString(w, `{"access_token":"AT2"}`)
	})
}

// gzipBomb is 32 MiB of a token in 32 KiB.
var gzipBomb = func() []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	io.WriteString(z, `{"access_token":"`)
	for range 32 {
		z.Write(bytes.Repeat([]byte("0"), 1<<20))
	}
	z.Close()
	return b.Bytes()
}()

func measure(t *testing.T, name string, class grants.Class, answer http.HandlerFunc) {
	t.Helper()
	s := scripted(t, answer)
	c := s.client()
	via := c.HTTP.Transport.(*http.Transport)
	via.MaxResponseHeaderBytes = 256 << 10
	heap := &highWater{}
	c.HTTP = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		resp, err := via.RoundTrip(r)
		if err == nil {
			resp.Body = heap.watch(resp.Body)
		}
		return resp, err
	})}
	c.Password(t.Context(), "u", "p") // connection, pools
	heap.begin()
	_, err := c.Password(t.Context(), "u", "p")
	heap.sample()
	checkClass(t, name, class, err)
	t.Logf("%s: the heap grew by %d KiB", name, heap.growth()>>10)
	if got := heap.growth(); got > 4<<20 {
		t.Errorf("%s: the heap grew by %d KiB", name, got>>10)
	}
}

func checkClass(t *testing.T, name string, class grants.Class, err error) {
	t.Helper()
	var e *grants.Error
	if class == "" && err != nil || class != "" && (!errors.As(err, &e) || e.Class != class) {
		t.Errorf("%s: %.200v, want class %q", name, err, class)
	}
	if err != nil && (len(err.Error()) > 2000 || strings.ContainsAny(err.Error(), "\x00\x1b\r\n<")) {
		t.Errorf("%s: the error is %.200q", name, err)
	}
}

// highWater watches the heap while a body is read.
type highWater struct {
	io.ReadCloser
	base, high uint64
}

func (h *highWater) begin() {
	runtime.GC()
	h.high = 0
	h.sample()
	h.base = h.high
}

func (h *highWater) sample() {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	h.high = max(h.high, m.HeapAlloc)
}

func (h *highWater) growth() uint64 { return h.high - h.base }

func (h *highWater) watch(body io.ReadCloser) io.ReadCloser {
	h.ReadCloser = body
	return h
}

func (h *highWater) Read(b []byte) (int, error) {
	h.sample()
	return h.ReadCloser.Read(b)
}

// Whatever comes, a keeper still has the grant it had, or a better one, and says so within its budget and without
// a word of the answer.
func TestHostileAnswersLeaveTheGrant(t *testing.T) {
	t.Parallel()
	for _, tc := range hostile {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := stub(tc.status, http.Header{}, nil)
				c.Now = nil
				c.HTTP = &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
					return &http.Response{StatusCode: tc.status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(tc.body))}, nil
				})}
				keepsGrant(t, c, tc.class)
			})
		})
	}
	for name, body := range map[string]func(context.Context) io.Reader{
		"dribbled":    func(ctx context.Context) io.Reader { return slow{ctx} },
		"endless":     func(context.Context) io.Reader { return endless{} },
		"broken off":  func(context.Context) io.Reader { return io.MultiReader(strings.NewReader(`{"acc`), broken{}) },
		"empty":       func(context.Context) io.Reader { return strings.NewReader("") },
		"never comes": func(ctx context.Context) io.Reader { return never{ctx} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := stub(200, http.Header{}, nil)
				c.Now = nil
				c.HTTP = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
					return &http.Response{StatusCode: 200, Header: http.Header{}, Body: io.NopCloser(body(r.Context()))}, nil
				})}
				class := grants.UnknownOutcome
				if name == "endless" {
					class = grants.TooLarge
				}
				keepsGrant(t, c, class)
			})
		})
	}
}

type endless struct{}

func (endless) Read(b []byte) (int, error) { return len(b), nil }

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("reset") }

type never struct{ ctx context.Context }

func (n never) Read([]byte) (int, error) {
	<-n.ctx.Done()
	return 0, n.ctx.Err()
}

func keepsGrant(t *testing.T, c *grants.Client, class grants.Class) {
	tokens, err := memstore.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	keep, err := keeper.New(tokens, c, &keeper.Options{Logger: discard})
	if err != nil {
		t.Fatal(err)
	}
	h := store.Key("user", "42")
	old, err := keep.Start(t.Context(), h, &store.Record{Subject: "42", Token: store.Token{
		AccessToken: "AT1", RefreshToken: "RT1", Expiry: time.Now().Add(-time.Minute),
	}})
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	rec, err := keep.Get(t.Context(), h)
	if took := time.Since(begin); took > 15*time.Second {
		t.Errorf("answered after %v", took)
	}
	checkClass(t, t.Name(), class, err)
	if err == nil && rec.Token.AccessToken != "AT2" {
		t.Errorf("%v", rec.Token)
	}
	if err != nil && (!errors.Is(err, keeper.ErrUnavailable) || strings.Contains(err.Error(), "EVIL") && class != grants.OAuthError) {
		t.Errorf("%v", err)
	}
	stored, err := tokens.Get(t.Context(), h)
	if err != nil || stored.ID != old.ID || stored.Token.RefreshToken != "RT1" {
		t.Fatalf("%v, %v", stored, err)
	}
	if class != "" && stored.Token.AccessToken != "AT1" {
		t.Errorf("the stored access token changed")
	}
	if life := time.Until(stored.Token.Expiry); life > 11*365*24*time.Hour {
		t.Errorf("expiry %v", stored.Token.Expiry)
	}
}

func TestTooLargeOfAnErrorKeepsItsStatus(t *testing.T) {
	t.Parallel()
	s := scripted(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		w.Write(bytes.Repeat([]byte("<"), 2<<20))
	})
	_, err := s.client().Password(t.Context(), "u", "p")
	var e *grants.Error
	if !errors.As(err, &e) || e.Class != grants.RetryLater || e.Status != 403 {
		t.Error(err)
	}
}

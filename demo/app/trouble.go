package app

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// trouble is what token requests meet at the provider, on purpose: each takes a while, and some fail, half of these before
// anything is done, half after, so that the answer is lost.
type trouble struct {
	latency time.Duration
	errors  float64 // share of the requests
}

// before returns next in trouble. What came of each token request is logged, tokens by their digests: enough to tell who
// sent one twice.
func (t trouble) before(next http.Handler, logger *slog.Logger) http.Handler {
	if t == (trouble{}) {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost || !strings.HasSuffix(strings.TrimSuffix(r.URL.Path, "/"), "/token") {
			next.ServeHTTP(w, r)
			return
		}
		began, luck, fault := time.Now(), luck(), "none"
		sent := peek(w, r)
		time.Sleep(t.latency / 2)
		answer := &held{header: http.Header{}, status: http.StatusOK}
		if luck < t.errors/2 {
			fault = "unavailable"
			refuse(answer, http.StatusServiceUnavailable, "temporarily_unavailable", "nothing was done, on purpose")
		} else {
			next.ServeHTTP(answer, r)
		}
		time.Sleep(t.latency / 2)
		gave := answer.token()
		if fault == "none" && luck < t.errors {
			fault = "lost"
			answer = &held{header: http.Header{}}
			refuse(answer, http.StatusInternalServerError, "server_error", "the answer was lost, on purpose")
		}
		logger.Info("token answer", "began", began, "replica", r.Header.Get(replicaHeader), "grant", sent.Get("grant_type"),
			"sent", digest(sent.Get("refresh_token")), "access", digest(gave.Access), "refresh", digest(gave.Refresh),
			"status", answer.status, "fault", fault)
		answer.release(w)
	})
}

// luck is from 0 up to 1.
func luck() float64 {
	var b [8]byte
	rand.Read(b[:])
	return float64(binary.BigEndian.Uint64(b[:])>>11) / (1 << 53)
}

// peek reads the form that the handler after us reads again.
func peek(w http.ResponseWriter, r *http.Request) url.Values {
	body, _ := io.ReadAll(http.MaxBytesReader(w, r.Body, maxLogin)) // what is missing, the handler misses
	r.Body = io.NopCloser(bytes.NewReader(body))
	form, _ := url.ParseQuery(string(body)) // JSON is none, and told nothing of
	return form
}

// digest tells two tokens apart and opens nothing.
func digest(token string) string {
	if token == "" {
		return "none"
	}
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:8])
}

// held is an answer that waits.
type held struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (h *held) Header() http.Header         { return h.header }
func (h *held) WriteHeader(status int)      { h.status = status }
func (h *held) Write(p []byte) (int, error) { return h.body.Write(p) }

func (h *held) release(w http.ResponseWriter) {
	maps.Copy(w.Header(), h.header)
	w.WriteHeader(h.status)
	w.Write(h.body.Bytes()) // the client left
}

func (h *held) token() (t struct {
	Access  string `json:"access_token"`
	Refresh string `json:"refresh_token"`
}) {
	json.Unmarshal(h.body.Bytes(), &t) // a refusal holds neither
	return t
}

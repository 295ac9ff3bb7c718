package grants_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// Every exported type that can hold a secret is printed in every way: none comes out. Flow and DeviceFlow are JSON on
// purpose, since they are to be kept between two requests.
func TestNoTypePrintsASecret(t *testing.T) {
	t.Parallel()
	const m = "canary-secret"
	key := signer("EdDSA")
	client := grants.Client{
		Provider: "p", Secret: m, Signer: key, DPoP: &grants.DPoP{Key: key}, TokenURL: "https://as.example/?" + m,
		Extra: map[string]grants.Extra{"": {Header: http.Header{"X-Key": {m}}, Params: url.Values{"api_key": {m}}}},
	}
	values := []any{
		client, grants.Clients{&client}, client.Extra, client.Extra[""], grants.Flow{State: m, Verifier: m, Nonce: m, URL: m},
		grants.DeviceFlow{UserCode: m, DeviceCode: m, VerificationURIComplete: m},
		grants.TokenExchange{Subject: m, Actor: m}, grants.Introspection{Claims: json.RawMessage(`{"x":"` + m + `"}`)},
		grants.Request{Params: url.Values{"password": {m}}, Header: http.Header{"Authorization": {m}}, URL: "https://as.example/?" + m},
		grants.Response{Body: []byte(m), Header: http.Header{"X": {m}}}, client.DPoP, key, store.Token{AccessToken: m, RefreshToken: m, IDToken: m},
	}
	for _, v := range values {
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "v", v)
		if _, logs := v.(slog.LogValuer); logs {
			slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		}
		text := fmt.Sprintf("%v %+v %#v %s %q %x %d", v, v, v, v, v, v, v) + log.String()
		switch v.(type) {
		case grants.Client, grants.Clients, grants.TokenExchange, *grants.DPoP, store.Token:
			b, err := json.Marshal(v)
			if err != nil {
				t.Error(err)
			}
			text += string(b)
		}
		if strings.Contains(text, m) || strings.Contains(text, fmt.Sprintf("%x", m)) {
			t.Errorf("%T prints %s", v, text)
		}
	}
}

// A whole life of a grant, each request refused with everything that was sent echoed back: neither the errors nor the
// keeper's log hold a secret, nor a line break.
func TestNoLogHoldsASecret(t *testing.T) {
	t.Parallel()
	var s *script
	s = scripted(t, func(w http.ResponseWriter, r *http.Request) {
		all := s.requests()
		last := all[len(all)-1]
		q, _ := url.QueryUnescape(last.Body)
		b, _ := json.Marshal(map[string]string{
			"error": "no\r\n\x1b[31m", "error_description": last.Body + q + r.Header.Get("Authorization") + "\r\nforged=1", "error_uri": "https://x/?" + last.Body,
		})
		w.WriteHeader(http.StatusBadRequest)
		w.Write(b)
	})
	c := s.client()
	c.Secret, c.Now = "canary-client-secret", nil
	var log bytes.Buffer
	tok := store.Token{AccessToken: "canary-at", RefreshToken: "canary-rt", IDToken: "canary-id", Expiry: time.Now().Add(-time.Minute)}
	keep, rec := kept(t, c, tok, nil)
	_, err1 := keep.Get(t.Context(), rec.Handle)
	_, err2 := c.Password(t.Context(), "alice", "canary-password")
	_, err3 := c.TokenExchange(t.Context(), &grants.TokenExchange{Subject: "canary-subject", Actor: "canary-actor"})
	_, err4 := c.JWTBearer(t.Context(), "canary-assertion")
	_, err5 := c.DeviceToken(t.Context(), &grants.DeviceFlow{
		Provider: "scripted", DeviceCode: "canary-device", Interval: time.Nanosecond, Expires: time.Now().Add(time.Hour),
	})
	err6 := c.Revoke(t.Context(), rec)
	logger := slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, err := range []error{err1, err2, err3, err4, err5, err6} {
		if err == nil {
			t.Error("no error")
			continue
		}
		logger.Debug("failed", "error", err)
		if strings.ContainsAny(err.Error(), "\r\n\x1b") {
			t.Errorf("%q", err)
		}
		var e *grants.Error
		if !errors.As(err, &e) || e.Outcome() == keeper.Dead {
			t.Errorf("%v", err)
		}
	}
	if strings.Contains(log.String(), "canary") {
		t.Error(log.String())
	}
}

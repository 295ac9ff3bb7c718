package authserver_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// BenchmarkServer measures whole requests, without a network: request parsing, client authentication and answer included.
func BenchmarkServer(b *testing.B) {
	tokens, err := memstore.New(nil)
	if err != nil {
		b.Fatal(err)
	}
	srv, err := authserver.New(tokens, users, plainClients(), nil)
	if err != nil {
		b.Fatal(err)
	}
	send := func(h http.Handler, pairs ...string) string {
		r := httptest.NewRequest("POST", "/x", strings.NewReader(form(pairs...)))
		r.Header.Set("Content-Type", formBody)
		r.SetBasicAuth("web", secret)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			b.Fatalf("status %d: %s", w.Code, w.Body)
		}
		return w.Body.String()
	}
	member := func(body, name string) string {
		_, after, _ := strings.Cut(body, `"`+name+`":"`)
		value, _, _ := strings.Cut(after, `"`)
		return value
	}
	login := []string{"grant_type", "password", "username", "bob", "password", password}
	given := send(srv.Token(), login...)
	b.Run("password", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			send(srv.Token(), login...)
		}
	})
	b.Run("refresh", func(b *testing.B) {
		b.ReportAllocs()
		token := member(send(srv.Token(), login...), "refresh_token")
		for b.Loop() {
			token = member(send(srv.Token(), "grant_type", "refresh_token", "refresh_token", token), "refresh_token")
		}
	})
	b.Run("introspect", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			send(srv.Introspect(), "token", member(given, "access_token"))
		}
	})
	b.Run("verify", func(b *testing.B) {
		b.ReportAllocs()
		access := member(given, "access_token")
		for b.Loop() {
			if _, err := srv.Verify(b.Context(), access); err != nil {
				b.Fatal(err)
			}
		}
	})
}

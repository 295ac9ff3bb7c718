package grants_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/store"
)

// A server can say a secret back in other places than its error's description.
func TestEchoesBesideTheBody(t *testing.T) {
	t.Parallel()
	const secret = "canary/refresh token+1"
	rec := &store.Record{Token: store.Token{RefreshToken: secret}}

	s := scripted(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", "/sorry/"+url.PathEscape(secret))
		w.WriteHeader(http.StatusFound)
	})
	_, err := s.client().Refresh(t.Context(), rec)
	if err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("in a redirect's path: %v", err)
	}

	c := s.client()
	c.TokenURL = trailing(t, secret)
	_, err = c.Refresh(t.Context(), rec)
	if err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("in a trailer: %v", err)
	}
}

// trailing answers with a trailer that cannot be read.
func trailing(t *testing.T, line string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if r, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
				io.Copy(io.Discard, r.Body)
			}
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X\r\n\r\n2\r\n{}\r\n0\r\n%s\r\n\r\n", line)
			conn.Close()
		}
	}()
	return "http://" + l.Addr().String()
}

// Providers without a name are called by their token endpoint, whose query may hold a key.
func TestProviderIsShownWithoutQuery(t *testing.T) {
	t.Parallel()
	const at = "https://as.example/token?key=canary"
	c := &grants.Client{TokenURL: at, AuthorizeURL: "https://as.example/authorize", ID: "id", Secret: "s"}
	f, err := c.AuthorizationCode(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	other := &grants.Client{Provider: "other", TokenURL: at, ID: "id", Secret: "s"}
	_, err1 := other.Exchange(t.Context(), f, url.Values{})
	_, err2 := other.Refresh(t.Context(), &store.Record{Provider: at})
	_, err3 := grants.Clients{other}.Refresh(t.Context(), &store.Record{Provider: at})
	text := fmt.Sprint(f, grants.DeviceFlow{Provider: at}, c, err1, err2, err3)
	if strings.Contains(text, "canary") || strings.Count(text, "https://as.example/token") != 6 {
		t.Error(text)
	}
}

// What a hook may log, and what a configuration may be dumped as.
func TestHookValuesAndExtrasAreNoJSON(t *testing.T) {
	t.Parallel()
	const m = "canary"
	for _, v := range []any{
		grants.Extra{Header: http.Header{"X-Key": {m}}, Params: url.Values{"api_key": {m}}},
		grants.Request{Params: url.Values{"password": {m}}, Header: http.Header{"X": {m}}, URL: "https://as.example/?" + m},
		grants.Response{Body: []byte(m), Header: http.Header{"X": {m}}},
	} {
		b, err := json.Marshal(v)
		if err != nil || strings.Contains(string(b), m) || strings.Contains(string(b), "Y2FuYXJ5") {
			t.Errorf("%T: %s, %v", v, b, err)
		}
	}
}

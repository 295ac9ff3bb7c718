package grants_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/grants/jose"
	"github.com/tokenkeep/tokenkeep/store"
)

// stub is a client whose server always gives this answer, without a network.
func stub(status int, header http.Header, body []byte) *grants.Client {
	return &grants.Client{
		Provider: "p", Issuer: "https://as.example", AuthorizeURL: "https://as.example/a", TokenURL: "https://as.example/t",
		ID: "id", Secret: "secret-marker", Now: fixed,
		HTTP: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: status, Header: header, Body: io.NopCloser(bytes.NewReader(body))}, nil
		})},
	}
}

func FuzzTokenAnswer(f *testing.F) {
	for _, body := range []string{
		okBody, ululeAnswer,
		`{"access_token":"S","token_type":"Bearer","expires":1466519207,"expires_in":3600,"refresh_token_expires_in":604800}`,
		`{"access_token":"A","expires_in":"-30","x":{"a":[1,"}"]}}`, `access_token=AT&expires=5183999`, `{"error":{"code":"invalid_grant"}}`,
		`{"errors":[ {"errorType":"invalid_grant"}]}`, "\ufeff{}", `{"error":"a\u0000b","error_description":"\ud800"}`, `[`, ``, `{"a":`,
	} {
		f.Add(200, []byte(body))
		f.Add(400, []byte(body))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		status = 100 + (status%500+500)%500
		const old = "RT-old-marker"
		c := stub(status, http.Header{}, body)
		tok, err := c.Refresh(t.Context(), &store.Record{Token: store.Token{RefreshToken: old}})
		if (err == nil) != (tok.AccessToken != "") {
			t.Fatalf("%v, %v", tok, err)
		}
		if err != nil {
			var e *grants.Error
			if !errors.As(err, &e) || len(err.Error()) > 2000 || strings.ContainsAny(err.Error(), "\r\n\x1b\x00") ||
				strings.Contains(err.Error(), "marker") {
				t.Fatalf("error %q", err)
			}
			return
		}
		if strings.IndexFunc(tok.AccessToken, func(r rune) bool { return r <= ' ' || r > '~' }) >= 0 {
			t.Fatalf("access token %q", tok.AccessToken)
		}
		if len(tok.Extra) > 32<<10 || tok.Extra != nil && (!json.Valid(tok.Extra) || tok.Extra[0] != '{') {
			t.Fatalf("extra %q", tok.Extra)
		}
		for _, at := range []time.Time{tok.Expiry, tok.RefreshExpiry} {
			if at.Sub(t0) > 10*365*24*time.Hour {
				t.Fatalf("expiry %v", at)
			}
		}
	})
}

// Whatever encoding/json takes for an object with a plain string in access_token is understood the same way here.
func FuzzTokenAnswerAgainstJSON(f *testing.F) {
	f.Add([]byte(okBody))
	f.Add([]byte(`{"access\u005ftoken":"A\u0042"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var members map[string]json.RawMessage
		if json.Unmarshal(body, &members) != nil {
			return
		}
		var want string
		if json.Unmarshal(members["access_token"], &want) != nil || want == "" {
			return
		}
		if strings.IndexFunc(want, func(r rune) bool { return r <= ' ' || r > '~' }) >= 0 || members["token_type"] != nil {
			return
		}
		tok, err := stub(200, http.Header{}, body).Password(context.Background(), "u", "p")
		if err != nil || tok.AccessToken != want {
			t.Fatalf("%q, %v, want %q", tok.AccessToken, err, want)
		}
	})
}

func FuzzExpiresIn(f *testing.F) {
	for _, s := range []string{`3600`, `"3600"`, `3600.5`, `-30`, `"-30"`, `0`, `1e400`, `99999999999999999999`, `true`, `{}`, `null`, `"+1"`, `"1466519207000"`} {
		f.Add(s, false)
		f.Add(s, true)
	}
	f.Fuzz(func(t *testing.T, value string, absolute bool) {
		name := "expires_in"
		if absolute {
			name = "expires_at"
		}
		body := `{"access_token":"AT","` + name + `":` + value + `}`
		if !json.Valid([]byte(body)) {
			return
		}
		var one map[string]json.RawMessage
		if json.Unmarshal([]byte(body), &one) != nil || len(one) != 2 || string(one["access_token"]) != `"AT"` {
			return // the value brought members of its own
		}
		tok, err := stub(200, http.Header{}, []byte(body)).Password(context.Background(), "u", "p")
		if err != nil {
			t.Fatal(err)
		}
		if tok.Expiry.IsZero() {
			return
		}
		if life := tok.Expiry.Sub(t0); life > 10*365*24*time.Hour || !absolute && life < 0 {
			t.Fatalf("lifetime %v", life)
		}
	})
}

func FuzzCallback(f *testing.F) {
	state := "STATE-marker"
	for _, q := range []string{
		"code=C1&state=STATE-marker", "code=C1&state=S9", "code=C1&code=C2&state=STATE-marker", "error=access_denied&state=STATE-marker",
		"code=C1&state=STATE-marker&iss=https%3A%2F%2Fas.example", "code=C1&state=STATE-marker&iss=https%3A%2F%2Fevil.example", "%zz", "code=%00&state=",
	} {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		q, err := url.ParseQuery(raw)
		if err != nil {
			return
		}
		flow := &grants.Flow{
			Provider: "p", Issuer: "https://as.example", State: state, Verifier: strings.Repeat("v", 43), Expires: t0.Add(time.Minute),
		}
		tok, err := stub(200, http.Header{}, []byte(okBody)).Exchange(context.Background(), flow, q)
		good := len(q["state"]) == 1 && q.Get("state") == state && len(q["code"]) == 1 && q.Get("code") != "" &&
			(!q.Has("iss") || len(q["iss"]) == 1 && q.Get("iss") == "https://as.example")
		if err == nil && !good || (err == nil) != (tok.AccessToken != "") {
			t.Fatalf("%q was accepted", raw)
		}
		if err == nil {
			return
		}
		// What the callback says of itself (its issuer, its error) may be named; the flow's own state never is.
		told := strings.Join(append(append(q["iss"], q["error"]...), q["error_description"]...), " ")
		if strings.Contains(err.Error(), state) && !strings.Contains(told, state) || strings.ContainsAny(err.Error(), "\r\n\x1b") {
			t.Fatalf("error %q", err)
		}
	})
}

func FuzzMetadata(f *testing.F) {
	f.Add([]byte(strings.ReplaceAll(fullMetadata, "ISSUER/t1", "https://as.example")))
	f.Add([]byte(`{"issuer":"https://as.example","token_endpoint":"http://as.example/"}`))
	f.Add([]byte(`{"issuer":"https://as.example","token_endpoint":"https://u:p@as.example/#"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		c := stub(200, http.Header{}, body)
		c.AuthorizeURL, c.TokenURL = "", ""
		d, err := grants.Discover(context.Background(), c)
		if err != nil {
			return
		}
		if err := d.Validate(); err != nil {
			t.Fatalf("accepted metadata make an invalid client: %v", err)
		}
		for _, u := range grants.Endpoints(d) {
			if u != "" && !strings.HasPrefix(strings.ToLower(u), "https://") {
				t.Fatalf("endpoint %q", u)
			}
		}
	})
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"7", "-1", "999999999999999999999", "Fri, 02 Jan 2026 03:05:05 GMT", "soon", "1e9", " 5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, value string) {
		_, err := stub(503, http.Header{"Retry-After": {value}}, nil).Password(context.Background(), "u", "p")
		var e *grants.Error
		if !errors.As(err, &e) || e.RetryAfter() < 0 || e.RetryAfter() > time.Hour {
			t.Fatalf("%q: %v", value, e.RetryAfter())
		}
	})
}

// Whatever stands in place of an ID token, a login without a good one is refused and a refresh loses nothing.
func FuzzIDToken(f *testing.F) {
	key := jose.KeySet{signer("ES256").Key()}
	for _, s := range []string{
		"", "a.b.c", "e30.e30.", "e30.eyJzdWIiOiJ1MSJ9.x", "e30.eyJzdWIiOiJ1MiJ9.x", "e30.eyJzdWIiOm51bGx9.x", "e30.bnVsbA.x", "....", "e30.W10.x",
		"eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2FzLmV4YW1wbGUiLCJzdWIiOiJ1MSJ9.", "e30.eyJzdWIiOiJcdWQ4MDAifQ.x",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		quoted, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		c := stub(200, http.Header{}, []byte(`{"access_token":"AT2","refresh_token":"RT2","id_token":`+string(quoted)+`}`))
		c.Keys = key
		flow := &grants.Flow{
			Provider: "p", Issuer: "https://as.example", State: "S1", Nonce: "N1", Verifier: strings.Repeat("v", 43), Expires: t0.Add(time.Minute),
		}
		tok, err := c.Exchange(context.Background(), flow, url.Values{"code": {"C"}, "state": {"S1"}})
		if !errors.Is(err, grants.ErrIDToken) || tok.AccessToken != "" || tok.RefreshToken != "RT2" {
			t.Fatalf("login: %v, %v", tok, err)
		}
		c = stub(200, http.Header{}, []byte(`{"access_token":"AT2","refresh_token":"RT2","id_token":`+string(quoted)+`}`))
		tok, err = c.Refresh(context.Background(), &store.Record{Token: store.Token{RefreshToken: "RT1", IDToken: "e30.eyJzdWIiOiJ1MSJ9.x"}})
		if tok.RefreshToken != "RT2" || (err == nil) != (tok.AccessToken == "AT2") || err != nil && !errors.Is(err, grants.ErrIDToken) {
			t.Fatalf("refresh: %v, %v", tok, err)
		}
	})
}

package grants_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
)

const benchBody = `{"access_token":"ya29.a0AfH6SMBx-0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnop",` +
	`"expires_in":3599,"refresh_token":"1//0gdFcXk0123456789abcdefghijklmnopqrstuvwxyz-L9Ir",` +
	`"scope":"openid email profile","token_type":"Bearer","tenant":"t-1","issued":{"by":"as-3","n":[1,2,3]}}`

type answerOnly struct{ header http.Header }

func (a answerOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: 200, Header: a.header, Body: io.NopCloser(strings.NewReader(benchBody)), Request: r, Proto: "HTTP/1.1",
		ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(benchBody)),
	}, nil
}

var stubbed = &http.Client{Transport: answerOnly{http.Header{"Content-Type": {"application/json"}}}}

// BenchmarkExchange trades a code without a network. The floor is what the standard library costs for the same request
// and an answer decoded into four fields, with no check and no quirk.
func BenchmarkExchange(b *testing.B) {
	b.Run("floor", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := floorExchange(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("grants", func(b *testing.B) {
		c, f, back := benchClient()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.Exchange(context.Background(), f, back); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func benchClient() (*grants.Client, *grants.Flow, url.Values) {
	c := &grants.Client{
		Provider: "p", TokenURL: "https://as.example/oauth2/token", ID: "client-id", Secret: "client-secret", HTTP: stubbed,
	}
	f := &grants.Flow{
		Provider: "p", State: "state", Verifier: strings.Repeat("v", 43), RedirectURI: "https://app.example/callback",
		Scopes: []string{"openid"}, Expires: time.Now().Add(time.Hour),
	}
	return c, f, url.Values{"code": {"4/0AX4XfWh"}, "state": {"state"}}
}

type floorToken struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	RefreshToken string `json:"refresh_token"`
	ExpiresIn    int64  `json:"expires_in"`
}

func floorExchange() (*floorToken, error) {
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {"4/0AX4XfWh"}, "redirect_uri": {"https://app.example/callback"},
		"code_verifier": {strings.Repeat("v", 43)},
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "POST", "https://as.example/oauth2/token", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth("client-id", "client-secret")
	resp, err := stubbed.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	var t floorToken
	return &t, json.Unmarshal(body, &t)
}

// BenchmarkParse reads one answer. "struct" forgets what it does not know, "struct and map" keeps it as most do.
func BenchmarkParse(b *testing.B) {
	body := []byte(benchBody)
	b.Run("struct", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var t floorToken
			if err := json.Unmarshal(body, &t); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("struct and map", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			var t floorToken
			var m map[string]any
			if json.Unmarshal(body, &t) != nil || json.Unmarshal(body, &m) != nil {
				b.Fatal("unreadable")
			}
		}
	})
	b.Run("grants", func(b *testing.B) {
		c, _, _ := benchClient()
		b.ReportAllocs()
		for b.Loop() {
			if _, err := grants.Read(c, body); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// The budget of the exchange, and that it keeps what others forget. Counts, not times.
func TestExchangeBudget(t *testing.T) {
	c, f, back := benchClient()
	tok, err := c.Exchange(context.Background(), f, back)
	if err != nil || !bytes.Contains(tok.Extra, []byte(`"issued":{"by":"as-3","n":[1,2,3]}`)) {
		t.Fatal(tok, err)
	}
	allocs := testing.AllocsPerRun(100, func() {
		if _, err := c.Exchange(context.Background(), f, back); err != nil {
			t.Fatal(err)
		}
	})
	if allocs > 45 {
		t.Errorf("%v allocations, want at most 45", allocs)
	}
	t.Logf("%v allocations", allocs)
}

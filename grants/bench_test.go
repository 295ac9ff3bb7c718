package grants_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/grants/jose"
)

const benchBody = `{"access_token":"ya29.a0AfH6SMBx-0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnop",` +
	`"expires_in":3599,"refresh_token":"1//0gdFcXk0123456789abcdefghijklmnopqrstuvwxyz-L9Ir",` +
	`"scope":"openid email profile","token_type":"Bearer","tenant":"t-1","issued":{"by":"as-3","n":[1,2,3]}}`

type answerOnly struct {
	header http.Header
	body   string
}

func (a answerOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: 200, Header: a.header, Body: io.NopCloser(strings.NewReader(a.body)), Request: r, Proto: "HTTP/1.1",
		ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(a.body)),
	}, nil
}

var (
	stubHeader = http.Header{"Content-Type": {"application/json"}}
	stubbed    = &http.Client{Transport: answerOnly{stubHeader, benchBody}}
)

// byTurns runs two ways of doing one thing in small batches, one after the other, and reports each one's median and
// their ratio: whatever else the machine does meets both.
func byTurns(b *testing.B, floor, ours func() error) {
	b.Helper()
	const batch = 100
	ways := [2]func() error{floor, ours}
	var took [2][]float64
	for b.Loop() {
		for i, way := range ways {
			began := time.Now()
			for range batch {
				if err := way(); err != nil {
					b.Fatal(err)
				}
			}
			took[i] = append(took[i], float64(time.Since(began).Nanoseconds())/batch)
		}
	}
	slices.Sort(took[0])
	slices.Sort(took[1])
	f, o := took[0][len(took[0])/2], took[1][len(took[1])/2]
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(f, "ns/floor")
	b.ReportMetric(o, "ns/ours")
	b.ReportMetric(o/f, "ratio")
}

// BenchmarkExchange trades a code without a network, every check, quirk and unknown member included. The floor is what
// the standard library costs for the same request and an answer decoded into four fields. Aim: at most 1.4.
func BenchmarkExchange(b *testing.B) {
	c, f, back := benchClient()
	byTurns(b, func() error {
		_, err := floorExchange()
		return err
	}, func() error {
		_, err := c.Exchange(context.Background(), f, back)
		return err
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

// BenchmarkParse reads one answer. The floors are a JSON struct, which forgets what it does not know (aim: at most 1.5),
// and a struct and a map, by which most keep it.
func BenchmarkParse(b *testing.B) {
	body := []byte(benchBody)
	c, _, _ := benchClient()
	ours := func() error {
		_, err := grants.Read(c, body)
		return err
	}
	b.Run("struct", func(b *testing.B) {
		byTurns(b, func() error {
			var t floorToken
			return json.Unmarshal(body, &t)
		}, ours)
	})
	b.Run("struct and map", func(b *testing.B) {
		byTurns(b, func() error {
			var t floorToken
			var m map[string]any
			return errors.Join(json.Unmarshal(body, &t), json.Unmarshal(body, &m))
		}, ours)
	})
}

// BenchmarkExchangeVerified is BenchmarkExchange with an ID token, whose floor is the signature check alone.
func BenchmarkExchangeVerified(b *testing.B) {
	key := signer("ES256")
	idToken, err := key.Sign(nil, map[string]any{
		"iss": "https://as.example", "sub": "u", "aud": "client-id", "exp": time.Now().Add(time.Hour).Unix(), "iat": time.Now().Unix(), "nonce": "N1",
	})
	if err != nil {
		b.Fatal(err)
	}
	v := &jose.Verifier{Algorithms: []string{"ES256"}, Keys: jose.KeySet{key.Key()}}
	c, f, back := benchClient()
	c.Issuer, c.Keys, f.Issuer, f.Nonce = "https://as.example", v.Keys, "https://as.example", "N1"
	c.HTTP = &http.Client{Transport: answerOnly{stubHeader, `{"access_token":"AT","id_token":"` + idToken + `"}`}}
	byTurns(b, func() error {
		_, err := v.VerifyJWS(context.Background(), idToken)
		return err
	}, func() error {
		_, err := c.Exchange(context.Background(), f, back)
		return err
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

// Package exchange is table 6: trading an authorization code at a token endpoint, client side, without a network.
package exchange

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"

	"github.com/tokenkeep/tokenkeep/demo/bench/measure"
)

// Contestant trades a code through the given client.
type Contestant struct {
	Name string
	Role measure.Role
	Make func(c *http.Client) Exchange
}

// Exchange is one login's exchange. extra is what the answer's member "tenant" came to, if anything.
type Exchange func(ctx context.Context) (access, refresh, extra string, err error)

const (
	tokenURL = "https://as.example/oauth2/token"
	access   = "ya29.a0AfH6SMBx-0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnop"
	refresh  = "1//0gdFcXk0123456789abcdefghijklmnopqrstuvwxyz-L9Ir"
	good     = `{"access_token":"` + access + `","expires_in":3599,"refresh_token":"` + refresh + `",` +
		`"scope":"openid email profile","token_type":"Bearer","tenant":"t-1","issued":{"by":"as-3","n":[1,2,3]}}`
)

// stub is a server's answer without a server.
type stub struct {
	status int
	body   string
}

type stubbed struct {
	now    atomic.Pointer[stub]
	header http.Header
}

func (s *stubbed) RoundTrip(r *http.Request) (*http.Response, error) {
	a := s.now.Load()
	return &http.Response{
		StatusCode: a.status, Header: s.header, Body: io.NopCloser(strings.NewReader(a.body)), Request: r,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(a.body)),
	}, nil
}

var bad = map[string]stub{
	"a refusal":                   {400, `{"error":"invalid_grant"}`},
	"an answer without a token":   {200, `{"token_type":"Bearer","expires_in":3600}`},
	"an empty token":              {200, `{"access_token":"","token_type":"Bearer"}`},
	"a web page":                  {200, `<html>sorry</html>`},
	"half an answer":              {200, good[:60]},
	"an error in a good answer":   {200, `{"error":"bad_verification_code"}`},
	"a server's trouble":          {503, good},
	"an answer of another status": {302, good},
}

// Rows are all contestants.
func Rows() []measure.Row {
	var rows []measure.Row
	for _, c := range contestants {
		rows = append(rows, measure.Row{Table: "exchange/code", Name: c.Name, Role: c.Role, Setup: func(*measure.Scene) (*measure.Trial, error) {
			t, _ := Try(c)
			return t, nil
		}})
	}
	return rows
}

// Try sets one contestant up.
func Try(c Contestant) (*measure.Trial, func(stub)) {
	s := &stubbed{header: http.Header{"Content-Type": {"application/json"}}}
	set := func(a stub) { s.now.Store(&a) }
	set(stub{200, good})
	trade := c.Make(&http.Client{Transport: s})
	ctx := context.Background()
	kept := 0.0
	if _, _, extra, _ := trade(ctx); extra == "t-1" {
		kept = 1
	}
	return &measure.Trial{
		Honest: func() error { return honest(trade, set) },
		Run:    func(int) error { _, _, _, err := trade(ctx); return err },
		Extra:  measure.Figures{{Name: "keeps extras", Value: kept}},
	}, set
}

// honest: the right token comes out of a good answer, and an error out of every bad one.
func honest(trade Exchange, set func(stub)) error {
	ctx := context.Background()
	a, r, _, err := trade(ctx)
	if err != nil || a != access || r != refresh {
		return fmt.Errorf("does not understand a plain answer: %w", err)
	}
	defer set(stub{200, good})
	var errs []error
	for name, answer := range bad {
		set(answer)
		if _, _, _, err := trade(ctx); err == nil {
			errs = append(errs, fmt.Errorf("accepts %s", name))
		}
	}
	return errors.Join(errs...)
}

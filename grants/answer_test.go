package grants_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/store"
)

// get has the provider answer once and returns what a password grant makes of it.
func get(t *testing.T, kind, body string, change func(*grants.Client)) (store.Token, error) {
	t.Helper()
	s := scripted(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		io.WriteString(w, body)
	})
	c := s.client()
	if change != nil {
		change(c)
	}
	return c.Password(t.Context(), "u", "p", "asked")
}

func TestLifetimes(t *testing.T) {
	t.Parallel()
	const none = time.Duration(-1)
	const year = 365 * 24 * time.Hour
	at := t0.Unix()
	tests := []struct {
		name    string
		members string
		change  func(*grants.Client)
		want    time.Duration // from t0
	}{
		{"absent", ``, nil, none},
		{"integer", `"expires_in":42961`, nil, 42961 * time.Second},
		{"string with spaces", `"expires_in":" 864000 "`, nil, 864000 * time.Second},
		{"float floors", `"expires_in":3600.9`, nil, time.Hour},
		{"exponent as a string", `"expires_in":"3.6e3"`, nil, time.Hour},
		{"less than a second is over", `"expires_in":0.5`, nil, 0},
		{"negative is over", `"expires_in":-30`, nil, 0},
		{"negative string is over", `"expires_in":"-30"`, nil, 0},
		{"zero is not known", `"expires_in":0`, nil, none},
		{"zero string is not known", `"expires_in":"0"`, nil, none},
		{"zero with the default", `"expires_in":0`, func(c *grants.Client) { c.DefaultTTL = time.Hour }, time.Hour},
		{"zero that means expired", `"expires_in":0`, func(c *grants.Client) { c.ZeroExpired = true }, 0},
		{"absent with the default", ``, func(c *grants.Client) { c.DefaultTTL = time.Hour }, time.Hour},
		{"told beats the default", `"expires_in":60`, func(c *grants.Client) { c.DefaultTTL = time.Hour }, time.Minute},
		{"nonsense with the default", `"expires_in":"soon"`, func(c *grants.Client) { c.DefaultTTL = time.Hour }, time.Hour},
		{"hex is nonsense", `"expires_in":"0x10"`, nil, none},
		{"infinity is nonsense", `"expires_in":"Infinity"`, nil, none},
		{"NaN is nonsense", `"expires_in":"NaN"`, nil, none},
		{"array is nonsense", `"expires_in":[3600]`, nil, none},
		{"empty string", `"expires_in":""`, nil, none},
		{"huge", `"expires_in":600000000000`, nil, 10 * year},
		{"huge exponent", `"expires_in":1e400`, nil, 10 * year},
		{"minus huge exponent", `"expires_in":-1e400`, nil, 0},

		{"expires_in beats expires", `"expires":1466519207,"expires_in":3600`, nil, time.Hour},
		{"expires_in beats expires in any order", `"expires_in":3600,"expires":1466519207`, nil, time.Hour},
		{"nonsense does not", fmt.Sprintf(`"expires_in":"","expires_at":%d`, at+60), nil, time.Minute},
		{"epoch seconds", fmt.Sprintf(`"expires":%d`, at+3600), nil, time.Hour},
		{"epoch seconds as a string", fmt.Sprintf(`"expires_on":"%d"`, at+3600), nil, time.Hour},
		{"epoch seconds with a fraction", fmt.Sprintf(`"expires_at":%d.75`, at+3600), nil, time.Hour},
		{"epoch milliseconds", fmt.Sprintf(`"expires_at":%d`, (at+3600)*1000), nil, time.Hour},
		{"relative after all", `"expires":5183999`, nil, 5183999 * time.Second},
		{"in the past", `"expires":1466519207`, nil, time.Unix(1466519207, 0).Sub(t0)},
		{"RFC 3339", `"expires_at":"2026-01-02T05:04:05+01:00"`, nil, time.Hour},
		{"RFC 3339, never", `"expires_at":"9999-12-31T23:59:59Z"`, nil, 10 * year},
		{"instant zero", `"expires_at":0`, nil, none},
		{"instant beyond calendars", `"expires_at":1e300`, nil, 10 * year},
		{"instant is nonsense", `"expires_at":"tomorrow"`, nil, none},
		{"nonsense beside an instant", fmt.Sprintf(`"expires_at":%d,"expires":"x"`, at+3600), nil, time.Hour},
		{"the last of two", `"expires_in":1,"expires_in":60`, nil, time.Minute},
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			body := `{"access_token":"AT"`
			if tc.members != "" {
				body += "," + tc.members
			}
			tok, err := get(t, "application/json", body+"}", tc.change)
			if err != nil {
				t.Fatal(err)
			}
			if tc.want == none {
				if !tok.Expiry.IsZero() {
					t.Errorf("expiry after %v, want none", tok.Expiry.Sub(t0))
				}
			} else if got := tok.Expiry.Sub(t0); got != tc.want {
				t.Errorf("expires after %v, want %v", got, tc.want)
			}
		})
	}
}

func TestRefreshLifetimes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		members string
		want    time.Duration // 0: not known
	}{
		{`"refresh_token_expires_in":604800`, 7 * 24 * time.Hour},
		{`"refresh_expires_in":"1800"`, 30 * time.Minute},
		{fmt.Sprintf(`"refresh_token_expires_at":%d`, t0.Unix()+60), time.Minute},
		{`"refresh_expires_in":0`, 0},        // Keycloak's offline tokens
		{`"refresh_token_expires_in":-1`, 0}, // whoever believes this logs the user out
		{`"refresh_token_expires_in":{}`, 0},
		{`"refresh_token_expires_in":60,"refresh_token_expires_at":9e9`, time.Minute},
	}
	for _, tc := range tests {
		tok, err := get(t, "application/json", `{"access_token":"AT","refresh_token":"RT",`+tc.members+`}`,
			func(c *grants.Client) { c.DefaultTTL, c.ZeroExpired = time.Hour, true })
		if err != nil {
			t.Fatal(err)
		}
		if tc.want == 0 != tok.RefreshExpiry.IsZero() || tc.want > 0 && tok.RefreshExpiry.Sub(t0) != tc.want {
			t.Errorf("%s: %v, want %v", tc.members, tok.RefreshExpiry, tc.want)
		}
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		member string
		want   []string
	}{
		{``, []string{"asked"}},
		{`,"scope":null`, []string{"asked"}},
		{`,"scope":""`, nil},
		{`,"scope":[]`, nil},
		{`,"scope":"read write"`, []string{"read", "write"}},
		{`,"scope":"  read   write read "`, []string{"read", "write"}},
		{`,"scope":["read","write"]`, []string{"read", "write"}},
		{`,"scope":"repo,gist"`, []string{"repo", "gist"}},
		{`,"scope":"a,b c"`, []string{"a,b", "c"}},
		{`,"scope":7`, []string{"asked"}},
		{`,"scope":["read",7]`, []string{"asked"}},
		{`,"scope":"\u0072ead"`, []string{"read"}},
	}
	for _, tc := range tests {
		tok, err := get(t, "application/json", `{"access_token":"AT"`+tc.member+`}`, nil)
		if err != nil || !slices.Equal(tok.Scopes, tc.want) {
			t.Errorf("%s: %q, %v, want %q", tc.member, tok.Scopes, err, tc.want)
		}
	}
}

func TestExtraMembers(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, kind, body, want string
	}{
		{"none", "application/json", okBody, ``},
		{
			"raw, in order", "application/json",
			"\ufeff {\"z\" : {\"a\" :[1, \"}\"]} ,\"access_token\":\"AT\",\"big\":12345678901234567890, \"s\":\"\\u00e9\\\"\",\"n\":null}\n",
			`{"z":{"a" :[1, "}"]},"big":12345678901234567890,"s":"\u00e9\"","n":null}`,
		},
		{
			"what could not be understood", "application/json",
			`{"access_token":"AT","expires_in":true,"scope":{"a":1},"token_type":7,"expires_at":null,"error":null}`,
			`{"expires_in":true,"scope":{"a":1},"token_type":7,"error":null}`,
		},
		{"odd names", "application/json", `{"access_token":"AT","a\nb":1,"é":2,"q\"":3}`, `{"a\nb":1,"é":2,"q\"":3}`},
		{"of a form", "application/x-www-form-urlencoded", "access_token=AT&user=a%22b&team=1", `{"team":"1","user":"a\"b"}`},
		{"case counts", "application/json", `{"access_token":"AT","ACCESS_TOKEN":"EVIL"}`, `{"ACCESS_TOKEN":"EVIL"}`},
	}
	for _, tc := range tests {
		tok, err := get(t, tc.kind, tc.body, nil)
		if err != nil || string(tok.Extra) != tc.want || tok.AccessToken != "AT" {
			t.Errorf("%s: %s, %v, want %s", tc.name, tok.Extra, err, tc.want)
		}
	}
}

// A provider cannot make a record too large for its store.
func TestExtraIsBounded(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(`{"access_token":"AT","big":"` + strings.Repeat("x", 40<<10) + `"`)
	for i := range 10_000 {
		fmt.Fprintf(&b, `,"field%d":%d`, i, i)
	}
	tok, err := get(t, "application/json", b.String()+"}", nil)
	if err != nil || len(tok.Extra) > 32<<10 || !strings.HasPrefix(string(tok.Extra), `{"field0":0,`) {
		t.Errorf("%d bytes of extra, %v", len(tok.Extra), err)
	}
}

func TestTokenTypes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		kind   string
		strict bool
		ok     bool
	}{
		{`"Bearer"`, true, true},
		{`"bearer"`, true, true},
		{`"BEARER"`, false, true},
		{`"User Access Token"`, false, true}, // eBay
		{`"User Access Token"`, true, false},
		{`null`, false, true},
		{`null`, true, false},
		{`"dpop"`, false, false},
		{`"MAC"`, false, false},
		{`"pop"`, false, false},
	}
	for _, tc := range tests {
		tok, err := get(t, "application/json", `{"access_token":"AT","refresh_token":"RT","token_type":`+tc.kind+`}`,
			func(c *grants.Client) { c.StrictTokenType = tc.strict })
		var e *grants.Error
		if (err == nil) != tc.ok || err != nil && (!errors.As(err, &e) || e.Class != grants.UnsupportedTokenType) {
			t.Errorf("%s, strict %v: %v", tc.kind, tc.strict, err)
		}
		if tok.RefreshToken != "RT" {
			t.Errorf("%s: the refresh token is lost", tc.kind)
		}
	}
}

// What was granted beside an unusable access token is not lost.
func TestUnusableAccessTokenKeepsRefreshToken(t *testing.T) {
	t.Parallel()
	for _, at := range []string{`"A B"`, `"A\r\nX: y"`, `"é"`, `"\u0000"`, `"\u007f"`} {
		tok, err := get(t, "application/json", `{"access_token":`+at+`,"refresh_token":"RT"}`, nil)
		var e *grants.Error
		if !errors.As(err, &e) || e.Class != grants.ProtocolError || tok.RefreshToken != "RT" || tok.AccessToken != "" {
			t.Errorf("%s: %v, %v", at, tok, err)
		}
	}
}

func TestBodies(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, kind, body string
		class            grants.Class // "": a token
	}{
		{"form called JSON", "application/json", "access_token=AT&token_type=bearer", ""},
		{"form called plain", "text/plain", "access_token=AT&expires=5183999", ""},
		{"JSON called form", "application/x-www-form-urlencoded", okBody, ""},
		{"JSON called HTML", "text/html", okBody, ""},
		{"numeric token", "application/json", `{"access_token":12345}`, ""},
		{"error beside a token", "application/json", `{"access_token":"AT","error":"","errors":[]}`, ""},
		{"form error", "application/x-www-form-urlencoded", "error=bad_verification_code&error_description=x", grants.OAuthError},
		{"empty", "application/json", "", grants.UnknownOutcome},
		{"space", "application/json", " ", grants.UnknownOutcome},
		{"array", "application/json", "[]", grants.UnknownOutcome},
		{"two objects", "application/json", okBody + okBody, grants.UnknownOutcome},
		{"half an object", "application/json", okBody[:60], grants.UnknownOutcome},
		{"form without a token", "application/x-www-form-urlencoded", "a=b", grants.UnknownOutcome},
		{"no token", "application/json", "{}", grants.ProtocolError},
		{"token null", "application/json", `{"access_token":null}`, grants.ProtocolError},
		{"token object", "application/json", `{"access_token":{}}`, grants.ProtocolError},
	}
	for _, tc := range tests {
		tok, err := get(t, tc.kind, tc.body, nil)
		var e *grants.Error
		switch {
		case tc.class == "" && (err != nil || tok.AccessToken == ""):
			t.Errorf("%s: %v", tc.name, err)
		case tc.class != "" && (!errors.As(err, &e) || e.Class != tc.class):
			t.Errorf("%s: %v, want %s", tc.name, err, tc.class)
		}
	}
}

package jose_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tokenkeep/tokenkeep/grants/jose"
)

// FuzzVerify signs whatever it is given. What is accepted is a token to golang-jwt as well, has the one written form that
// its parts have, and says nothing else to encoding/json.
func FuzzVerify(f *testing.F) {
	good := claims(nil)
	for _, seed := range []struct{ header, payload, noise string }{
		{header, good, ""}, {`{"alg":"none"}`, good, ""}, {`{"alg":"HS256","crit":["x"]}`, good, ""}, {`{"alg":"HS256","typ":"at+jwt"}`, good, ""},
		{header, good[:len(good)-1] + `,"sub":"43"}`, ""}, {header, good, "\n"}, {header, good, "="}, {header, good, "."}, {header, `{"exp":9e9}`, ""},
		{`{"\u0061lg":"HS256","kid":"x"}`, strings.ReplaceAll(good, "/", `\/`), ""},
	} {
		f.Add(seed.header, seed.payload, seed.noise, uint16(20))
	}
	v := verifier()
	f.Fuzz(func(t *testing.T, header, payload, noise string, at uint16) {
		token := sign(header, payload)
		i := int(at) % (len(token) + 1)
		token = token[:i] + noise + token[i:]
		c, err := v.Verify(t.Context(), token)
		if err != nil {
			if !errors.Is(err, jose.ErrInvalid) || c != nil {
				t.Fatalf("%v", err)
			}
			return
		}
		parsed, err := jwt.Parse(token, func(*jwt.Token) (any, error) { return secret, nil }, jwt.WithValidMethods([]string{"HS256"}),
			jwt.WithStrictDecoding(), jwt.WithIssuer(issuer), jwt.WithExpirationRequired(), jwt.WithTimeFunc(v.Now), jwt.WithLeeway(time.Minute), jwt.WithIssuedAt(),
			jwt.WithAudience(v.Audience...))
		if err != nil {
			t.Fatalf("golang-jwt refuses it: %v", err)
		}
		if _, ok := parsed.Header["crit"]; ok || parsed.Header["alg"] != "HS256" {
			t.Fatalf("header %v", parsed.Header)
		}
		if sub, _ := parsed.Claims.GetSubject(); sub != c.Subject {
			t.Fatalf("subject %q, golang-jwt reads %q", c.Subject, sub)
		}
		parts := strings.Split(token, ".")
		for _, part := range parts {
			b, err := base64.RawURLEncoding.DecodeString(part)
			if err != nil || base64.RawURLEncoding.EncodeToString(b) != part {
				t.Fatalf("%q is not how %q is written", part, b)
			}
		}
		if len(parts) != 3 {
			t.Fatalf("%d parts", len(parts))
		}
	})
}

// FuzzClaims compares the reader with encoding/json: what it accepts, that accepts, with equal names and values; and it
// refuses nothing but what it says it refuses.
func FuzzClaims(f *testing.F) {
	for _, seed := range []string{
		claims(nil), `{}`, `{"a":1,"a":2}`, `{"exp":1e300}`, `{"exp":1.5,"nbf":-0,"iat":0.1e3}`, `{"aud":["a","b"],"sub":"\u00e9\ud83d\ude00"}`, `{"aud":[]}`, `{"Sub":"x"}`,
		`{"x":{"a":[1,{"b":null}]},"y":"\"\\"}`, `{"iss":"a\/b"}`, " {\n\t\"a\" : [ ] }\r\n", `{"x":"\ud800"}`, `{"x":01}`, `[]`, `{"":0}`, `{"exp":"1"}`, "{\"x\":\"\xff\"}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, payload string) {
		c, err := jose.ReadClaims(payload)
		var all map[string]any
		valid := json.Valid([]byte(payload)) && numbers(payload, &all) == nil && all != nil
		if err != nil {
			if valid && plain(payload, all) {
				t.Fatalf("refused: %v", err)
			}
			return
		}
		if !valid || !utf8.ValidString(payload) {
			t.Fatal("accepted what encoding/json refuses")
		}
		for name, want := range all {
			var got any
			if err := numbers(string(c.Get(name)), &got); err != nil || !reflect.DeepEqual(got, want) {
				t.Fatalf("%q is %v, want %v (%v)", name, got, want, err)
			}
			if s, ok := want.(string); ok && c.Text(name) != s {
				t.Fatalf("%q is %q, want %q", name, c.Text(name), s)
			}
		}
		for name, got := range map[string]string{"iss": c.Issuer, "sub": c.Subject, "jti": c.ID} {
			if want, _ := all[name].(string); got != want {
				t.Fatalf("%q is %q, want %q", name, got, want)
			}
		}
		for name, got := range map[string]time.Time{"exp": c.Expires, "nbf": c.NotBefore, "iat": c.IssuedAt} {
			n, ok := all[name].(json.Number)
			want, _ := n.Float64()
			if ok != !got.IsZero() || ok && math.Abs(float64(got.UnixNano())/1e9-want) > 1e-3 && want < 9e9 {
				t.Fatalf("%q is %v, want %v", name, got, want)
			}
		}
		switch aud := all["aud"].(type) {
		case string:
			if len(c.Audience) != 1 || c.Audience[0] != aud {
				t.Fatalf("audience %q, want %q", c.Audience, aud)
			}
		case []any:
			if len(c.Audience) != len(aud) {
				t.Fatalf("audience %q, want %q", c.Audience, aud)
			}
		}
	})
}

// numbers decodes JSON with numbers as written: encoding/json refuses those that no float64 can hold.
func numbers(text string, into any) error {
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	return d.Decode(into)
}

// plain says that a JSON object has nothing about it that the reader refuses on purpose.
func plain(payload string, all map[string]any) bool {
	if !utf8.ValidString(payload) || strings.Contains(payload, `\u`) || len(all) > 128 {
		return false
	}
	names, depth := 0, 0
	for d := json.NewDecoder(strings.NewReader(payload)); ; {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return false
		}
		switch tok {
		case json.Delim('{'), json.Delim('['):
			if depth++; depth > 30 {
				return false
			}
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
	}
	d := json.NewDecoder(strings.NewReader(payload))
	d.Token()
	for d.More() {
		name, _ := d.Token()
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return false
		}
		names++
		if s, _ := name.(string); strings.ToLower(s) != s || strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }) {
			return false
		}
	}
	for _, name := range []string{"iss", "sub", "jti", "aud", "exp", "nbf", "iat"} {
		if v, ok := all[name]; ok {
			if _, isText := v.(string); !isText || strings.Contains("exp nbf iat", name) {
				return false
			}
		}
	}
	return names == len(all) // no name twice; none differs in case, as all are lower case
}

// FuzzParseKeySet: a key that is accepted verifies with something, its public form reads back as the same key, and no
// two accepted keys have one name.
func FuzzParseKeySet(f *testing.F) {
	for _, key := range signingKeys(f) {
		for _, alg := range []string{"RS256", "ES256", "ES384", "EdDSA"} {
			if s, err := jose.NewSigner(alg, "k", key); err == nil {
				text, _ := json.Marshal(jose.KeySet{s.Key(), edKey("other")})
				f.Add(text)
			}
		}
	}
	f.Add([]byte(`{"keys":[{"kty":"oct","k":"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow","kid":"a"}]}`))
	f.Add([]byte(`{"keys":[null,1,{},{"kty":"EC"},{"kty":"RSA","n":"AQ","e":"AQ"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		set, err := jose.ParseKeySet(text)
		if err != nil {
			return
		}
		seen := map[string]bool{}
		for _, k := range set {
			if k.ID != "" && seen[k.ID] {
				t.Fatalf("two keys %q", k.ID)
			}
			seen[k.ID] = true
			secret, isSecret := k.Public.([]byte)
			if isSecret {
				if len(secret) < 32 {
					t.Fatalf("a secret of %d bytes", len(secret))
				}
				continue
			}
			written, err := json.Marshal(k)
			if err != nil {
				t.Fatal(err)
			}
			again, err := jose.ParseKey(written)
			if err != nil || again.Thumbprint() != k.Thumbprint() || again.ID != k.ID || again.Algorithm != k.Algorithm {
				t.Fatalf("%v and %v, %v", k, again, err)
			}
			var members map[string]any
			if err := json.Unmarshal(written, &members); err != nil || members["d"] != nil || members["k"] != nil {
				t.Fatalf("%s: %v", written, err)
			}
		}
	})
}

package jose_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/jose"
)

func TestParseKey(t *testing.T) {
	t.Parallel()
	keys := signingKeys(t)
	jwkOf := func(alg string, change map[string]any) string {
		s, err := jose.NewSigner(alg, "k", keys[alg])
		if err != nil {
			t.Fatal(err)
		}
		var j map[string]any
		if err := json.Unmarshal(s.JWK(), &j); err != nil {
			t.Fatal(err)
		}
		for name, value := range change {
			if j[name] = value; value == nil {
				delete(j, name)
			}
		}
		text, _ := json.Marshal(j)
		return string(text)
	}
	type m = map[string]any
	octets := strings.Repeat("AAAA", 16)
	b64 := base64.RawURLEncoding
	x, _ := b64.DecodeString(jsonOf(t, jwkOf("ES256", nil), "x"))
	y, _ := b64.DecodeString(jsonOf(t, jwkOf("ES256", nil), "y"))
	longY := b64.EncodeToString(append(x[31:32:32], y...))
	for _, test := range []struct {
		name, jwk, alg string
		want           bool
	}{
		{"RSA", jwkOf("RS256", nil), "RS256", true},
		{"RSA of any algorithm", jwkOf("RS256", m{"alg": nil}), "", true},
		{"RSA PSS", jwkOf("PS384", nil), "PS384", true},
		{"EC names its algorithm", jwkOf("ES384", m{"alg": nil}), "ES384", true},
		{"Ed25519", jwkOf("EdDSA", m{"alg": nil, "use": nil}), "EdDSA", true},
		{"verify", jwkOf("ES256", m{"key_ops": []string{"sign", "verify"}}), "ES256", true},
		{"secret", `{"kty":"oct","k":"` + octets + `"}`, "", true},
		{"secret for one", `{"kty":"oct","alg":"HS256","k":"` + octets + `"}`, "HS256", true},
		{"other members", jwkOf("ES256", m{"x5c": []string{"x"}, "x5t": "y", "ext": true, "Foo": 1}), "ES256", true},

		{"encryption", jwkOf("RS256", m{"use": "enc"}), "", false},
		{"encryption, by operation", jwkOf("RS256", m{"key_ops": []string{"encrypt"}}), "", false},
		{"no operation", jwkOf("RS256", m{"key_ops": []string{}}), "", false},
		{"other algorithm", jwkOf("ES256", m{"alg": "ES384"}), "", false},
		{"algorithm of another type", jwkOf("ES256", m{"alg": "RS256"}), "", false},
		{"encryption algorithm", jwkOf("RS256", m{"alg": "RSA-OAEP"}), "", false},
		{"none", jwkOf("RS256", m{"alg": "none"}), "", false},
		{"private", jwkOf("ES256", m{"d": "x"}), "", false},
		{"private and odd", jwkOf("ES256", m{"d": 1}), "", false},
		{"another type", jwkOf("ES256", m{"kty": "RSA"}), "", false},
		{"type in another case", jwkOf("ES256", m{"kty": "ec"}), "", false},
		{"unknown type", jwkOf("ES256", m{"kty": "AKP"}), "", false},
		{"unknown curve", jwkOf("ES256", m{"crv": "secp256k1"}), "", false},
		{"X25519", jwkOf("EdDSA", m{"crv": "X25519"}), "", false},
		{"another curve", jwkOf("ES256", m{"crv": "P-384"}), "", false},
		{"off the curve", jwkOf("ES256", m{"y": jsonOf(t, jwkOf("ES256", nil), "x")}), "", false},
		{"coordinates split elsewhere", jwkOf("ES256", m{"x": b64.EncodeToString(x[:31]), "y": longY}), "", false},
		{"short coordinate", jwkOf("ES256", m{"x": "AAAA"}), "", false},
		{"padded coordinate", jwkOf("ES256", m{"x": jsonOf(t, jwkOf("ES256", nil), "x") + "="}), "", false},
		{"short Ed25519", jwkOf("EdDSA", m{"x": "AAAA"}), "", false},
		{"padded Ed25519", jwkOf("EdDSA", m{"x": jsonOf(t, jwkOf("EdDSA", nil), "x") + "="}), "", false},
		{"e 1", jwkOf("RS256", m{"e": "AQ"}), "", false},
		{"e even", jwkOf("RS256", m{"e": "BA"}), "", false},
		{"e of 5 bytes", jwkOf("RS256", m{"e": "AQAAAAE"}), "", false},
		{"e of 2^32-1", jwkOf("RS256", m{"e": "_____w"}), "", false},
		{"no n", jwkOf("RS256", m{"n": nil}), "", false},
		{"n with line break", jwkOf("RS256", m{"n": "AA\nAA"}), "", false},
		{"n of 1024 bits", jwkOf("RS256", m{"n": strings.Repeat("_", 170)}), "", false},
		{"n of 16384 bits", jwkOf("RS256", m{"n": strings.Repeat("_", 2730)}), "", false},
		{"short secret", `{"kty":"oct","alg":"HS256","k":"AAAA"}`, "", false},
		{"empty secret", `{"kty":"oct","k":""}`, "", false},
		{"kid twice", `{"kid":"b",` + jwkOf("ES256", nil)[1:], "", false},
		{"kid in another case", jwkOf("ES256", m{"KID": "b"}), "", false},
		{"kid a number", jwkOf("ES256", m{"kid": 1}), "", false},
		{"not an object", `"x"`, "", false},
		{"nothing", ``, "", false},
	} {
		k, err := jose.ParseKey([]byte(test.jwk))
		if (err == nil) != test.want || k.Algorithm != test.alg {
			t.Errorf("%s: %v, %v", test.name, k, err)
		}
		if err != nil && (k.Public != nil || !strings.HasPrefix(err.Error(), "jose: ")) {
			t.Errorf("%s: %v, %v", test.name, k, err)
		}
	}
}

func jsonOf(t *testing.T, object, name string) string {
	t.Helper()
	var all map[string]any
	if err := json.Unmarshal([]byte(object), &all); err != nil {
		t.Fatal(err)
	}
	return all[name].(string)
}

// One bad key never spoils the set, but for those whose name it has.
func TestParseKeySet(t *testing.T) {
	t.Parallel()
	text := func(k jose.Key) string { b, _ := json.Marshal(k); return string(b) }
	a, b := text(edKey("a")), text(edKey("b"))
	oct := `{"kty":"oct","kid":"s","k":"` + strings.Repeat("AAAA", 16) + `"}`
	for _, test := range []struct{ name, keys, want string }{
		{"two", a + "," + b, "a b"},
		{"none", "", ""},
		{"rubbish among them", "null,1,[]," + a + `,{},{"kty":"RSA","n":"AQAB","e":"AQAB","kid":"r"}`, "a"},
		{"two of a name", a + "," + text(edKey("a")) + "," + b, "b"},
		{"two of a name, one unusable", a + "," + strings.Replace(a, `"x":"`, `"x":"A`, 1) + "," + b, "b"},
		{"two of a name, one private", a + `,{"d":"x",` + a[1:] + "," + b, "b"},
		{"two of a name, one for encryption", a + "," + strings.Replace(a, `"sig"`, `"enc"`, 1), "a"},
		{"several without", text(edKey("")) + "," + text(edKey("")), " "},
		{"secret beside public keys", oct + "," + a, "a"},
		{"secret alone", oct, "s"},
	} {
		set, err := jose.ParseKeySet([]byte(`{"keys":[` + test.keys + `]}`))
		var ids []string
		for _, k := range set {
			ids = append(ids, k.ID)
		}
		if got := strings.Join(ids, " "); err != nil || got != test.want {
			t.Errorf("%s: %q, %v, want %q", test.name, got, err, test.want)
		}
	}
	for name, bad := range map[string]string{
		"no set": `[]`, "no keys": `{}`, "null": `{"keys":null}`, "object": `{"keys":{}}`, "twice": `{"keys":[],"keys":[]}`, "variant": `{"keys":[],"Keys":[]}`,
		"too many": `{"keys":[` + strings.TrimSuffix(strings.Repeat(a+",", 101), ",") + `]}`,
	} {
		if set, err := jose.ParseKeySet([]byte(bad)); err == nil || set != nil {
			t.Errorf("%s: %v", name, set)
		}
	}
}

func TestKeySet(t *testing.T) {
	t.Parallel()
	a, b, unnamed := edKey("a"), edKey("b"), edKey("")
	for _, test := range []struct {
		set  jose.KeySet
		kid  string
		want int
	}{
		{jose.KeySet{a}, "a", 1}, {jose.KeySet{a}, "b", 0}, {jose.KeySet{a}, "", 1}, {jose.KeySet{unnamed}, "x", 1},
		{jose.KeySet{a, b}, "b", 1}, {jose.KeySet{a, b}, "", 2}, {jose.KeySet{a, b}, "A", 0}, {jose.KeySet{a, unnamed}, "a", 2}, {jose.KeySet{a, unnamed}, "x", 1}, {nil, "", 0},
	} {
		if keys, err := test.set.Keys(t.Context(), test.kid); err != nil || len(keys) != test.want {
			t.Errorf("%v, kid %q: %v, %v", test.set, test.kid, keys, err)
		}
	}
}

// A token without a kid is tried with a few keys, not with a hundred.
func TestCandidates(t *testing.T) {
	t.Parallel()
	_, key, _ := ed25519.GenerateKey(nil)
	s, _ := jose.NewSigner("EdDSA", "", key)
	token, _ := s.Sign(nil, json.RawMessage(claims(nil)))
	for _, test := range []struct {
		before int
		want   bool
	}{{0, true}, {3, true}, {4, false}} {
		v := verifier()
		v.Algorithms = []string{"EdDSA"}
		var set jose.KeySet
		for i := range test.before {
			set = append(set, edKey(fmt.Sprint(i)))
		}
		set = append(set, jose.Key{ID: "its own", Public: key.Public()})
		for range 200 {
			set = append(set, jose.Key{Public: secret})
		}
		v.Keys = set
		if _, err := v.Verify(t.Context(), token); (err == nil) != test.want {
			t.Errorf("%d before it: %v", test.before, err)
		}
	}
	// A source that ignores the kid changes nothing.
	named, _ := jose.NewSigner("EdDSA", "b", key)
	token, _ = named.Sign(nil, json.RawMessage(claims(nil)))
	v := verifier()
	v.Algorithms, v.Keys = []string{"EdDSA"}, careless{{ID: "a", Public: key.Public()}}
	if _, err := v.Verify(t.Context(), token); !errors.Is(err, jose.ErrInvalid) {
		t.Errorf("another kid: %v", err)
	}
}

type careless []jose.Key

func (c careless) Keys(context.Context, string) ([]jose.Key, error) { return c, nil }

type down struct{}

func (down) Keys(context.Context, string) ([]jose.Key, error) { return nil, io.ErrUnexpectedEOF }

func TestUnavailableIsNotRefused(t *testing.T) {
	t.Parallel()
	v := verifier()
	v.Keys = down{}
	good := sign(header, claims(nil))
	if _, err := v.Verify(t.Context(), good); !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, jose.ErrInvalid) {
		t.Errorf("%v", err)
	}
	if _, err := v.VerifyJWS(t.Context(), good); !errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, jose.ErrInvalid) {
		t.Errorf("%v", err)
	}
	// What is bad without any key needs none.
	if _, err := v.Verify(t.Context(), sign(header, claims(map[string]any{"exp": 1}))); !errors.Is(err, jose.ErrInvalid) {
		t.Errorf("%v", err)
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	if err := verifier().Validate(); err != nil {
		t.Error(err)
	}
	loose := &jose.Verifier{Keys: jose.KeySet{{Public: secret}}, Algorithms: []string{"HS256"}, InsecureAnyIssuer: true, InsecureAnyAudience: true, Now: func() time.Time { return moment }}
	if err := loose.Validate(); err != nil {
		t.Error(err)
	}
	if _, err := loose.Verify(t.Context(), sign(header, `{"exp":`+fmt.Sprint(moment.Unix()+1)+`}`)); err != nil {
		t.Error(err)
	}
	err := (&jose.Verifier{Leeway: time.Hour}).Validate()
	for _, want := range []string{"algorithms", "keys", "issuer", "audience", "leeway"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: does not name %s", err, want)
		}
	}
	for name, change := range map[string]func(v *jose.Verifier){
		"unknown algorithm": func(v *jose.Verifier) { v.Algorithms = []string{"none"} }, "both kinds": func(v *jose.Verifier) { v.Algorithms = []string{"HS256", "RS256"} },
		"empty audience": func(v *jose.Verifier) { v.Audience = []string{""} }, "no audience": func(v *jose.Verifier) { v.Audience = nil },
		"no issuer": func(v *jose.Verifier) { v.Issuer = "" }, "no keys": func(v *jose.Verifier) { v.Keys = jose.KeySet{} }, "nil keys": func(v *jose.Verifier) { v.Keys = nil },
		"short secret": func(v *jose.Verifier) { v.Keys = jose.KeySet{{Public: secret[:31]}} }, "key of another type": func(v *jose.Verifier) { v.Keys = jose.KeySet{edKey("a")} },
		"short secret for its algorithm": func(v *jose.Verifier) {
			v.Keys, v.Algorithms = jose.KeySet{{Public: secret}}, []string{"HS384", "HS512"}
		},
	} {
		v := verifier()
		change(v)
		if err := v.Validate(); err == nil {
			t.Errorf("%s: valid", name)
		}
		if _, err := v.Verify(t.Context(), sign(header, claims(nil))); err == nil {
			t.Errorf("%s: a token was accepted", name)
		}
	}
	v := verifier()
	v.Audience = []string{""} // not valid, and no way in either
	if _, err := v.Verify(t.Context(), sign(header, claims(map[string]any{"aud": ""}))); err == nil {
		t.Error("an empty audience")
	}
	v = verifier()
	v.Leeway = -time.Hour
	for exp, want := range map[int64]bool{0: false, 1: true} {
		if _, err := v.Verify(t.Context(), sign(header, claims(map[string]any{"exp": moment.Unix() + exp}))); (err == nil) != want {
			t.Errorf("no leeway, and %d seconds left: %v", exp, err)
		}
	}
	v.Leeway = time.Hour // not valid, and not given either
	if _, err := v.Verify(t.Context(), sign(header, claims(map[string]any{"exp": moment.Unix() - 60}))); err == nil {
		t.Error("an hour of leeway")
	}
	v.Required = []string{"x"}
	for value, want := range map[string]bool{`1`: true, `"a"`: true, `false`: true, `null`: false, `""`: false} {
		if _, err := v.Verify(t.Context(), sign(header, claims(map[string]any{"x": json.RawMessage(value)}))); (err == nil) != want {
			t.Errorf("x is %s: %v", value, err)
		}
	}
}

// Keys do not print.
func TestRedacted(t *testing.T) {
	t.Parallel()
	marker := []byte("5ecret5ecret5ecret5ecret5ecret5ecret")
	s, _ := jose.NewSigner("HS256", "k1", marker)
	v := &jose.Verifier{Keys: jose.KeySet{s.Key()}, Algorithms: []string{"HS256"}}
	var log bytes.Buffer
	for _, value := range []any{s.Key(), s, v, jose.KeySet{s.Key()}, []any{s, s.Key()}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d", "%q"} {
			fmt.Fprintf(&log, verb, value)
		}
		text, _ := json.Marshal(value)
		log.Write(text)
		slog.New(slog.NewTextHandler(&log, nil)).Info("x", "value", value)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "value", value)
	}
	for _, form := range []string{"5ecret", hex.EncodeToString(marker), fmt.Sprint(marker[:4])[1:10], "NWVjcmV0"} {
		if strings.Contains(log.String(), form) {
			t.Errorf("printed as %q", form)
		}
	}
	if !strings.Contains(log.String(), `key("k1", "HS256", []uint8)`) {
		t.Error("prints nothing")
	}
}

func TestMarshalKeys(t *testing.T) {
	t.Parallel()
	// RFC 8037 appendix A.3
	k, err := jose.ParseKey([]byte(`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`))
	if err != nil || k.Thumbprint() != "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k" {
		t.Errorf("%q, %v", k.Thumbprint(), err)
	}
	for name, k := range map[string]jose.Key{
		"secret": {Public: secret}, "nil": {}, "empty point": {Public: &ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int), Y: new(big.Int)}},
	} {
		if text, err := json.Marshal(k); err == nil {
			t.Errorf("%s: %s", name, text)
		}
		if k.Thumbprint() != "" {
			t.Errorf("%s has a thumbprint", name)
		}
	}
	if text, err := json.Marshal(jose.KeySet(nil)); err != nil || string(text) != `{"keys":[]}` {
		t.Errorf("%s, %v", text, err)
	}
}

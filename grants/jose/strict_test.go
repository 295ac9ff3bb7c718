package jose_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/jose"
)

var (
	secret = []byte("0123456789abcdef0123456789abcdef")
	moment = time.Unix(1_800_000_000, 0)
)

// verifier accepts what mint makes.
func verifier() *jose.Verifier {
	return &jose.Verifier{
		Keys: jose.KeySet{{Public: secret}}, Algorithms: []string{"HS256"}, Issuer: issuer, Audience: []string{audience, "other"},
		Now: func() time.Time { return moment },
	}
}

// sign makes a token with exactly this text in it, good or bad.
func sign(header, payload string) string {
	return seal(base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(payload)))
}

func seal(signed string) string {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// claims are good ones, with members set or, if nil, taken away.
func claims(change map[string]any) string {
	c := map[string]any{"iss": issuer, "aud": audience, "sub": "42", "exp": moment.Unix() + 300}
	for name, value := range change {
		if c[name] = value; value == nil {
			delete(c, name)
		}
	}
	text, _ := json.Marshal(c)
	return string(text)
}

const header = `{"alg":"HS256"}`

func TestVerifyHeader(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, header string
		want         bool
	}{
		{"plain", header, true},
		{"typ", `{"alg":"HS256","typ":"JWT"}`, true},
		{"typ in another case", `{"alg":"HS256","typ":"jwt"}`, true},
		{"typ in full", `{"alg":"HS256","typ":"application/jwt"}`, true},
		{"kid like a path", `{"alg":"HS256","kid":"../../etc/passwd"}`, true},
		{"kid like SQL", `{"alg":"HS256","kid":"' OR 1=1"}`, true},
		{"escaped", `{"\u0061lg":"HS\u003256"}`, true},
		{"spaces", "\t{ \"alg\" :\r\n\"HS256\" } ", true},
		{"keys and places for them are not used", `{"alg":"HS256","jku":"https://evil.example","jwk":{"kty":"oct"},"x5u":"x","x5c":["x"]}`, true},

		{"none", `{"alg":"none"}`, false},
		{"None", `{"alg":"None"}`, false},
		{"other algorithm", `{"alg":"HS384"}`, false},
		{"algorithm in another case", `{"alg":"hs256"}`, false},
		{"no algorithm", `{}`, false},
		{"empty algorithm", `{"alg":""}`, false},
		{"algorithm null", `{"alg":null}`, false},
		{"algorithm list", `{"alg":["HS256"]}`, false},
		{"algorithm twice", `{"alg":"HS256","alg":"HS256"}`, false},
		{"algorithm twice, escaped", `{"alg":"HS256","\u0061lg":"HS256"}`, false},
		{"shadow", `{"alg":"HS256","ALG":"none"}`, false},
		{"case variant alone", `{"Alg":"HS256"}`, false},
		{"folds to kid", "{\"alg\":\"HS256\",\"\u212aid\":\"a\"}", false},
		{"any member twice", `{"alg":"HS256","x":1,"x":2}`, false},
		{"kid a number", `{"alg":"HS256","kid":1}`, false},
		{"kid empty", `{"alg":"HS256","kid":""}`, false},
		{"crit", `{"alg":"HS256","crit":["exp"],"exp":1}`, false},
		{"crit empty", `{"alg":"HS256","crit":[]}`, false},
		{"crit null", `{"alg":"HS256","crit":null}`, false},
		{"crit variant", `{"alg":"HS256","Crit":["exp"]}`, false},
		{"b64", `{"alg":"HS256","b64":false}`, false},
		{"b64 true", `{"alg":"HS256","b64":true}`, false},
		{"typ at+jwt", `{"alg":"HS256","typ":"at+jwt"}`, false},
		{"typ dpop+jwt", `{"alg":"HS256","typ":"dpop+jwt"}`, false},
		{"typ logout+jwt", `{"alg":"HS256","typ":"logout+jwt"}`, false},
		{"typ empty", `{"alg":"HS256","typ":""}`, false},
		{"typ prefix alone", `{"alg":"HS256","typ":"application/"}`, false},
		{"array", `["HS256"]`, false},
		{"trailing", header + `x`, false},
		{"trailing object", header + `{}`, false},
		{"trailing comma", `{"alg":"HS256",}`, false},
		{"cut off", `{"alg":"HS256"`, false},
		{"no text", ``, false},
		{"byte order mark", "\ufeff" + header, false},
		{"invalid UTF-8", "{\"alg\":\"HS256\",\"x\":\"\xff\"}", false},
		{"half a surrogate", `{"alg":"HS256","x":"\ud800"}`, false},
		{"control character", "{\"alg\":\"HS256\",\"x\":\"\x01\"}", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c, err := verifier().Verify(t.Context(), sign(test.header, claims(nil)))
			if (err == nil) != test.want || err != nil && (c != nil || !errors.Is(err, jose.ErrInvalid)) {
				t.Errorf("%v, want accepted: %t", err, test.want)
			}
		})
	}
}

func TestVerifyTypes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		types, typ string
		want       bool
	}{
		{"at+jwt", `"at+jwt"`, true},
		{"at+jwt", `"AT+JWT"`, true},
		{"at+jwt", `"application/at+jwt"`, true},
		{"at+jwt", `"Application/AT+jwt"`, true},
		{"at+jwt", `"JWT"`, false},
		{"at+jwt", `"dpop+jwt"`, false},
		{"at+jwt", `"logout+jwt"`, false},
		{"at+jwt", `"xapplication/at+jwt"`, false},
		{"at+jwt", ``, false},
		{"at+jwt,", ``, true},
		{"at+jwt,", `"JWT"`, false},
		{",JWT", `"JWT"`, true},
		{"application/at+jwt", `"at+jwt"`, true},
	} {
		v := verifier()
		v.Types = strings.Split(test.types, ",")
		h := header
		if test.typ != "" {
			h = `{"alg":"HS256","typ":` + test.typ + `}`
		}
		if _, err := v.Verify(t.Context(), sign(h, claims(nil))); (err == nil) != test.want {
			t.Errorf("%q, typ %s: %v", test.types, test.typ, err)
		}
	}
}

func TestVerifyClaims(t *testing.T) {
	t.Parallel()
	now := moment.Unix()
	type m = map[string]any
	for _, test := range []struct {
		name   string
		change m
		want   bool
	}{
		{"plain", nil, true},
		{"exp in the last second of the leeway", m{"exp": now - 59}, true},
		{"exp", m{"exp": now - 60}, false},
		{"exp fraction", m{"exp": json.Number(fmt.Sprint(now, ".5"))}, true},
		{"exp exponent", m{"exp": json.Number("1.9e9")}, true},
		{"exp 0", m{"exp": 0}, false},
		{"exp negative", m{"exp": -1}, false},
		{"exp 1e300", m{"exp": json.Number("1e300")}, false},
		{"exp 1e999", m{"exp": json.Number("1e999")}, false},
		{"exp year 10000", m{"exp": int64(253402300800)}, false},
		{"exp year 9999", m{"exp": int64(253402300799)}, true},
		{"exp beyond int64", m{"exp": json.Number("9223372036854775808")}, false},
		{"exp many digits", m{"exp": json.Number("1." + strings.Repeat("9", 40) + "e9")}, false},
		{"exp string", m{"exp": fmt.Sprint(now + 1)}, false},
		{"exp null", m{"exp": json.RawMessage("null")}, false},
		{"exp list", m{"exp": []int64{now + 1}}, false},
		{"exp true", m{"exp": true}, false},
		{"exp absent", m{"exp": nil}, false},
		{"nbf", m{"nbf": now + 60}, true},
		{"nbf later", m{"nbf": now + 61}, false},
		{"nbf string", m{"nbf": "0"}, false},
		{"nbf negative", m{"nbf": -1}, false},
		{"nbf negative fraction", m{"nbf": -0.5}, false},
		{"exp far, as an exponent", m{"exp": json.Number("3e11")}, false},
		{"iat", m{"iat": now + 60}, true},
		{"iat in the future", m{"iat": now + 61}, false},
		{"iss other", m{"iss": "https://evil.example"}, false},
		{"iss with a slash", m{"iss": issuer + "/"}, false},
		{"iss in another case", m{"iss": "HTTPS://issuer.example"}, false},
		{"iss list", m{"iss": []string{issuer}}, false},
		{"iss absent", m{"iss": nil}, false},
		{"aud second", m{"aud": "other"}, true},
		{"aud list", m{"aud": []string{"x", audience}}, true},
		{"aud absent", m{"aud": nil}, false},
		{"aud empty", m{"aud": ""}, false},
		{"aud empty list", m{"aud": []string{}}, false},
		{"aud other", m{"aud": []string{"x"}}, false},
		{"aud prefix", m{"aud": audience[:len(audience)-1]}, false},
		{"aud with a slash", m{"aud": audience + "/"}, false},
		{"aud null", m{"aud": json.RawMessage("null")}, false},
		{"aud list with null", m{"aud": []any{audience, nil}}, false},
		{"aud list with number", m{"aud": []any{audience, 1}}, false},
		{"aud object", m{"aud": m{audience: true}}, false},
		{"sub number", m{"sub": 42}, false},
		{"jti number", m{"jti": 42}, false},
		{"shadow", m{"EXP": now + 1}, false},
		{"shadow of sub", m{"SUB": "admin"}, false},
		{"shadow of scope", m{"Scope": "admin"}, false},
		{"folds to sub", m{"\u017fub": "admin"}, false},
		{"others in any case", m{"Email": "a", "Groups": "b", "tenantId": "c"}, true},
		{"others in two cases", m{"Email": "a", "email": "b"}, false},
		{"others in two cases, not ASCII", m{"stra\u00dfe\u017f": "a", "STRA\u1e9eES": "b"}, false},
		{"others that look alike", m{"e-mail": "a", "e\rmail": "b", "email@": "c", "email`": "d", "\u00e9": "e", "e\u0301": "f"}, true},
		{"deep", m{"x": json.RawMessage(strings.Repeat("[", 31) + strings.Repeat("]", 31))}, true},
		{"too deep", m{"x": json.RawMessage(strings.Repeat("[", 33) + strings.Repeat("]", 33))}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := verifier().Verify(t.Context(), sign(header, claims(test.change)))
			if (err == nil) != test.want || err != nil && !errors.Is(err, jose.ErrInvalid) {
				t.Errorf("%v, want accepted: %t", err, test.want)
			}
		})
	}
}

func TestVerifyRequired(t *testing.T) {
	t.Parallel()
	v := verifier()
	for _, name := range []string{"sub", "jti", "iat", "client_id"} {
		v.Required = []string{name}
		for value, want := range map[string]bool{
			`"x"`: name != "iat", `""`: false, "null": false, "0": name == "iat" || name == "client_id", "1": name == "iat" || name == "client_id",
			"[]": name == "client_id", "": false,
		} {
			change := map[string]any{name: nil}
			if value != "" {
				change[name] = json.RawMessage(value)
			}
			if _, err := v.Verify(t.Context(), sign(header, claims(change))); (err == nil) != want {
				t.Errorf("%s is %s: %v, want accepted: %t", name, value, err, want)
			}
		}
	}
}

// What no encoder writes.
func TestVerifyPayload(t *testing.T) {
	t.Parallel()
	good := claims(nil)
	many := good[:len(good)-1]
	for i := range 125 {
		many += fmt.Sprintf(`,"x%d":1`, i)
	}
	for name, payload := range map[string]string{
		"twice":           good[:len(good)-1] + `,"sub":"admin"}`,
		"twice, equal":    good[:len(good)-1] + `,"sub":"42"}`,
		"twice, escaped":  good[:len(good)-1] + `,"s\u0075b":"admin"}`,
		"array":           "[" + good + "]",
		"trailing":        good + " x",
		"two objects":     good + good,
		"number 01":       good[:len(good)-1] + `,"x":01}`,
		"number 1.":       good[:len(good)-1] + `,"x":1.}`,
		"number +1":       good[:len(good)-1] + `,"x":+1}`,
		"number 1e":       good[:len(good)-1] + `,"x":1e}`,
		"NaN":             good[:len(good)-1] + `,"x":NaN}`,
		"word":            good[:len(good)-1] + `,"x":nul}`,
		"comment":         good[:len(good)-1] + `/**/}`,
		"single quotes":   good[:len(good)-1] + `,'x':1}`,
		"bad escape":      good[:len(good)-1] + `,"x":"\x41"}`,
		"bad hex":         good[:len(good)-1] + `,"x":"\u00g0"}`,
		"half surrogate":  good[:len(good)-1] + `,"x":"\ud800\u0041"}`,
		"low surrogate":   good[:len(good)-1] + `,"x":"\udc00"}`,
		"invalid UTF-8":   good[:len(good)-1] + ",\"x\":\"\xc3\x28\"}",
		"overlong UTF-8":  good[:len(good)-1] + ",\"x\":\"\xc0\xaf\"}",
		"control":         good[:len(good)-1] + ",\"x\":\"\n\"}",
		"129 members":     many + "}",
		"empty":           "",
		"null":            "null",
		"no value":        good[:len(good)-1] + `,"x":}`,
		"no colon":        good[:len(good)-1] + `,"x" 1}`,
		"no comma":        good[:len(good)-1] + `"x":1}`,
		"nested no colon": good[:len(good)-1] + `,"x":{"a" 1}}`,
		"nested no name":  good[:len(good)-1] + `,"x":{1:1}}`,
		"nested no comma": good[:len(good)-1] + `,"x":{"a":1"b":2}}`,
		"nested value":    good[:len(good)-1] + `,"x":{"a":}}`,
		"list no comma":   good[:len(good)-1] + `,"x":[1 2]}`,
		"list trailing":   good[:len(good)-1] + `,"x":[1,]}`,
		"escape at end":   good[:len(good)-1] + `,"x":"\`,
		"open string":     good[:len(good)-1] + `,"x":"a`,
		"open pair":       good[:len(good)-1] + `,"x":"\ud83d"}`,
		"short hex":       good[:len(good)-1] + `,"x":"\u00`,
		"value at end":    good[:len(good)-1] + `,"x":`,
		"bad low":         good[:len(good)-1] + `,"x":"\ud83d\u00g0"}`,
	} {
		if _, err := verifier().Verify(t.Context(), sign(header, payload)); !errors.Is(err, jose.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	odd := good[:len(good)-1] + ` , "x" : { "a":[ true , false,null ], "b":{ } ,"c":[ ],"d":-1.5E+3,"e":0e-1} ,"\ud83d\ude00":"\"\\\/\b\f\n\r\t\u00e9" }` + "\n"
	c, err := verifier().Verify(t.Context(), sign(header, odd))
	if err != nil || c.Text("😀") != "\"\\/\b\f\n\r\té" || c.Get("y") != nil || c.Text("x") != "" || string(c.Payload) != odd {
		t.Errorf("%v, %v", c, err)
	}
	if _, err := verifier().Verify(t.Context(), sign(header, many[:strings.LastIndexByte(many, ',')]+"}")); err != nil {
		t.Errorf("128 members: %v", err)
	}
}

func TestVerifyForm(t *testing.T) {
	t.Parallel()
	good := sign(header, claims(nil))
	parts := strings.Split(good, ".")
	forms := map[string]string{
		"empty": "", "dots": "..", "dot": ".", "two parts": parts[0] + "." + parts[1], "four parts": good + ".", "five parts": good + ".a.b",
		"no signature": parts[0] + "." + parts[1] + ".", "leading dot": "." + good, "space": good + " ", "quoted": `"` + good + `"`,
		"padding": good + "=", "JSON": `{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`,
		"newline at the end": good + "\n", "return": parts[0] + "\r." + parts[1] + "." + parts[2],
		"newline in signature": good[:len(good)-5] + "\n" + good[len(good)-5:],
		"return in signature":  good[:len(good)-5] + "\r" + good[len(good)-5:],
		"newline in header":    seal(parts[0][:4] + "\n" + parts[0][4:] + "." + parts[1]),
		"newline in claims":    seal(parts[0] + "." + parts[1][:4] + "\n" + parts[1][4:]),
		"padded claims":        seal(parts[0] + "." + parts[1] + "=="),
		"standard alphabet":    seal(base64.RawStdEncoding.EncodeToString([]byte(`{"alg":"HS256","x":"???>>>"}`)) + "." + parts[1]),
		"non-ASCII":            good[:len(good)-1] + "é",
		"too long":             sign(header, claims(map[string]any{"x": strings.Repeat("x", 6200)})),
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	for _, c := range alphabet { // each last character: the other three that decode to the same bytes included
		if last := good[:len(good)-1] + string(c); last != good {
			forms["last character "+string(c)] = last
		}
	}
	for name, form := range forms {
		if _, err := verifier().Verify(t.Context(), form); !errors.Is(err, jose.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := verifier().VerifyJWS(t.Context(), form); !errors.Is(err, jose.ErrInvalid) {
			t.Errorf("%s, as JWS: %v", name, err)
		}
	}
	v := verifier()
	v.Limit = 16 << 10
	if _, err := v.Verify(t.Context(), forms["too long"]); err != nil {
		t.Errorf("with a higher limit: %v", err)
	}
}

// 64 KiB of anything cost next to nothing. Allocations are counted for the whole process, so this test runs alone.
func TestVerifyLongTokens(t *testing.T) {
	v := verifier()
	for name, token := range map[string]string{
		"dots": strings.Repeat(".", 64<<10), "letters": strings.Repeat("a", 64<<10),
		"kid": sign(`{"alg":"HS256","kid":"`+strings.Repeat("k", 64<<10)+`"}`, claims(nil)),
	} {
		best := time.Hour
		n := testing.AllocsPerRun(20, func() {
			start := time.Now()
			if _, err := v.Verify(t.Context(), token); !errors.Is(err, jose.ErrInvalid) {
				t.Fatal(err)
			}
			best = min(best, time.Since(start))
		})
		if n != 0 || best > time.Millisecond {
			t.Errorf("%s: %v allocations, %s", name, n, best)
		}
	}
}

// A public key is no secret, however it is written, and no list of algorithms lets one verifier have both kinds.
func TestVerifyConfusion(t *testing.T) {
	t.Parallel()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	pkix, _ := x509.MarshalPKIXPublicKey(&key.PublicKey)
	jwk, _ := json.Marshal(jose.Key{Public: &key.PublicKey})
	for name, secret := range map[string][]byte{
		"PKIX": pkix, "PKCS 1": x509.MarshalPKCS1PublicKey(&key.PublicKey), "JWK": jwk,
		"PEM":     pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix}),
		"OpenSSH": []byte("ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC3"),
	} {
		signed := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString([]byte(claims(nil)))
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(signed))
		token := signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
		v := verifier()
		v.Keys = jose.KeySet{{Public: &key.PublicKey}}
		v.Algorithms = []string{"RS256"}
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, jose.ErrInvalid) {
			t.Errorf("%s, for the key itself: %v", name, err)
		}
		v.Keys, v.Algorithms = jose.KeySet{{Public: secret}}, []string{"HS256"}
		if _, err := v.Verify(t.Context(), token); !errors.Is(err, jose.ErrInvalid) || v.Validate() == nil {
			t.Errorf("%s, as a secret: %v", name, err)
		}
		v.Algorithms = []string{"RS256", "HS256"}
		if _, err := v.Verify(t.Context(), token); err == nil || errors.Is(err, jose.ErrInvalid) {
			t.Errorf("%s, both kinds: %v, want a fault of the configuration", name, err)
		}
	}
	for _, first := range []string{"{", "0", "0 ", "0\x81\x20", "0\x82\x00\x20"} { // a secret that merely begins like a key
		own := append([]byte(first), secret...)
		v := verifier()
		v.Keys = jose.KeySet{{Public: own}}
		if err := v.Validate(); err != nil {
			t.Error(err)
		}
	}
}

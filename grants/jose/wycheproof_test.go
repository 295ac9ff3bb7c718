package jose_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/jose"
)

// vectors reads data of other people, which is never committed, from the folder that TOKENKEEP_VECTORS names.
func vectors(t *testing.T, name string, into any) {
	t.Helper()
	dir := os.Getenv("TOKENKEEP_VECTORS")
	if dir == "" {
		t.Skip("TOKENKEEP_VECTORS is not set: it names the folder of test vectors that are not ours to commit")
	}
	read(t, filepath.Join(dir, name), into)
}

func read(t testing.TB, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

type wycheproof struct {
	Groups []struct {
		Comment string          `json:"comment"`
		Private json.RawMessage `json:"private"`
		Public  json.RawMessage `json:"public"`
		Tests   []struct {
			ID      int             `json:"tcId"`
			Comment string          `json:"comment"`
			JWS     json.RawMessage `json:"jws"`
			JWE     json.RawMessage `json:"jwe"`
			Result  string          `json:"result"`
		} `json:"tests"`
	} `json:"testGroups"`
}

// token is a test's token: a string as it is, a JSON serialization as its text.
func token(raw json.RawMessage) string {
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return string(raw)
	}
	return s
}

// verifierFor has the keys of a group, one JWK or a set of them, and every algorithm of their family.
func verifierFor(t *testing.T, private, public json.RawMessage) *jose.Verifier {
	t.Helper()
	keys := public
	if keys == nil {
		keys = private
	}
	set, err := jose.ParseKeySet(keys)
	if err != nil {
		set = nil
		if k, err := jose.ParseKey(keys); err == nil {
			set = jose.KeySet{k}
		}
	}
	v := &jose.Verifier{Keys: set, Algorithms: []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}}
	if public == nil && strings.Contains(string(private), `"oct"`) {
		v.Algorithms = []string{"HS256", "HS384", "HS512"}
	}
	return v
}

func TestWycheproof(t *testing.T) {
	t.Parallel()
	var differ map[string]json.RawMessage
	read(t, "testdata/wycheproof_expectations.json", &differ)
	for name, count := range map[string]int{"json_web_signature_test": 401, "json_web_key_test": 26, "json_web_crypto_test": 83} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var file wycheproof
			vectors(t, "wycheproof/"+name+".json", &file)
			var e struct {
				Skip   map[string]string `json:"skip"`
				Refuse map[string]string `json:"refuse_although_valid"`
			}
			if err := json.Unmarshal(differ[name+".json"], &e); err != nil {
				t.Fatal(err)
			}
			seen, valid := 0, 0
			for _, g := range file.Groups {
				v := verifierFor(t, g.Private, g.Public)
				for _, test := range g.Tests {
					seen++
					want := test.Result == "valid" && test.JWS != nil
					if why, ok := e.Skip[strconv.Itoa(test.ID)]; ok {
						if !strings.Contains(why, "refuse") {
							continue
						}
						want = false
					}
					if _, ok := e.Refuse[strconv.Itoa(test.ID)]; ok {
						want = false
					}
					text := test.JWS
					if text == nil {
						text = test.JWE
					}
					_, err := v.VerifyJWS(t.Context(), token(text))
					if err != nil && !errors.Is(err, jose.ErrInvalid) || (err == nil) != want {
						t.Errorf("%d %s %s: %v, want valid: %t", test.ID, g.Comment, test.Comment, err, want)
					}
					if err == nil {
						valid++
					}
				}
			}
			if seen != count || valid == 0 {
				t.Errorf("%d tests and %d good ones, want %d tests", seen, valid, count)
			}
		})
	}
}

// An encrypted token is refused without decrypting anything, soon.
func TestWycheproofEncrypted(t *testing.T) {
	t.Parallel()
	v := &jose.Verifier{Keys: jose.KeySet{edKey("a")}, Algorithms: []string{"EdDSA"}}
	seen := 0
	for _, name := range []string{"json_web_encryption_test", "json_web_crypto_test"} {
		var file wycheproof
		vectors(t, "wycheproof/"+name+".json", &file)
		for _, g := range file.Groups {
			for _, test := range g.Tests {
				if test.JWE == nil {
					continue
				}
				seen++
				start := time.Now()
				if _, err := v.VerifyJWS(t.Context(), token(test.JWE)); !errors.Is(err, jose.ErrInvalid) {
					t.Errorf("%d: %v", test.ID, err)
				}
				if took := time.Since(start); took > 20*time.Millisecond {
					t.Errorf("%d: took %s", test.ID, took)
				}
			}
		}
	}
	if seen != 139+34 {
		t.Errorf("%d tokens, want 173", seen)
	}
}

// The JOSE cookbook (RFC 7520): whole signatures verify, detached and partly protected ones are refused.
func TestWycheproofCookbook(t *testing.T) {
	t.Parallel()
	for name, good := range map[string]bool{
		"jws/4_1.rsa_v15_signature": true, "jws/4_2.rsa-pss_signature": true, "jws/4_3.ecdsa_signature": true,
		"jws/4_4.hmac-sha2_integrity_protection": true, "ed25519_jws": true,
		"jws/4_5.signature_with_detached_content": false, "jws/4_6.protecting_specific_header_fields": false,
		"jws/4_7.protecting_content_only": false, "jws/4_8.multiple_signatures": false, "rfc7797_b64_false_must_reject": false,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var file struct {
				Input struct {
					Payload string          `json:"payload"`
					Key     json.RawMessage `json:"key"`
				} `json:"input"`
				Output struct {
					Compact string          `json:"compact"`
					JSON    json.RawMessage `json:"json"`
				} `json:"output"`
			}
			vectors(t, "rfc7520/"+name+".json", &file)
			var key map[string]any
			algorithms := []string{"RS256", "PS384", "ES512", "EdDSA"}
			keys := jose.KeySet{edKey("other")}
			if json.Unmarshal(file.Input.Key, &key) == nil {
				if key["kty"] == "oct" {
					algorithms = []string{"HS256"}
				} else {
					delete(key, "d")
				}
				text, _ := json.Marshal(key)
				k, err := jose.ParseKey(text)
				if err != nil {
					t.Fatal(err)
				}
				keys = jose.KeySet{k}
			}
			v := &jose.Verifier{Keys: keys, Algorithms: algorithms}
			if file.Output.Compact != "" {
				payload, err := v.VerifyJWS(t.Context(), file.Output.Compact)
				if (err == nil) != good || good && string(payload) != file.Input.Payload {
					t.Errorf("%q, %v", payload, err)
				}
			}
			if _, err := v.VerifyJWS(t.Context(), string(file.Output.JSON)); !errors.Is(err, jose.ErrInvalid) {
				t.Errorf("JSON serialization: %v", err)
			}
		})
	}
}

// The values that the RFCs print.
func TestRFCExamples(t *testing.T) {
	t.Parallel()
	var rfc struct {
		JWS []struct {
			Name string          `json:"name"`
			JWK  json.RawMessage `json:"jwk"`
			JWS  string          `json:"jws"`
			At   int64           `json:"verify_at_unix"`
		} `json:"jws_rfc7515"`
		Thumbprint struct {
			JWK json.RawMessage `json:"jwk"`
			Sum string          `json:"sha256"`
		} `json:"jwk_thumbprint_rfc7638"`
		DPoP struct {
			JWK    json.RawMessage `json:"jwk"`
			JKT    string          `json:"jkt"`
			Proofs []struct {
				JWT string `json:"jwt"`
			} `json:"proofs"`
		} `json:"dpop_rfc9449"`
	}
	read(t, "../testdata/rfc_examples.json", &rfc)
	good := 0
	for _, test := range rfc.JWS {
		if test.JWS == "" {
			continue
		}
		k, err := jose.ParseKey(test.JWK)
		if test.JWK == nil {
			k, err = edKey(""), nil
		}
		if err != nil {
			t.Fatalf("%s: %v", test.Name, err)
		}
		at := func() time.Time { return time.Unix(test.At, 0) }
		v := &jose.Verifier{Keys: jose.KeySet{k}, Algorithms: []string{k.Algorithm}, Issuer: "joe", InsecureAnyAudience: true, Now: at}
		if test.JWK == nil {
			v.Algorithms = []string{"EdDSA"}
		}
		c, err := v.Verify(t.Context(), test.JWS)
		if strings.Contains(test.Name, "refused") {
			if !errors.Is(err, jose.ErrInvalid) {
				t.Errorf("%s: %v", test.Name, err)
			}
			continue
		}
		if good++; err != nil || string(c.Get("http://example.com/is_root")) != "true" || c.Expires.Unix() != 1300819380 {
			t.Errorf("%s: %v, %v", test.Name, c, err)
		}
	}
	if good != 2 {
		t.Errorf("%d good ones, want 2", good)
	}
	k, err := jose.ParseKey(rfc.Thumbprint.JWK)
	if err != nil || k.Thumbprint() != rfc.Thumbprint.Sum {
		t.Errorf("thumbprint %q, %v", k.Thumbprint(), err)
	}
	k, err = jose.ParseKey(rfc.DPoP.JWK)
	if err != nil || k.Thumbprint() != rfc.DPoP.JKT {
		t.Errorf("jkt %q, %v", k.Thumbprint(), err)
	}
	for _, proof := range rfc.DPoP.Proofs {
		v := &jose.Verifier{Keys: jose.KeySet{k}, Algorithms: []string{"ES256"}, Types: []string{"dpop+jwt"}}
		if _, err := v.VerifyJWS(t.Context(), proof.JWT); err != nil {
			t.Error(err)
		}
		v.Types = nil
		if _, err := v.VerifyJWS(t.Context(), proof.JWT); !errors.Is(err, jose.ErrInvalid) {
			t.Errorf("as a token of any purpose: %v", err)
		}
	}
}

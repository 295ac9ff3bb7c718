package store_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

const secret = "5ecretText"

func secretToken() store.Token {
	return store.Token{
		AccessToken: "access" + secret, TokenType: "Bearer", RefreshToken: "refresh" + secret, IDToken: "id" + secret,
		Scopes: []string{"read"}, Expiry: time.Unix(2e9, 0), Extra: json.RawMessage(`{"more":"` + secret + `"}`),
	}
}

func secretRecord() *store.Record {
	return &store.Record{
		ID: "record-1", Generation: 3, Subject: "subject" + secret, Provider: "ulule", Token: secretToken(),
		Grant: store.Key(secret), Expires: time.Unix(2e9, 0), Refresh: []byte(secret), Version: "v" + secret,
		Handle: store.Credential("session", secret),
	}
}

// printed returns v in every way that fmt, log/slog and encoding/json have, alone and inside of other values. %p and %w
// are left out: fmt asks no method of what is no pointer and no error, and go vet refuses both.
func printed(t *testing.T, v any) map[string]string {
	t.Helper()
	out := map[string]string{}
	type wrapper struct{ V any }
	for name, v := range map[string]any{
		"alone": v, "in a struct": wrapper{v}, "behind a struct": &wrapper{v}, "in a slice": []any{v}, "in a map": map[string]any{"v": v},
		"in an error": fmt.Errorf("failed: %w (%v)", errors.New("cause"), v),
	} {
		for verb := rune('!'); verb <= '~'; verb++ {
			for _, flags := range []string{"", "+", "#", "0", "-", " ", "80", ".90", "+#"} {
				if format := "%" + flags + string(verb); verb != '%' && !strings.ContainsRune("*[.0123456789+-#pw", verb) {
					out[name+" "+format] = fmt.Sprintf(format, v)
				}
			}
		}
		out[name+" Sprint"] = fmt.Sprint(v)
		out[name+" Sprintln"] = fmt.Sprintln(v)
		b, err := json.Marshal(v)
		if err != nil {
			t.Errorf("%s: JSON: %v", name, err)
		}
		out[name+" JSON"] = string(b)
		var text, lines bytes.Buffer
		slog.New(slog.NewTextHandler(&text, nil)).Info("message", "v", v, slog.Group("g", "v", v))
		slog.New(slog.NewJSONHandler(&lines, nil)).With("w", v).Info("message", "v", v)
		out[name+" slog text"], out[name+" slog JSON"] = text.String(), lines.String()
	}
	return out
}

// TestNoSecretPrints: neither plainly nor in hex, base64 or as numbers.
func TestNoSecretPrints(t *testing.T) {
	t.Parallel()
	numbers := strings.Trim(fmt.Sprint([]byte(secret)), "[]")
	forms := []string{secret, hex.EncodeToString([]byte(secret)), strings.ToUpper(hex.EncodeToString([]byte(secret))), numbers}
	for skip := range 3 {
		forms = append(forms, base64.StdEncoding.EncodeToString([]byte(secret)[skip:skip+6]))
	}
	rec, tok := secretRecord(), secretToken()
	for name, v := range map[string]any{
		"key": store.Key("ulule", secret), "credential": store.Credential("session", secret),
		"token": tok, "token pointer": &tok, "record": *rec, "record pointer": rec,
		"tokens": []store.Token{tok}, "records": []*store.Record{rec}, "by handle": map[store.Handle]int{rec.Handle: 1},
		"handles": []store.Handle{rec.Handle},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for how, text := range printed(t, v) {
				for _, form := range forms {
					if strings.Contains(text, form) {
						t.Errorf("%s: %s", how, text)
					}
				}
			}
		})
	}
}

func TestHashedHandlePrintsNoSum(t *testing.T) {
	t.Parallel()
	sum := store.Credential("session", secret).Sum()
	for how, text := range printed(t, store.Hashed(sum)) {
		if strings.Contains(text, string(sum[:4])) || strings.Contains(strings.ToLower(text), hex.EncodeToString(sum[:4])) {
			t.Errorf("%s: %q", how, text)
		}
	}
}

// TestWhatPrints: what is shown is worth showing.
func TestWhatPrints(t *testing.T) {
	t.Parallel()
	rec := secretRecord()
	for _, c := range []struct {
		name string
		v    any
		want []string
	}{
		{"zero handle", store.Handle{}, []string{"handle()"}},
		{"key", store.Key("a"), []string{"key(…)"}},
		{"credential", store.Credential("refresh", "text"), []string{"credential(refresh, …)"}},
		{"hashed", store.Hashed([32]byte{}), []string{"hashed(…)"}},
		{"token", rec.Token, []string{"access …", "refresh …", "id …", `"read"`, "2033-05-18T03:33:20Z"}},
		{"empty token", store.Token{}, []string{"access -", "refresh -", "expiry -"}},
		{"record", *rec, []string{"record-1", "generation 3", "ulule", "2033-05-18T03:33:20Z", "ended -"}},
		{"record pointer", rec, []string{"record-1"}},
	} {
		for _, format := range []string{"%v", "%+v", "%#v", "%s", "%d"} {
			for _, want := range c.want {
				if got := fmt.Sprintf(format, c.v); !strings.Contains(got, want) {
					t.Errorf("%s with %s: %q lacks %q", c.name, format, got, want)
				}
			}
		}
	}
	var b bytes.Buffer
	slog.New(slog.NewTextHandler(&b, nil)).Info("refreshed", "record", rec)
	for _, want := range []string{"record.id=record-1", "record.generation=3", "record.provider=ulule"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("slog: %q lacks %q", b.String(), want)
		}
	}
}

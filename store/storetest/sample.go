package storetest

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// day is an instant that every engine can hold, with all its microseconds.
func day() time.Time { return time.Date(2021, 3, 4, 5, 6, 7, 123456000, time.UTC) }

// sample returns a live record in which every field that a caller sets is set, with texts that occur nowhere else.
func sample() *store.Record {
	return &store.Record{
		ID:         rand.Text(),
		Generation: 7,
		Subject:    "subject-" + rand.Text(),
		Provider:   "provider",
		Token: store.Token{
			AccessToken:   "access-" + rand.Text(),
			TokenType:     "Bearer",
			RefreshToken:  "refresh-" + rand.Text(),
			IDToken:       "id-" + rand.Text(),
			Scopes:        []string{"read", "write"},
			Expiry:        day().AddDate(200, 0, 0),
			RefreshExpiry: day().AddDate(201, 0, 0),
			Extra:         json.RawMessage(`{"extra":"extra-` + rand.Text() + `"}`),
		},
		Grant:   store.Key("grant", rand.Text()),
		Created: day(),
		Updated: day().Add(time.Hour),
		Refresh: []byte("state-" + rand.Text()),
	}
}

// secrets returns the texts of rec that must not be readable at rest, nor in any error.
func secrets(rec *store.Record) map[string]string {
	m := map[string]string{
		"the access token":  rec.Token.AccessToken,
		"the refresh token": rec.Token.RefreshToken,
		"the ID token":      rec.Token.IDToken,
		"the subject":       rec.Subject,
		"the refresh state": string(rec.Refresh),
		"the handle's text": rec.Handle.Reveal(),
		"the answer's rest": strings.TrimSuffix(strings.TrimPrefix(string(rec.Token.Extra), `{"extra":"`), `"}`),
	}
	if parts := rec.Handle.Parts(); len(parts) > 0 {
		m["the key's last part"] = parts[len(parts)-1]
	}
	if parts := rec.Grant.Parts(); len(parts) > 0 {
		m["the grant's last part"] = parts[len(parts)-1]
	}
	return m
}

// same checks that got holds what was put, field by field; what the store sets is not compared.
func same(t *testing.T, want, got *store.Record) {
	t.Helper()
	if got == nil {
		t.Error("no record")
		return
	}
	for _, d := range differences(want, got) {
		t.Error(d)
	}
}

// asStored checks what List and Sweep return for what Put returned: the same record, by its hashed handle.
func asStored(t *testing.T, put, got *store.Record) {
	t.Helper()
	same(t, put, got)
	if got.Version != put.Version {
		t.Errorf("version %q, want %q", got.Version, put.Version)
	}
	if got.Handle != store.Hashed(put.Handle.Sum()) {
		t.Errorf("Handle is %v, want the hashed one", got.Handle)
	}
	if got.ReadAt.IsZero() != put.ReadAt.IsZero() || got.ReadAt.Before(put.ReadAt) {
		t.Errorf("ReadAt is %v, Put said %v", got.ReadAt, put.ReadAt)
	}
}

// brief returns what tells rec from others.
func brief(rec *store.Record) *store.Record {
	return &store.Record{ID: rec.ID, Generation: rec.Generation, Token: store.Token{AccessToken: rec.Token.AccessToken}}
}

func differences(want, got *store.Record) []string {
	var out []string
	text := func(field, want, got string) {
		if want != got {
			out = append(out, fmt.Sprintf("%s is %s, want %s", field, short(got), short(want)))
		}
	}
	instant := func(field string, want, got time.Time) {
		if d := want.Sub(got).Abs(); want.IsZero() != got.IsZero() || d >= time.Microsecond {
			out = append(out, fmt.Sprintf("%s is %v, want %v", field, got, want))
		}
	}
	text("ID", want.ID, got.ID)
	if want.Generation != got.Generation {
		out = append(out, fmt.Sprintf("Generation is %d, want %d", got.Generation, want.Generation))
	}
	text("Subject", want.Subject, got.Subject)
	text("Provider", want.Provider, got.Provider)
	text("Token.AccessToken", want.Token.AccessToken, got.Token.AccessToken)
	text("Token.TokenType", want.Token.TokenType, got.Token.TokenType)
	text("Token.RefreshToken", want.Token.RefreshToken, got.Token.RefreshToken)
	text("Token.IDToken", want.Token.IDToken, got.Token.IDToken)
	if !slices.Equal(want.Token.Scopes, got.Token.Scopes) {
		out = append(out, fmt.Sprintf("Token.Scopes is %q, want %q", got.Token.Scopes, want.Token.Scopes))
	}
	instant("Token.Expiry", want.Token.Expiry, got.Token.Expiry)
	instant("Token.RefreshExpiry", want.Token.RefreshExpiry, got.Token.RefreshExpiry)
	if !bytes.Equal(want.Token.Extra, got.Token.Extra) {
		text("Token.Extra", string(want.Token.Extra), string(got.Token.Extra))
	}
	if want.Grant != got.Grant {
		out = append(out, fmt.Sprintf("Grant is key %q, want %q", got.Grant.Parts(), want.Grant.Parts()))
	}
	instant("Created", want.Created, got.Created)
	instant("Updated", want.Updated, got.Updated)
	instant("Expires", want.Expires, got.Expires)
	instant("Ended", want.Ended, got.Ended)
	if !bytes.Equal(want.Refresh, got.Refresh) {
		text("Refresh", string(want.Refresh), string(got.Refresh))
	}
	return out
}

// short quotes s, of which a long one only in part: the texts are the suite's own.
func short(s string) string {
	const most = 60
	if len(s) <= most {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q… (%d bytes)", s[:most], len(s))
}

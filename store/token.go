package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"time"
)

// Token is what a token endpoint answered (RFC 6749 section 5.1), with lifetimes turned into instants. Its secrets
// do not print: fmt, slog and JSON show which are set, never their text. The zero Token holds nothing.
type Token struct {
	AccessToken  string // opaque to its holder (RFC 6749 section 1.4)
	TokenType    string // as answered; requests carry "Bearer" whatever its case
	RefreshToken string
	IDToken      string
	Scopes       []string // granted; none known is none granted

	Expiry        time.Time // of the access token; zero: not known
	RefreshExpiry time.Time // of the refresh token; zero: not known

	// Extra is every other member of the answer as one JSON object, raw; nil if there was none.
	Extra json.RawMessage
}

// Clone returns a copy that shares no memory with t.
func (t Token) Clone() Token {
	t.Scopes = slices.Clone(t.Scopes)
	t.Extra = bytes.Clone(t.Extra)
	return t
}

// String tells which parts are set and when they expire, never their text.
func (t Token) String() string {
	set := func(s string) string {
		if s == "" {
			return "-"
		}
		return "…"
	}
	return fmt.Sprintf("token(access %s, refresh %s, id %s, scopes %q, expiry %s)",
		set(t.AccessToken), set(t.RefreshToken), set(t.IDToken), t.Scopes, when(t.Expiry))
}

// Format prints [Token.String] for every verb.
func (t Token) Format(f fmt.State, _ rune) { fmt.Fprint(f, t.String()) }

// LogValue logs [Token.String].
func (t Token) LogValue() slog.Value { return slog.StringValue(t.String()) }

// MarshalJSON encodes [Token.String], so that a stray encoder leaks nothing. Stores have their own encoding.
func (t Token) MarshalJSON() ([]byte, error) { return json.Marshal(t.String()) }

func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

package store

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"log/slog"
)

// Handle finds a record. It is not a string, so that a request can never present a [Key], nor a credential of one
// purpose reach a record of another. The zero Handle finds nothing; given to Put it means "let the store choose".
// Handles are comparable (a [Hashed] one equals only another Hashed one) and print redacted with fmt, slog and JSON.
type Handle struct {
	kind    handleKind
	purpose string
	text    string // a key: its encoded parts; a credential: its secret text; hashed: the sum's bytes
}

type handleKind byte

const (
	zeroHandle handleKind = iota
	keyHandle
	credentialHandle
	hashedHandle
)

// Key returns the handle made of the application's own names, such as Key("ulule", userID). It is no secret, and no
// request can reach it. Keys are equal only if all their parts are: Key("ab", "c") is not Key("a", "bc").
func Key(parts ...string) Handle {
	var room [128]byte // most keys fit; a longer one allocates once more
	text := room[:0]
	for _, p := range parts {
		text = appendPrefixed(text, p)
	}
	return Handle{kind: keyHandle, text: string(text)}
}

// Credential returns the handle for what a request carried, under the purpose the receiver expects: "session",
// "access", "refresh", "code", "flow" or one of your own.
func Credential(purpose, text string) Handle {
	return Handle{kind: credentialHandle, purpose: purpose, text: text}
}

// NewCredential mints a Credential of 256 random bits.
func NewCredential(purpose string) Handle {
	var secret [32]byte
	rand.Read(secret[:]) // never fails: crypto/rand ends the program rather than return weak bytes
	return Credential(purpose, base64.RawURLEncoding.EncodeToString(secret[:]))
}

// Hashed returns the handle of which only the [Handle.Sum] is known, as stores report the records they list and
// sweep. It finds, replaces and deletes what the full handle does; Reveal returns nothing.
func Hashed(sum [32]byte) Handle {
	return Handle{kind: hashedHandle, text: string(sum[:])}
}

// IsZero reports whether h is the zero Handle.
func (h Handle) IsZero() bool { return h.kind == zeroHandle }

// IsKey reports whether h was made by [Key].
func (h Handle) IsKey() bool { return h.kind == keyHandle }

// Purpose returns a Credential's purpose, "" for any other handle.
func (h Handle) Purpose() string { return h.purpose }

// Parts returns what a Key was made of, nil for any other handle.
func (h Handle) Parts() []string {
	if h.kind != keyHandle {
		return nil
	}
	return appendParts(make([]string, 0, 4), h.text) // apart, so that a caller that only looks allocates nothing
}

func appendParts(parts []string, text string) []string {
	for text != "" {
		n, w := binary.Uvarint([]byte(text[:min(len(text), binary.MaxVarintLen64)]))
		parts = append(parts, text[w:w+int(n)])
		text = text[w+int(n):]
	}
	return parts
}

// Sum returns the SHA-256 over the handle's kind, purpose and text: all that a store ever keeps of it.
func (h Handle) Sum() [32]byte {
	if h.kind == hashedHandle {
		return [32]byte([]byte(h.text))
	}
	var room [128]byte // a handle of our own making fits; a longer one allocates
	b := append(room[:0], byte(h.kind))
	b = appendPrefixed(b, h.purpose)
	b = append(b, h.text...)
	return sha256.Sum256(b)
}

// Reveal returns a Credential's text, to put into a cookie or an answer; "" for any other handle. It is the only way
// out of a Handle.
func (h Handle) Reveal() string {
	if h.kind != credentialHandle {
		return ""
	}
	return h.text
}

// String tells the kind of handle and, for a credential, its purpose; never its text.
func (h Handle) String() string {
	switch h.kind {
	case keyHandle:
		return "key(…)"
	case credentialHandle:
		return "credential(" + h.purpose + ", …)"
	case hashedHandle:
		return "hashed(…)"
	default:
		return "handle()"
	}
}

// Format prints [Handle.String] for every verb.
func (h Handle) Format(f fmt.State, _ rune) { fmt.Fprint(f, h.String()) }

// LogValue logs [Handle.String].
func (h Handle) LogValue() slog.Value { return slog.StringValue(h.String()) }

// MarshalText encodes [Handle.String]: JSON gets the redacted form too.
func (h Handle) MarshalText() ([]byte, error) { return []byte(h.String()), nil }

func appendPrefixed(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

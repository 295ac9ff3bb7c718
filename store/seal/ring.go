package seal

import (
	"bytes"
	"compress/flate"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"unicode"
	"unicode/utf8"
)

// keySize is the least number of bytes in a key.
const keySize = 32

// Ring seals with its first key and opens with all of them. Make one with [New]; the zero Ring panics. It is safe for
// concurrent use, prints no key, and is meant to live as long as the process.
type Ring struct {
	*core
	compact bool
}

// core is what a Ring and its Compact twin share.
type core struct {
	keys    []*key
	current atomic.Pointer[subkey] // seals
	// seen holds the derived keys of other processes and earlier times. Only what has opened a message gets in, so nobody
	// can flush it without a key; a collision costs a derivation, about two microseconds.
	seen      [512]atomic.Pointer[subkey]
	scratch   sync.Pool // *scratch
	deflaters sync.Pool // *flate.Writer
	inflaters sync.Pool // flate.Resetter and io.Reader
}

// key is one key of the ring. Its derive is XAES, or nothing at all in an InsecurePlaintext ring.
type key struct {
	header [headerSize]byte
	derive func(prefix [prefixSize]byte) cipher.AEAD
}

// subkey is the AEAD of one nonce prefix.
type subkey struct {
	key    *key
	prefix [prefixSize]byte
	aead   cipher.AEAD
	used   atomic.Uint64
}

// New returns the ring of keys: the first one seals, all of them open. It reports all faults at once, naming a key by
// its position only:
//
//   - no key, or one shorter than 32 bytes;
//   - a key that is text: valid UTF-8 of printable runes and white space. Random bytes look so once in 10^12 keys, a
//     passphrase always. A hexadecimal or base64 key must be decoded first;
//   - a key with fewer than 16 different bytes, one that repeats itself, or one that counts in equal steps;
//   - a key given twice.
//
// Keys longer than 32 bytes are used whole. The slices are not kept.
func New(keys ...[]byte) (*Ring, error) {
	var faults []error
	if len(keys) == 0 {
		faults = append(faults, errors.New("seal: no key: give at least one, see NewKey"))
	}
	c := &core{}
	for i, text := range keys {
		if why := weakness(text); why != "" {
			faults = append(faults, fmt.Errorf("seal: key %d of %d (%d bytes): %s", i+1, len(keys), len(text), why))
			continue
		}
		k := newKey(text)
		if twin := c.find(k.header); twin != nil {
			faults = append(faults, fmt.Errorf("seal: key %d of %d is given twice", i+1, len(keys)))
			continue
		}
		c.keys = append(c.keys, k)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return c.ready(), nil
}

// NewKey returns 32 random bytes: a key for [New].
func NewKey() []byte {
	b := make([]byte, keySize)
	rand.Read(b)
	return b
}

// Compact returns a ring with the same keys whose [Ring.Seal] deflates records above 2,700 bytes, as long as that makes
// them smaller: those that would need more than one cookie. Every ring opens them. Compression next to text that an
// attacker chooses can betray secrets by the length; a record is sealed at login and at refresh only, never per request.
func (r *Ring) Compact() *Ring { return &Ring{core: r.core, compact: true} }

// String tells how many keys there are, and whether they protect anything.
func (r *Ring) String() string {
	switch {
	case r == nil || r.core == nil:
		return "ring()"
	case r.keys[0].header == plaintextHeader:
		return "ring(insecure plaintext)"
	default:
		return fmt.Sprintf("ring(%d keys)", len(r.keys))
	}
}

// Format prints [Ring.String] for every verb.
func (r *Ring) Format(f fmt.State, _ rune) { fmt.Fprint(f, r.String()) }

// newKey derives what is used from the application's key, so that a key shared with other software is not the same
// AES key there. text has been checked.
func newKey(text []byte) *key {
	sub := func(use string, n int) []byte { return must(hkdf.Key(sha256.New, text, nil, "tokenkeep seal "+use, n)) }
	return &key{
		header: header(formatSealed, [keyIDSize]byte(sub("key id", keyIDSize))),
		derive: newXAES([32]byte(sub("XAES-256-GCM", 32))).derive,
	}
}

// weakness says why b cannot be a random key, or nothing.
func weakness(b []byte) string {
	switch {
	case len(b) < keySize:
		return fmt.Sprintf("needs at least %d random bytes", keySize)
	case isText(b):
		return "is text: decode it if it is hexadecimal or base64, and do not use a passphrase"
	case distinct(b) < 16, repeats(b), counts(b):
		return "is not random"
	default:
		return ""
	}
}

func isText(b []byte) bool {
	if !utf8.Valid(b) {
		return false
	}
	return bytes.IndexFunc(b, func(r rune) bool { return !unicode.IsPrint(r) && !unicode.IsSpace(r) }) < 0
}

func distinct(b []byte) int {
	var seen [256]bool
	n := 0
	for _, c := range b {
		if !seen[c] {
			seen[c] = true
			n++
		}
	}
	return n
}

// repeats reports whether b is one piece over and over.
func repeats(b []byte) bool {
	for period := 1; period <= len(b)/2; period++ {
		if bytes.Equal(b[period:], b[:len(b)-period]) {
			return true
		}
	}
	return false
}

// counts reports whether the bytes go up or down in equal steps, as in a key typed for a test.
func counts(b []byte) bool {
	for i := 2; i < len(b); i++ {
		if b[i]-b[i-1] != b[1]-b[0] {
			return false
		}
	}
	return true
}

func (c *core) ready() *Ring {
	c.scratch.New = func() any { return new(scratch) }
	c.deflaters.New = func() any { return must(flate.NewWriter(io.Discard, flate.DefaultCompression)) }
	c.inflaters.New = func() any { return flate.NewReader(bytes.NewReader(nil)) }
	c.current.Store(c.keys[0].fresh())
	return &Ring{core: c}
}

func (c *core) find(h [headerSize]byte) *key {
	for _, k := range c.keys {
		if k.header == h {
			return k
		}
	}
	return nil
}

func (k *key) fresh() *subkey {
	var prefix [prefixSize]byte
	rand.Read(prefix[:])
	return k.subkey(prefix)
}

func (k *key) subkey(prefix [prefixSize]byte) *subkey {
	return &subkey{key: k, prefix: prefix, aead: k.derive(prefix)}
}

// maxSeals is how many messages with random 96-bit nonces one AES-GCM key may seal (NIST SP 800-38D section 8.3).
const maxSeals = 1 << 32

// sealing returns the derived key to seal one message with.
func (c *core) sealing() *subkey {
	for {
		s := c.current.Load()
		if s.used.Add(1) <= maxSeals {
			return s
		}
		c.current.CompareAndSwap(s, c.keys[0].fresh())
	}
}

// opening returns the derived key for a nonce, and the place to remember it in once it has opened a message; nil if it
// is there already.
func (c *core) opening(k *key, nonce []byte) (*subkey, *atomic.Pointer[subkey]) {
	prefix := [prefixSize]byte(nonce)
	if s := c.current.Load(); s.key == k && s.prefix == prefix {
		return s, nil
	}
	slot := &c.seen[(int(prefix[0])|int(prefix[1])<<8)%len(c.seen)]
	if s := slot.Load(); s != nil && s.key == k && s.prefix == prefix {
		return s, nil
	}
	return k.subkey(prefix), slot
}

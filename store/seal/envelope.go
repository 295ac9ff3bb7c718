package seal

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tokenkeep/tokenkeep/store"
)

// ErrUnreadable is what every error wraps that means: this was sealed with a key that is not in the ring, or by a newer
// format than this program knows. It says nothing about the record, so it is never store.ErrNotFound.
var ErrUnreadable = errors.New("unknown key or newer format")

const (
	formatSealed = 1
	keyIDSize    = 4
	headerSize   = 1 + keyIDSize + 3
	overhead     = headerSize + nonceSize + tagSize
	maxPooled    = 128 << 10
)

// header is what every sealed form of every format begins with: format, key id, and a check that tells damage from
// the unknown.
func header(format byte, id [keyIDSize]byte) (h [headerSize]byte) {
	h[0] = format
	copy(h[1:], id[:])
	sum := sha256.Sum256(append([]byte("tokenkeep seal header"), h[:1+keyIDSize]...))
	copy(h[1+keyIDSize:], sum[:])
	return h
}

// The kinds keep apart what an application seals by itself and the records, whatever purpose it chooses.
const (
	kindRecord = 'r'
	kindBytes  = 'b'
)

// scratch is reused between calls: it is wiped after each.
type scratch struct{ aad, plain, small []byte }

func (c *core) borrow() *scratch { return c.scratch.Get().(*scratch) }

func (c *core) giveBack(s *scratch) {
	if cap(s.plain)+cap(s.small) > maxPooled {
		return
	}
	clear(s.plain)
	clear(s.small)
	s.aad, s.plain, s.small = s.aad[:0], s.plain[:0], s.small[:0]
	c.scratch.Put(s)
}

// bind builds the associated data: header, kind, purpose and name, each of them unmistakable.
func (s *scratch) bind(h [headerSize]byte, kind byte, purpose, name string) {
	b := append(s.aad[:0], h[:]...)
	b = append(b, kind)
	b = binary.AppendUvarint(b, uint64(len(purpose)))
	b = append(b, purpose...)
	b = binary.AppendUvarint(b, uint64(len(name)))
	s.aad = append(b, name...)
}

// seal seals plain with the first key.
func (c *core) seal(s *scratch, kind byte, purpose, name string, plain []byte) []byte {
	sub := c.sealing()
	s.bind(sub.key.header, kind, purpose, name)
	out := make([]byte, 0, overhead+len(plain))
	out = append(out, sub.key.header[:]...)
	out = append(out, sub.prefix[:]...)
	out = out[:headerSize+nonceSize]
	nonce := out[headerSize+prefixSize:]
	rand.Read(nonce)
	return sub.aead.Seal(out, nonce, plain, s.aad)
}

// open appends what was sealed to dst.
func (c *core) open(s *scratch, dst []byte, kind byte, purpose, name string, sealed []byte) ([]byte, error) {
	if len(sealed) < headerSize {
		return nil, store.ErrNotFound
	}
	h := [headerSize]byte(sealed)
	k := c.find(h)
	if k == nil {
		return nil, unknown(h)
	}
	if len(sealed) < overhead {
		return nil, store.ErrNotFound
	}
	nonce, text := sealed[headerSize:][:nonceSize], sealed[headerSize+nonceSize:]
	sub, slot := c.opening(k, nonce)
	s.bind(h, kind, purpose, name)
	plain, err := sub.aead.Open(dst, nonce[prefixSize:], text, s.aad)
	if err != nil {
		return nil, store.ErrNotFound
	}
	if slot != nil {
		slot.Store(sub)
	}
	return plain, nil
}

// unknown tells what no key of the ring has made.
func unknown(h [headerSize]byte) error {
	id := [keyIDSize]byte(h[1:])
	switch {
	case h != header(h[0], id) || h[0] < formatSealed:
		return store.ErrNotFound
	case h[0] > formatSealed:
		return fmt.Errorf("seal: open: format %d: %w", h[0], ErrUnreadable)
	case h == plaintextHeader:
		return fmt.Errorf("seal: open: written by InsecurePlaintext: %w", ErrUnreadable)
	default:
		return fmt.Errorf("seal: open: key %x is not in the ring: %w", id, ErrUnreadable)
	}
}

// SealBytes seals an application's own bytes, such as a login flow in a cookie. What is sealed for one purpose or under
// one name opens for no other. The result is 48 bytes longer than plain.
func (r *Ring) SealBytes(purpose, name string, plain []byte) []byte {
	s := r.borrow()
	defer r.giveBack(s)
	return r.seal(s, kindBytes, purpose, name, plain)
}

// OpenBytes returns what [Ring.SealBytes] sealed: store.ErrNotFound if it was tampered with, belongs to another purpose
// or name, or is no sealed form at all; an error that is [ErrUnreadable] if it needs another key or a newer program.
func (r *Ring) OpenBytes(purpose, name string, sealed []byte) ([]byte, error) {
	s := r.borrow()
	defer r.giveBack(s)
	dst := make([]byte, 0, max(0, len(sealed)-overhead))
	return r.open(s, dst, kindBytes, purpose, name, sealed)
}

package seal

import (
	"github.com/tokenkeep/tokenkeep/store"
)

const (
	HeaderSize = headerSize
	NonceSize  = nonceSize
	Overhead   = overhead
	MaxSeals   = maxSeals
)

// XAES seals by the raw construction, without a ring.
func XAES(key [32]byte, nonce, plain, aad []byte) []byte {
	return newXAES(key).derive([prefixSize]byte(nonce)).Seal(nil, nonce[prefixSize:], plain, aad)
}

// SealAs seals a record's plaintext as it is, whatever it holds.
func (r *Ring) SealAs(name string, plain []byte) []byte {
	s := r.borrow()
	defer r.giveBack(s)
	return r.seal(s, kindRecord, "", name, plain)
}

// GiveBack ends a call that used these buffers.
func (r *Ring) GiveBack(plain, small []byte) { r.giveBack(&scratch{plain: plain, small: small}) }

// Decode decodes a record's fields.
func Decode(fields []byte) (*store.Record, error) { return decodeRecord(fields) }

// Encode encodes a record's fields.
func Encode(rec *store.Record) ([]byte, error) { return appendRecord(nil, rec) }

// Reformat returns sealed with another format byte and a header that is valid for it.
func Reformat(sealed []byte, format byte) []byte {
	h := header(format, [keyIDSize]byte(sealed[1:]))
	return append(h[:], sealed[headerSize:]...)
}

// WearOut makes the ring believe that its derived key has sealed n messages.
func (r *Ring) WearOut(n uint64) { r.current.Load().used.Store(n) }

// Remembered counts the derived keys of others that the ring holds.
func (r *Ring) Remembered() (n int) {
	for i := range r.seen {
		if r.seen[i].Load() != nil {
			n++
		}
	}
	return n
}

// Slots is how many derived keys the ring can hold.
func (r *Ring) Slots() int { return len(r.seen) }

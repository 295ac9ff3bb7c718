// Package seal keeps records unreadable and unforgeable wherever they rest: a key ring, an AEAD (XAES-256-GCM, C2SP)
// and the one binary encoding of a [store.Record]. Authors of a store call it; applications make one [Ring] and hand
// it to the store's constructor.
//
//	ring, err := seal.New(key) // 32 random bytes, see NewKey; keep them in a secret manager
//	sealed, err := ring.Seal(name, rec)
//	rec, err := ring.Open(name, sealed, time.Now())
//
// # The name
//
// What is sealed under one name opens under that name only, so a cell copied from one row to another does not open. A
// server-side store takes the sum of the handle (sum := h.Sum(), then string(sum[:])); a cookie store the cookie's
// name and origin.
//
// # Rotation
//
// The first key of a ring seals, all of them open. To rotate, deploy the new key as the last one, then move it to the
// front, and drop the old one when no record of its time can live any more: each write seals again with the first
// key. A record whose key is not in the ring is an error that is [ErrUnreadable] and never store.ErrNotFound, so a
// replica that was deployed too early logs nobody out.
//
// # The sealed form
//
// A format byte, 4 bytes of key id, 3 bytes of check over the two, 24 bytes of nonce, then the ciphertext with its tag:
// 48 bytes more than the plaintext. The AEAD covers the format, the key id, the purpose and the name. Every later format
// will begin with the same 8 bytes. The check is no secret: it only tells a damaged header (store.ErrNotFound) from a
// key or a format that this ring does not know ([ErrUnreadable]).
//
// # Nonces
//
// XAES-256-GCM derives one AES-256-GCM key from the first half of its 192-bit nonce. A Ring draws that half once, keeps
// the derived key, draws the other half anew for each message from crypto/rand, and starts over after 2^32 messages
// (NIST SP 800-38D section 8.3). So the speed is that of AES-GCM, no number of messages wears a key out, and two
// processes collide only if they draw the same 192 bits, a machine cloned with its memory included.
package seal

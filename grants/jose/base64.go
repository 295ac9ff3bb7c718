package jose

import (
	"encoding/base64"
	"encoding/binary"
)

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// decode is base64url as RFC 7515 section 2 has it: no padding, no other characters, no bits left over. The package
// base64 skips line breaks even when it is strict, and takes twice the time.
func decode(s string) ([]byte, error) { return appendDecoded(nil, s) }

func decodeText(s string) (string, error) {
	var room [256]byte // what is longer allocates
	b, err := appendDecoded(room[:0], s)
	return string(b), err
}

// foreign marks what is no digit of base64url; the digits take the 24 bits above it.
const foreign = 1

// digits has the value of each character by its place in a group of four.
var digits = func() (d [4][256]uint32) {
	for place := range d {
		for c := range d[place] {
			d[place][c] = foreign
		}
		for value, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
			d[place][c] = uint32(value) << (26 - 6*place)
		}
	}
	return d
}()

func appendDecoded(room []byte, s string) ([]byte, error) {
	n := len(s) * 6 / 8
	if n > cap(room) {
		room = make([]byte, n)
	}
	b := room[:n]
	d, bad, i := &digits, uint32(0), 0
	if len(s)%4 == 1 {
		bad = foreign
	}
	for ; i+8 <= n; i += 6 { // eight characters in one write, of which the last two bytes will be written again
		c := s[:8]
		x := d[0][c[0]] | d[1][c[1]] | d[2][c[2]] | d[3][c[3]]
		y := d[0][c[4]] | d[1][c[5]] | d[2][c[6]] | d[3][c[7]]
		bad |= (x | y) & foreign
		binary.BigEndian.PutUint64(b[i:], uint64(x)<<32|uint64(y)<<8)
		s = s[8:]
	}
	for s != "" {
		group := min(4, len(s))
		var x uint32
		for place := range group {
			x |= d[place][s[place]]
		}
		for range group * 6 / 8 {
			b[i] = byte(x >> 24)
			x <<= 8
			i++
		}
		bad |= x // also what bits are left over
		s = s[group:]
	}
	if bad != 0 {
		return nil, refuseForm
	}
	return b, nil
}

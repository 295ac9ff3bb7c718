package seal

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// maxRecord bounds a record's encoding, both ways. It is far above what any engine is asked to hold.
const maxRecord = 1 << 20

// deflateAbove is the size from which on a Compact ring tries to deflate: what fits into one cookie as it is, is opened
// five times faster, and its length says nothing about what is in it.
const deflateAbove = 2700

// The first byte of an opened record. Bytes above the last one belong to newer programs.
const (
	recordPlain    = 1 // fields
	recordDeflated = 2 // fields, deflated (RFC 1951)
)

// Seal encodes rec and seals it under name. Version, ReadAt and Handle are not part of it. A Grant that is no Key, and a
// record of more than 1 MiB, are errors that wrap errors.ErrUnsupported: they can never be stored.
func (r *Ring) Seal(name string, rec *store.Record) ([]byte, error) {
	s := r.borrow()
	defer r.giveBack(s)
	var err error
	if s.plain, err = appendRecord(append(s.plain[:0], recordPlain), rec); err != nil {
		return nil, err
	}
	plain := s.plain
	if r.compact && len(plain) > deflateAbove {
		r.deflate(s)
		if len(s.small) < len(plain) {
			plain = s.small
		}
	}
	return r.seal(s, kindRecord, "", name, plain), nil
}

// Open returns the record sealed under name:
//
//   - nil and store.ErrNotFound if it was tampered with, was sealed under another name or is no sealed form at all, or
//     if it has expired at now. A zero now judges no expiry, for List and Sweep;
//   - the record and store.ErrEnded if it has ended, also when it has expired;
//   - nil and an error that is [ErrUnreadable] if it needs another key or a newer program.
//
// now is the store's clock. The record shares no memory with sealed; its ReadAt is left to the store.
func (r *Ring) Open(name string, sealed []byte, now time.Time) (*store.Record, error) {
	s := r.borrow()
	defer r.giveBack(s)
	plain, err := r.open(s, s.plain[:0], kindRecord, "", name, sealed)
	if err != nil {
		return nil, err
	}
	s.plain = plain
	rec, err := r.decode(s)
	switch {
	case err != nil:
		return nil, err
	case !rec.Ended.IsZero():
		return rec, store.ErrEnded
	case !now.IsZero() && rec.Expired(now):
		return nil, store.ErrNotFound
	default:
		return rec, nil
	}
}

var errMalformed = errors.New("seal: open: malformed record")

// decode reads the record in s.plain. What it refuses was authentic, so it is not "not found".
func (c *core) decode(s *scratch) (*store.Record, error) {
	if len(s.plain) == 0 || len(s.plain) > maxRecord {
		return nil, errMalformed
	}
	switch format := s.plain[0]; format {
	case 0:
		return nil, errMalformed
	case recordPlain:
		return decodeRecord(s.plain[1:])
	case recordDeflated:
		if err := c.inflate(s); err != nil {
			return nil, err
		}
		return decodeRecord(s.small)
	default:
		return nil, fmt.Errorf("seal: open: record format %d: %w", format, ErrUnreadable)
	}
}

// deflate puts the deflated form of the record in s.plain into s.small.
func (c *core) deflate(s *scratch) {
	out := bytes.NewBuffer(append(s.small[:0], recordDeflated))
	w := c.deflaters.Get().(*flate.Writer)
	w.Reset(out)
	_, _ = w.Write(s.plain[1:]) // a bytes.Buffer never fails
	w.Close()
	w.Reset(io.Discard)
	c.deflaters.Put(w)
	s.small = out.Bytes()
}

// inflate puts the fields of the deflated record in s.plain into s.small, up to maxRecord.
func (c *core) inflate(s *scratch) error {
	in := c.inflaters.Get().(io.Reader)
	_ = in.(flate.Resetter).Reset(bytes.NewReader(s.plain[1:]), nil) // never fails on a reader of its own
	out := bytes.NewBuffer(s.small[:0])
	n, err := io.Copy(out, io.LimitReader(in, maxRecord+1))
	_ = in.(flate.Resetter).Reset(bytes.NewReader(nil), nil)
	c.inflaters.Put(in)
	s.small = out.Bytes()
	if err != nil || n > maxRecord {
		return errMalformed
	}
	return nil
}

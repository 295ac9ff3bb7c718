package seal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// A record is a sequence of fields, each a tag and its value, in the order of the tags; a field that is not set is left
// out. A program that meets a tag above its last one refuses the record: to skip the field would be to lose it at the
// next write. So new fields are added at the end and old tags are never used again.
const (
	tagID = iota + 1
	tagGeneration
	tagSubject
	tagProvider
	tagAccessToken
	tagTokenType
	tagRefreshToken
	tagIDToken
	tagScopes
	tagExpiry
	tagRefreshExpiry
	tagExtra
	tagGrant
	tagCreated
	tagUpdated
	tagExpires
	tagEnded
	tagRefresh
	tagEnd // one above the last
)

func appendRecord(b []byte, rec *store.Record) ([]byte, error) {
	if rec == nil {
		return b, errors.New("seal: seal: no record")
	}
	if !rec.Grant.IsZero() && !rec.Grant.IsKey() {
		return b, fmt.Errorf("seal: seal: Record.Grant is %v, not a key: %w", rec.Grant, errors.ErrUnsupported)
	}
	start := len(b)
	b = appendText(b, tagID, rec.ID)
	if rec.Generation != 0 {
		b = binary.AppendUvarint(append(b, tagGeneration), rec.Generation)
	}
	b = appendText(b, tagSubject, rec.Subject)
	b = appendText(b, tagProvider, rec.Provider)
	b = appendText(b, tagAccessToken, rec.Token.AccessToken)
	b = appendText(b, tagTokenType, rec.Token.TokenType)
	b = appendText(b, tagRefreshToken, rec.Token.RefreshToken)
	b = appendText(b, tagIDToken, rec.Token.IDToken)
	if len(rec.Token.Scopes) > 0 {
		b = appendTexts(b, tagScopes, rec.Token.Scopes)
	}
	b = appendTime(b, tagExpiry, rec.Token.Expiry)
	b = appendTime(b, tagRefreshExpiry, rec.Token.RefreshExpiry)
	b = appendText(b, tagExtra, rec.Token.Extra)
	if rec.Grant.IsKey() {
		b = appendTexts(b, tagGrant, rec.Grant.Parts())
	}
	b = appendTime(b, tagCreated, rec.Created)
	b = appendTime(b, tagUpdated, rec.Updated)
	b = appendTime(b, tagExpires, rec.Expires)
	b = appendTime(b, tagEnded, rec.Ended)
	b = appendText(b, tagRefresh, rec.Refresh)
	if n := len(b) - start; n >= maxRecord {
		return b, fmt.Errorf("seal: seal: record of %d bytes, more than %d: %w", n, maxRecord, errors.ErrUnsupported)
	}
	return b, nil
}

func appendText[T string | ~[]byte](b []byte, tag byte, text T) []byte {
	if len(text) == 0 {
		return b
	}
	b = binary.AppendUvarint(append(b, tag), uint64(len(text)))
	return append(b, text...)
}

func appendTexts(b []byte, tag byte, texts []string) []byte {
	b = binary.AppendUvarint(append(b, tag), uint64(len(texts)))
	for _, text := range texts {
		b = binary.AppendUvarint(b, uint64(len(text)))
		b = append(b, text...)
	}
	return b
}

// appendTime writes seconds and microseconds apart: one number of microseconds ends in the year 294,246.
func appendTime(b []byte, tag byte, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	b = binary.AppendVarint(append(b, tag), t.Unix())
	return binary.AppendUvarint(b, uint64(t.Nanosecond()/1000))
}

// room is a record with room for what most records have beside it, in one piece of memory: two scopes, and the keeper's
// state of a grant that nobody is refreshing. It has the size of an allocation: 512 bytes.
type room struct {
	rec    store.Record
	scopes [2]string
	state  [24]byte
}

// decodeRecord never panics and allocates no more than a small multiple of b. The texts of a record share one string.
func decodeRecord(b []byte) (*store.Record, error) {
	room := new(room)
	r := &reader{b: b, s: string(b), room: room}
	rec := &room.rec
	last := byte(0)
	for r.at < len(r.b) && !r.bad {
		tag := r.b[r.at]
		r.at++
		if tag >= tagEnd {
			return nil, fmt.Errorf("seal: open: record field %d: %w", tag, ErrUnreadable)
		}
		if tag <= last {
			return nil, errMalformed
		}
		last = tag
		r.field(tag, rec)
	}
	if r.bad {
		return nil, errMalformed
	}
	return rec, nil
}

type reader struct {
	b   []byte
	s   string // the same bytes
	at  int
	bad bool
	*room
}

func (r *reader) field(tag byte, rec *store.Record) {
	switch tag {
	case tagID:
		rec.ID = r.text()
	case tagGeneration:
		rec.Generation = r.number()
	case tagSubject:
		rec.Subject = r.text()
	case tagProvider:
		rec.Provider = r.text()
	case tagAccessToken:
		rec.Token.AccessToken = r.text()
	case tagTokenType:
		rec.Token.TokenType = r.text()
	case tagRefreshToken:
		rec.Token.RefreshToken = r.text()
	case tagIDToken:
		rec.Token.IDToken = r.text()
	case tagScopes:
		rec.Token.Scopes = r.texts(r.scopes[:0:len(r.scopes)])
	case tagExpiry:
		rec.Token.Expiry = r.time()
	case tagRefreshExpiry:
		rec.Token.RefreshExpiry = r.time()
	case tagExtra:
		rec.Token.Extra = []byte(r.text())
	case tagGrant:
		rec.Grant = store.Key(r.texts(nil)...)
	case tagCreated:
		rec.Created = r.time()
	case tagUpdated:
		rec.Updated = r.time()
	case tagExpires:
		rec.Expires = r.time()
	case tagEnded:
		rec.Ended = r.time()
	case tagRefresh:
		rec.Refresh = r.bytes(r.state[:0:len(r.state)])
	}
}

func (r *reader) number() uint64 {
	if r.at < len(r.b) && r.b[r.at] < 0x80 { // as most are
		r.at++
		return uint64(r.b[r.at-1])
	}
	n, w := binary.Uvarint(r.b[r.at:])
	if w <= 0 {
		r.fail()
		return 0
	}
	r.at += w
	return n
}

// fail stops the reader: nothing is left to read.
func (r *reader) fail() { r.at, r.bad = len(r.b), true }

func (r *reader) text() string {
	n := r.number()
	if n > uint64(len(r.b)-r.at) {
		r.fail()
		return ""
	}
	from := r.at
	r.at += int(n)
	return r.s[from:r.at]
}

// texts puts them into space if they fit.
func (r *reader) texts(space []string) []string {
	n := r.number()
	if n > uint64(len(r.b)-r.at) { // each takes a byte at least
		r.fail()
		return nil
	}
	if n > uint64(cap(space)) {
		space = make([]string, 0, n)
	}
	for ; n > 0 && !r.bad; n-- {
		space = append(space, r.text())
	}
	return slices.Clip(space)
}

// bytes puts them into space if they fit.
func (r *reader) bytes(space []byte) []byte {
	b := append(space, r.text()...)
	return slices.Clip(b)
}

func (r *reader) time() time.Time {
	sec, w := binary.Varint(r.b[r.at:])
	if w <= 0 {
		r.fail()
		return time.Time{}
	}
	r.at += w
	micro := r.number()
	if r.bad || micro >= 1e6 {
		r.fail()
		return time.Time{}
	}
	return time.Unix(sec, int64(micro)*1000).UTC()
}

package memstore

import (
	"encoding/binary"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// entry is one version of a record, packed: two objects and no pointers but the links, so that a million of them cost
// little memory and little collection. It does not change once it is in its shard, but for the places and links, so
// readers copy from it without holding any lock.
type entry struct {
	// What a request needs that is shown the record, in one line of the processor's cache.
	sum              [32]byte
	shown            atomic.Pointer[store.Record] // see views
	expires, endedAt int64                        // microseconds of the Unix epoch, as all times here

	number uint64 // in the order of creation, kept by replacements
	text   string // all texts, one after the other
	ends   [texts]uint32
	place  int32 // index in its queue; the shard's lock guards it

	newer, older *entry // of the same subject; the subject's lock guards them
	grant        *store.Handle

	generation                 uint64
	created, updated           int64
	tokenExpiry, refreshExpiry int64
}

// The texts of an entry.
const (
	textID = iota
	textSubject
	textProvider
	textVersion
	textAccess
	textType
	textRefresh
	textIDToken
	textExtra
	textState
	textScopes // each after its length
	texts
)

func newEntry(sum [32]byte, rec *store.Record, version uint64) *entry {
	t := &rec.Token
	e := &entry{
		sum: sum, generation: rec.Generation,
		created: rec.Created.UnixMicro(), updated: rec.Updated.UnixMicro(),
		expires: rec.Expires.UnixMicro(), endedAt: rec.Ended.UnixMicro(),
		tokenExpiry: t.Expiry.UnixMicro(), refreshExpiry: t.RefreshExpiry.UnixMicro(),
	}
	if !rec.Grant.IsZero() {
		grant := rec.Grant
		e.grant = &grant
	}
	var room [13]byte // the longest version
	v := strconv.AppendUint(room[:0], version, 36)
	var b strings.Builder
	b.Grow(textSize(rec) + len(v)) // to the byte: beyond it may lie the allocator's next size
	for i, s := range [...]string{
		textID: rec.ID, textSubject: rec.Subject, textProvider: rec.Provider, textVersion: "",
		textAccess: t.AccessToken, textType: t.TokenType, textRefresh: t.RefreshToken, textIDToken: t.IDToken,
	} {
		b.WriteString(s)
		if i == textVersion {
			b.Write(v)
		}
		e.ends[i] = uint32(b.Len())
	}
	b.Write(t.Extra)
	e.ends[textExtra] = uint32(b.Len())
	b.Write(rec.Refresh)
	e.ends[textState] = uint32(b.Len())
	var length [binary.MaxVarintLen64]byte
	for _, s := range t.Scopes {
		b.Write(length[:binary.PutUvarint(length[:], uint64(len(s)))])
		b.WriteString(s)
	}
	e.ends[textScopes] = uint32(b.Len())
	e.text = b.String()
	return e
}

func (e *entry) part(i int) string {
	if i == 0 {
		return e.text[:e.ends[0]]
	}
	return e.text[e.ends[i-1]:e.ends[i]]
}

// plain and kept are a record with room for what most records have beside it, in one piece of memory: three scopes, or
// two and the keeper's state of a grant that nobody is refreshing. More would bring it beyond 512 bytes, from where on the
// allocator works harder.
type (
	plain struct {
		rec    store.Record
		scopes [3]string
	}
	kept struct {
		rec    store.Record
		scopes [2]string
		state  [24]byte
	}
)

// record returns a copy for the caller to keep. Its texts are the entry's, which nobody can change.
func (e *entry) record(h store.Handle, now time.Time) *store.Record {
	var rec *store.Record
	var scopes []string
	var state []byte
	if e.ends[textState] == e.ends[textIDToken] {
		room := &plain{}
		rec, scopes = &room.rec, room.scopes[:0]
	} else {
		room := &kept{}
		rec, scopes, state = &room.rec, room.scopes[:0], room.state[:0]
	}
	// Field by field: as a whole it would be put together elsewhere and copied here.
	rec.ID, rec.Generation, rec.Subject, rec.Provider = e.part(textID), e.generation, e.part(textSubject), e.part(textProvider)
	t := &rec.Token
	t.AccessToken, t.TokenType = e.part(textAccess), e.part(textType)
	t.RefreshToken, t.IDToken = e.part(textRefresh), e.part(textIDToken)
	t.Expiry, t.RefreshExpiry = instant(e.tokenExpiry), instant(e.refreshExpiry)
	rec.Created, rec.Updated = instant(e.created), instant(e.updated)
	rec.Expires, rec.Ended = instant(e.expires), instant(e.endedAt)
	rec.Version, rec.ReadAt, rec.Handle = store.Version(e.part(textVersion)), now, h
	if e.grant != nil {
		rec.Grant = *e.grant
	}
	if raw := e.text[e.ends[textIDToken]:e.ends[textState]]; raw != "" { // both in one piece
		b := append(state, raw...)
		n := len(e.part(textExtra))
		if n > 0 {
			rec.Token.Extra = b[:n:n]
		}
		if n < len(b) {
			rec.Refresh = b[n:len(b):len(b)]
		}
	}
	if packed := e.part(textScopes); packed != "" {
		rec.Token.Scopes = slices.Clip(unpack(scopes, packed)) // or requests that are shown rec would append to one place
	}
	return rec
}

// unpack appends the scopes to room.
func unpack(room []string, scopes string) []string {
	for scopes != "" {
		n, w := uint64(scopes[0]), 1
		if n >= 0x80 {
			n, w = binary.Uvarint([]byte(scopes[:min(len(scopes), binary.MaxVarintLen64)]))
		}
		room = append(room, scopes[w:w+int(n)])
		scopes = scopes[w+int(n):]
	}
	return room
}

// never is the zero time.
var never = time.Time{}.UnixMicro()

func instant(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

func (e *entry) subject() string        { return e.part(textSubject) }
func (e *entry) version() store.Version { return store.Version(e.part(textVersion)) }
func (e *entry) ended() bool            { return e.endedAt != never }
func (e *entry) live(now int64) bool    { return !e.ended() && !e.expired(now) }
func (e *entry) expired(now int64) bool { return e.expires != never && now >= e.expires }

// due is Record.Due.
func (e *entry) due() int64 {
	if e.ended() {
		return max(e.endedAt, e.updated)
	}
	return e.expires
}

// textSize is what rec's texts take, but for the version.
func textSize(rec *store.Record) int {
	t := &rec.Token
	n := len(rec.ID) + len(rec.Subject) + len(rec.Provider) + len(rec.Refresh) + len(t.AccessToken) + len(t.TokenType) +
		len(t.RefreshToken) + len(t.IDToken) + len(t.Extra)
	for _, s := range t.Scopes {
		n += (bits.Len(uint(len(s))|1)+6)/7 + len(s) // the length as a varint
	}
	return n
}

// size is what rec takes beside its fixed part.
func size(rec *store.Record) int {
	n := textSize(rec)
	for _, p := range rec.Grant.Parts() {
		n += len(p)
	}
	return n
}

package redisstore

import (
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// A row is its head, which the scripts read, then the sealed record. The head: the format (1), the version (16 bytes),
// whether it has ended ('E') or not ('L'), when it is due (16 digits of microseconds, or dashes for never), and the first
// 22 bytes of the subject's sum.
const (
	rowFormat   = 1
	versionSize = 16
	dueSize     = 16
	whoSize     = 22
	headSize    = 1 + versionSize + 1 + dueSize + whoSize
)

var errForeign = errors.New("the row is of another program or a newer one")

func row(rec *store.Record, sealed []byte) []byte {
	b := make([]byte, 0, headSize+len(sealed))
	b = append(b, rowFormat)
	b = append(b, rec.Version...)
	b = append(b, state(rec)...)
	b = append(b, cmp.Or(due(rec), never)...)
	b = append(b, whoIs(rec.Subject)[:whoSize]...)
	return append(b, sealed...)
}

const never = "----------------"

func state(rec *store.Record) string {
	if rec.Ended.IsZero() {
		return "L"
	}
	return "E"
}

// due is when the record is Sweep's, in microseconds, within what a script can count with: 1970 to 2255. The sealed record
// keeps the exact time.
func due(rec *store.Record) string {
	at := rec.Due()
	if at.IsZero() {
		return ""
	}
	const last = 9_000_000_000_000_000
	micro := min(max(at.Unix(), 0), last/1_000_000)*1_000_000 + int64(at.Nanosecond()/1000)
	return fmt.Sprintf("%0*d", dueSize, min(micro, last))
}

// open returns the record in the row of sum, judged at now; an empty row holds none.
func (s *Store) open(h store.Handle, sum [32]byte, row []byte, now time.Time) (*store.Record, error) {
	switch {
	case len(row) > 0 && row[0] != rowFormat:
		return nil, errForeign
	case len(row) < headSize:
		return nil, store.ErrNotFound
	}
	rec, err := s.ring.Open(string(sum[:]), row[headSize:], now)
	if rec != nil {
		rec.Version, rec.ReadAt, rec.Handle = store.Version(row[1:1+versionSize]), now, h
	}
	return rec, err
}

func newVersion() store.Version {
	var b [versionSize / 4 * 3]byte
	rand.Read(b[:])
	return store.Version(base64.RawURLEncoding.EncodeToString(b[:]))
}

// round does to a record's times what storing does: instants, to the microsecond.
func round(rec *store.Record) {
	for _, t := range []*time.Time{
		&rec.Created, &rec.Updated, &rec.Expires, &rec.Ended, &rec.Token.Expiry, &rec.Token.RefreshExpiry,
	} {
		*t = t.Truncate(time.Microsecond).UTC()
	}
}

// shards is into how many hash slots the rows are spread: by the first byte of a sum.
const shards = 256

// tags are the parts of keys that select the hash slot.
func tags(prefix string) (all [shards]string) {
	for shard := range all {
		all[shard] = fmt.Sprintf("{%s%02x}", prefix, shard)
	}
	return all
}

func (s *Store) rowKey(sum [32]byte) string { return s.tags[sum[0]] + ":" + member(sum) }

func (s *Store) dueKey(shard byte) string { return s.tags[shard] + "due" }

// subjectKey names the index of a subject, of which who is all that a store keeps.
func (s *Store) subjectKey(shard byte, who string) string { return s.tags[shard] + "of:" + who }

func whoIs(subject string) string { return member(store.Key("subject", subject).Sum()) }

// keys are all that a row's script touches; the empty subject has no index.
func (s *Store) keys(sum [32]byte, subject string) []string {
	if subject == "" {
		return []string{s.rowKey(sum), s.dueKey(sum[0])}
	}
	return []string{s.rowKey(sum), s.dueKey(sum[0]), s.subjectKey(sum[0], whoIs(subject))}
}

// member is a sum as it stands in keys and indexes.
func member(sum [32]byte) string { return base64.RawURLEncoding.EncodeToString(sum[:]) }

// sumOf is what member made.
func sumOf(text string) (sum [32]byte, ok bool) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(b) != len(sum) {
		return sum, false
	}
	return [32]byte(b), true
}

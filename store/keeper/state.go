package keeper

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// state is the keeper's part of a record, in Record.Refresh. Times are the store's clock unless said otherwise.
type state struct {
	Fence      uint64    `json:"f,omitempty"`  // leases given so far
	SavedFence uint64    `json:"sf,omitempty"` // the lease that wrote the current tokens
	SavedOwner string    `json:"so,omitempty"`
	SavedAt    time.Time `json:"sa,omitzero"` // when
	Owner      string    `json:"o,omitempty"` // of the current lease, random per attempt; empty: no lease
	LeaseUntil time.Time `json:"lu,omitzero"`

	Tries  int       `json:"t,omitempty"`  // leases under which the current refresh token may have been sent
	SentAt time.Time `json:"st,omitzero"`  // when the last of them was taken
	Failed string    `json:"x,omitempty"`  // why the grant is dead; empty: it is not
	After  time.Time `json:"na,omitzero"`  // no attempt before this
	Steps  int       `json:"ns,omitempty"` // back-off steps so far
	Reason string    `json:"nr,omitempty"` // of the back-off: an Outcome's name

	Keyed   bool     `json:"k,omitempty"` // stands under a Key: survives EndSessions
	Pending []string `json:"p,omitempty"` // refresh tokens still to be revoked, beside the record's own; see accessMark

	// early is from when on, by the process's clock, the token is refreshed in the background; zero: not before expiry.
	early time.Time
}

// accessMark begins an entry of Pending that is an access token: no token contains it (RFC 6749 appendix A).
const accessMark = "\t"

// The encoded state is a version byte, early as eight bytes (so that reading a fresh token parses no JSON), and JSON.
// Processes of two versions may share a store: what one cannot read it neither decides on nor writes over, a member
// it does not know included. So a new version first learns to read a format, and writes it only after a release.
const (
	stateVersion = 1
	stateHead    = 9
	maxState     = 4 << 10
	roomy        = maxState - 512 // what a lease, a memo and a commit write takes less than the rest
)

func (s *state) encode() ([]byte, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	b := make([]byte, stateHead, stateHead+len(text))
	b[0] = stateVersion
	if !s.early.IsZero() {
		binary.BigEndian.PutUint64(b[1:], uint64(s.early.UnixMilli()))
	}
	b = append(b, text...)
	if len(b) > maxState {
		return nil, fmt.Errorf("keeper: refresh state is %d bytes, more than %d", len(b), maxState)
	}
	return b, nil
}

// fit drops the oldest pending revocations, the only part that grows, until the state can be stored whatever becomes of
// the grant.
func (s *state) fit() (dropped int) {
	for len(s.Pending) > 0 {
		if b, err := s.encode(); err == nil && len(b) <= roomy {
			return dropped
		}
		s.Pending = s.Pending[1:]
		dropped++
	}
	return dropped
}

var errFormat = errors.New("keeper: a refresh state of another version")

func decodeState(rec *store.Record) (state, error) {
	var s state
	if len(rec.Refresh) == 0 {
		return s, nil
	}
	if !known(rec) {
		return s, fmt.Errorf("%w, %d, in record %s", errFormat, rec.Refresh[0], rec.ID)
	}
	in := json.NewDecoder(bytes.NewReader(rec.Refresh[stateHead:]))
	in.DisallowUnknownFields()
	if in.Decode(&s) != nil {
		return s, fmt.Errorf("%w in record %s", errFormat, rec.ID)
	}
	s.early = earlyOf(rec)
	return s, nil
}

// known reports whether rec's state has the head that this version reads.
func known(rec *store.Record) bool {
	return len(rec.Refresh) == 0 || len(rec.Refresh) >= stateHead && rec.Refresh[0] == stateVersion
}

// earlyOf reads the one field that every Get needs.
func earlyOf(rec *store.Record) time.Time {
	if len(rec.Refresh) < stateHead {
		return time.Time{}
	}
	ms := binary.BigEndian.Uint64(rec.Refresh[1:])
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(int64(ms))
}

// leased reports whether another holder's lease still runs on the store's clock.
func (s *state) leased(now time.Time) bool { return s.Owner != "" && now.Before(s.LeaseUntil) }

// with returns rec with this state, ready to Put.
func (s *state) with(rec *store.Record) (*store.Record, error) {
	next := rec.Clone()
	b, err := s.encode()
	if err != nil {
		return nil, err
	}
	next.Refresh = b
	return next, nil
}

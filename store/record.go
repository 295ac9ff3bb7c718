package store

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"time"
)

// Version is what compare-and-set compares: opaque, minted by the store on each write, never repeated for a handle.
type Version string

// Record is a grant, or a session that points to one, as stored. It prints its ID, provider and times only. A Record
// that Get or Put returned is the caller's own: nobody else sees what becomes of it before Put. One that a verifier or a
// [Viewer] returned is for reading; a Clone of it may be changed.
type Record struct {
	ID         string // random, stable for the record's life: what to log, and to key own tables by
	Generation uint64 // refreshes so far
	Subject    string // the application's user id
	Provider   string // the authorization server's name, as in grants.Client
	Token      Token

	// Grant is the Key of another record whose Token this one shares; zero: the record holds its own.
	Grant Handle

	Created time.Time
	Updated time.Time
	Expires time.Time // of the session, never of the access token; zero: never
	Ended   time.Time // zero: live

	// Refresh is the keeper's refresh state: opaque to stores, at most 4 KiB.
	Refresh []byte

	Version Version   // set by the store
	ReadAt  time.Time // the store's own clock at this read or write; zero: it has none
	Handle  Handle    // the one to use from now on; set by Get and Put, never stored
}

// Clone returns a copy that shares no memory with r.
func (r *Record) Clone() *Record {
	c := *r
	c.Token = r.Token.Clone()
	c.Refresh = bytes.Clone(r.Refresh)
	return &c
}

// Expired reports whether the session is over at now, [Record.Expires] itself included.
func (r *Record) Expired(now time.Time) bool { return !r.Expires.IsZero() && !now.Before(r.Expires) }

// Due returns from when on the record is Sweep's: for an ended record the later of Ended and Updated, for a live one
// Expires; zero if it never is.
func (r *Record) Due() time.Time {
	switch {
	case r.Ended.IsZero():
		return r.Expires
	case r.Updated.After(r.Ended):
		return r.Updated
	default:
		return r.Ended
	}
}

// String tells the record's ID, generation, provider and times.
func (r Record) String() string {
	return fmt.Sprintf("record(%s, generation %d, provider %q, expires %s, ended %s)",
		r.ID, r.Generation, r.Provider, when(r.Expires), when(r.Ended))
}

// Format prints [Record.String] for every verb.
func (r Record) Format(f fmt.State, _ rune) { fmt.Fprint(f, r.String()) }

// LogValue logs ID, generation and provider.
func (r Record) LogValue() slog.Value {
	return slog.GroupValue(slog.String("id", r.ID), slog.Uint64("generation", r.Generation),
		slog.String("provider", r.Provider))
}

// MarshalJSON encodes [Record.String], so that a stray encoder leaks nothing. Stores have their own encoding.
func (r Record) MarshalJSON() ([]byte, error) { return json.Marshal(r.String()) }

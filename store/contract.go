package store

import (
	"context"
	"time"
)

// TokenStore keeps records. It is the one interface to implement for a new engine; storetest.Run proves an
// implementation, with one subtest for each clause below. All methods may be called concurrently, by any number of
// processes that share the data. The clauses marked (S) also bind a [Stateless] store.
//
// Handles
//
//	H1  (S) A handle finds at most one record, compared byte by byte: case, trailing spaces, NUL and length all count.
//	H2  A Key and a Credential never meet, nor do Credentials of two purposes, whatever bytes they hold.
//	H3  A store keeps Handle.Sum only. It never keeps, logs or prints what Reveal returns.
//	H4  (S) Get with the zero Handle is ErrNotFound. Put with the zero Handle mints a fresh Credential of purpose
//	    "session" and reports it as Record.Handle.
//	H5  (S) Get and Put set Record.Handle to the handle to use from now on: in a server-side store, the one that was
//	    given. It is not part of what is stored.
//	H6  Hashed(h.Sum()) finds, replaces and deletes what h finds.
//
// Creating
//
//	C1  Put with an empty rec.Version creates. Over a live record it is ErrExists and changes nothing.
//	C2  Over an expired or an ended record it replaces that record in one step.
//	C3  Of any number of concurrent creates exactly one succeeds; the others get ErrExists.
//
// Replacing
//
//	R1  Put with rec.Version replaces if and only if the stored version is still rec.Version, ended or not; else
//	    ErrConflict.
//	R2  Put with rec.Version never inserts: ErrNotFound when the row is gone.
//	R3  Of any number of concurrent Puts at one version exactly one succeeds, across processes.
//	R4  Each successful Put mints a new version, equal content included, and no version ever returns for a handle:
//	    Delete and re-creation do not restart it.
//
// Deleting
//
//	D1  Delete removes the record if its version is still v; an empty v removes whatever is there.
//	D2  (S) Absent or changed is not an error, and a changed record stays.
//
// Reading
//
//	G1  (S) Get is linearizable per handle: it sees every Put and Delete that was acknowledged before it began, by any
//	    process. (A stateless store: what the handle holds.)
//	G2  (S) Absent and expired are ErrNotFound, with a nil record. A record is expired from Record.Expires on; the zero
//	    time never expires. Record.Token.Expiry hides nothing.
//	G3  (S) An ended record comes back together with ErrEnded, which errors.Is ErrNotFound. An ended record is
//	    reported ended even when it is also expired, until it is removed.
//	G4  (S) A record that was tampered with, or stands under another handle than its own, is ErrNotFound.
//	G5  (S) Every other failure is an error that is none of the sentinels: unknown key, newer format, engine down.
//	G6  (S) Record.ReadAt is the store's own clock at this read or write, finer than a second, never decreasing as one
//	    caller sees it and the same for all processes; or zero, when the store has no clock. Expiry is judged by it.
//
// Contents
//
//	V1  (S) Every field comes back as it was put: times as instants, to the microsecond; byte slices and strings to the
//	    byte, NUL and invalid UTF-8 included; a nil and an empty slice are alike.
//	V2  (S) Put leaves rec as it was and keeps no reference into it; what Get and Put return shares no memory with the
//	    store or with another caller's record.
//	V3  Sealed records of up to 64 KiB, refresh states of up to 4 KiB, subjects and key parts of up to 512 bytes are
//	    accepted.
//	V4  (S) What a store cannot ever hold (too large; a Key in a stateless store) is an error that wraps
//	    errors.ErrUnsupported, and nothing is written.
//	V5  (S) At rest, no token, handle text, subject or refresh state is readable, unless the store was built by a
//	    constructor named Insecure… or keeps its records in this process's memory.
//
// Failing
//
//	F1  (S) A context that is done before the call yields an error that wraps its cause, never a sentinel, and changes
//	    nothing. One that ends during the call gives all or nothing, and never another row's data.
//	F2  (S) Any error from Put but ErrNotFound, ErrExists, ErrConflict and those wrapping errors.ErrUnsupported means
//	    that the write may or may not have happened.
//	F3  (S) No error text holds a token, a handle's text or a subject.
type TokenStore interface {
	// Get returns the record behind h: ErrNotFound if there is none, the record and ErrEnded if it has ended.
	// Every other error means "could not find out" and never ends a session.
	Get(ctx context.Context, h Handle) (*Record, error)

	// Put creates (rec.Version empty) or replaces (at rec.Version) and returns the record as stored: Handle, Version
	// and ReadAt set. rec itself is not changed.
	Put(ctx context.Context, h Handle, rec *Record) (*Record, error)

	// Delete removes the record if its version is still v, or whatever is there if v is empty.
	Delete(ctx context.Context, h Handle, v Version) error
}

// Lister is the optional power to list by subject, found by type assertion. Without it the keeper's EndSessions and
// EndSubject answer errors.ErrUnsupported.
//
//	L1  List returns up to n live records of exactly this subject, with Hashed handles, and the cursor of the next
//	    page, empty at the end. The first page's cursor is empty; a cursor is opaque.
//	L2  A record that was there before the first page was asked for and stays through the last one is listed exactly
//	    once, also when others come and go meanwhile.
//	L3  The empty subject lists nothing.
type Lister interface {
	List(ctx context.Context, subject, cursor string, n int) (recs []*Record, next string, err error)
}

// Sweeper is the optional power to clean up, found by type assertion. Without it the keeper's Sweep answers
// errors.ErrUnsupported.
//
//	S1  Sweep visits at most n ended and expired records and removes each for which visit returned nil, if its version
//	    is unchanged. It returns how many it removed.
//	S2  Records come in the order of Record.Due, oldest first: an ended one by its last Updated, an expired one by its
//	    Expires. So a visit that fails and puts its record again with a later Updated sends it to the end.
//	S3  A record whose visit failed stays as it is; one that was written during its visit stays.
//	S4  Live records are never visited. An ended record is never dropped unvisited within 30 days of Record.Updated
//	    (then an engine's own expiry may take it).
//	S5  Any number of sweepers may run at once, beside reads and writes.
//	S6  visit gets Record.Handle as a Hashed handle. It may call the store.
type Sweeper interface {
	Sweep(ctx context.Context, n int, visit func(context.Context, *Record) error) (removed int, err error)
}

// Viewer is the optional power to show a live record as it stands in memory, without the copy that Get makes: found by
// type assertion, and used by the keeper's Verify and Client where a valid token is all they need.
//
//	W1  View shows what Get returns, but for ReadAt, which may be of an earlier read, and Handle, which is the Hashed
//	    one. It may return nil at any time, and does so for all that Get has an error for: then ask Get.
//	W2  It sees what Get sees: every Put and Delete that was acknowledged before it began, and the record's expiry.
//	W3  What it shows never changes, and nobody may change it.
type Viewer interface {
	// View returns the record behind h, and the reading of the system's clock that its expiry was judged by; zero if
	// the store goes by another clock.
	View(ctx context.Context, h Handle) (rec *Record, now time.Time)

	// Viewed returns the store whose records View shows: itself. A store that embeds another one, to have its own say in
	// Get, is thereby told from the one it embeds.
	Viewed() TokenStore
}

// Stateless is implemented by a store whose handle is the record itself, such as an encrypted cookie: it cannot
// compare-and-set, refuses a Key, and each Put returns another Handle. Only the clauses marked (S) bind it.
type Stateless interface {
	// Coordinator returns the compare-and-set store through which requests agree on refreshes and logouts, never nil:
	// one that all replicas share, or one in this process's memory where there is a single replica.
	Coordinator() TokenStore
}

package cookiestore

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
)

// maxText is the longest text: four cookies of 3,900 bytes, which leaves room for names and attributes in the 4,096 that
// browsers take (RFC 6265 section 6.1).
const maxText = 4 * 3900

// versionSize is how much of a text's end is its version: the authentication tag.
const versionSize = 22

// Store is a store.TokenStore and store.Stateless whose handles are the records. Make one with [New]. It is safe for
// concurrent use and holds nothing per record itself.
type Store struct {
	ring        *seal.Ring
	coordinator store.TokenStore
	name        atomic.Pointer[string]
}

var (
	_ store.TokenStore = (*Store)(nil)
	_ store.Stateless  = (*Store)(nil)
)

// New returns the store that seals with ring, in a world where replicas are coordinated as told. It reports all faults
// at once: no ring, the zero Replicas, a Coordinator that cannot be one.
func New(ring *seal.Ring, replicas Replicas) (*Store, error) {
	var faults []error
	if ring == nil {
		faults = append(faults, errors.New("cookiestore: no key ring"))
	}
	coordinator, err := replicas.coordinator()
	if err != nil {
		faults = append(faults, err)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return &Store{ring: ring.Compact(), coordinator: coordinator}, nil
}

// Coordinator implements store.Stateless: what [Coordinator] was given, else a store in this process's memory.
func (s *Store) Coordinator() store.TokenStore { return s.coordinator }

// Bind ties every text to name, the cookie's name and origin, so that it opens as no other cookie; middleware.Session
// does it. The first call counts. The same name again is fine, another one is an error, and so is any name once a
// record was put without.
func (s *Store) Bind(name string) error {
	if bound := s.bind(name); bound != name {
		return fmt.Errorf("cookiestore: bind: bound to %q already, not to %q", bound, name)
	}
	return nil
}

func (s *Store) bind(name string) string {
	if s.name.CompareAndSwap(nil, &name) {
		return name
	}
	return *s.name.Load()
}

// Get opens the text of h. The record's Handle is h, its Version is cut from the text, and ReadAt is zero.
func (s *Store) Get(ctx context.Context, h store.Handle) (*store.Record, error) {
	if err := usable(ctx, "get", h); err != nil {
		return nil, err
	}
	text := h.Reveal()
	if len(text) > maxText {
		return nil, store.ErrNotFound
	}
	sealed, err := encoding.DecodeString(text)
	if err != nil || encoding.EncodedLen(len(sealed)) != len(text) { // the decoder passes over line ends
		return nil, store.ErrNotFound
	}
	var name string
	if bound := s.name.Load(); bound != nil {
		name = *bound
	}
	rec, err := s.ring.Open(within(name, h.Purpose()), sealed, time.Now())
	if rec != nil {
		rec.Handle, rec.Version = h, version(text)
	}
	return rec, err
}

// Put seals rec into a new handle of h's purpose ("session" if h is zero). There is nothing to compare rec.Version with.
func (s *Store) Put(ctx context.Context, h store.Handle, rec *store.Record) (*store.Record, error) {
	if err := usable(ctx, "put", h); err != nil {
		return nil, err
	}
	purpose := h.Purpose()
	switch {
	case h.IsZero():
		purpose = "session"
	case h.Reveal() == "" && h == store.Hashed(h.Sum()):
		return nil, fmt.Errorf("cookiestore: put: a cookie is not found by a sum: %w", errors.ErrUnsupported)
	}
	sealed, err := s.ring.Seal(within(s.bind(""), purpose), rec)
	if err != nil {
		return nil, fmt.Errorf("cookiestore: put: %w", err)
	}
	if n := encoding.EncodedLen(len(sealed)); n > maxText {
		return nil, fmt.Errorf("cookiestore: put: the record takes %d bytes of cookies, the limit is %d: %w",
			n, maxText, errors.ErrUnsupported)
	}
	text := encoding.EncodeToString(sealed)
	out := rec.Clone()
	round(out)
	out.Handle, out.Version, out.ReadAt = store.Credential(purpose, text), version(text), time.Time{}
	return out, nil
}

// Delete does nothing but check its arguments: the browser has the record. Clear the cookie.
func (s *Store) Delete(ctx context.Context, h store.Handle, _ store.Version) error {
	return usable(ctx, "delete", h)
}

// encoding refuses a text whose last character has bits to spare set, so that no two texts are one record.
var encoding = base64.RawURLEncoding.Strict()

func usable(ctx context.Context, op string, h store.Handle) error {
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("cookiestore: %s: %w", op, context.Cause(ctx))
	case h.IsKey():
		return fmt.Errorf("cookiestore: %s: a cookie cannot hold what is found by a key: %w", op, errors.ErrUnsupported)
	default:
		return nil
	}
}

// within is the name to seal under: two cookies, and two purposes, never open each other's texts.
func within(name, purpose string) string { return strconv.Itoa(len(name)) + ":" + name + purpose }

// version cuts the version from a text: another one at every Put.
func version(text string) store.Version { return store.Version(text[len(text)-versionSize:]) }

// round does to a record's times what storing does: instants, to the microsecond.
func round(rec *store.Record) {
	for _, t := range []*time.Time{
		&rec.Created, &rec.Updated, &rec.Expires, &rec.Ended, &rec.Token.Expiry, &rec.Token.RefreshExpiry,
	} {
		*t = t.Truncate(time.Microsecond).UTC()
	}
}

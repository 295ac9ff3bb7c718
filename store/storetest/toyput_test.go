package storetest_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// Put implements store.TokenStore.
func (s *toy) Put(ctx context.Context, h store.Handle, rec *store.Record) (*store.Record, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if h.IsZero() && s.bug != "the zero handle is a handle" {
		if rec.Version != "" && s.bug != "the zero handle replaces by inserting" {
			return nil, store.ErrNotFound
		}
		h = s.mint()
		if rec.Version != "" {
			rec = rec.Clone()
			rec.Version = ""
		}
	}
	if err := s.fits(rec); err != nil {
		return nil, err
	}
	if h == store.Hashed(h.Sum()) && s.bug == "hashed handles do not write" {
		return nil, store.ErrNotFound
	}
	key := s.key(h)
	if err := s.allowed(key, rec); err != nil {
		if s.bug == "what is refused is written" && errors.Is(err, store.ErrConflict) {
			s.write(key, h, rec)
		}
		return nil, err
	}
	stored := s.write(key, h, rec)
	if s.bug == "Put changes the record it is given" {
		rec.Version = stored.Version
	}
	return stored, nil
}

func (s *toy) mint() store.Handle {
	switch s.bug {
	case "minted handles have another purpose":
		return store.NewCredential("token")
	case "minted handles are short":
		return store.Credential("session", rand.Text()[:8])
	case "the same handle is minted twice":
		return store.Credential("session", strings.Repeat("same", 10))
	}
	return store.NewCredential("session")
}

func (s *toy) fits(rec *store.Record) error {
	n := len(rec.Token.AccessToken) + len(rec.Token.IDToken) + len(rec.Token.RefreshToken)
	switch {
	case s.bug == "records end at 16 KiB" && n > 16<<10, n > 1<<20:
		if s.bug == "too large is any error" {
			return errors.New("toy: packet too large")
		}
		if s.bug == "errors tell the subject" {
			return fmt.Errorf("toy: record of %s is too large: %w", rec.Subject, errors.ErrUnsupported)
		}
		return fmt.Errorf("toy: record of %d bytes: %w", n, errors.ErrUnsupported)
	case s.bug == "refresh states end at 1 KiB" && len(rec.Refresh) > 1<<10, s.bug == "subjects end at 255 bytes" && len(rec.Subject) > 255:
		return fmt.Errorf("toy: too long: %w", errors.ErrUnsupported)
	}
	return nil
}

// allowed decides whether rec may be written behind key.
func (s *toy) allowed(key [32]byte, rec *store.Record) error {
	old := s.rows[key]
	s.pause()
	if rec.Version == "" {
		switch {
		case old == nil, s.bug == "create overwrites":
			return nil
		case s.bug == "create over expired is refused" && old.rec.Ended.IsZero():
			return store.ErrExists
		case !old.rec.Ended.IsZero() && s.bug == "create over ended is refused":
			return store.ErrExists
		case !old.rec.Ended.IsZero(), old.rec.Expired(s.now):
			return nil
		case s.bug == "create over live is a conflict":
			return store.ErrConflict
		case s.bug == "create overwrites dead tokens" && old.rec.Token.Expiry.Before(s.now):
			return nil
		case s.bug == "errors tell the handle":
			return fmt.Errorf("%w: %q", store.ErrExists, old.beside)
		}
		return store.ErrExists
	}
	same := old != nil && old.version == rec.Version
	if old != nil && s.bug == "versions fold case" {
		same = strings.EqualFold(string(old.version), string(rec.Version))
	}
	switch {
	case old == nil && s.bug == "replacing inserts":
		return nil
	case old == nil && s.bug == "replacing nothing is a conflict":
		return store.ErrConflict
	case old == nil:
		return store.ErrNotFound
	case s.bug == "the last writer wins":
		return nil
	case s.bug == "ended records are not replaced" && !old.rec.Ended.IsZero():
		return store.ErrNotFound
	case s.bug == "a conflict is not found" && !same:
		return store.ErrNotFound
	case !same:
		return store.ErrConflict
	}
	return nil
}

// pause lets others between the check and the write.
func (s *toy) pause() {
	if s.bug != "check, then write" && s.bug != "each process has its own lock" {
		return
	}
	s.mu.Unlock()
	if s.bug == "each process has its own lock" {
		s.mine.Lock()
		defer s.mine.Unlock()
	}
	for range 5 {
		runtime.Gosched()
	}
	s.mu.Lock()
}

func (s *toy) write(key [32]byte, h store.Handle, rec *store.Record) *store.Record {
	old := s.rows[key]
	r := &row{sum: key, number: s.writes, version: s.version(old, rec), readAt: rec.ReadAt, rec: rec.Clone()}
	s.writes++
	if old != nil && (s.bug != "pages are in the order of writes") {
		r.number = old.number
	}
	stored := s.mangle(rec.Clone(), old)
	r.rec.Handle = store.Hashed(key)
	var err error
	if r.sealed, err = s.ring.Seal(s.name(key), stored); err != nil {
		panic(err)
	}
	switch s.bug {
	case "the handle is kept", "errors tell the handle":
		r.beside = h.Reveal() + strings.Join(h.Parts(), "/")
	case "the subject is a column":
		r.beside = rec.Subject
	case "tokens are kept in base64":
		b, _ := json.Marshal([]byte(rec.Token.AccessToken))
		r.beside = string(b)
	case "the refresh state is a column":
		r.beside = string(rec.Refresh)
	}
	if s.bug != "success without writing" || old == nil {
		s.rows[key] = r
	}
	stored.Version, stored.ReadAt, stored.Handle = r.version, s.clock(), h
	if s.bug == "ReadAt is stored" {
		stored.ReadAt = rec.ReadAt
	}
	if s.bug == "the record's own handle is reported" && !rec.Handle.IsZero() {
		stored.Handle = rec.Handle
	}
	s.cache[key] = stored.Clone()
	kept := *stored // its slices are shared
	if s.bug == "what is given is kept by Put" {
		kept.Token, kept.Refresh = rec.Token, rec.Refresh
	}
	if strings.HasSuffix(s.bug, "is kept by Put") {
		s.cache[key] = &kept
	}
	return stored
}

func (s *toy) version(old *row, rec *store.Record) store.Version {
	switch s.bug {
	case "versions are counted by row":
		n := 0
		if old != nil {
			n, _ = strconv.Atoi(string(old.version))
		}
		return store.Version(strconv.Itoa(n + 1))
	case "versions are the generation":
		return store.Version(strconv.FormatUint(rec.Generation, 10))
	case "equal contents keep the version":
		if old != nil && rec.Version != "" && equal(old.rec, rec) {
			return old.version
		}
	case "versions are times":
		return store.Version(s.now.Format(time.RFC3339Nano))
	}
	return store.Version(rand.Text())
}

func equal(a, b *store.Record) bool {
	return a.ID == b.ID && a.Generation == b.Generation && a.Updated.Equal(b.Updated) && a.Ended.Equal(b.Ended)
}

// mangle loses what a bug makes the encoding lose.
func (s *toy) mangle(rec *store.Record, old *row) *store.Record {
	switch s.bug {
	case "texts become UTF-8":
		rec.Subject, rec.Token.AccessToken = strings.ToValidUTF8(rec.Subject, "?"), strings.ToValidUTF8(rec.Token.AccessToken, "?")
	case "texts end at NUL":
		rec.Provider, _, _ = strings.Cut(rec.Provider, "\x00")
	case "times lose their fractions":
		rec.Created = rec.Created.Truncate(time.Second)
	case "times lose their zone":
		rec.Updated = time.Date(rec.Updated.Year(), rec.Updated.Month(), rec.Updated.Day(), rec.Updated.Hour(),
			rec.Updated.Minute(), rec.Updated.Second(), rec.Updated.Nanosecond(), time.UTC)
	case "times are nanoseconds in 63 bits":
		if !rec.Token.RefreshExpiry.IsZero() {
			rec.Token.RefreshExpiry = time.Unix(0, rec.Token.RefreshExpiry.UnixNano())
		}
	case "the zero time is the epoch":
		if rec.Expires.IsZero() && rec.Updated.IsZero() {
			rec.Updated = time.Unix(0, 0)
		}
	case "scopes are joined":
		rec.Token.Scopes = strings.Fields(strings.Join(rec.Token.Scopes, " "))
	case "extra is parsed":
		var m map[string]any
		if json.Unmarshal(rec.Token.Extra, &m) == nil {
			rec.Token.Extra, _ = json.Marshal(m)
		}
	case "extra is dropped":
		rec.Token.Extra = nil
	case "the grant is dropped":
		rec.Grant = store.Handle{}
	case "generations are signed":
		rec.Generation &= 1<<63 - 1
	case "old contents shine through":
		if old != nil && rec.Token.RefreshToken == "" {
			rec.Token.RefreshToken = old.rec.Token.RefreshToken
		}
	}
	return rec
}

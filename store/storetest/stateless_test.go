package storetest_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/store/storetest"
)

// sealed is a toy whose handle is the record: a store.Stateless with one bug at most.
type sealed struct {
	bug  string
	ring *seal.Ring
}

var _ store.Stateless = (*sealed)(nil)

func statelessHarness(bug string) storetest.Harness {
	return storetest.Harness{
		Stateless: true,
		Open: func(t *testing.T) store.TokenStore {
			ring, err := seal.New(seal.NewKey())
			if err != nil {
				t.Fatal(err)
			}
			if bug == "nothing is sealed" {
				ring = seal.InsecurePlaintext()
			}
			return &sealed{bug: bug, ring: ring}
		},
	}
}

func (s *sealed) Coordinator() store.TokenStore { return nil }

func (s *sealed) begin(ctx context.Context) error {
	if ctx.Err() != nil && s.bug != "a done context is not noticed" {
		return fmt.Errorf("sealed: %w", context.Cause(ctx))
	}
	return nil
}

func (s *sealed) Get(ctx context.Context, h store.Handle) (*store.Record, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	if h.IsKey() {
		return nil, errors.ErrUnsupported
	}
	encoding := base64.RawURLEncoding.Strict()
	text := h.Reveal()
	switch s.bug {
	case "text is decoded leniently":
		encoding = base64.RawURLEncoding
	case "text is trimmed":
		text = strings.TrimSpace(text)
	case "what follows is ignored":
		text, _, _ = strings.Cut(text, "\x00")
	}
	b, err := encoding.DecodeString(text)
	if err != nil || strings.ContainsAny(text, "\r\n") { // which the decoder skips
		return nil, store.ErrNotFound
	}
	rec, err := s.ring.Open("sealed", b, time.Now())
	switch {
	case rec == nil && s.bug == "tampering is an error of its own":
		return nil, errors.New("sealed: damaged")
	case rec == nil && err != nil && s.bug == "sessions do not expire":
		if rec, err = s.ring.Open("sealed", b, time.Time{}); rec == nil {
			return nil, err
		}
	case rec == nil:
		return nil, err
	case errors.Is(err, store.ErrEnded) && s.bug == "ended is not told from absent":
		return nil, store.ErrNotFound
	case s.bug == "the access token's expiry hides the record" && rec.Token.Expiry.Before(time.Now()) && !rec.Token.Expiry.IsZero():
		return nil, store.ErrNotFound
	}
	if s.bug != "Get reports no handle" {
		rec.Handle = h
	}
	if s.bug == "extra is dropped" {
		rec.Token.Extra = nil
	}
	return rec, err
}

func (s *sealed) Put(ctx context.Context, h store.Handle, rec *store.Record) (*store.Record, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	if h.IsKey() && s.bug != "keys are accepted" {
		return nil, errors.ErrUnsupported
	}
	switch n := len(rec.Token.AccessToken) + len(rec.Token.RefreshToken); {
	case n > 64<<10 && s.bug == "too large is any error":
		return nil, errors.New("sealed: too large")
	case n > 64<<10 && s.bug == "errors tell the subject":
		return nil, fmt.Errorf("sealed: session of %s: %w", rec.Subject, errors.ErrUnsupported)
	case n > 64<<10:
		return nil, fmt.Errorf("sealed: %d bytes: %w", n, errors.ErrUnsupported)
	}
	b, err := s.ring.Seal("sealed", rec)
	if err != nil {
		return nil, err
	}
	stored := rec.Clone()
	if s.bug == "Put changes the record it is given" {
		stored = rec
	}
	purpose := "session"
	if s.bug == "minted handles have another purpose" {
		purpose = "cookie"
	}
	stored.Handle = store.Credential(purpose, base64.RawURLEncoding.EncodeToString(b))
	stored.Version, stored.ReadAt = "sealed", time.Time{}
	if s.bug == "the clock tells at times" {
		stored.ReadAt = time.Now()
	}
	return stored, nil
}

func (s *sealed) Delete(ctx context.Context, _ store.Handle, _ store.Version) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	if s.bug == "nothing can be deleted" {
		return errors.ErrUnsupported
	}
	return nil
}

// statelessDefects are the ways in which sealed can be broken.
var statelessDefects = []defect{
	{"text is decoded leniently", "H1", ""},
	{"text is trimmed", "H1", ""},
	{"what follows is ignored", "H1", ""},
	{"minted handles have another purpose", "H4", ""},
	{"Get reports no handle", "H5", ""},
	{"nothing can be deleted", "D2", "H4"},
	{"sessions do not expire", "G2", ""},
	{"the access token's expiry hides the record", "G2", ""},
	{"ended is not told from absent", "G3", "V1 V2"},
	{"tampering is an error of its own", "G4", "H1 H4 G2"},
	{"the clock tells at times", "G6", ""},
	{"extra is dropped", "V1", "V2"},
	{"Put changes the record it is given", "V2", "H4"},
	{"keys are accepted", "V4", ""},
	{"too large is any error", "V4", ""},
	{"nothing is sealed", "V5", ""},
	{"a done context is not noticed", "F1", ""},
	{"errors tell the subject", "F3", ""},
}

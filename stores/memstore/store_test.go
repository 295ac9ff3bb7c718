package memstore_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

var start = time.Date(2024, 1, 2, 3, 4, 5, 6000, time.UTC)

func put(t testing.TB, s *memstore.Store, h store.Handle, rec *store.Record) *store.Record {
	t.Helper()
	rec, err := s.Put(t.Context(), h, rec)
	if err != nil {
		t.Fatalf("Put: %v", err)
	}
	return rec
}

func TestNew(t *testing.T) {
	t.Parallel()
	if _, err := memstore.New(&memstore.Options{MaxRecords: -1}); err == nil || !strings.Contains(err.Error(), "MaxRecords is -1") {
		t.Errorf("New with MaxRecords -1: %v", err)
	}
	for _, n := range []int{0, 1, 2, 63, 64, 65, 1000, 1 << 30} {
		put(t, open(t, &memstore.Options{MaxRecords: n}), store.Key("any"), &store.Record{})
	}
}

func TestSingle(t *testing.T) {
	t.Parallel()
	s := memstore.Single()
	rec := put(t, s, store.Key("me"), &store.Record{ID: "one", Token: store.Token{AccessToken: "a"}})
	if _, err := s.Put(t.Context(), store.Key("you"), &store.Record{ID: "two"}); !errors.Is(err, memstore.ErrFull) {
		t.Errorf("a second record: %v, want ErrFull", err)
	}
	rec.Token.AccessToken = "b"
	rec = put(t, s, store.Key("me"), rec)
	if got, err := s.Get(t.Context(), store.Key("me")); err != nil || got.Token.AccessToken != "b" || got.Version != rec.Version {
		t.Errorf("Get: %v, %v", got, err)
	}
	if err := s.Delete(t.Context(), rec.Handle, rec.Version); err != nil {
		t.Fatal(err)
	}
	put(t, s, store.Key("you"), &store.Record{ID: "two"})
}

// TestBound fills a store: what makes room and what does not.
func TestBound(t *testing.T) {
	t.Parallel()
	const most = 300 // more than one shard
	live := func() *store.Record { return &store.Record{Subject: "subject"} }
	for _, c := range []struct {
		name  string
		held  func() *store.Record
		after time.Duration
		full  bool
	}{
		{"live", live, 0, true},
		{"live for years", live, 10 * 365 * 24 * time.Hour, true},
		{"not yet expired", func() *store.Record { return &store.Record{Expires: start.Add(time.Hour)} }, time.Hour - 1, true},
		{"expired", func() *store.Record { return &store.Record{Expires: start.Add(time.Hour)} }, time.Hour, false},
		{"ended", func() *store.Record { return &store.Record{Ended: start, Updated: start} }, 0, true},
		{"ended, within its hold", func() *store.Record { return &store.Record{Ended: start, Updated: start} }, 30 * 24 * time.Hour, true},
		{"ended and expired, within its hold", func() *store.Record {
			return &store.Record{Ended: start, Expires: start.Add(time.Hour)}
		}, 29 * 24 * time.Hour, true},
		{"ended, past its hold", func() *store.Record { return &store.Record{Ended: start, Updated: start} }, 31 * 24 * time.Hour, false},
		{"ended, updated since", func() *store.Record {
			return &store.Record{Ended: start, Updated: start.Add(20 * 24 * time.Hour)}
		}, 31 * 24 * time.Hour, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			now := &clock{now: start}
			s := open(t, &memstore.Options{MaxRecords: most, Now: now.Now})
			for range most {
				put(t, s, store.Handle{}, c.held())
			}
			now.Advance(c.after)
			for i := range most {
				_, err := s.Put(t.Context(), store.Key("more", fmt.Sprint(i)), live())
				if c.full != errors.Is(err, memstore.ErrFull) || !c.full && err != nil {
					t.Fatalf("record %d beyond: %v, want full %v", i+1, err, c.full)
				}
			}
			if _, err := s.Put(t.Context(), store.Key("one more"), live()); !errors.Is(err, memstore.ErrFull) {
				t.Errorf("a full store of live records: %v, want ErrFull", err)
			}
			if _, err := s.Get(t.Context(), store.Key("one more")); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("what found no room: %v, want ErrNotFound", err)
			}
		})
	}
}

// TestFullStoreWorks: what is there can be read, replaced, ended, replaced when dead, and removed.
func TestFullStoreWorks(t *testing.T) {
	t.Parallel()
	s := open(t, &memstore.Options{MaxRecords: 2})
	a, b := put(t, s, store.Key("a"), &store.Record{ID: "a"}), put(t, s, store.Key("b"), &store.Record{ID: "b"})
	a = put(t, s, a.Handle, a)
	a.Ended = time.Now()
	a = put(t, s, a.Handle, a)
	put(t, s, a.Handle, &store.Record{ID: "again"})
	if err := s.Delete(t.Context(), b.Handle, ""); err != nil {
		t.Fatal(err)
	}
	put(t, s, store.Key("c"), &store.Record{})
	if _, err := s.Put(t.Context(), store.Key("d"), &store.Record{}); !errors.Is(err, memstore.ErrFull) {
		t.Errorf("a third record: %v, want ErrFull", err)
	}
}

// TestBoundAtOnce: however many create at once, no more than MaxRecords succeed, and no fewer.
func TestBoundAtOnce(t *testing.T) {
	t.Parallel()
	const most = 100
	s := open(t, &memstore.Options{MaxRecords: most})
	for range most / 2 {
		put(t, s, store.Handle{}, &store.Record{Expires: start})
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var created int
	for range 2 * most {
		wg.Go(func() {
			_, err := s.Put(t.Context(), store.Handle{}, &store.Record{})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				created++
			} else if !errors.Is(err, memstore.ErrFull) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if created != most {
		t.Errorf("%d created, want %d", created, most)
	}
}

func TestForgottenRecordsGo(t *testing.T) {
	t.Parallel()
	now := &clock{now: start}
	s := open(t, &memstore.Options{MaxRecords: 10_000, Now: now.Now})
	for range 20_000 { // twice the bound, each for a minute: nobody sweeps
		put(t, s, store.Handle{}, &store.Record{Expires: now.Now().Add(time.Minute)})
		now.Advance(time.Second)
	}
	var left int
	if _, err := s.Sweep(t.Context(), 10_000, func(context.Context, *store.Record) error { left++; return nil }); err != nil {
		t.Fatal(err)
	}
	if left > 6_000 { // an hour's worth is 3,600
		t.Errorf("%d expired records were held", left)
	}
}

func TestClockNeverGoesBack(t *testing.T) {
	t.Parallel()
	now := &clock{now: start}
	s := open(t, &memstore.Options{Now: now.Now})
	rec := put(t, s, store.Key("a"), &store.Record{Expires: start.Add(time.Hour)})
	now.Advance(time.Hour)
	if _, err := s.Get(t.Context(), rec.Handle); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("after its time: %v, want ErrNotFound", err)
	}
	now.Advance(-2 * time.Hour)
	if _, err := s.Get(t.Context(), rec.Handle); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("after the clock was put back: %v, want ErrNotFound", err)
	}
	if rec := put(t, s, store.Key("b"), &store.Record{}); !rec.ReadAt.Equal(start.Add(time.Hour)) {
		t.Errorf("ReadAt %v, want where the clock stood", rec.ReadAt)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	if _, err := s.Put(t.Context(), store.Key("a"), nil); err == nil {
		t.Error("Put of nil succeeded")
	}
	big := &store.Record{Token: store.Token{AccessToken: strings.Repeat("secret", 1<<16)}}
	if _, err := s.Put(t.Context(), store.Key("a"), big); !errors.Is(err, errors.ErrUnsupported) || strings.Contains(err.Error(), "secret") {
		t.Errorf("Put of %d bytes: %v, want errors.ErrUnsupported", len(big.Token.AccessToken), err)
	}
	for _, c := range []struct {
		cursor string
		n      int
	}{{"", 0}, {"", -1}, {"not a cursor", 1}} {
		if _, _, err := s.List(t.Context(), "subject", c.cursor, c.n); err == nil || errors.Is(err, store.ErrNotFound) {
			t.Errorf("List(%q, %d): %v, want an error", c.cursor, c.n, err)
		}
	}
}

func TestListAfterMuchChange(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	want := map[string]bool{}
	var recs []*store.Record
	for i := range 500 {
		recs = append(recs, put(t, s, store.Handle{}, &store.Record{ID: fmt.Sprint(i), Subject: fmt.Sprint("subject", i%3)}))
	}
	for i, rec := range recs {
		switch i % 7 {
		case 0, 5:
			if err := s.Delete(t.Context(), rec.Handle, rec.Version); err != nil {
				t.Fatal(err)
			}
			continue
		case 1:
			rec.Subject = "subject0"
		case 2:
			rec.Ended = start
		}
		rec = put(t, s, rec.Handle, rec)
		if rec.Ended.IsZero() && rec.Subject == "subject0" {
			want[rec.ID] = true
		}
	}
	var cursor string
	for {
		page, next, err := s.List(t.Context(), "subject0", cursor, 7)
		if err != nil {
			t.Fatal(err)
		}
		for _, rec := range page {
			if !want[rec.ID] {
				t.Errorf("record %s is listed twice, or should not be", rec.ID)
			}
			delete(want, rec.ID)
		}
		if cursor = next; cursor == "" {
			break
		}
	}
	if len(want) > 0 {
		t.Errorf("%d records are not listed", len(want))
	}
}

// A session whose end was moved is swept when it is due by its new one.
func TestSweepGoesByTheLastExpiry(t *testing.T) {
	t.Parallel()
	s := open(t, nil)
	began := time.Now().Add(-time.Hour / 2)
	const n = 300
	for i := range n {
		rec := session(i)
		rec.Expires = time.Now().Add(time.Hour)
		rec = put(t, s, store.Key("moved", strconv.Itoa(i)), rec)
		stays := session(n + i)
		stays.Expires = rec.Expires.Add(-time.Minute) // before rec in the queue, until rec moves
		put(t, s, store.Key("stays", strconv.Itoa(i)), stays)
		rec.Expires = began.Add(time.Duration(i*7919%n) * time.Second)
		put(t, s, rec.Handle, rec)
	}
	var last time.Time
	removed, err := s.Sweep(t.Context(), n, func(_ context.Context, rec *store.Record) error {
		if rec.Expires.Before(last) {
			t.Errorf("%v comes after %v", rec.Expires, last)
		}
		last = rec.Expires
		return nil
	})
	if err != nil || removed != n {
		t.Errorf("%d removed, %v; want %d", removed, err, n)
	}
}

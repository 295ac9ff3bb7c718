package storetest_test

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

var (
	_ store.Lister  = (*toy)(nil)
	_ store.Sweeper = (*toy)(nil)
)

// List implements store.Lister; a cursor is the number of the last record listed.
func (s *toy) List(ctx context.Context, subject, cursor string, n int) ([]*store.Record, string, error) {
	if err := s.begin(ctx); err != nil {
		return nil, "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if subject == "" && s.bug != "the empty subject is listed" {
		return nil, "", nil
	}
	last, err := strconv.Atoi(cmp.Or(cursor, "-1"))
	if err != nil {
		return nil, "", err
	}
	var rows []*row
	for _, r := range s.rows {
		if s.listed(r, subject) {
			rows = append(rows, r)
		}
	}
	slices.SortFunc(rows, func(a, b *row) int { return cmp.Compare(a.number, b.number) })
	if s.bug == "pages are counted" {
		rows = rows[min(len(rows), max(last, 0)):]
		last = -1
	}
	rows = slices.DeleteFunc(rows, func(r *row) bool { return r.number <= last })
	limit := n
	if s.bug == "pages have one record more" {
		limit++
	}
	page := rows[:min(len(rows), limit)]
	var recs []*store.Record
	for _, r := range page {
		recs = append(recs, s.report(r))
	}
	if len(page) == len(rows) || s.bug == "there is one page" {
		return recs, "", nil
	}
	if s.bug == "pages are counted" {
		before, _ := strconv.Atoi(cmp.Or(cursor, "0"))
		return recs, strconv.Itoa(before + len(page)), nil
	}
	next := page[len(page)-1].number
	if s.bug == "the cursor is listed again" {
		next--
	}
	return recs, strconv.Itoa(next), nil
}

func (s *toy) listed(r *row, subject string) bool {
	of := r.rec.Subject == subject
	switch s.bug {
	case "subjects fold case":
		of = strings.EqualFold(r.rec.Subject, subject)
	case "subjects are prefixes":
		of = strings.HasPrefix(r.rec.Subject, subject)
	case "subjects are patterns":
		of = of || subject == "%"
	}
	switch {
	case s.bug == "ended records are listed" && !r.rec.Ended.IsZero():
		return of
	case s.bug == "expired records are listed" && r.rec.Ended.IsZero():
		return of
	case s.bug == "dead tokens are not listed" && r.rec.Token.Expiry.Before(s.now):
		return false
	}
	return of && r.rec.Ended.IsZero() && !r.rec.Expired(s.now)
}

// report returns r's record for List and Sweep.
func (s *toy) report(r *row) *store.Record {
	rec, err := s.open(r.sum)
	if err != nil {
		return nil
	}
	rec.Handle = store.Hashed(r.sum)
	switch s.bug {
	case "listed records have no handle":
		rec.Handle = store.Handle{}
	case "listed records have no version":
		rec.Version = ""
	}
	return rec
}

// Sweep implements store.Sweeper.
func (s *toy) Sweep(ctx context.Context, n int, visit func(context.Context, *store.Record) error) (int, error) {
	if err := s.begin(ctx); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var removed int
	for _, r := range s.due(n) {
		found := s.bug == "what was found is visited" && s.rows[r.sum] != nil
		if s.rows[r.sum] != r && !found {
			continue
		}
		rec := s.report(r)
		s.inside.Store(true)
		s.mu.Unlock()
		err := visit(ctx, rec)
		s.mu.Lock()
		s.inside.Store(false)
		now := s.rows[r.sum]
		switch {
		case err != nil && s.bug == "a failed visit removes":
		case err != nil && s.bug == "the sweep ends with a failed visit":
			return removed, err
		case err != nil:
			if s.bug == "a failed visit counts" {
				removed++
			}
			continue
		case now != r && s.bug == "what changed is removed" && now != nil:
		case now != r && s.bug == "removed by others counts" && now == nil:
		case now != r:
			continue
		}
		if s.bug != "the sweep does not remove" {
			delete(s.rows, r.sum)
			delete(s.cache, r.sum)
		}
		removed++
	}
	return removed, nil
}

// due returns the n rows longest due.
func (s *toy) due(n int) []*row {
	var rows []*row
	for _, r := range s.rows {
		due := r.rec.Due()
		old := s.now.AddDate(0, 0, -10)
		switch {
		case s.bug == "dead tokens are swept" && r.rec.Token.Expiry.Before(s.now) && !r.rec.Token.Expiry.IsZero():
		case s.bug == "what never expires is swept" && due.IsZero():
		case due.IsZero(), due.After(s.now):
			continue
		case s.bug == "expired records are not swept" && r.rec.Ended.IsZero():
			continue
		case s.bug == "ended records are not swept" && !r.rec.Ended.IsZero():
			continue
		case s.bug == "ended records are dropped early" && !r.rec.Ended.IsZero() && due.Before(old):
			delete(s.rows, r.sum)
			continue
		case s.bug == "ended records go when they expire" && !r.rec.Ended.IsZero() && r.rec.Expired(s.now):
			delete(s.rows, r.sum)
			continue
		}
		rows = append(rows, r)
	}
	by := func(r *row) time.Time { return r.rec.Due() }
	switch s.bug {
	case "the sweep goes by creation":
		by = func(r *row) time.Time { return s.now.Add(time.Duration(r.number)) }
	case "the sweep goes by Expires":
		by = func(r *row) time.Time { return r.rec.Expires }
	case "the sweep goes by Ended":
		by = func(r *row) time.Time {
			if r.rec.Ended.IsZero() {
				return r.rec.Expires
			}
			return r.rec.Ended
		}
	}
	slices.SortFunc(rows, func(a, b *row) int { return by(a).Compare(by(b)) })
	if s.bug == "the sweep begins with the newest" {
		slices.Reverse(rows)
	}
	if s.bug == "the sweep has no limit" {
		return rows
	}
	return rows[:min(len(rows), n)]
}

package records

import (
	"strings"
	"testing"
	"time"
)

// liar is ours with one promise broken.
type liar struct {
	engine
	put_    func(i int, expires time.Time) error
	load_   func(i int) (string, error)
	remove_ func(i int) error
	stale_  func(i int) error
}

func (l *liar) put(i int, expires time.Time) error {
	if l.put_ != nil {
		return l.put_(i, expires)
	}
	return l.engine.put(i, expires)
}

func (l *liar) load(i int) (string, error) {
	if l.load_ != nil {
		return l.load_(i)
	}
	return l.engine.load(i)
}

func (l *liar) remove(i int) error {
	if l.remove_ != nil {
		return l.remove_(i)
	}
	return l.engine.remove(i)
}

func (l *liar) replaceStale(i int) error {
	if l.stale_ != nil {
		return l.stale_(i)
	}
	return l.engine.(stale).replaceStale(i)
}

func TestLiarsAreCaught(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, want string
		lie        func(l *liar)
	}{
		{"honest", "", func(*liar) {}},
		{"nothing expires", "expired", func(l *liar) {
			l.put_ = func(i int, _ time.Time) error { return l.engine.put(i, time.Now().Add(time.Hour)) }
		}},
		{"nothing is deleted", "deleted", func(l *liar) { l.remove_ = func(int) error { return nil } }},
		{"always the same record", "does not load", func(l *liar) { l.load_ = func(int) (string, error) { return access(1), nil } }},
		{"makes records up", "loads", func(l *liar) { l.load_ = func(i int) (string, error) { return access(i), nil } }},
		{"takes any version", "version", func(l *liar) { l.stale_ = func(int) error { return nil } }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			e, err := openMemstore("")
			if err != nil {
				t.Fatal(err)
			}
			l := &liar{engine: e}
			tt.lie(l)
			err = honest(l)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

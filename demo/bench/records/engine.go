// Package records is table 3: stores. A record is two tokens of 600 and 200 bytes, found by a handle that only its
// owner knows, with a version that a replacement has to name.
package records

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tokenkeep/tokenkeep/demo/bench/measure"
)

// engine is one contestant. Records are numbered; put creates, replace is a refresh: it writes over what is there.
type engine interface {
	put(i int, expires time.Time) error
	load(i int) (access string, err error)
	replace(i int) error
	remove(i int) error
	Close() error
}

// stale is implemented by engines that claim compare-and-set: a replacement at a version that is gone must fail.
type stale interface {
	replaceStale(i int) error
}

// opener opens an engine in an empty folder.
type opener struct {
	name string
	role measure.Role
	open func(dir string) (engine, error)
}

var ctx = context.Background()

// Record contents: the same for all, so that loading the right one shows by the number it begins with.
var noise = func() string {
	b := make([]byte, 600)
	rand.Read(b)
	for i := range b {
		b[i] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_"[b[i]%64]
	}
	return string(b)
}()

// Texts are made cheaply: what they cost is part of every row.
func access(i int) string  { return numbered(i, 600) }
func refresh(i int) string { return numbered(i, 200) }

// digits is how many the number takes that a token begins with.
const digits = 16

func numbered(i, size int) string {
	var b [600]byte
	number(b[:digits], i)
	copy(b[digits:], noise)
	return string(b[:size])
}

func number(b []byte, i int) {
	hex.Encode(b, binary.BigEndian.AppendUint64(nil, uint64(i)))
}

// key is the 32 bytes that find record i in a floor; ours hashes handles itself.
func key(i int) []byte {
	var b [32]byte
	binary.BigEndian.PutUint64(b[:], uint64(i)*0x9e3779b97f4a7c15) // all over the index, not along it
	binary.BigEndian.PutUint64(b[8:], uint64(i))
	return b[:]
}

// text is the session id that finds record i where a library wants a string: what a request brings along.
func text(i int) string {
	if i >= 0 && i < len(known()) {
		return known()[i]
	}
	return hex.EncodeToString(key(i))
}

var known = sync.OnceValue(func() []string {
	out := make([]string, 1<<17)
	for i := range out {
		out[i] = hex.EncodeToString(key(i))
	}
	return out
})

// honest: what was put is there, what expired, was removed or never was is not, and nothing is replaced behind the back
// of whoever replaced it before. It uses numbers from -9 down.
func honest(e engine) error {
	const id, gone, old, never, stolen = -9, -10, -11, -12, -13
	later := time.Now().Add(time.Hour)
	if err := errors.Join(e.put(id, later), e.put(gone, later), e.put(old, time.Now().Add(-time.Minute)), e.put(stolen, later)); err != nil {
		return err
	}
	for range 2 {
		if got, err := e.load(id); err != nil || got != access(id) {
			return fmt.Errorf("does not load what was put: %w", err)
		}
		if err := e.replace(id); err != nil {
			return fmt.Errorf("does not replace: %w", err)
		}
	}
	if err := e.remove(gone); err != nil {
		return err
	}
	for i, what := range map[int]string{gone: "a deleted record", old: "an expired record", never: "a record that never was"} {
		if got, err := e.load(i); err == nil && got != "" {
			return fmt.Errorf("loads %s", what)
		}
	}
	if s, ok := e.(stale); ok {
		if err := s.replaceStale(stolen); err == nil {
			return errors.New("replaces at a version that is gone")
		}
	}
	return nil
}

// batcher is implemented by engines that can put records from to below to in one transaction: only to fill.
type batcher interface {
	batch(from, to int, expires time.Time) error
}

// fill puts n records, many at a time, so that engines that commit in groups do.
func fill(e engine, n int) error {
	later := time.Now().Add(24 * time.Hour)
	if b, ok := e.(batcher); ok {
		return fillBatches(b, n, later)
	}
	var wg sync.WaitGroup
	errs := make(chan error, 16)
	for w := range 16 {
		wg.Go(func() {
			for i := w; i < n; i += 16 {
				if err := e.put(i, later); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

func fillBatches(b batcher, n int, expires time.Time) error {
	const size = 500
	var wg sync.WaitGroup
	errs := make(chan error, 4)
	for w := range cap(errs) {
		wg.Go(func() {
			for from := w * size; from < n; from += cap(errs) * size {
				if err := b.batch(from, min(n, from+size), expires); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	return <-errs
}

// hot is how many records are replaced over and over; their owners know the versions, as a keeper does.
const hot = 1000

// job is what is timed.
type job struct {
	name    string
	workers int
	blank   bool // needs no records to begin with
	run     func(e engine, n int) func(i int) error
}

var (
	loading = job{"load", 0, false, func(e engine, n int) func(int) error {
		return func(i int) error { _, err := e.load(i * 7919 % n); return err }
	}}
	saving = job{"save", 0, true, func(e engine, _ int) func(int) error {
		later := time.Now().Add(24 * time.Hour)
		return func(i int) error { return e.put(i, later) }
	}}
	savingAtOnce = job{"save, 32 callers", 32, true, saving.run}
	replacing    = job{"replace", 0, false, func(e engine, n int) func(int) error {
		return func(i int) error { return e.replace(i * 7919 % min(n, hot)) }
	}}
)

// rows are all openers doing a job on n records.
func rows(table string, j job, n int, openers []opener) []measure.Row {
	var out []measure.Row
	for _, o := range openers {
		out = append(out, measure.Row{Table: table, Name: o.name, Role: o.role, Setup: func(scene *measure.Scene) (*measure.Trial, error) {
			e, err := o.open(scene.Dir)
			if err != nil {
				return nil, err
			}
			n := scene.Size(n)
			if j.blank {
				n = 10
			}
			if err := fill(e, n); err != nil {
				return nil, errors.Join(err, e.Close())
			}
			return &measure.Trial{
				Honest: func() error { return honest(e) }, Run: j.run(e, n), Workers: j.workers, Close: e.Close,
			}, nil
		}})
	}
	return out
}

// plain is what the floors store: both tokens, one after the other.
func plain(i int) []byte { return append([]byte(access(i)), refresh(i)...) }

func accessOf(i int, data []byte) (string, error) {
	var want [digits]byte
	number(want[:], i)
	if len(data) < 600 || !bytes.Equal(data[:digits], want[:]) {
		return "", errors.New("another record")
	}
	return string(data[:600]), nil
}

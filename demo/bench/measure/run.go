package measure

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Options say how long and how often.
type Options struct {
	Rounds int           // six says something; fewer is for a look
	Passes int           // slices per row and round; the round's figure is their lower quartile
	Slice  time.Duration // how long one row runs before the next one has its turn
	Full   bool
	Quick  bool
	Log    func(format string, args ...any)
}

// Result is what a row came to.
type Result struct {
	Row
	NS      float64 // median of the rounds, per operation; 0: the row has Figures only
	Spread  float64 // (largest - smallest round) / median
	Allocs  float64 // per operation
	Figures Figures
	Barred  error // why it was not timed: dishonest, absent or failing
}

// Dishonest marks a row that failed its honesty check.
type Dishonest struct{ error }

func (d Dishonest) Unwrap() error { return d.error }

type contestant struct {
	*Result
	trial  *Trial
	n      int // operations in a slice
	next   atomic.Int64
	rounds []float64
	allocs []float64
	once   []Figures
}

// Run measures the rows of one table.
func Run(ctx context.Context, rows []Row, o Options) ([]*Result, error) {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	var all []*contestant
	var results []*Result
	for i, row := range rows {
		c := &contestant{Result: &Result{Row: row}}
		results = append(results, c.Result)
		scene := &Scene{Dir: filepath.Join(dir, fmt.Sprint(i))}
		if err := os.Mkdir(scene.Dir, 0o700); err != nil {
			return nil, err
		}
		if c.Barred = c.prepare(scene, o); c.Barred != nil {
			continue
		}
		if c.trial.Close != nil {
			defer c.trial.Close()
		}
		all = append(all, c)
	}
	for round := range o.Rounds {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		runtime.GC()
		play(ctx, all, round, o)
	}
	for _, c := range all {
		c.settle()
	}
	return results, nil
}

// prepare sets the row up and has it prove its honesty. Nothing is timed before.
func (c *contestant) prepare(scene *Scene, o Options) (err error) {
	if c.trial, err = c.Setup(scene); err != nil {
		return err
	}
	if err := CheckHonesty(c.trial); err != nil {
		if c.trial.Close != nil {
			c.trial.Close()
		}
		return err
	}
	c.Figures = c.trial.Extra
	if c.trial.Run == nil {
		return nil
	}
	c.next.Store(1 << 20) // what honesty used stays apart
	for c.n = 1; ; c.n *= 2 {
		took := time.Hour
		for range 3 { // one of them will not have been disturbed
			t, _, err := c.slice()
			if err != nil {
				return err
			}
			took = min(took, t)
		}
		if took >= o.Slice/2 || c.n > 1<<24 {
			c.n = max(1, int(float64(c.n)*float64(o.Slice)/float64(took)))
			return nil
		}
	}
}

// CheckHonesty runs a trial's own check; a trial without one is dishonest.
func CheckHonesty(t *Trial) error {
	if t.Honest == nil {
		return Dishonest{errors.New("has no honesty check")}
	}
	if err := t.Honest(); err != nil {
		return Dishonest{err}
	}
	return nil
}

// play is one round: all rows take turns, and each round another one begins.
func play(ctx context.Context, all []*contestant, round int, o Options) {
	passes := map[*contestant][]float64{}
	allocs := map[*contestant][]float64{}
	for pass := range o.Passes {
		for i := range all {
			c := all[(i+round+pass)%len(all)]
			if c.Barred != nil {
				continue
			}
			if c.trial.Once != nil {
				if pass == 0 && (c.trial.Most == 0 || round < c.trial.Most) {
					f, err := c.trial.Once(ctx)
					c.once, c.Barred = append(c.once, f), err
				}
				continue
			}
			took, mallocs, err := c.slice()
			if err != nil {
				c.Barred = err
				continue
			}
			passes[c] = append(passes[c], float64(took)/float64(c.n))
			allocs[c] = append(allocs[c], float64(mallocs)/float64(c.n))
		}
	}
	for c, times := range passes {
		slices.Sort(times) // what else happens on the machine only ever makes a slice slower
		c.rounds = append(c.rounds, times[len(times)/4])
		c.allocs = append(c.allocs, slices.Min(allocs[c]))
	}
}

// slice runs n operations and returns how long they took on the wall, and how many objects were allocated meanwhile.
func (c *contestant) slice() (time.Duration, uint64, error) {
	from := int(c.next.Add(int64(c.n))) - c.n
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	began := time.Now()
	err := c.work(from)
	took := time.Since(began)
	runtime.ReadMemStats(&after)
	return took, after.Mallocs - before.Mallocs, err
}

func (c *contestant) work(from int) error {
	run := c.trial.Run
	if c.trial.Workers < 2 {
		for i := range c.n {
			if err := run(from + i); err != nil {
				return err
			}
		}
		return nil
	}
	var wg sync.WaitGroup
	var failed atomic.Pointer[error]
	for w := range c.trial.Workers {
		wg.Go(func() {
			for i := w; i < c.n; i += c.trial.Workers {
				if err := run(from + i); err != nil {
					failed.Store(&err)
					return
				}
			}
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

func (c *contestant) settle() {
	if len(c.rounds) > 0 {
		c.NS = median(c.rounds)
		c.Spread = (slices.Max(c.rounds) - slices.Min(c.rounds)) / c.NS
		c.Allocs = median(c.allocs)
	}
	if len(c.once) > 0 {
		c.Figures = append(c.Figures, medians(c.once)...)
	}
}

func medians(rounds []Figures) Figures {
	var out Figures
	for _, f := range rounds[0] {
		var values []float64
		for _, r := range rounds {
			if v, ok := r.Get(f.Name); ok {
				values = append(values, v)
			}
		}
		out = append(out, Figure{f.Name, median(values)})
	}
	return out
}

func median(values []float64) float64 {
	v := slices.Clone(values)
	slices.Sort(v)
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}

package records

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tokenkeep/tokenkeep/demo/bench/measure"
)

// Mixed loads while somebody else replaces a thousand records a second, on one file.
func Mixed(n int) []measure.Row {
	var out []measure.Row
	for _, o := range loose {
		out = append(out, measure.Row{
			Table: "sqlite/mixed", Name: o.name, Role: o.role,
			Setup: func(scene *measure.Scene) (*measure.Trial, error) {
				e, err := o.open(scene.Dir)
				if err != nil {
					return nil, err
				}
				n := scene.Size(n)
				if err := fill(e, n); err != nil {
					return nil, errors.Join(err, e.Close())
				}
				return &measure.Trial{
					Honest: func() error { return honest(e) },
					Once:   func(ctx context.Context) (measure.Figures, error) { return mixed(ctx, e, n) },
					Close:  e.Close,
				}, nil
			},
		})
	}
	return out
}

// mixed measures loads alone, then beside the writer.
func mixed(ctx context.Context, e engine, n int) (measure.Figures, error) {
	const each, pace = 250 * time.Millisecond, time.Millisecond
	alone, _, err := loads(e, n, each)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		written int
		err     error
	}
	done := make(chan result, 1)
	go func() {
		var r result
		began := time.Now()
		for i := 0; ctx.Err() == nil && r.err == nil; i++ {
			if wait := time.Until(began.Add(time.Duration(i) * pace)); wait > 0 {
				time.Sleep(wait)
			}
			r.err = e.replace(i % min(n, hot))
			r.written++
		}
		done <- r
	}()
	began := time.Now()
	beside, p99, err := loads(e, n, each)
	cancel()
	r := <-done
	took := time.Since(began)
	return measure.Figures{
		{Name: "alone µs", Value: alone / 1e3}, {Name: "beside µs", Value: beside / 1e3}, {Name: "beside p99 µs", Value: p99 / 1e3},
		{Name: "beside ÷ alone", Value: beside / alone}, {Name: "writes/s", Value: float64(r.written) / took.Seconds()},
	}, errors.Join(err, r.err)
}

// loads returns the median and the 99th percentile, in nanoseconds.
func loads(e engine, n int, during time.Duration) (mid, p99 float64, err error) {
	var times []time.Duration
	until := time.Now().Add(during)
	for i := 0; ; i++ {
		began := time.Now()
		if began.After(until) {
			slices.Sort(times)
			return float64(times[len(times)/2]), float64(times[len(times)*99/100]), nil
		}
		if _, err := e.load(i * 7919 % n); err != nil {
			return 0, 0, err
		}
		times = append(times, time.Since(began))
	}
}

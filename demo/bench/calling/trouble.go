package calling

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/tokenkeep/tokenkeep/demo/bench/measure"
)

// Down has callers meet an expired token while the provider cannot be reached.
func Down(table string, callers int) []measure.Row {
	var rows []measure.Row
	for _, p := range []party{floorParty, memoryParty, sqliteParty, sharedParty, singleParty} {
		rows = append(rows, measure.Row{Table: table, Name: p.name, Role: p.role, Setup: func(scene *measure.Scene) (*measure.Trial, error) {
			n := 0
			run := func(ctx context.Context, callers int) (*outcome, error) {
				n++
				dir := fmt.Sprintf("%s/%d", scene.Dir, n)
				return down(ctx, p, dir, callers)
			}
			return &measure.Trial{
				Honest: func() error {
					o, err := run(context.Background(), 8)
					if err == nil && o.failed != 8 {
						err = errors.New("has a token although nobody could give one")
					}
					return err
				},
				Once: func(ctx context.Context) (measure.Figures, error) {
					o, err := run(ctx, callers)
					if err != nil {
						return nil, err
					}
					return o.figures()[:3], nil
				},
				Most: most(p),
			}, nil
		}})
	}
	return rows
}

// unreachable takes a moment to find that nobody answers, and counts.
const unreachable = 2500 * time.Microsecond

func down(ctx context.Context, p party, dir string, callers int) (*outcome, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	var requests atomic.Int64
	nobody := &http.Client{Transport: tripper(func(*http.Request) (*http.Response, error) {
		requests.Add(1)
		time.Sleep(unreachable)
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
	})}
	s := &scenario{TokenURL: "https://as.example/token", Refresh: refreshToken(0), Dir: dir, HTTP: nobody}
	if p.first != nil {
		if err := p.first(s); err != nil {
			return nil, err
		}
	}
	o := &outcome{}
	err := o.here(ctx, p, s, callers)
	o.requests = int(requests.Load())
	return o, err
}

// Deadline has one caller wait at most 20 ms while another one's refresh takes 300.
func Deadline(table string) []measure.Row {
	var rows []measure.Row
	for _, p := range []party{memoryParty, sqliteParty, sharedParty} {
		rows = append(rows, measure.Row{Table: table, Name: p.name, Role: p.role, Setup: func(scene *measure.Scene) (*measure.Trial, error) {
			n := 0
			next := func() string { n++; return fmt.Sprintf("%s/%d", scene.Dir, n) }
			return &measure.Trial{
				Honest: func() error {
					dir := next()
					if err := os.Mkdir(dir, 0o700); err != nil {
						return err
					}
					o, err := storm(context.Background(), p, dir, 2, 1, "refresh-of-somebody-else")
					if err == nil && o.failed != 2 {
						err = errors.New("gives a token although the grant is refused")
					}
					return err
				},
				Once: func(ctx context.Context) (measure.Figures, error) { return deadline(ctx, p, next()) },
				Most: 3,
			}, nil
		}})
	}
	return rows
}

func deadline(ctx context.Context, p party, dir string) (measure.Figures, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	provider := newProvider(300 * time.Millisecond)
	defer provider.Close()
	s := &scenario{TokenURL: provider.URL, Refresh: refreshToken(0), Dir: dir}
	if p.first != nil {
		if err := p.first(s); err != nil {
			return nil, err
		}
	}
	g, closer, err := p.join(s)
	if err != nil {
		return nil, err
	}
	first := make(chan error, 1)
	go func() { _, err := g(ctx); first <- err }()
	time.Sleep(50 * time.Millisecond) // the refresh is under way
	short, cancel := context.WithTimeout(ctx, 20*time.Millisecond)
	defer cancel()
	began := time.Now()
	g(short)
	held := time.Since(began)
	kept := 1.0
	if err := <-first; err != nil {
		kept = 0
	}
	requests, _, _ := provider.counts()
	if closer != nil {
		err = closer()
	}
	return measure.Figures{
		{Name: "held ms", Value: float64(held) / 1e6}, {Name: "token kept", Value: kept}, {Name: "token requests", Value: float64(requests)},
	}, err
}

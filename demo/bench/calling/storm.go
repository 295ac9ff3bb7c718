package calling

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tokenkeep/tokenkeep/demo/bench/measure"
	"github.com/tokenkeep/tokenkeep/demo/bench/proc"
)

// latency is the provider's in a storm.
const latency = 20 * time.Millisecond

// Storm has callers meet an expired token all at once, in so many processes, at a provider that rotates.
func Storm(table string, callers, processes int) []measure.Row {
	parties := []party{floorParty, memoryParty, sqliteParty, sharedParty, singleParty, gothParty}
	if processes > 1 {
		parties = []party{sqliteParty, sharedParty, singleParty}
	}
	var rows []measure.Row
	for _, p := range parties {
		rows = append(rows, stormRow(table, p, callers, processes))
	}
	return rows
}

// Grown is ours and the peer that does best, named "who, many".
func Grown(table string, callers, processes, many int) []measure.Row {
	var rows []measure.Row
	for _, p := range []party{sqliteParty, sharedParty} {
		r := stormRow(table, p, callers, processes)
		who, _, _ := strings.Cut(p.name, ":")
		r.Name = fmt.Sprintf("%s, %d", who, many)
		rows = append(rows, r)
	}
	return rows
}

func stormRow(table string, p party, callers, processes int) measure.Row {
	return measure.Row{Table: table, Name: p.name, Role: p.role, Setup: func(scene *measure.Scene) (*measure.Trial, error) {
		n := 0
		play := func(ctx context.Context, callers, processes int, refresh string) (*outcome, error) {
			n++
			dir := fmt.Sprintf("%s/%d", scene.Dir, n)
			if err := os.Mkdir(dir, 0o700); err != nil {
				return nil, err
			}
			return storm(ctx, p, dir, callers, processes, refresh)
		}
		return &measure.Trial{
			Honest: func() error {
				o, err := play(context.Background(), 8, 1, "refresh-of-somebody-else")
				if err == nil && o.failed != 8 {
					err = fmt.Errorf("gives a token to %d of 8 callers although the grant is refused", 8-o.failed)
				}
				return err
			},
			Once: func(ctx context.Context) (measure.Figures, error) {
				o, err := play(ctx, callers, processes, refreshToken(0))
				if err != nil {
					return nil, err
				}
				return o.figures(), nil
			},
			Most: most(p),
		}, nil
	}}
}

// most is how many rounds are played: a peer's storm may take ten seconds, and its counts are the same each time.
func most(p party) int {
	if p.role == measure.Peer {
		return 1
	}
	return 3
}

// outcome is what a storm came to.
type outcome struct {
	wall                     time.Duration
	requests, reused, failed int
}

func (o *outcome) figures() measure.Figures {
	return measure.Figures{
		{Name: "wall ms", Value: float64(o.wall) / 1e6}, {Name: "token requests", Value: float64(o.requests)},
		{Name: "failed callers", Value: float64(o.failed)}, {Name: "reuse alarms", Value: float64(o.reused)},
	}
}

func storm(ctx context.Context, p party, dir string, callers, processes int, refresh string) (*outcome, error) {
	provider := newProvider(latency)
	defer provider.Close()
	s := &scenario{TokenURL: provider.URL, Refresh: refresh, Dir: dir}
	if p.first != nil {
		if err := p.first(s); err != nil {
			return nil, err
		}
	}
	o := &outcome{}
	var err error
	if processes > 1 {
		err = o.inProcesses(ctx, p, s, callers, processes)
	} else {
		err = o.here(ctx, p, s, callers)
	}
	o.requests, o.reused, _ = provider.counts()
	return o, err
}

func (o *outcome) here(ctx context.Context, p party, s *scenario, callers int) error {
	g, closer, err := p.join(s)
	if err != nil {
		return err
	}
	began := time.Now()
	o.failed = crowd(ctx, g, callers)
	o.wall = time.Since(began)
	if closer != nil {
		return closer()
	}
	return nil
}

// crowd is all callers at once; it returns how many got no token that works.
func crowd(ctx context.Context, g get, callers int) (failed int) {
	var mu sync.Mutex
	var wg sync.WaitGroup
	start := make(chan struct{})
	for range callers {
		wg.Go(func() {
			<-start
			token, err := g(ctx)
			if err != nil || token == "" || token == "access-0" { // the expired one
				mu.Lock()
				failed++
				mu.Unlock()
			}
		})
	}
	close(start)
	wg.Wait()
	return failed
}

// inProcesses starts the processes, waits until all are ready, and lets them go.
func (o *outcome) inProcesses(ctx context.Context, p party, s *scenario, callers, processes int) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	told, err := json.Marshal(s)
	if err != nil {
		return err
	}
	type child struct {
		cmd *exec.Cmd
		in  io.WriteCloser
		out *bufio.Reader
	}
	var children []child
	for range processes {
		cmd, err := proc.Command(ctx, "storm", p.name, strconv.Itoa(callers/processes), string(told))
		if err != nil {
			return err
		}
		in, err1 := cmd.StdinPipe()
		out, err2 := cmd.StdoutPipe()
		if err := errors.Join(err1, err2, cmd.Start()); err != nil {
			return err
		}
		defer cmd.Wait()
		c := child{cmd, in, bufio.NewReader(out)}
		if _, err := c.out.ReadString('\n'); err != nil { // ready
			return err
		}
		children = append(children, c)
	}
	began := time.Now()
	for _, c := range children {
		c.in.Close()
	}
	for _, c := range children {
		line, err := c.out.ReadString('\n')
		if err != nil {
			return err
		}
		failed, err := strconv.Atoi(line[:len(line)-1])
		if err != nil {
			return err
		}
		o.failed += failed
	}
	o.wall = time.Since(began)
	return nil
}

// Child is one process of a storm.
func Child(args []string) error {
	if len(args) != 3 {
		return errors.New("want a party, a number of callers and a scenario")
	}
	callers, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	var s scenario
	if err := json.Unmarshal([]byte(args[2]), &s); err != nil {
		return err
	}
	for _, p := range []party{sqliteParty, sharedParty, singleParty} {
		if p.name != args[0] {
			continue
		}
		g, closer, err := p.join(&s)
		if err != nil {
			return err
		}
		fmt.Println("ready")
		if _, err := io.ReadAll(os.Stdin); err != nil {
			return err
		}
		fmt.Println(crowd(context.Background(), g, callers))
		if closer != nil {
			return closer()
		}
		return nil
	}
	return fmt.Errorf("no party %q", args[0])
}

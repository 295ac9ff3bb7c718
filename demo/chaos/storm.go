package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

const (
	stormProcesses = 8
	stormRequests  = 1000 // of each process, at once
	stormLatency   = 200 * time.Millisecond
)

// runStorm lets eight processes ask a thousand times each, at once, for one expired grant: one token request, no error.
func runStorm(c config) error {
	cleanup, err := c.prepare()
	if err != nil {
		return err
	}
	defer cleanup()
	p := newProvider("P3") // nothing forgives a second request
	p.life = time.Hour
	first := p.issue("storm")
	slow := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(stormLatency)
		p.ServeHTTP(w, r)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: slow}
	go server.Serve(listener)
	defer server.Close()

	ctx := context.Background()
	tokens, err := c.open(ctx)
	if err != nil {
		return err
	}
	url := "http://" + listener.Addr().String()
	keep, err := keeper.New(tokens, c.client(url), nil)
	if err != nil {
		return err
	}
	token := store.Token{AccessToken: "secret-storm-a0", RefreshToken: first, Expiry: time.Now()}
	if _, err := keep.Start(ctx, grantKey("storm"), &store.Record{Provider: "chaos", Token: token}); err != nil {
		return err
	}
	answers, errors, err := letLoose(c, url)
	if err != nil {
		return err
	}
	fmt.Printf("%-8s storm: %d processes, %d answers, %d errors, %d token requests\n", c.engine, stormProcesses, answers, errors, len(p.log))
	if len(p.log) != 1 || errors != 0 || answers != stormProcesses*stormRequests {
		return fmt.Errorf("want %d answers, no error and one token request", stormProcesses*stormRequests)
	}
	return keep.Close(ctx)
}

// letLoose starts the processes, waits until all are ready, and gives the word.
func letLoose(c config, url string) (answers, errors int, err error) {
	self, err := os.Executable()
	if err != nil {
		return 0, 0, err
	}
	var mu sync.Mutex
	var ready, done sync.WaitGroup
	ready.Add(stormProcesses)
	var inputs []io.Closer
	var failed []string
	for range stormProcesses {
		cmd := exec.Command(self, "-worker", url, "-engine", c.engine, "-dsn", c.dsn, "-table", c.table)
		cmd.Env = append(os.Environ(), "CHAOS_STORM=1")
		stdin, err := cmd.StdinPipe()
		if err != nil {
			return 0, 0, err
		}
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			return 0, 0, err
		}
		var stderr strings.Builder
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			return 0, 0, err
		}
		inputs = append(inputs, stdin)
		done.Go(func() {
			once := sync.OnceFunc(ready.Done)
			for lines := bufio.NewScanner(stdout); lines.Scan(); {
				var m message
				json.Unmarshal(lines.Bytes(), &m)
				mu.Lock()
				switch m.Kind {
				case "ready":
					once()
				case "got":
					answers++
				case "unavailable":
					errors++
					failed = append(failed, m.Text)
				}
				mu.Unlock()
			}
			once()
			if err := cmd.Wait(); err != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = append(failed, err.Error()+": "+stderr.String())
			}
		})
	}
	ready.Wait()
	for _, in := range inputs {
		in.Close()
	}
	done.Wait()
	if len(failed) > 0 {
		err = fmt.Errorf("%d failures, the first: %s", len(failed), failed[0])
	}
	return answers, errors, err
}

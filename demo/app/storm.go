package app

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// target is one replica of the app as a storm sees it.
type target struct {
	url  string
	kill func()
}

// cast finds the replicas for a storm on that store.
type cast interface {
	replicas(kind string, n int, brisk bool) ([]target, error) // brisk: with short leases
	picked(r *http.Request) string
}

// storm answers POST /storm: it signs somebody in, lets the token expire, sends many calls to several replicas at once,
// and tells line by line what happens. The calls are real HTTP; only the provider is slow on purpose.
type storm struct {
	d    *surroundings
	cast cast
	busy sync.Mutex
}

// order is what the browser asks for.
type order struct {
	calls, replicas     int
	strict, naive, kill bool
	kind                string
}

const (
	maxCalls     = 400
	stormTimeout = time.Minute
)

func readOrder(r *http.Request) (order, error) {
	calls, err1 := strconv.Atoi(r.PostFormValue("calls"))
	replicas, err2 := strconv.Atoi(r.PostFormValue("replicas"))
	o := order{
		calls: calls, replicas: replicas, strict: r.PostFormValue("strict") != "", naive: r.PostFormValue("naive") != "",
		kill: r.PostFormValue("kill") != "",
	}
	if err1 != nil || err2 != nil || calls < 1 || calls > maxCalls || replicas < 1 || replicas > maxReplicas {
		return o, errors.New("demo: a storm takes 1 to 400 calls and 1 to 8 replicas")
	}
	if o.kill && (!killable || o.naive) {
		return o, errors.New("demo: no replica can be killed here: build with -tags chaos")
	}
	return o, nil
}

func (s *storm) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	r.Body = http.MaxBytesReader(w, r.Body, maxLogin)
	o, err := readOrder(r)
	if err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request", err.Error())
		return
	}
	if !s.busy.TryLock() {
		refuse(w, http.StatusConflict, "busy", "another storm is under way")
		return
	}
	defer s.busy.Unlock()
	o.kind = s.cast.picked(r)
	ctx, cancel := context.WithTimeout(r.Context(), stormTimeout)
	defer cancel()
	w.Header().Set("Content-Type", "application/x-ndjson")
	lines := make(chan line, 4*maxCalls)
	go func() {
		defer close(lines)
		if err := s.run(ctx, o, lines); err != nil {
			lines <- line{Kind: "failed", Text: err.Error()}
		}
	}()
	out, enc := http.NewResponseController(w), json.NewEncoder(w)
	for l := range lines {
		if enc.Encode(l) != nil || out.Flush() != nil {
			cancel() // the browser left; run ends by itself
		}
	}
}

// line is one thing that happened in a storm, at so many milliseconds.
type line struct {
	At      float64 `json:"at"`
	Kind    string  `json:"kind"` // begun, sent, done, asked, answered, killed, failed, over, or a keeper's event
	Call    int     `json:"call,omitempty"`
	Replica int     `json:"replica,omitempty"`
	Status  int     `json:"status,omitempty"`
	Outcome string  `json:"outcome,omitempty"`
	Wait    float64 `json:"wait,omitempty"`
	Text    string  `json:"text,omitempty"`

	// Of over.
	Good          int     `json:"good,omitempty"`
	TokenRequests int     `json:"tokenRequests,omitempty"`
	Took          float64 `json:"took,omitempty"`
	After         int     `json:"after,omitempty"` // status of one more call when all is over
}

func (s *storm) run(ctx context.Context, o order, lines chan<- line) error {
	if o.naive {
		return s.runNaive(ctx, o, lines)
	}
	targets, err := s.cast.replicas(o.kind, o.replicas, o.kill)
	if err != nil {
		return err
	}
	o.replicas = len(targets)
	v, err := s.signIn(ctx, targets[0].url, o)
	if err != nil {
		return err
	}
	defer v.leave(targets[0].url)
	call := func(i int) (int, error) { return v.get(ctx, targets[i%len(targets)].url+"/api/me") }
	return s.let(ctx, o, lines, v.record, targets, call)
}

// let sends the calls and tells what happens until all are answered.
func (s *storm) let(ctx context.Context, o order, lines chan<- line, record string, targets []target, call func(i int) (int, error)) error {
	events, stop := s.d.events.listen("", 4*maxCalls)
	defer stop()
	began := time.Now()
	since := func(at time.Time) float64 { return ms(at.Sub(began)) }
	lines <- line{Kind: "begun", Text: o.kind}
	done := make(chan line, o.calls)
	var calls sync.WaitGroup
	for i := range o.calls {
		lines <- line{Kind: "sent", At: since(time.Now()), Call: i + 1, Replica: i%o.replicas + 1}
		calls.Go(func() {
			status, err := call(i)
			l := line{Kind: "done", At: since(time.Now()), Call: i + 1, Replica: i%o.replicas + 1, Status: status}
			if err != nil {
				l.Text = "no answer"
			}
			done <- l
		})
	}
	defer calls.Wait()
	over := line{Kind: "over"}
	killed := 0
	for n := 0; n < o.calls; {
		select {
		case l := <-done:
			n++
			if l.Status == http.StatusOK {
				over.Good++
			}
			over.Took = l.At
			lines <- l
		case e := <-events:
			if e.Record != "" && e.Record != record {
				continue
			}
			if e.Kind == kindAsked {
				over.TokenRequests++
				if o.kill && killed == 0 && e.Replica > 0 && e.Replica <= len(targets) {
					killed = e.Replica
					targets[e.Replica-1].kill()
					lines <- line{Kind: "killed", At: since(time.Now()), Replica: e.Replica}
				}
			}
			lines <- line{Kind: e.Kind, At: since(e.At), Replica: e.Replica, Outcome: e.Outcome, Wait: e.Wait}
		}
	}
	over.At = since(time.Now())
	last := o.replicas - 1
	if killed == o.replicas { // a dead one cannot tell
		last = 0
	}
	over.After, _ = call(last)
	lines <- over
	return ctx.Err()
}

package keeper_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"

	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// metrics is the whole of a bridge: it counts events by kind, provider and outcome, and writes them in the text format
// that Prometheus reads. With its client library the map is a CounterVec, with OpenTelemetry an Int64Counter, of the same
// three labels; Event.Wait of a Waited event goes into a histogram beside it. Worth an alert: failed with the outcome
// config_error, uncertain, unsaved, hook.
type metrics struct {
	mu    sync.Mutex
	total map[labels]int
}

type labels struct{ event, provider, outcome string }

// Observe implements keeper.Observer.
func (m *metrics) Observe(e keeper.Event) {
	l := labels{event: string(e.Kind), provider: e.Provider}
	if e.Kind == keeper.Failed {
		l.outcome = e.Outcome.String()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.total[l]++
}

// ServeHTTP implements http.Handler.
func (m *metrics) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	m.mu.Lock()
	defer m.mu.Unlock()
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	var lines []string
	for l, n := range m.total {
		lines = append(lines, fmt.Sprintf("keeper_events_total{event=%q,provider=%q,outcome=%q} %d\n", l.event, l.provider, l.outcome, n))
	}
	slices.Sort(lines)
	fmt.Fprintln(w, "# TYPE keeper_events_total counter")
	for _, line := range lines {
		fmt.Fprint(w, line)
	}
}

func ExampleObserver() {
	m := &metrics{total: map[labels]int{}}
	keep, rec := stored(&keeper.Options{Observer: m})
	for range 3 {
		keep.Get(context.Background(), rec.Handle)
	}
	page := httptest.NewRecorder()
	m.ServeHTTP(page, nil) // http.Handle("GET /metrics", m)
	fmt.Print(page.Body)
	// Output:
	// # TYPE keeper_events_total counter
	// keeper_events_total{event="refreshed",provider="",outcome=""} 1
	// keeper_events_total{event="used",provider="",outcome=""} 2
}

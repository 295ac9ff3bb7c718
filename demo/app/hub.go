package app

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// event is what the page hears: the keeper's own, and the storm's token requests. It holds no secret.
type event struct {
	At         time.Time `json:"at"`
	Kind       string    `json:"kind"`
	Record     string    `json:"record,omitempty"`
	Replica    int       `json:"replica,omitempty"`
	Generation uint64    `json:"generation,omitempty"`
	Outcome    string    `json:"outcome,omitempty"`
	Wait       float64   `json:"wait,omitempty"` // in milliseconds
}

// hub passes events on to whoever listens. Who is too slow misses some: a keeper must never wait for a page.
type hub struct {
	mu     sync.Mutex
	closed bool
	all    map[chan event]string // to the record it is about; "" for every one
}

func newHub() *hub { return &hub{all: map[chan event]string{}} }

//show:observer

// observer is a keeper.Observer: it hears of every event, inline.
type observer struct {
	hub     *hub
	replica int
}

func (o observer) Observe(e keeper.Event) {
	told := event{
		At: time.Now(), Kind: string(e.Kind), Replica: o.replica,
		Record: e.RecordID, Generation: e.Generation, Wait: ms(e.Wait),
	}
	if e.Kind == keeper.Failed {
		told.Outcome = e.Outcome.String()
	}
	o.hub.tell(told)
}

//end

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (h *hub) from(replica int) keeper.Observer { return observer{h, replica} }

func (h *hub) tell(e event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for to, record := range h.all {
		if record != "" && e.Record != record {
			continue
		}
		select {
		case to <- e:
		default:
		}
	}
}

// listen returns the events about record, or about every one, until stop is called or the hub is closed.
func (h *hub) listen(record string, room int) (events <-chan event, stop func()) {
	to := make(chan event, room)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		close(to)
		return to, func() {}
	}
	h.all[to] = record
	return to, func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.all, to)
	}
}

// close ends what listens, so that a server can shut down.
func (h *hub) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	for to := range h.all {
		close(to)
	}
	clear(h.all)
}

const keepAlive = 20 * time.Second

// stream sends the events about record as server-sent events until the browser leaves.
func (h *hub) stream(w http.ResponseWriter, r *http.Request, record string) {
	out := http.NewResponseController(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	out.SetReadDeadline(time.Time{}) // then the browser comes back when it is over
	events, stop := h.listen(record, 64)
	defer stop()
	alive := time.NewTicker(keepAlive)
	defer alive.Stop()
	fmt.Fprint(w, ": here they come\n\n")
	for out.Flush() == nil {
		select {
		case <-r.Context().Done():
			return
		case <-alive.C:
			fmt.Fprint(w, ": still here\n\n")
		case e, ok := <-events:
			if !ok {
				return
			}
			text, err := json.Marshal(e)
			if err != nil {
				return
			}
			fmt.Fprintf(w, "data: %s\n\n", text)
		}
	}
}

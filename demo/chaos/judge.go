package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// report is what a run came to.
type report struct {
	engine, kind                string
	kills, stops                int
	refreshes, answers, unavail int
	kept, ended                 int
	lost, orphans               int      // with a cause
	violations                  []string // of NL1 to NL7
}

func (r *report) ok() bool { return len(r.violations) == 0 }

func (r *report) String() string {
	verdict := "ok"
	if !r.ok() {
		verdict = "VIOLATED:\n  " + strings.Join(r.violations, "\n  ")
	}
	return fmt.Sprintf("%-8s %-3s %3d kills %2d stops: %5d refreshes, %6d answers, %d unavailable; %d grants kept, %d signed out, %d lost with cause, %d orphans: %s",
		r.engine, r.kind, r.kills, r.stops, r.refreshes, r.answers, r.unavail, r.kept, r.ended, r.lost, r.orphans, verdict)
}

func (r *report) violate(rule, format string, args ...any) {
	if len(r.violations) < 20 {
		r.violations = append(r.violations, rule+": "+fmt.Sprintf(format, args...))
	}
}

// judge compares what the workers said, what the provider did and what the store holds.
func (d *driver) judge(ctx context.Context, keep *keeper.Keeper, calm int) (*report, error) {
	r := &report{engine: d.c.engine, kind: d.c.provider}
	for _, what := range d.faults {
		if what == "kill" {
			r.kills++
		} else {
			r.stops++
		}
	}
	ended, seen := d.hearsay(r)
	d.calmSends(r, calm)
	for n := range d.c.grants {
		d.judgeGrant(ctx, keep, r, fmt.Sprint("g", n), ended, seen)
	}
	if err := d.settle(ctx, keep, r, ended); err != nil {
		return nil, err
	}
	if logs := d.stderr.String(); strings.Contains(logs, "secret-") {
		i := strings.Index(logs, "secret-")
		r.violate("NL6", "a token in the workers' logs: …%s", logs[max(0, i-200):i])
	}
	return r, nil
}

// hearsay checks what the workers told: NL4 (no read after an acknowledged logout), NL5 (nobody else's token), NL7.
func (d *driver) hearsay(r *report) (ended map[string]time.Time, seen map[string]uint64) {
	ended, seen = map[string]time.Time{}, map[string]uint64{}
	for _, h := range d.history {
		if h.Kind == "ended" && (ended[h.Grant].IsZero() || h.At.Before(ended[h.Grant])) {
			ended[h.Grant] = h.At
		}
	}
	for _, h := range d.history {
		switch h.Kind {
		case "got":
			r.answers++
			seen[h.Grant] = max(seen[h.Grant], h.Generation)
			if at := ended[h.Grant]; !at.IsZero() && h.Began.After(at) {
				r.violate("NL4", "%s read %s %v after its logout was acknowledged", h.worker, h.Grant, h.Began.Sub(at))
			}
		case "unavailable":
			r.unavail++
		case "mixup":
			r.violate("NL5", "%s asked for %s and got another grant's token", h.worker, h.Grant)
		case "done":
			if h.Text != "" {
				r.violate("NL7", "%s left goroutines: %s", h.worker, h.Text)
			}
		}
	}
	return ended, seen
}

// calmSends checks NL1: without a fault each refresh token is spent exactly once.
func (d *driver) calmSends(r *report, calm int) {
	held := map[string][]spent{}
	for i, e := range d.p.log {
		if e.got != "" {
			r.refreshes++
		}
		if i < calm && e.reuse && d.why(held[e.grant], e) == "" {
			r.violate("NL1", "%s was spent twice without a fault%s", e.grant, d.story(e.grant))
		}
		if !e.reuse {
			held[e.grant] = nil
		}
		held[e.grant] = append(held[e.grant], e)
	}
}

// judgeGrant checks NL2 (no acknowledged commit disappears) and NL3 (no loss without a cause).
func (d *driver) judgeGrant(ctx context.Context, keep *keeper.Keeper, r *report, grant string, ended map[string]time.Time, seen map[string]uint64) {
	rec, err := d.ask(ctx, keep, grant)
	_, out := ended[grant]
	switch {
	case err == nil && out:
		r.violate("NL4", "%s is back after its logout", grant)
	case err == nil:
		r.kept++
		if rec.Generation < seen[grant] {
			r.violate("NL2", "%s is at generation %d and was seen at %d", grant, rec.Generation, seen[grant])
		}
	case errors.Is(err, store.ErrNotFound):
		r.ended++
		if !out && !d.faultyEnd(grant) {
			r.violate("NL3", "%s is gone without a logout", grant)
		}
	case errors.Is(err, keeper.ErrLoginRequired):
		if why := d.cause(grant); why == "" {
			r.violate("NL3", "%s was lost without a cause: %v%s", grant, err, d.story(grant))
		} else {
			r.lost++
		}
	default:
		r.violate("NL3", "%s cannot be asked for: %v", grant, err)
	}
}

// ask retries what is unavailable: a back-off of a worker's may still run.
func (d *driver) ask(ctx context.Context, keep *keeper.Keeper, grant string) (rec *store.Record, err error) {
	for range 40 {
		rec, err = keep.Get(ctx, grantKey(grant))
		if !errors.Is(err, keeper.ErrUnavailable) {
			break
		}
		time.Sleep(250 * time.Millisecond)
	}
	return rec, err
}

// faultyEnd: a worker may have been killed between the logout and telling of it.
func (d *driver) faultyEnd(grant string) bool {
	var n int
	fmt.Sscanf(grant, "g%d", &n)
	return n%10 == 0
}

// cause finds why the provider refused a grant: see [driver.excuse].
func (d *driver) cause(grant string) string {
	var held []spent // who got the successor of the refresh token spent last
	for _, e := range d.p.log {
		switch {
		case e.grant != grant:
		case e.got == "":
			return d.excuse(held, e)
		case e.reuse:
			held = append(held, e)
		default:
			held = []spent{e}
		}
	}
	return ""
}

// excuse tells what explains that e was refused: whoever got the successor before was killed, stopped, starved by the
// machine past the clock margin, or gave up waiting for the answer; or e's worker was stopped or starved. A provider
// without rotation leaves nothing to excuse. One that gives grace does once it has passed, and one such fault does not
// use it up: it takes two, or something that kept everybody from taking over in time, such as a stopped process that
// holds the engine's lock.
func (d *driver) excuse(held []spent, e spent) string {
	if d.c.provider == "P0" || len(held) == 0 {
		return ""
	}
	if d.c.provider == "P1a" {
		first, faults := held[0], 0
		for _, h := range held {
			if d.faulty(h, e) != "" {
				faults++
			}
		}
		switch {
		case e.at.Sub(first.at) < grace:
			return ""
		case faults < 2:
			return d.heldUp(first, e)
		}
	}
	return d.why(held, e)
}

// why tells what may have had e send a refresh token whose successor others held already.
func (d *driver) why(held []spent, e spent) string {
	for _, h := range held {
		if why := d.faulty(h, e); why != "" {
			return why
		}
	}
	if len(held) > 0 && (d.faults[e.worker] == "stop" || d.starved(e.worker, held[0], e)) {
		return e.worker + " was held up"
	}
	return ""
}

// faulty tells what happened to the worker that got an answer and did not store it.
func (d *driver) faulty(got, refused spent) string {
	if what := d.faults[got.worker]; what != "" {
		return got.worker + " " + what
	}
	for _, h := range d.history {
		if h.Kind == "unheard" && h.worker == got.worker && h.Grant == got.grant &&
			h.At.After(got.at.Add(-sendBudget)) && h.At.Before(refused.at.Add(time.Second)) {
			return got.worker + " heard no answer"
		}
	}
	if d.starved(got.worker, got, refused) {
		return got.worker + " was starved"
	}
	return ""
}

func (d *driver) starved(worker string, from, to spent) bool {
	for _, h := range d.history {
		if h.Kind == "stalled" && h.worker == worker && h.Began.Before(to.at) && h.At.After(from.at.Add(-lease)) {
			return true
		}
	}
	return false
}

// heldUp tells what kept everybody from taking over in time.
func (d *driver) heldUp(from, to spent) string {
	for _, at := range d.stops {
		if at.Before(to.at) && at.Add(2*lease+clockMargin).After(from.at) {
			return "a worker was stopped meanwhile"
		}
	}
	for _, h := range d.history {
		if h.Kind == "stalled" && h.Began.Before(to.at) && h.At.After(from.at) {
			return "the machine was busy meanwhile"
		}
	}
	return ""
}

// story is the end of a grant's history: what the provider did, and who was held up.
func (d *driver) story(grant string) string {
	var lines []string
	for _, e := range d.p.log {
		if e.grant == grant {
			lines = append(lines, fmt.Sprintf("    %s %s %s: %s -> %q", e.at.Format("05.000"), e.worker, d.faults[e.worker], e.sent, e.got))
		}
	}
	lines = lines[max(0, len(lines)-6):]
	for _, h := range d.history {
		if h.Kind == "unheard" && h.Grant == grant {
			lines = append(lines, fmt.Sprintf("    %s %s heard no answer", h.At.Format("05.000"), h.worker))
		}
	}
	return "\n" + strings.Join(lines, "\n")
}

// settle sweeps, then checks the rest of NL4: no refresh token of a signed-out grant lives at the provider. What a
// worker killed after a logout had received is an orphan, counted.
func (d *driver) settle(ctx context.Context, keep *keeper.Keeper, r *report, ended map[string]time.Time) error {
	for range 10 {
		if _, err := keep.Sweep(ctx, 1000); err != nil {
			time.Sleep(50 * time.Millisecond)
		}
	}
	if _, err := keep.Sweep(ctx, 1000); err != nil {
		return fmt.Errorf("sweeping: %w", err)
	}
	d.p.mu.Lock()
	defer d.p.mu.Unlock()
	for grant := range ended {
		if f := d.p.grants[grant]; !f.ended && !f.revoked {
			if d.cause(grant) == "" && d.faults[lastWorker(d.p.log, grant)] == "" {
				r.violate("NL4", "%s was signed out and its refresh token lives", grant)
			} else {
				r.orphans++
			}
		}
	}
	return nil
}

func lastWorker(log []spent, grant string) (worker string) {
	for _, e := range log {
		if e.grant == grant && e.got != "" {
			worker = e.worker
		}
	}
	return worker
}

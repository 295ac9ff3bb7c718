package main

import (
	"strings"
	"testing"
	"time"
)

// The judge must see through a history: each lie is one that a broken keeper or store could tell.
func TestJudge(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for _, tt := range []struct {
		name, want string
		happened   func(w *world)
	}{
		{"all is well", "", func(*world) {}},
		{"sent twice", "sent the refresh token", func(w *world) { w.provider.take(refreshToken(0, 0), "replica-2", now.Add(time.Second)) }},
		{"sent twice, after a kill", "", func(w *world) {
			w.fleet.kills["replica-1"] = now.Add(time.Second)
			w.provider.take(refreshToken(0, 0), "replica-2", now.Add(2*time.Second))
		}},
		{"sent twice, before the kill", "sent the refresh token", func(w *world) {
			w.fleet.kills["replica-1"] = now.Add(time.Minute)
			w.provider.take(refreshToken(0, 0), "replica-2", now.Add(2*time.Second))
		}},
		{"sent twice, after a failure", "", func(w *world) {
			w.provider.calls[0].failed = "answer lost"
			w.provider.take(refreshToken(0, 0), "replica-2", now.Add(time.Second))
		}},
		{"refreshed while fresh", "although its token was fresh", func(w *world) { w.provider.take(refreshToken(0, 1), "replica-1", now) }},
		{"a token of nobody's", "never given out", func(w *world) { w.provider.take("refresh-7-7", "replica-1", now) }},
		{"not refreshed", "1 of 2 sessions", func(w *world) {
			w.provider = newProvider(w.plan)
			w.provider.take(refreshToken(1, 0), "replica-1", now)
		}},
		{"signed out", "answered 401", func(w *world) { w.front.logins.Add(1) }},
		{"somebody else's session", "somebody else's", func(w *world) { w.front.mixedUp.Add(1) }},
		{"refused although valid", "although their token was valid", func(w *world) { w.front.broken.Add(1) }},
		{"gone afterwards", "gone after the run", func(w *world) { w.late[1] = "401" }},
		{"nothing came", "nothing was measured", func(w *world) { w.front.valid = histogram{} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := &world{plan: plan{sessions: 2, duration: time.Second}, sessions: make([]session, 2), late: map[int]string{}}
			w.provider, w.fleet = newProvider(w.plan), &fleet{kills: map[string]time.Time{}}
			w.front = newFront(w)
			w.front.valid.add(time.Millisecond)
			for i := range w.sessions {
				w.provider.take(refreshToken(i, 0), "replica-1", now)
			}
			tt.happened(w)
			got := strings.Join(w.judge(), "; ")
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestHistogram(t *testing.T) {
	t.Parallel()
	var h histogram
	for i := range 1000 {
		h.add(time.Duration(i+1) * time.Microsecond)
	}
	for share, want := range map[float64]time.Duration{0.5: 500 * time.Microsecond, 0.99: 990 * time.Microsecond, 0: time.Microsecond} {
		if got := h.at(share); got < want || got > want+want/16 {
			t.Errorf("%v: %v, want about %v", share, got, want)
		}
	}
}

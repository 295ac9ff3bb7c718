package main

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const ttl = time.Minute

// book is a provider's record in the making.
type book struct {
	w     *world
	now   time.Time
	calls []call
	kills []kill
}

// login is the beginning of session i, shown to it; refresh its n-th refresh, by a replica, as long after the login.
func (b *book) login(i int) {
	b.calls = append(b.calls, call{
		began: b.now, ended: b.now, grant: "password", sent: none, access: access(i, 0), refresh: refresh(i, 0), status: 200, fault: none,
	})
	b.show(i, access(i, 0))
}

func (b *book) refresh(i, n, replica int, after time.Duration) *call {
	b.calls = append(b.calls, call{
		began: b.now.Add(after), ended: b.now.Add(after + 200*time.Millisecond), replica: replica, grant: refreshing,
		sent: refresh(i, n-1), access: access(i, n), refresh: refresh(i, n), status: 200, fault: none,
	})
	return &b.calls[len(b.calls)-1]
}

func (b *book) kill(replica int, after time.Duration) {
	b.kills = append(b.kills, kill{replica, b.now.Add(after), b.now.Add(after + 500*time.Millisecond)})
}

func (b *book) show(i int, token string) {
	s := b.w.watch.sessions[i]
	s.shown = append(s.shown, token)
}

// forget takes the last call of the record away: session 1's refresh.
func (b *book) forget() { b.calls = b.calls[:len(b.calls)-1] }

func access(i, n int) string  { return fmt.Sprintf("access-%d-%d", i, n) }
func refresh(i, n int) string { return fmt.Sprintf("refresh-%d-%d", i, n) }

// newBook is a run in which all went well: two sessions log in, and replica 1 refreshes each after 40 seconds.
func newBook() *book {
	p := plan{sessions: 2, duration: time.Second, ttl: ttl}
	w := &world{plan: p, watch: newWatch("", []*session{{credential: "a"}, {credential: "b"}}), late: map[int]string{}}
	w.watch.valid.add(time.Millisecond)
	b := &book{w: w, now: time.Now()}
	for i := range p.sessions {
		b.login(i)
	}
	for i := range p.sessions {
		b.refresh(i, 1, 1, 40*time.Second)
		b.show(i, access(i, 1))
	}
	return b
}

// The judge must see through a record: each lie is one that a broken keeper or store could tell.
func TestJudge(t *testing.T) {
	t.Parallel()
	const twice = "sent the refresh token that replica 1 had sent"
	for _, tt := range []struct {
		name, want string
		happened   func(b *book)
	}{
		{"all is well", "", func(*book) {}},
		{"sent twice", twice, func(b *book) { b.refresh(1, 1, 2, 41*time.Second) }},
		{"sent twice by the same", twice, func(b *book) { b.refresh(1, 1, 1, 41*time.Second) }},
		{"sent twice at once", twice, func(b *book) { b.refresh(1, 1, 2, 40*time.Second) }},
		{"sent twice, the first was killed", "", func(b *book) {
			b.kill(1, 41*time.Second)
			b.refresh(1, 1, 2, 55*time.Second)
		}},
		{"sent twice, the first was killed when it had just sent", "", func(b *book) {
			b.kill(1, 40*time.Second-10*time.Millisecond)
			b.refresh(1, 1, 2, 55*time.Second)
		}},
		{"sent twice, another was killed", twice, func(b *book) {
			b.kill(3, 41*time.Second)
			b.refresh(1, 1, 2, 55*time.Second)
		}},
		{"sent twice, the first was killed before", twice, func(b *book) {
			b.kill(1, 39*time.Second)
			b.refresh(1, 1, 2, 55*time.Second)
		}},
		{"sent twice, the first was killed long after", twice, func(b *book) {
			b.kill(1, 47*time.Second)
			b.refresh(1, 1, 2, 55*time.Second)
		}},
		{"sent twice before the kill", twice, func(b *book) {
			b.refresh(1, 1, 2, 41*time.Second)
			b.kill(1, 42*time.Second)
		}},
		{"sent twice, the answer was lost", "", func(b *book) {
			b.forget()
			lose(b.refresh(1, 1, 1, 40*time.Second))
			b.refresh(1, 1, 1, 41*time.Second)
		}},
		{"sent thrice, the answer was lost once", twice, func(b *book) {
			b.forget()
			lose(b.refresh(1, 1, 1, 40*time.Second))
			b.refresh(1, 1, 1, 41*time.Second)
			b.refresh(1, 1, 1, 42*time.Second)
		}},
		{"sent again when the provider was back", "", func(b *book) {
			b.forget()
			c := b.refresh(1, 1, 1, 39*time.Second)
			c.status, c.fault, c.access, c.refresh = 503, "unavailable", none, none
			b.refresh(1, 1, 2, 41*time.Second)
		}},
		{"sent twice, the first had hung up", "", func(b *book) {
			b.calls[len(b.calls)-1].ended = b.now.Add(45 * time.Second)
			b.refresh(1, 1, 1, 46*time.Second)
		}},
		{"refreshed while fresh", "it was fresh", func(b *book) { b.refresh(1, 2, 1, 50*time.Second) }},
		{"refreshed when due", "", func(b *book) { b.refresh(1, 2, 1, 80*time.Second) }},
		{"a token of nobody's", "never given out", func(b *book) { b.refresh(7, 1, 1, 40*time.Second) }},
		{"refused by the provider", "answered 400", func(b *book) { b.calls[len(b.calls)-1].status = 400 }},
		{"failed, to one that was killed", "", func(b *book) {
			b.calls[len(b.calls)-1].status = 503
			b.kill(1, 40*time.Second+100*time.Millisecond)
		}},
		{"not refreshed", "2 sessions, and 1 expiries", func(b *book) {
			b.forget()
			b.w.watch.sessions[1].shown = []string{access(1, 0)}
		}},
		{"a token that nobody gave", "that was never given out", func(b *book) { b.show(1, "access-7-7") }},
		{"somebody else's token", "a token of session 0", func(b *book) { b.show(1, access(0, 1)) }},
		{"two logins", "tokens of two logins", func(b *book) {
			b.login(1)
			b.calls[len(b.calls)-1].access, b.calls[len(b.calls)-1].refresh = "access-8-0", "refresh-8-0"
			b.show(1, "access-8-0")
		}},
		{"signed out", "answered 401", func(b *book) { b.w.watch.logins.Add(1) }},
		{"somebody else's page", "another user's page", func(b *book) { b.w.watch.mixedUp.Add(1) }},
		{"refused although valid", "although their token was valid", func(b *book) { b.w.watch.broken.Add(1) }},
		{"gone afterwards", "not what it should be after the run", func(b *book) { b.w.late[1] = "gone" }},
		{"nothing came", "nothing was measured", func(b *book) { b.w.watch.valid = histogram{} }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBook()
			tt.happened(b)
			got := strings.Join(b.w.judge(b.calls, b.kills), "; ")
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

// lose has the provider lose its answer on the way: what it gave, it gave.
func lose(c *call) { c.status, c.fault = 500, "lost" }

// After the run, a session is at rest when the last token that the provider gave, lost answers included, was shown.
func TestRestless(t *testing.T) {
	t.Parallel()
	for want, happened := range map[string]func(b *book){
		"":                       func(*book) {},
		"has not come in":        func(b *book) { lose(b.refresh(1, 2, 1, 80*time.Second)) },
		"never refreshed":        func(b *book) { b.forget() },
		"nothing was shown":      func(b *book) { b.w.watch.sessions[1].shown = nil },
		"has not come in, later": func(b *book) { b.refresh(1, 2, 1, 80*time.Second) },
	} {
		b := newBook()
		happened(b)
		got := b.w.restless(b.calls)
		want, _, _ = strings.Cut(want, ",")
		if !strings.Contains(got[1], want) || (want == "") != (len(got) == 0) || got[0] != "" {
			t.Errorf("%v, want %q", got, want)
		}
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

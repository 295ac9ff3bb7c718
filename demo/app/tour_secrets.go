package app

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"sync"
)

const shortestSecret = 16

// remember keeps the secrets of a request, harvest those of an answer.
func (t *tourist) remember(q ask) {
	t.keep(q.user.value)
	for _, p := range q.form {
		if secretNames[p.name] {
			t.keep(p.value)
		}
	}
	for _, h := range q.headers {
		if _, secret, ok := strings.Cut(h.value, " "); ok && h.name == "Authorization" {
			t.keep(secret)
		}
	}
}

func (t *tourist) harvest(a *answer) {
	for name, value := range a.object {
		if text, ok := value.(string); ok && secretNames[name] {
			t.keep(text)
		}
	}
	for _, line := range a.header.Values("Set-Cookie") {
		cookie, _, _ := strings.Cut(line, ";")
		_, value, _ := strings.Cut(cookie, "=")
		t.keep(value)
	}
	for _, name := range []string{"code", "state"} {
		t.keep(a.query(name))
	}
}

// keep ignores what is too short to be random: it would be found everywhere.
func (t *tourist) keep(secret string) {
	if len(secret) >= shortestSecret {
		t.secrets[secret] = true
	}
}

// nothingTold is the last step: neither this output nor the demo's logs hold a secret.
func (t *tourist) nothingTold() {
	t.printf("\n━━ Afterwards\n")
	t.step("no secret in the logs or in this output", func(s *step) {
		told, logged := t.told.String(), t.logs.String()
		s.printf("   %d secrets, %d bytes of logs, %d bytes of output\n", len(t.secrets), len(logged), len(told))
		s.check(len(t.secrets) > 0 && logged != "", "nothing was seen")
		for secret := range t.secrets {
			text, _ := json.Marshal(secret)
			for _, form := range slices.Compact([]string{secret, string(text[1 : len(text)-1])}) {
				s.check(!strings.Contains(logged, form), "the logs hold %s", short(secret))
				s.check(!strings.Contains(told, form), "the output holds %s", short(secret))
			}
		}
		s.check(!strings.Contains(logged, "panic"), "the logs tell of a panic")
	})
}

// logs is a buffer for many writers.
type logs struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

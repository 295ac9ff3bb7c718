// Package jar is table 4: what a browser carries, sealed. A contestant seals bytes with a name and an expiry and opens
// them again under the same name.
package jar

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/tokenkeep/tokenkeep/demo/bench/measure"
)

// Jar is one contestant.
type Jar struct {
	Seal func(name string, expires time.Time, payload []byte) (string, error)
	Open func(name, text string) ([]byte, error)
}

var errRefused = errors.New("refused")

const cookie = "session"

// Honest: what was changed anywhere, stands under another name or has expired does not open; the rest does.
func (j *Jar) Honest(payload []byte) error {
	text, err := j.Seal(cookie, time.Now().Add(time.Hour), payload)
	if err != nil {
		return err
	}
	if got, err := j.Open(cookie, text); err != nil || !bytes.Equal(got, payload) {
		return fmt.Errorf("does not open its own cookie: %w", err)
	}
	if again, err := j.Seal(cookie, time.Now().Add(time.Hour), payload); err != nil || again == text {
		return fmt.Errorf("seals the same text twice: %w", err)
	}
	for _, i := range []int{0, 1, len(text) / 4, len(text) / 2, len(text) - 8} {
		changed := []byte(text)
		changed[i] = map[bool]byte{true: 'B', false: 'A'}[changed[i] == 'A']
		if got, err := j.Open(cookie, string(changed)); err == nil && len(got) > 0 {
			return fmt.Errorf("opens a cookie with character %d of %d changed", i, len(text))
		}
	}
	if got, err := j.Open("other", text); err == nil && len(got) > 0 {
		return errors.New("opens the cookie of another name")
	}
	old, err := j.Seal(cookie, time.Now().Add(-365*24*time.Hour), payload)
	if err != nil {
		return err
	}
	if got, err := j.Open(cookie, old); err == nil && len(got) > 0 {
		return errors.New("opens an expired cookie")
	}
	return nil
}

// Payload is n bytes of text, as tokens are.
func Payload(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return []byte(base64.RawURLEncoding.EncodeToString(b)[:n])
}

// Rows are all contestants sealing, and opening, n bytes.
func Rows(n int) []measure.Row {
	var rows []measure.Row
	for _, c := range contestants {
		rows = append(rows, c.row(fmt.Sprintf("cookie/seal %d B", n), n, func(j *Jar, _ string, payload []byte) func(int) error {
			expires := time.Now().Add(time.Hour)
			return func(int) error { _, err := j.Seal(cookie, expires, payload); return err }
		}))
	}
	for _, c := range contestants {
		rows = append(rows, c.row(fmt.Sprintf("cookie/open %d B", n), n, opening))
	}
	return rows
}

func opening(j *Jar, text string, _ []byte) func(int) error {
	return func(int) error { _, err := j.Open(cookie, text); return err }
}

type contestant struct {
	name string
	role measure.Role
	make func(n int) (*Jar, error)
}

func (c contestant) row(table string, n int, job func(j *Jar, text string, payload []byte) func(int) error) measure.Row {
	return measure.Row{Table: table, Name: c.name, Role: c.role, Setup: func(*measure.Scene) (*measure.Trial, error) {
		j, err := c.make(n)
		if err != nil {
			return nil, err
		}
		payload := Payload(n)
		text, err := j.Seal(cookie, time.Now().Add(time.Hour), payload)
		if err != nil {
			return nil, err
		}
		return &measure.Trial{
			Honest: func() error { return j.Honest(payload) },
			Run:    job(j, text, payload),
			Extra:  measure.Figures{{Name: "wire B", Value: float64(len(text))}},
		}, nil
	}}
}

var contestants = []contestant{
	{"floor: AES-256-GCM", measure.Floor, func(int) (*Jar, error) { return gcmJar() }},
	{"floor: XAES-256-GCM, a key derived per message", measure.Floor, func(int) (*Jar, error) { return xaesJar() }},
	{"floor: XChaCha20-Poly1305", measure.Floor, func(int) (*Jar, error) { return chachaJar() }},
	{"tokenkeep: ring, bytes", measure.Ours, func(int) (*Jar, error) { return ringJar(1) }},
	{"tokenkeep: cookiestore, a whole record", measure.Ours, func(int) (*Jar, error) { return recordJar() }},
	{"securecookie: AES, gob (its default)", measure.Peer, func(int) (*Jar, error) { return secureCookieJar(1, false) }},
	{"securecookie: AES, bytes as they are", measure.Peer, func(int) (*Jar, error) { return secureCookieJar(1, true) }},
	{"gin-contrib/sessions: cookie store, AES", measure.Peer, func(int) (*Jar, error) { return ginJar() }},
}

// Rotated opens 200 bytes that were sealed with the third key of three.
func Rotated() []measure.Row {
	const table, n = "cookie/open 200 B, third key of three", 200
	return []measure.Row{
		contestant{"floor: AES-256-GCM, one key", measure.Floor, func(int) (*Jar, error) { return gcmJar() }}.row(table, n, opening),
		contestant{"tokenkeep: ring, first key", measure.Ours, func(int) (*Jar, error) { return ringJar(1) }}.row(table, n, opening),
		contestant{"tokenkeep: ring, third key", measure.Ours, func(int) (*Jar, error) { return ringJar(3) }}.row(table, n, opening),
		contestant{"securecookie: third key", measure.Peer, func(int) (*Jar, error) { return secureCookieJar(3, true) }}.row(table, n, opening),
	}
}

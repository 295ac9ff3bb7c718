package grants

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// Servers tell lifetimes as a number of seconds (RFC 6749 section 5.1), as a string, as a float, as an instant in
// seconds or milliseconds of the epoch or in RFC 3339, or not at all. The rules:
//
//	E1  expires_in goes before any instant. What is no number counts as absent.
//	E2  Of the instants, at least 10^12 is in milliseconds, at least 10^9 in seconds, and less is a number of seconds.
//	E3  Lifetimes count from just before the request was sent; a negative one is over.
//	E4  Zero is ambiguous: not known, unless Client.ZeroExpired.
//	E5  Absent is Client.DefaultTTL, or else not known.
//
// maxLife bounds every lifetime, so that no arithmetic on instants overflows.
const maxLife = 10 * 365 * 24 * time.Hour

// life is what a member says of a lifetime.
type life uint8

const (
	untold life = iota // absent, or not understood
	zero
	told
)

// relative reads a number of seconds from asked on.
func relative(raw []byte, asked time.Time) (time.Time, life) {
	n, ok := number(raw)
	if !ok {
		return time.Time{}, untold
	}
	return after(n, asked)
}

func after(n float64, asked time.Time) (time.Time, life) {
	switch {
	case n == 0:
		return time.Time{}, zero
	case n < 1:
		return asked, told
	case n >= maxLife.Seconds():
		return asked.Add(maxLife), told
	default:
		return asked.Add(time.Duration(math.Floor(n)) * time.Second), told
	}
}

// instant reads an absolute time, or what looks like one but is relative (E2).
func instant(raw []byte, asked time.Time) (time.Time, life) {
	n, ok := number(raw)
	if !ok {
		at, err := time.Parse(time.RFC3339, strings.TrimSpace(text(raw)))
		if err != nil {
			return time.Time{}, untold
		}
		return latest(at, asked), told
	}
	switch {
	case n >= 1e15: // beyond every calendar, in whatever unit
		return asked.Add(maxLife), told
	case n >= 1e12:
		return latest(time.UnixMilli(int64(n)), asked), told
	case n >= 1e9:
		return latest(time.Unix(int64(n), 0), asked), told
	default:
		return after(n, asked)
	}
}

func latest(at, asked time.Time) time.Time {
	if limit := asked.Add(maxLife); at.After(limit) {
		return limit
	}
	return at
}

// number reads a JSON number or a string that holds one, spaces around it allowed.
func number(raw []byte) (float64, bool) {
	if n, ok := plain(raw); ok {
		return n, true
	}
	s := strings.TrimSpace(text(raw))
	if s == "" || strings.Trim(s, "0123456789+-.eE") != "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(s, 64)
	if err != nil && !math.IsInf(n, 0) { // out of range is huge, not nonsense
		return 0, false
	}
	return n, true
}

// plain reads what nearly all servers send: a few digits.
func plain(raw []byte) (float64, bool) {
	if len(raw) == 0 || len(raw) > 15 {
		return 0, false
	}
	n := 0.0
	for _, c := range raw {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = 10*n + float64(c-'0')
	}
	return n, true
}

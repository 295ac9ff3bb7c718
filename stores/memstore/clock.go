package memstore

import (
	"sync/atomic"
	"time"
)

// clock tells a time that never decreases, for all goroutines.
type clock struct {
	now   func() time.Time // nil: the system's clock
	start time.Time
	wall  int64 // start, without its monotonic reading

	// ahead is the furthest that the wall clock was put forward since start; for an injected now, the latest it told.
	ahead atomic.Int64
}

// slack is what the two readings inside one time.Now may differ without the clock having been set.
const slack = int64(time.Millisecond)

func (c *clock) init(now func() time.Time) {
	c.now = now
	c.start = time.Now()
	c.wall = c.start.UnixNano()
	if now != nil {
		c.wall = now().UnixNano()
	}
}

// read returns the time. The system's clock is followed when it is put forward (or the machine slept) and outrun when
// it is put back: what has expired stays expired, and leases keep running.
func (c *clock) read() time.Time {
	now, _ := c.readBoth()
	return now
}

// readBoth is read, and what the system's clock itself says; zero if another one was injected.
func (c *clock) readBoth() (now, system time.Time) {
	var ran, ahead, tolerated int64
	if c.now != nil {
		ahead = c.now().UnixNano() - c.wall
	} else {
		system = time.Now()
		ran = int64(system.Sub(c.start)) // by the monotonic clock
		ahead, tolerated = system.UnixNano()-c.wall-ran, slack
	}
	most := c.ahead.Load()
	for ahead > most+tolerated {
		if c.ahead.CompareAndSwap(most, ahead) {
			most = ahead
			break
		}
		most = c.ahead.Load()
	}
	return time.Unix(0, c.wall+ran+most).UTC(), system
}

package main

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// histogram counts durations in steps of 1/32 of a power of two.
type histogram struct{ buckets [64 * 32]atomic.Int64 }

func (h *histogram) add(d time.Duration) {
	v := uint64(max(d, 32))
	exp := bits.Len64(v) - 6
	h.buckets[exp*32+int(v>>exp)-32+32].Add(1)
}

func (h *histogram) count() (n int64) {
	for i := range h.buckets {
		n += h.buckets[i].Load()
	}
	return n
}

// at is the upper end of the step in which that share of the durations lies.
func (h *histogram) at(share float64) time.Duration {
	left := int64(share * float64(h.count()))
	for i := range h.buckets {
		if left -= h.buckets[i].Load(); left < 0 {
			exp, step := (i-32)/32, (i-32)%32
			return time.Duration(uint64(step+33) << exp)
		}
	}
	return 0
}

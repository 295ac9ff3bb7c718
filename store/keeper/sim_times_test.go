package keeper_test

import (
	"log/slog"
	"time"

	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// The times of the protocol, scaled by 1/20.
const (
	chaosSend   = 400 * time.Millisecond
	chaosCommit = 250 * time.Millisecond
	chaosMargin = 100 * time.Millisecond
	chaosLease  = chaosSend + chaosCommit + chaosMargin
	chaosPause  = chaosLease + 50*time.Millisecond
	chaosGrace  = 24 * time.Hour  // of the simulation: longer than any history
	chaosLimit  = 2 * time.Second // of the interleavings: a grace of 40 s, more than a pause and a takeover take
)

// chaosOptions are the scaled times, and nothing that is left to chance.
func chaosOptions() *keeper.Options {
	return &keeper.Options{
		SendBudget: chaosSend, CommitBudget: chaosCommit, ClockMargin: chaosMargin, Lease: chaosLease,
		Jitter: func() float64 { return 0.75 }, Logger: slog.New(slog.DiscardHandler), Transport: noTransport{},
	}
}

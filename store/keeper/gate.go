package keeper

import (
	"context"
	"time"
)

// gate bounds what one provider sees from this process: so many refreshes at a time, and after several failures in a
// row that were the provider's, a short silence for all its grants.
type gate struct {
	slots    chan struct{}
	failures int       // in a row; guarded by Keeper.mu
	until    time.Time // no entry before this; guarded by Keeper.mu
}

// breakAfter failures in a row silence a provider for one second, doubling to 32 s (with the default SendBudget).
const breakAfter = 8

// verdict is what a visit found out about the provider.
type verdict uint8

const (
	unasked  verdict = iota
	answered         // whatever it said
	failing          // no answer, or none worth having
)

// enter waits for a place at the provider. leave must be called with what was found; waited tells that time has passed.
func (k *Keeper) enter(ctx context.Context, provider string) (leave func(verdict), waited bool, err error) {
	g, silent := k.gate(provider)
	if silent {
		return nil, false, unavailable("the provider keeps failing", nil)
	}
	select {
	case g.slots <- struct{}{}:
	default:
		waited = true
		select {
		case g.slots <- struct{}{}:
		case <-ctx.Done():
			return nil, true, unavailable("too many refreshes at this provider", nil)
		}
	}
	return func(v verdict) {
		<-g.slots
		k.leaveGate(g, v)
	}, waited, nil
}

func (k *Keeper) gate(provider string) (g *gate, silent bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	g = k.gates[provider]
	if g == nil {
		g = &gate{slots: make(chan struct{}, k.o.MaxConcurrent)}
		k.gates[provider] = g
	}
	if g.failures < breakAfter {
		return g, false
	}
	if time.Now().Before(g.until) {
		return g, true
	}
	g.until = time.Now().Add(k.o.SendBudget / 8) // this caller goes ahead and finds out; the others wait for what it finds
	return g, false
}

func (k *Keeper) leaveGate(g *gate, v verdict) {
	k.mu.Lock()
	defer k.mu.Unlock()
	switch v {
	case answered:
		g.failures, g.until = 0, time.Time{}
	case failing:
		if g.failures++; g.failures >= breakAfter {
			g.until = time.Now().Add(k.o.SendBudget / 8 << min(g.failures-breakAfter, 5))
		}
	}
}

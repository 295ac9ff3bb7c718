package keeper

import (
	"log/slog"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// Observer hears of the keeper's events. Observe is called inline and concurrently: it must be quick, must not call
// the keeper, and gets no secret. Its panic is logged and changes nothing.
type Observer interface {
	Observe(e Event)
}

// EventKind says what happened.
type EventKind string

const (
	Used      EventKind = "used"      // a fresh record was handed out
	Refreshed EventKind = "refreshed" // a new token was committed
	Failed    EventKind = "failed"    // an attempt failed; Outcome and Err say how
	Waited    EventKind = "waited"    // another holder's lease was waited for; Wait says how long
	Adopted   EventKind = "adopted"   // somebody else's refresh was found in the store
	Replayed  EventKind = "replayed"  // an API request was sent again after a 401
	Unsaved   EventKind = "unsaved"   // the store did not take a new token yet
	Uncertain EventKind = "uncertain" // the refresh token may have been spent without an answer
	Ended     EventKind = "ended"     // a record ended
	Revoked   EventKind = "revoked"   // a revocation was settled
	HookError EventKind = "hook"      // OnRefresh or OnUnsaved failed, panicked or was too slow
)

// Event is one thing that happened to one record.
type Event struct {
	Kind       EventKind     // what happened
	RecordID   string        // Record.ID of the grant, or of the session that holds its own token
	Provider   string        // Record.Provider
	Generation uint64        // Record.Generation then
	Outcome    Outcome       // of Failed
	Err        error         // of Failed, Unsaved and HookError
	Wait       time.Duration // of Waited
}

func (k *Keeper) observe(kind EventKind, rec *store.Record) {
	if k.o.Observer != nil {
		k.observeEvent(event(kind, rec))
	}
}

func (k *Keeper) observeEvent(e Event) {
	if k.o.Observer == nil {
		return
	}
	if err := guarded(func() error { k.o.Observer.Observe(e); return nil }); err != nil {
		k.o.Logger.Warn("keeper: Observer failed", slog.String("record", e.RecordID), slog.Any("error", err))
	}
}

func event(kind EventKind, rec *store.Record) Event {
	return Event{Kind: kind, RecordID: rec.ID, Provider: rec.Provider, Generation: rec.Generation}
}

func (k *Keeper) warn(text string, rec *store.Record, err error) {
	k.o.Logger.Warn("keeper: "+text, slog.String("record", rec.ID), slog.String("provider", rec.Provider),
		slog.Uint64("generation", rec.Generation), slog.Any("error", err))
}

// Package keeper keeps records fresh: one refresh per grant, across goroutines and processes, and nobody logged out by
// a race.
//
//	keep, err := keeper.New(tokens, client, nil)                       // any store.TokenStore; a *grants.Client
//	rec, err := keep.Start(ctx, store.Key("ulule", "42"), &store.Record{Token: token})
//	rec, err = keep.Get(ctx, rec.Handle)                               // fresh, or refreshed now
//	resp, err := keep.Client(rec.Handle, "https://api.ulule.com").Get("https://api.ulule.com/v1/me")
//
// # How a refresh happens exactly once
//
// Whoever finds a token expired first writes a lease into the record, by compare-and-set: that proves that the store
// is writable before the refresh token is spent, it is the intent a crash leaves behind, and it keeps everybody else
// waiting. Then it asks the provider, and commits the answer before anyone uses it. A commit is accepted if its
// (generation, lease number) is greater than the stored one, so a holder that was paused past its lease still saves
// the only live refresh token, and a stale sibling does not overwrite a newer one. A refusal (invalid_grant) ends the
// grant only if nothing has changed when the record is read again. The work belongs to the keeper, not to the request
// that caused it: a caller that leaves changes nothing.
//
// # Errors
//
// [store.ErrNotFound]: there is no such record, or it has ended. [ErrLoginRequired]: the grant is dead. [*ExpiredError]
// and [*UpdatedError]: the modes [Manual] and [Signal]. [ErrUnavailable]: the provider or the store could not be asked;
// nothing has ended. Errors of the context are the caller's own.
package keeper

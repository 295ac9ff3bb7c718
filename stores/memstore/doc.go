// Package memstore keeps records in this process's memory: for tests, command-line tools and services of one process.
//
//	tokens, err := memstore.New(nil)
//	keep, err := keeper.New(tokens, client, nil)
//
// Nothing survives the process and nothing is shared with another one; a service with replicas wants
// [github.com/tokenkeep/tokenkeep/stores/gormstore] or [github.com/tokenkeep/tokenkeep/stores/redisstore].
//
// Records are found by the hash of their handle and kept unsealed: whoever can read the process's memory reads the
// tokens, but a list of the map's keys logs nobody in. The number of records is bounded (Options.MaxRecords): when the
// store is full, expired ones make room, never a live one, and an ended one that no sweep has visited after 30 days only.
// Memory is given back as records go: a burst of sessions does not stay on the heap once they are swept. Without sweeps
// expired records are dropped an hour after their time, as others are created.
//
// A record takes about 400 bytes and two objects beside its texts; up to 16,384 that requests have shown lately
// (keeper.Verify) take 520 bytes more, so that the next request with them makes no copy. The texts of a record that Get
// returned are one piece of memory, tokens included: what is kept for long (an ID as the key of a map) is better cloned
// with strings.Clone.
package memstore

package main

import (
	"fmt"

	"github.com/tokenkeep/tokenkeep/demo/bench/bearer"
	"github.com/tokenkeep/tokenkeep/demo/bench/calling"
	"github.com/tokenkeep/tokenkeep/demo/bench/exchange"
	"github.com/tokenkeep/tokenkeep/demo/bench/growth"
	"github.com/tokenkeep/tokenkeep/demo/bench/issue"
	"github.com/tokenkeep/tokenkeep/demo/bench/jar"
	"github.com/tokenkeep/tokenkeep/demo/bench/live"
	"github.com/tokenkeep/tokenkeep/demo/bench/measure"
	"github.com/tokenkeep/tokenkeep/demo/bench/records"
)

// chapter is some tables and what a reader should know about them.
type chapter struct {
	title string
	note  string
	rows  []measure.Row
}

// book is everything there is to measure.
func book(full, quick bool) []chapter {
	many := 100_000
	heap := 100_000
	if quick {
		many, heap = 10_000, 20_000
	}
	if full {
		heap = 1_000_000
	}
	var bearers []measure.Row
	for _, alg := range bearer.Algorithms {
		bearers = append(bearers, bearer.Rows(alg)...)
	}
	return []chapter{
		{"1. A protected request, self-contained access token (a JWT of about 600 bytes)",
			"Guard, verifier, user in the context, or as an argument where the row says so. Refused by all: bad and strangers' signatures, changed claims, `alg: none`, the public key used as an HMAC secret, and tokens that are expired, never expire, or are meant for another audience, issuer or purpose. " +
				"\"Seen before\" is 100 tokens in turn. The floor remembers the SHA-256 of tokens that were good, ours that of their signatures beside the text that was signed; key, expiry, issuer, audience and scopes are compared on every request, so a withdrawn key is noticed at most 60 s late, a minute that `Options.Life` shortens to nothing: that is \"cache off\" under \"first sight\".",
			join(bearers, bearer.Refused())},
		{"2. A protected request, opaque token or session in memory",
			"Each row demands a live token or session and hands the user's name to a handler. Refused by all: none, unknown, changed, expired and deleted ones. " +
				"Deleting takes effect with the next request. 8 callers at once share the machine's cores, so their time is the wall's, by operation.",
			join(live.Rows("session/1000", 1000, 0), live.Rows(fmt.Sprint("session/", many), many, 0), live.Rows("session/1000, 8 at once", 1000, 8), live.OnSQLite("session on SQLite", 1000))},
		{"3. Stores",
			"A record is two tokens (600 and 200 bytes). Ours are sealed (AES-256-GCM), decoded and compared by version; the floors store bytes. " +
				"Durable: on the disk when acknowledged (synchronous FULL); the rest may lose the last commits when the machine dies, never when the process does. " +
				"go-oauth2 and scs have no compare-and-set: their replacement is a write. Redis' floor sends one plain command, ours a script that compares. What a sweep does to the loads beside it: `go test -bench Sweep ./stores/sqlitestore`.",
			join(records.SQLite(1000), records.Mixed(1000), records.Memory(1000), records.Heap(heap), records.Servers(1000))},
		{"4. Encrypted cookie",
			"The payload is random text. Everybody binds the cookie's name and an expiry. Refused by all: a changed character anywhere, another name, an expired one. \"A whole record\" is what a browser of ours gets: fields encoded, and deflated where it would need more than one cookie.",
			join(jar.Rows(200), jar.Rows(2048), jar.Rotated())},
		{"5. Calling out with a kept token, and refreshing it",
			"Requests go to a stub. In a storm 1,000 callers meet an expired token at once; the provider takes 20 ms, rotates refresh tokens and raises an alarm when one is used twice. Down: connections are refused after 2.5 ms. Deadline: a caller who waits at most 20 ms while another one's refresh takes 300.",
			join(calling.Valid(), calling.Storm("calling/storm, one process", 1000, 1), calling.Storm("calling/storm, 4 processes", 1000, 4),
				calling.Down("calling/provider down", 1000), calling.Deadline("calling/deadline"))},
		{"6. Token endpoint, client side",
			"A code traded at a stub. Refused by all: refusals, answers without a token, web pages, half answers, other statuses. Parsing alone is not exported: `go test -bench Parse ./grants` puts it beside encoding/json.",
			exchange.Rows()},
		{"7. Token endpoint, server side",
			"Password hashing is left out; ours consumes refresh tokens atomically, the peers do not. Refused by all: wrong passwords, wrong client secrets, changed and spent refresh tokens. On SQLite every answer is on the disk first; the peers' tables are ours to write, since they have none.",
			join(issue.InMemory(), issue.OnSQLite())},
		{"8. Growth", "The first row of each table is the measure; a row's name is how many there were.", grown(full, quick)},
	}
}

func grown(full, quick bool) []measure.Row {
	var rows []measure.Row
	for _, e := range growth.Engines {
		rows = append(rows, growth.Records(e, full, quick)...)
	}
	return join(rows, growth.Requests(), growth.Storms(quick))
}

func join(parts ...[]measure.Row) []measure.Row {
	var out []measure.Row
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// tables splits rows by table, in their order.
func tables(rows []measure.Row) [][]measure.Row {
	at := map[string]int{}
	var out [][]measure.Row
	for _, r := range rows {
		i, ok := at[r.Table]
		if !ok {
			i = len(out)
			at[r.Table] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], r)
	}
	return out
}

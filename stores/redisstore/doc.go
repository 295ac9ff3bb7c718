// Package redisstore keeps records in Redis, through the go-redis client the application already has.
//
//	client := redis.NewClient(&redis.Options{Addr: "127.0.0.1:6379"})
//	tokens, err := redisstore.New(client, ring, nil)
//	keep, err := keeper.New(tokens, provider, nil)
//
// It works with a single server, Sentinel and Redis Cluster, from Redis 5 on and with Valkey. Each Get, Put and Delete is
// one round trip to the primary. Put and Delete are one script each, which compares the version, tells the time of the
// server, and changes the row together with its index entries.
//
// # Keys
//
// Rows are spread over 256 hash slots by the first byte of their handle's sum; the two indexes of a slot live beside its
// rows:
//
//	{tokenkeep:3f}:<sum>        the row, a string: version, when it is due, sealed record
//	{tokenkeep:3f}due           sorted set: what Sweep visits, and when
//	{tokenkeep:3f}of:<sum>      sorted set: the live rows of one subject, under the sum of store.Key("subject", subject)
//
// Index entries are hints, the row decides: one whose row has gone is dropped when it is met. No key, subject or token is
// readable anywhere. A row takes about 0.4 KB beside its sealed bytes.
//
// Every key has a TTL. A row lives until 30 days after it expires or ended, so that Sweep finds it; a row that never
// expires (zero Record.Expires) lives for ten years after its last write. Index keys outlive their rows. Call the keeper's
// Sweep now and then also here: the TTL drops rows, but pays no pending revocation, and index entries stay until met.
//
// # What the server must be
//
//   - maxmemory-policy noeviction (or no maxmemory). Any other policy drops sessions when memory is short, and a grant
//     whose refresh token is dropped cannot be refreshed again.
//   - Read and written on primaries only. [New] refuses clients that read from replicas (ReadOnly, RouteByLatency,
//     RouteRandomly) and redis.Ring, which moves keys when a server is down. ReplicaOnly of a FailoverClient cannot be
//     seen from here: leave it off.
//   - The clocks of a cluster's nodes agree, as NTP keeps them.
//
// # Durability
//
// What an acknowledged Put survives is the server's configuration:
//
//	appendonly yes, appendfsync always     process kill, OS crash and power loss
//	appendonly yes, appendfsync everysec   process kill, but for writes postponed behind a slow fsync; an OS crash loses
//	                                       up to about two seconds
//	RDB snapshots only, or nothing         everything since the last snapshot is lost when the process is killed
//	failover to a replica                  writes it had not received are lost; min-replicas-to-write and
//	                                       min-replicas-max-lag bound how many
//
// A lost write brings the row's last state back, or none: a session then has to log in again, and a provider that rotates
// refresh tokens may see an old one. No lock is lost with it, because there is none: writes are compared by version.
package redisstore

package redisstore_test

import (
	"context"
	"crypto/rand"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/tokenkeep/tokenkeep/store"
)

// Each call of the store beside one round trip of the bare driver over as many bytes, in turns, so that both meet the
// same weather: "x/bare" is the ratio of the medians. A write has to compare first, which in Redis takes a script.
func BenchmarkStore(b *testing.B) {
	f, ctx := open(b), context.Background()
	token := strings.Repeat(rand.Text(), 40) // about 1 KiB
	rec := put(b, f, store.Key("k"), &store.Record{ID: "R", Subject: "alice", Expires: time.Now().Add(time.Hour),
		Token: store.Token{AccessToken: token}})
	bare := "{" + f.prefix + "}bare"
	value := strings.Repeat("x", len(token)+100)
	get := func() error { return f.client.Get(ctx, bare).Err() }
	set := func() error { return f.client.Set(ctx, bare, value, time.Hour).Err() }
	compareAndSet := redis.NewScript(`if redis.call('GETRANGE', KEYS[1], 0, 0) == 'x' then
	return redis.call('SET', KEYS[1], ARGV[1], 'PX', 3600000) end`)
	script := func() error { return compareAndSet.Run(ctx, f.client, []string{bare}, value).Err() }
	if err := set(); err != nil {
		b.Fatal(err)
	}
	n := 0
	for _, row := range []struct {
		name      string
		ours, few func() error
	}{
		{"Get beside GET", func() (err error) { _, err = f.Get(ctx, rec.Handle); return err }, get},
		{"a bare script beside SET", script, set},
		{"replace beside a bare script", func() (err error) { rec, err = f.Put(ctx, rec.Handle, rec); return err }, script},
		{"create beside a bare script", func() (err error) {
			n++
			_, err = f.Put(ctx, store.Key(strconv.Itoa(n)), &store.Record{Subject: strconv.Itoa(n % 100), Token: rec.Token, Expires: rec.Expires})
			return err
		}, script},
		{"list 10 of a subject beside GET", func() error { _, _, err := f.List(ctx, "1", "", 10); return err }, get},
	} {
		b.Run(row.name, func(b *testing.B) {
			var ours, few []time.Duration
			timed := func(f func() error) time.Duration {
				began := time.Now()
				if err := f(); err != nil {
					b.Fatal(err)
				}
				return time.Since(began)
			}
			b.ReportAllocs()
			for b.Loop() {
				ours, few = append(ours, timed(row.ours)), append(few, timed(row.few))
			}
			slices.Sort(ours)
			slices.Sort(few)
			b.ReportMetric(float64(ours[len(ours)/2].Nanoseconds()), "ns/ours")
			b.ReportMetric(float64(ours[len(ours)/2])/float64(few[len(few)/2]), "x/bare")
		})
	}
}

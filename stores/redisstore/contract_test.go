package redisstore_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/storetest"
)

// headSize is what stands in a row before the sealed record.
const headSize = 56

func member(sum [32]byte) string { return base64.RawURLEncoding.EncodeToString(sum[:]) }

func TestStore_contract(t *testing.T) {
	t.Parallel()
	server(t)
	storetest.Run(t, harness(func(t *testing.T) *fixture { return open(t) }))
}

// A cluster refuses every script that touches two hash slots; in one of three nodes, few keys are on the first.
func TestStore_contractInCluster(t *testing.T) {
	t.Parallel()
	addrs := newCluster(t)
	storetest.Run(t, harness(func(t *testing.T) *fixture {
		client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs})
		t.Cleanup(func() { client.Close() })
		return newFixture(t, client, newRing(t), "cluster:"+rand.Text()+":")
	}))
}

func harness(open func(t *testing.T) *fixture) storetest.Harness {
	return storetest.Harness{
		Open: func(t *testing.T) store.TokenStore { return open(t) },
		Peer: func(t *testing.T, s store.TokenStore) store.TokenStore {
			f := s.(*fixture)
			return newFixture(t, f.again(t), f.ring, f.prefix)
		},
		Raw: func(t *testing.T, s store.TokenStore) []byte { return s.(*fixture).raw(t) },
		Edit: func(t *testing.T, s store.TokenStore, h store.Handle, edit func([]byte) []byte) {
			t.Helper()
			f, ctx := s.(*fixture), context.Background()
			key := f.rowKey(t, h)
			row, err := f.client.Get(ctx, key).Bytes()
			if err != nil {
				t.Fatal(err)
			}
			row = append(row[:headSize:headSize], edit(bytes.Clone(row[headSize:]))...)
			if err := f.client.Set(ctx, key, row, redis.KeepTTL).Err(); err != nil {
				t.Fatal(err)
			}
		},
		Break: func(t *testing.T, s store.TokenStore) { s.(*fixture).client.Close() },
	}
}

package redisstore_test

import (
	"context"
	"fmt"
	"os"

	"github.com/redis/go-redis/v9"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/redisstore"
)

func ExampleNew() {
	client := redis.NewClient(&redis.Options{Addr: os.Getenv("TOKENKEEP_REDIS")})
	defer client.Close()
	ring, err := seal.New(seal.NewKey()) // a key from a secret manager, the same in every process
	if err != nil {
		fmt.Println(err)
		return
	}
	tokens, err := redisstore.New(client, ring, &redisstore.Options{Prefix: "myapp:"})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	rec, err := tokens.Put(ctx, store.Key("ulule", "42"), &store.Record{ID: "R1"})
	if err != nil {
		fmt.Println(err)
		return
	}
	rec.Token.Scopes = []string{"read"}
	_, err = tokens.Put(ctx, rec.Handle, rec) // store.ErrConflict if somebody else wrote first
	fmt.Println(err)
}

// A client that reads from replicas would find what was logged out.
func ExampleNew_incorrect() {
	client := redis.NewClusterClient(&redis.ClusterOptions{Addrs: []string{"127.0.0.1:7000"}, RouteByLatency: true})
	defer client.Close()
	ring, err := seal.New(seal.NewKey())
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = redisstore.New(client, ring, nil)
	fmt.Println(err)
	// Output: redisstore: the client reads from replicas: leave ReadOnly, RouteByLatency and RouteRandomly off
}

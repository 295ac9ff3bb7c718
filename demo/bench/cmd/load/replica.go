package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/gormstore"
)

// replicaConfig is what every replica of a run is told.
type replicaConfig struct {
	Key      []byte // of the ring: this run's own
	Table    string
	TokenURL string
	Name     string
}

func (c replicaConfig) database() (*gorm.DB, func() error, error) {
	dsn := os.Getenv("TOKENKEEP_POSTGRES")
	if dsn == "" {
		return nil, nil, errors.New("TOKENKEEP_POSTGRES names no server (host:port)")
	}
	if !strings.ContainsAny(dsn, "/@=") {
		dsn = fmt.Sprintf("postgres://postgres@%s/test?sslmode=disable", dsn)
	}
	db, err := gorm.Open(postgres.Open(dsn), &gorm.Config{Logger: logger.Discard})
	if err != nil {
		return nil, nil, err
	}
	pool, err := db.DB()
	if err != nil {
		return nil, nil, err
	}
	pool.SetMaxOpenConns(12)
	pool.SetMaxIdleConns(12)
	return db, pool.Close, nil
}

func (c replicaConfig) open(ctx context.Context, db *gorm.DB, migrate bool) (store.TokenStore, error) {
	ring, err := seal.New(c.Key)
	if err != nil {
		return nil, err
	}
	tokens, err := gormstore.New(db, ring, &gormstore.Options{Table: c.Table})
	if err != nil || !migrate {
		return tokens, err
	}
	return tokens, tokens.Migrate(ctx)
}

// times are the protocol's, shorter than its defaults: a killed replica's refresh is taken over within the run.
var times = keeper.Options{SendBudget: 4 * time.Second, CommitBudget: 3 * time.Second, ClockMargin: time.Second, Lease: 8 * time.Second}

// replica is one process: a guarded page over the shared store. It says where it listens, and ends with its input.
func replica(args []string) error {
	var c replicaConfig
	if err := json.Unmarshal([]byte(args[0]), &c); err != nil {
		return err
	}
	slog.SetDefault(slog.New(slog.DiscardHandler)) // the provider's failures are meant, and many
	ctx := context.Background()
	db, closer, err := c.database()
	if err != nil {
		return err
	}
	defer closer()
	tokens, err := c.open(ctx, db, false)
	if err != nil {
		return err
	}
	client := &grants.Client{
		Provider: "load", TokenURL: c.TokenURL, ID: "load", Secret: "load-secret",
		Extra: map[string]grants.Extra{"refresh_token": {Header: http.Header{"Replica": {c.Name}}}},
	}
	o := times
	keep, err := keeper.New(tokens, client, &o)
	if err != nil {
		return err
	}
	guard, err := middleware.New(keep, middleware.Self, nil)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: guard.Require()(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rec, _ := guard.User(r.Context())
		w.Header().Set("Subject", rec.Subject)
		fmt.Fprintln(w, rec.Token.AccessToken)
	}))}
	fmt.Println(l.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // the parent has closed it, or died
		server.Close()
	}()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	return keep.Close(ctx)
}

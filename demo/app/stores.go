package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/cookiestore"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
	"github.com/tokenkeep/tokenkeep/stores/redisstore"
	"github.com/tokenkeep/tokenkeep/stores/sqlitestore"
)

// Store is one more choice for the app's tokens: an engine whose driver the demo itself does not import.
type Store struct {
	Name string // as -store and the page's picker have it, such as "postgres"
	Text string // what it can and cannot do, in a sentence
	Open func(ring *seal.Ring) (tokens store.TokenStore, end func() error, err error)
}

// stores are where the two halves keep what they know: never in the same table, nor under the same key.
type stores struct {
	cfg                   config
	app, provider         store.TokenStore
	appRing, providerRing *seal.Ring

	mu      sync.Mutex // guards what follows
	memory  store.TokenStore
	agreed  store.TokenStore // where cookies' replicas agree, without a database
	dir     string           // of the SQLite file that ends with the process
	closers []func() error
}

func openStores(c config) (_ *stores, err error) {
	k, err := loadKeys(c.keys)
	if err != nil {
		return nil, err
	}
	s := &stores{cfg: c}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if s.appRing, err = seal.New(k.App); err != nil {
		return s, err
	}
	if s.providerRing, err = seal.New(k.Provider); err != nil {
		return s, err
	}
	if !c.isReplica() {
		if s.provider, err = s.openProvider(); err != nil {
			return s, err
		}
	}
	s.app, err = s.view(c.store)
	return s, err
}

func (s *stores) openProvider() (store.TokenStore, error) {
	if s.cfg.db == "" {
		return memstore.New(nil)
	}
	return s.table(s.cfg.db, s.providerRing, "provider_records")
}

// view opens one replica's own view of the app's store of that kind: what one view has written, all see.
func (s *stores) view(kind string) (store.TokenStore, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, more := range s.cfg.more {
		if more.Name == kind {
			tokens, end, err := more.Open(s.appRing)
			if err == nil {
				s.closers = append(s.closers, end)
			}
			return tokens, err
		}
	}
	path, err := s.file(kind)
	if err != nil {
		return nil, err
	}
	agreed, err := s.shared(&s.agreed)
	if kind == cookie && path != "" { // then a restarted app, or a second one, agrees through the database
		agreed, err = s.table(path, s.appRing, "app_coordinator")
	}
	if err != nil {
		return nil, err
	}
	if kind == memory {
		return s.shared(&s.memory)
	}
	tokens, err := s.open(kind, path, agreed)
	if end, ok := tokens.(interface{ Close() error }); ok && err == nil {
		s.closers = append(s.closers, end.Close)
	}
	return tokens, err
}

//show:stores

func (s *stores) open(kind, file string, agreed store.TokenStore) (store.TokenStore, error) {
	ring := s.appRing // seals what leaves the process
	switch kind {
	case memory:
		return memstore.New(nil)
	case sqlite:
		return sqlitestore.Open(file, ring, nil)
	case cookie: // leases and logouts are in agreed
		return cookiestore.New(ring, cookiestore.Coordinator(agreed))
	case redisKind:
		return redisstore.New(s.redisClient(), ring, nil)
	}
	return nil, fmt.Errorf("demo: there is no store %q", kind)
}

//end

func (s *stores) redisClient() *redis.Client {
	client := redis.NewClient(&redis.Options{Addr: s.cfg.redis})
	s.closers = append(s.closers, client.Close)
	return client
}

// shared is a store in memory that all views have in common.
func (s *stores) shared(one *store.TokenStore) (_ store.TokenStore, err error) {
	if *one == nil {
		*one, err = s.open(memory, "", nil)
	}
	return *one, err
}

// file is the SQLite file: what the flags say, or one that ends with the process; "" for what needs none.
func (s *stores) file(kind string) (_ string, err error) {
	if s.cfg.db != "" || kind != sqlite {
		return s.cfg.db, nil
	}
	if s.dir == "" {
		s.dir, err = os.MkdirTemp("", "tokenkeep-demo-")
	}
	return filepath.Join(s.dir, "demo.db"), err
}

// table returns a table of a SQLite file.
func (s *stores) table(path string, ring *seal.Ring, table string) (store.TokenStore, error) {
	db, err := sqlitestore.Open(path, ring, &sqlitestore.Options{Table: table})
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, db.Close)
	return db, nil
}

func (s *stores) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, c := range s.closers {
		errs = append(errs, c())
	}
	if s.dir != "" {
		errs = append(errs, os.RemoveAll(s.dir))
	}
	return errors.Join(errs...)
}

// ruling returns the store whose word counts about rec, and the handle it has there: with cookies, the coordinator.
func ruling(tokens store.TokenStore, rec *store.Record) (store.TokenStore, store.Handle) {
	if s, ok := tokens.(store.Stateless); ok {
		return s.Coordinator(), store.Key("grant", rec.ID)
	}
	return tokens, rec.Handle
}

// expire makes rec's access token expired here and unknown at the provider, as if its lifetime had passed. No service
// does that to its own records, so there is no such method: it writes past the keeper, by the store's compare-and-set.
// A replica of -replicas cannot reach the provider's store, and leaves that half out.
func expire(ctx context.Context, app, provider store.TokenStore, rec *store.Record) error {
	if err := expireRecord(ctx, app, rec); err != nil || provider == nil {
		return err
	}
	// Second, since a crash in between then leaves a record that is refreshed, and not one that is trusted in vain.
	return expireIssued(ctx, provider, rec.Token.AccessToken)
}

// expireIssued makes an access token expired in authserver's store: an opaque one begins with the ID of its record there.
func expireIssued(ctx context.Context, provider store.TokenStore, token string) error {
	const idSize = 26
	h := store.Key("authserver", "pair", token[:min(idSize, len(token))])
	for {
		rec, err := provider.Get(ctx, h)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		rec.Token.Expiry = time.Now().Add(-time.Second)
		if _, err = provider.Put(ctx, h, rec); !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
}

func expireRecord(ctx context.Context, app store.TokenStore, rec *store.Record) error {
	tokens, h := ruling(app, rec)
	for {
		cur, err := tokens.Get(ctx, h)
		switch {
		case errors.Is(err, store.ErrEnded):
			return err
		case errors.Is(err, store.ErrNotFound) && h.IsKey(): // the coordinator has not heard of this cookie yet
			cur, err = rec.Clone(), nil
			cur.Version = ""
		}
		if err != nil {
			return err
		}
		if cur.Token.AccessToken != rec.Token.AccessToken {
			return nil // refreshed meanwhile
		}
		cur.Token.Expiry = time.Now().Add(-time.Second)
		_, err = tokens.Put(ctx, h, cur)
		if !errors.Is(err, store.ErrConflict) && !errors.Is(err, store.ErrExists) {
			return err
		}
	}
}

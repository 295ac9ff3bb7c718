package main

import (
	"context"
	"errors"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/cookiestore"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
	"github.com/tokenkeep/tokenkeep/stores/sqlitestore"
)

// stores are where the two halves keep what they know: never in the same table, nor under the same key.
type stores struct {
	app, provider         store.TokenStore
	appRing, providerRing *seal.Ring
	closers               []func() error
}

func openStores(c config) (_ *stores, err error) {
	k, err := loadKeys(c.keys)
	if err != nil {
		return nil, err
	}
	s := &stores{}
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
	if s.provider, err = s.open(c.db, s.providerRing, "provider_records"); err != nil {
		return s, err
	}
	switch {
	case c.store != cookie:
		s.app, err = s.open(c.db, s.appRing, "app_records")
	case c.db == "":
		s.app, err = cookiestore.New(s.appRing, cookiestore.SingleReplica())
	default: // then a restarted app, or a second one, agrees through the database
		var agreed store.TokenStore
		if agreed, err = s.open(c.db, s.appRing, "app_coordinator"); err == nil {
			s.app, err = cookiestore.New(s.appRing, cookiestore.Coordinator(agreed))
		}
	}
	return s, err
}

// open returns a table of the SQLite file, or a store in memory if there is no file.
func (s *stores) open(path string, ring *seal.Ring, table string) (store.TokenStore, error) {
	if path == "" {
		return memstore.New(nil)
	}
	db, err := sqlitestore.Open(path, ring, &sqlitestore.Options{Table: table})
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, db.Close)
	return db, nil
}

func (s *stores) close() error {
	var errs []error
	for _, c := range s.closers {
		errs = append(errs, c())
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
func expire(ctx context.Context, s *stores, rec *store.Record) error {
	if err := expireRecord(ctx, s.app, rec); err != nil {
		return err
	}
	// An access token is a credential of the purpose "access" in authserver's store. It goes second: a crash in between
	// leaves a record that is refreshed, and not one that is trusted in vain.
	return s.provider.Delete(ctx, store.Credential("access", rec.Token.AccessToken), "")
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

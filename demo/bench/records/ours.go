package records

import (
	"errors"
	"path/filepath"
	"sync"
	"time"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/gormstore"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
	"github.com/tokenkeep/tokenkeep/stores/sqlitestore"
)

// ours is any TokenStore. As a keeper does, it replaces what it has read.
type ours struct {
	store.TokenStore
	closer func() error
	last   sync.Map // number -> *store.Record, as stored last
}

func handle(i int) store.Handle { return store.Credential("session", text(i)) }

func record(i int, expires time.Time) *store.Record {
	return &store.Record{
		ID: text(i)[:26], Subject: "user-4711", Provider: "provider", Created: time.Now(), Expires: expires,
		Token: store.Token{AccessToken: access(i), TokenType: "Bearer", RefreshToken: refresh(i), Scopes: []string{"profile", "email"}},
	}
}

func (o *ours) put(i int, expires time.Time) error {
	rec, err := o.Put(ctx, handle(i), record(i, expires))
	if err == nil && 0 <= i && i < hot {
		o.last.Store(i, rec)
	}
	return err
}

func (o *ours) load(i int) (string, error) {
	rec, err := o.Get(ctx, handle(i))
	if err != nil {
		return "", err
	}
	return rec.Token.AccessToken, nil
}

func (o *ours) replace(i int) error {
	h := handle(i)
	var rec *store.Record
	if last, ok := o.last.Load(i); ok {
		rec = last.(*store.Record)
	} else {
		var err error
		if rec, err = o.Get(ctx, h); err != nil {
			return err
		}
	}
	rec.Generation++
	stored, err := o.Put(ctx, h, rec)
	if err != nil {
		return err
	}
	o.last.Store(i, stored)
	return nil
}

func (o *ours) replaceStale(i int) error {
	rec, err := o.Get(ctx, handle(i))
	if err != nil {
		return nil
	}
	if _, err := o.Put(ctx, handle(i), rec); err != nil {
		return nil
	}
	_, err = o.Put(ctx, handle(i), rec)
	return err
}

func (o *ours) remove(i int) error { return o.Delete(ctx, handle(i), "") }

func (o *ours) Close() error {
	if o.closer == nil {
		return nil
	}
	return o.closer()
}

func openMemstore(string) (engine, error) {
	tokens, err := memstore.New(&memstore.Options{MaxRecords: 1 << 24})
	return &ours{TokenStore: tokens}, err
}

func openSQLite(normal bool) func(dir string) (engine, error) {
	return func(dir string) (engine, error) {
		ring, err := seal.New(seal.NewKey())
		if err != nil {
			return nil, err
		}
		tokens, err := sqlitestore.Open(filepath.Join(dir, "tokens.db"), ring, &sqlitestore.Options{SynchronousNormal: normal})
		if err != nil {
			return nil, err
		}
		return &ours{TokenStore: tokens, closer: tokens.Close}, nil
	}
}

// openGORM gives gormstore the application's own *gorm.DB, opened by this data source name and these settings.
func openGORM(options string, config gorm.Config) func(dir string) (engine, error) {
	return func(dir string) (engine, error) {
		db, closer, err := gormDB(dir, options, config)
		if err != nil {
			return nil, err
		}
		ring, err := seal.New(seal.NewKey())
		if err != nil {
			return nil, err
		}
		tokens, err := gormstore.New(db, ring, nil)
		if err != nil {
			return nil, err
		}
		return &ours{TokenStore: tokens, closer: closer}, tokens.Migrate(ctx)
	}
}

func gormDB(dir, options string, config gorm.Config) (*gorm.DB, func() error, error) {
	config.Logger = logger.Discard
	db, err := gorm.Open(sqlite.Open(filepath.Join(dir, "gorm.db")+options), &config)
	if err != nil {
		return nil, nil, err
	}
	pool, err := db.DB()
	if err != nil {
		return nil, nil, errors.Join(err, pool.Close())
	}
	pool.SetMaxOpenConns(1) // one that writes; more of them would only wait for each other
	return db, pool.Close, nil
}

package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/gormstore"
	"github.com/tokenkeep/tokenkeep/stores/redisstore"
	"github.com/tokenkeep/tokenkeep/stores/sqlitestore"
)

// prepare chooses where this run keeps its records, and returns how to clean up.
func (c *config) prepare() (cleanup func(), err error) {
	c.table = fmt.Sprintf("chaos_%d_%d", os.Getpid(), time.Now().UnixNano()%1e9)
	env := map[string]string{"postgres": "TOKENKEEP_POSTGRES", "mysql": "TOKENKEEP_MYSQL", "redis": "TOKENKEEP_REDIS"}
	if c.engine == "sqlite" {
		dir, err := os.MkdirTemp("", "chaos")
		c.dsn = filepath.Join(dir, "chaos.db")
		return func() { os.RemoveAll(dir) }, err
	}
	if c.dsn = os.Getenv(env[c.engine]); c.dsn == "" {
		return nil, fmt.Errorf("engine %q needs its server's address in %s", c.engine, env[c.engine])
	}
	if !strings.ContainsAny(c.dsn, "/@=") { // an address alone
		c.dsn = fmt.Sprintf(map[string]string{"postgres": "postgres://postgres@%s/test?sslmode=disable", "mysql": "root@tcp(%s)/test", "redis": "%s"}[c.engine], c.dsn)
	}
	return func() {
		if db, err := c.database(); err == nil {
			db.Migrator().DropTable(c.table)
		}
	}, nil
}

// open returns the store. All processes of a run use one key.
func (c *config) open(ctx context.Context) (store.TokenStore, error) {
	key := sha256.Sum256([]byte("a key for nothing but this proof " + c.table))
	ring, err := seal.New(key[:])
	if err != nil {
		return nil, err
	}
	switch c.engine {
	case "sqlite":
		return sqlitestore.Open(c.dsn, ring, &sqlitestore.Options{Table: c.table})
	case "redis":
		return redisstore.New(redis.NewClient(&redis.Options{Addr: c.dsn}), ring, &redisstore.Options{Prefix: c.table})
	}
	db, err := c.database()
	if err != nil {
		return nil, err
	}
	tokens, err := gormstore.New(db, ring, &gormstore.Options{Table: c.table})
	if err != nil {
		return nil, err
	}
	return tokens, tokens.Migrate(ctx)
}

func (c *config) database() (*gorm.DB, error) {
	var driver gorm.Dialector
	switch c.engine {
	case "postgres":
		driver = postgres.Open(c.dsn)
	case "mysql":
		driver = mysql.Open(c.dsn)
	default:
		return nil, errors.New("no such engine: " + c.engine)
	}
	db, err := gorm.Open(driver, &gorm.Config{Logger: logger.Discard})
	if err != nil {
		return nil, err
	}
	pool, err := db.DB()
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(8) // all processes together share a server's hundred
	pool.SetMaxIdleConns(8)
	return db, nil
}

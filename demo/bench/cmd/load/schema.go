package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// schema is a run's own place in the database: whatever the demo keeps is gone with it.
type schema struct {
	db     *gorm.DB
	name   string
	source string // for the demo
}

func newSchema(ctx context.Context) (*schema, error) {
	at := os.Getenv("TOKENKEEP_POSTGRES")
	if at == "" {
		return nil, errors.New("TOKENKEEP_POSTGRES names no server (host:port)")
	}
	if !strings.Contains(at, "://") {
		at = "postgres://postgres@" + at + "/test?sslmode=disable"
	}
	source, err := url.Parse(at)
	if err != nil {
		return nil, errors.New("TOKENKEEP_POSTGRES is neither host:port nor a URL") // which may hold a password
	}
	s := &schema{name: fmt.Sprintf("load_%d_%d", os.Getpid(), time.Now().UnixNano()%1e9)}
	if s.db, err = gorm.Open(postgres.Open(at), &gorm.Config{Logger: logger.Discard}); err != nil {
		return nil, err
	}
	query := source.Query()
	query.Set("search_path", s.name)
	source.RawQuery = query.Encode()
	s.source = source.String()
	return s, s.db.WithContext(ctx).Exec("CREATE SCHEMA " + s.name).Error
}

func (s *schema) drop() error {
	err := s.db.Exec("DROP SCHEMA IF EXISTS " + s.name + " CASCADE").Error
	pool, perr := s.db.DB()
	if perr != nil {
		return errors.Join(err, perr)
	}
	return errors.Join(err, pool.Close())
}

package engines_test

import (
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/gormstore"
	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"
)

// engine is a server under test.
type engine struct {
	name, variable string
	byAddress      string // the data source name for an address
	dialector      func(dsn string) gorm.Dialector
}

var engines = []engine{
	{"postgres", "TOKENKEEP_POSTGRES", "postgres://postgres@%s/test?sslmode=disable", postgres.Open},
	{"mysql", "TOKENKEEP_MYSQL", "root@tcp(%s)/test", mysql.Open},
}

// each runs a test on every engine.
func each(t *testing.T, test func(t *testing.T, e engine)) {
	for _, e := range engines {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			e.need(t)
			test(t, e)
		})
	}
}

func (e engine) need(t testing.TB) {
	t.Helper()
	if os.Getenv(e.variable) == "" {
		t.Skipf("%s is not set: give it the address of a server with a database \"test\", such as 127.0.0.1:%s",
			e.variable, map[string]string{"postgres": "5432", "mysql": "3306"}[e.name])
	}
}

// source is the data source name.
func (e engine) source() string {
	text := os.Getenv(e.variable)
	if strings.ContainsAny(text, "/@=") {
		return text
	}
	return fmt.Sprintf(e.byAddress, text)
}

// connect opens a pool of its own.
func (e engine) connect(config *gorm.Config) (*gorm.DB, error) {
	if config == nil {
		config = &gorm.Config{Logger: logger.Discard}
	}
	db, err := gorm.Open(e.dialector(e.source()), config)
	if err != nil {
		return nil, err
	}
	pool, err := db.DB()
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(8) // several test processes share a server's hundred
	pool.SetMaxIdleConns(8)
	return db, nil
}

func (e engine) db(t testing.TB, config *gorm.Config) *gorm.DB {
	t.Helper()
	db, err := e.connect(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if pool, err := db.DB(); err == nil {
			pool.Close()
		}
	})
	return db
}

// table returns the name of a table that is dropped in the end.
func (e engine) table(t testing.TB) string {
	t.Helper()
	name := "tokenkeep_test_" + strings.ToLower(rand.Text()[:12])
	t.Cleanup(func() {
		db, err := e.connect(nil)
		if err != nil {
			t.Error(err)
			return
		}
		if err := db.Exec("DROP TABLE IF EXISTS " + name).Error; err != nil {
			t.Error(err)
		}
		if pool, err := db.DB(); err == nil {
			pool.Close()
		}
	})
	return name
}

// fixture is a store with what it is made of.
type fixture struct {
	*gormstore.Store
	engine engine
	db     *gorm.DB
	table  string
	ring   *seal.Ring
}

func newRing(t testing.TB, keys ...[]byte) *seal.Ring {
	t.Helper()
	if len(keys) == 0 {
		keys = [][]byte{seal.NewKey()}
	}
	ring, err := seal.New(keys...)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// newStore returns a store on a table of its own.
func newStore(t testing.TB, e engine) *fixture {
	t.Helper()
	f := &fixture{engine: e, table: e.table(t), ring: newRing(t)}
	f.open(t)
	if err := f.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) open(t testing.TB) {
	t.Helper()
	f.db = f.engine.db(t, nil)
	var err error
	if f.Store, err = gormstore.New(f.db, f.ring, &gormstore.Options{Table: f.table}); err != nil {
		t.Fatal(err)
	}
}

// peer returns another client on the same table.
func (f *fixture) peer(t testing.TB) *fixture {
	t.Helper()
	p := &fixture{engine: f.engine, table: f.table, ring: f.ring}
	p.open(t)
	return p
}

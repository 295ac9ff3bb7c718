// The demo with the stores whose drivers the demo itself does not import: the same program, and PostgreSQL and MySQL in
// its picker.
//
//	TOKENKEEP_POSTGRES=127.0.0.1:5432 TOKENKEEP_MYSQL=127.0.0.1:3306 go -C demo/servers run .
//
// Each address that is set adds its store; with -keys FILE what is kept there can be read after a restart. The databases are
// called test; users are postgres and root, without a password, as throw-away servers have it. Instead of an address, a whole
// data source name may be given, as the driver takes it.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/tokenkeep/tokenkeep/demo/app"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/gormstore"
)

func main() {
	var more []app.Store
	if at := os.Getenv("TOKENKEEP_POSTGRES"); at != "" {
		more = append(more, engine("postgres", "Shared by machines; survives what PostgreSQL survives.",
			postgres.Open(source(at, "postgres://postgres@%s/test?sslmode=disable"))))
	}
	if at := os.Getenv("TOKENKEEP_MYSQL"); at != "" {
		more = append(more, engine("mysql", "Shared by machines; MySQL and MariaDB.",
			mysql.Open(source(at, "root@tcp(%s)/test?parseTime=true&interpolateParams=true"))))
	}
	app.Main(more...)
}

// source is where a database is: at may be its address, or tell all.
func source(at, usual string) string {
	if strings.ContainsAny(at, "/@=") {
		return at
	}
	return fmt.Sprintf(usual, at)
}

// connections are as many as a process may have open: eight replicas share the hundred that PostgreSQL admits.
const connections = 10

// engine is a database behind GORM. Its table is the demo's own, made when the store is first picked.
func engine(name, text string, dialect gorm.Dialector) app.Store {
	return app.Store{Name: name, Text: text, Open: func(ring *seal.Ring) (store.TokenStore, func() error, error) {
		db, err := gorm.Open(dialect, &gorm.Config{Logger: logger.Discard})
		if err != nil {
			return nil, nil, fmt.Errorf("demo: opening %s: %w", name, err)
		}
		pool, err := db.DB()
		if err != nil {
			return nil, nil, err
		}
		pool.SetMaxOpenConns(connections)
		pool.SetMaxIdleConns(connections)
		tokens, err := gormstore.New(db, ring, &gormstore.Options{Table: "tokenkeep_demo"})
		if err == nil {
			err = tokens.Migrate(context.Background())
		}
		if err != nil {
			pool.Close() //nolint:errcheck // the first error tells more
			return nil, nil, err
		}
		return tokens, pool.Close, nil
	}}
}

// The demo with the stores whose drivers the demo itself does not import: the same program, and PostgreSQL and MySQL in
// its picker.
//
//	TOKENKEEP_POSTGRES=127.0.0.1:5432 TOKENKEEP_MYSQL=127.0.0.1:3306 go -C demo/servers run .
//
// Each address that is set adds its store; with -keys FILE what is kept there can be read after a restart. The databases are called test; users are postgres and root, without a
// password, as throw-away servers have it.
package main

import (
	"context"
	"fmt"
	"os"

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
			postgres.Open("postgres://postgres@"+at+"/test?sslmode=disable")))
	}
	if at := os.Getenv("TOKENKEEP_MYSQL"); at != "" {
		more = append(more, engine("mysql", "Shared by machines; MySQL and MariaDB.",
			mysql.Open("root@tcp("+at+")/test?parseTime=true&interpolateParams=true")))
	}
	app.Main(more...)
}

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

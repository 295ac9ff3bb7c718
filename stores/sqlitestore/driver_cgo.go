//go:build cgo

package sqlitestore

import (
	"database/sql/driver"

	"github.com/mattn/go-sqlite3"
)

var sqliteDriver driver.Driver = &sqlite3.SQLiteDriver{}

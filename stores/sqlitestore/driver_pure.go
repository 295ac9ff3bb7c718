//go:build !cgo

package sqlitestore

import (
	"database/sql/driver"

	"modernc.org/sqlite"
)

var sqliteDriver driver.Driver = &sqlite.Driver{}

// Package engines holds the proofs of gormstore that need servers and their drivers: the contract, migrations, kill -9,
// faults and benchmarks on PostgreSQL and on MySQL or MariaDB; and the proof over these, SQLite and Redis that what
// authserver issues for one use works once. It is a module of its own, so that nobody who uses gormstore inherits those
// drivers.
//
//	TOKENKEEP_POSTGRES=127.0.0.1:5432 TOKENKEEP_MYSQL=127.0.0.1:3306 TOKENKEEP_REDIS=127.0.0.1:6379 go -C demo/engines test ./...
//
// Each variable holds an address, which means the database "test" without a password (user postgres, or root), or a
// whole data source name as GORM's driver takes it. A test whose variable is unset is skipped.
package engines

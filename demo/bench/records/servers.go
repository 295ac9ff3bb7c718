package records

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"gorm.io/driver/mysql"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	"github.com/tokenkeep/tokenkeep/demo/bench/measure"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/gormstore"
	"github.com/tokenkeep/tokenkeep/stores/redisstore"
)

// The servers' addresses come from the environment; without them their tables are left out.

func address(variable string) (string, error) {
	at := os.Getenv(variable)
	if at == "" {
		return "", fmt.Errorf("%w: %s is not set", measure.ErrAbsent, variable)
	}
	return at, nil
}

// Postgres opens the server in TOKENKEEP_POSTGRES: host:port, or a whole connection string.
func Postgres() (*gorm.DB, error) {
	dsn, err := address("TOKENKEEP_POSTGRES")
	if err != nil {
		return nil, err
	}
	if !strings.ContainsAny(dsn, "/@=") {
		dsn = fmt.Sprintf("postgres://postgres@%s/test?sslmode=disable", dsn)
	}
	return opened(postgres.Open(dsn))
}

func table() string { return "bench_" + strings.ToLower(rand.Text()[:12]) }

// MySQL opens the server in TOKENKEEP_MYSQL, MariaDB as well: host:port, or a whole connection string.
func MySQL() (*gorm.DB, error) {
	dsn, err := address("TOKENKEEP_MYSQL")
	if err != nil {
		return nil, err
	}
	if !strings.Contains(dsn, "@") {
		dsn = fmt.Sprintf("root@tcp(%s)/test?parseTime=true&interpolateParams=true", dsn)
	}
	return opened(mysql.Open(dsn))
}

func opened(d gorm.Dialector) (*gorm.DB, error) {
	db, err := gorm.Open(d, &gorm.Config{Logger: logger.Discard})
	if err != nil {
		return nil, err
	}
	pool, err := db.DB()
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(8)
	pool.SetMaxIdleConns(8)
	return db, nil
}

// server is gormstore on a table of its own in a database server.
type server struct {
	*ours
	db   *gorm.DB
	ring *seal.Ring
	o    *gormstore.Options
}

func openServer(connect func() (*gorm.DB, error)) func(string) (engine, error) {
	return func(string) (engine, error) {
		db, err := connect()
		if err != nil {
			return nil, err
		}
		pool, err := db.DB()
		if err != nil {
			return nil, err
		}
		ring, err := seal.New(seal.NewKey())
		if err != nil {
			return nil, err
		}
		o := &gormstore.Options{Table: table()}
		tokens, err := gormstore.New(db, ring, o)
		if err != nil {
			return nil, err
		}
		return &server{&ours{TokenStore: tokens, closer: func() error {
			return errors.Join(db.Migrator().DropTable(o.Table), pool.Close())
		}}, db, ring, o}, tokens.Migrate(ctx)
	}
}

func (s *server) batch(from, to int, expires time.Time) error {
	return s.db.Transaction(func(tx *gorm.DB) error {
		tokens, err := gormstore.New(tx, s.ring, s.o)
		for i := from; i < to && err == nil; i++ {
			var rec *store.Record
			if rec, err = tokens.Put(ctx, handle(i), record(i, expires)); err == nil && i < hot {
				s.last.Store(i, rec)
			}
		}
		return err
	})
}

// postgresFloor is a tableFloor whose table is dropped at the end.
type postgresFloor struct {
	*tableFloor
	name string
}

func (p postgresFloor) Close() error {
	_, err := p.write.Exec("DROP TABLE " + p.name)
	return errors.Join(err, p.write.Close())
}

func openPostgresFloor(string) (engine, error) {
	db, err := Postgres()
	if err != nil {
		return nil, err
	}
	pool, err := db.DB()
	if err != nil {
		return nil, err
	}
	t := table()
	f := &tableFloor{write: pool, read: pool}
	err = f.prepare(`CREATE TABLE `+t+` (sum bytea PRIMARY KEY, version bytea NOT NULL, due bigint NOT NULL, data bytea NOT NULL)`,
		`SELECT due, data FROM `+t+` WHERE sum = $1`, `INSERT INTO `+t+` (sum, version, due, data) VALUES ($1, $2, $3, $4)`,
		`UPDATE `+t+` SET version = $1, data = $2 WHERE sum = $3 AND version = $4`, `DELETE FROM `+t+` WHERE sum = $1`)
	return postgresFloor{f, t}, err
}

// postgresGORM is GORM's usual calls on a table of its own.
func openPostgresGORM(string) (engine, error) {
	db, err := Postgres()
	if err != nil {
		return nil, err
	}
	pool, err := db.DB()
	if err != nil {
		return nil, err
	}
	name := table()
	db = db.Table(name)
	return &gormUsual{db.Session(&gorm.Session{}), func() error {
		return errors.Join(db.Migrator().DropTable(name), pool.Close())
	}}, db.AutoMigrate(&model{})
}

func redisClient() (*redis.Client, error) {
	at, err := address("TOKENKEEP_REDIS")
	if err != nil {
		return nil, err
	}
	return redis.NewClient(&redis.Options{Addr: at}), nil
}

func openRedis(string) (engine, error) {
	client, err := redisClient()
	if err != nil {
		return nil, err
	}
	ring, err := seal.New(seal.NewKey())
	if err != nil {
		return nil, err
	}
	prefix := table()
	tokens, err := redisstore.New(client, ring, &redisstore.Options{Prefix: prefix})
	if err != nil {
		return nil, err
	}
	return &ours{TokenStore: tokens, closer: func() error { return errors.Join(drop(client, prefix), client.Close()) }}, nil
}

// drop removes what a run has left under its own prefix.
func drop(client *redis.Client, prefix string) error {
	keys := client.Scan(ctx, 0, "*"+prefix+"*", 1000).Iterator()
	var batch []string
	for keys.Next(ctx) {
		if batch = append(batch, keys.Val()); len(batch) == 1000 {
			client.Unlink(ctx, batch...)
			batch = batch[:0]
		}
	}
	if len(batch) > 0 {
		client.Unlink(ctx, batch...)
	}
	return keys.Err()
}

// redisFloor is one command a call: GET, and SET with a TTL.
type redisFloor struct {
	client *redis.Client
	prefix string
}

func openRedisFloor(string) (engine, error) {
	client, err := redisClient()
	return redisFloor{client, table()}, err
}

func (r redisFloor) name(i int) string { return r.prefix + string(key(i)) }

func (r redisFloor) put(i int, expires time.Time) error {
	life := time.Until(expires)
	if life <= 0 {
		return nil // Redis would not keep it either
	}
	return r.client.Set(ctx, r.name(i), plain(i), life).Err()
}

func (r redisFloor) load(i int) (string, error) {
	data, err := r.client.Get(ctx, r.name(i)).Bytes()
	if err != nil {
		return "", err
	}
	return accessOf(i, data)
}

func (r redisFloor) replace(i int) error { return r.put(i, time.Now().Add(24*time.Hour)) }
func (r redisFloor) remove(i int) error  { return r.client.Del(ctx, r.name(i)).Err() }
func (r redisFloor) Close() error        { return errors.Join(drop(r.client, r.prefix), r.client.Close()) }

// Servers are PostgreSQL and Redis beside their bare drivers.
func Servers(n int) []measure.Row {
	pg := []opener{
		{"floor: database/sql + pgx, prepared", measure.Floor, openPostgresFloor},
		{"tokenkeep: gormstore", measure.Ours, openServer(Postgres)},
		{"GORM, usual calls", measure.Peer, openPostgresGORM},
	}
	rd := []opener{
		{"floor: go-redis, one command", measure.Floor, openRedisFloor},
		{"tokenkeep: redisstore", measure.Ours, openRedis},
	}
	var out []measure.Row
	for _, j := range []job{loading, saving, replacing} {
		out = append(out, rows("postgres/"+j.name, j, n, pg)...)
		out = append(out, rows("redis/"+j.name, j, n, rd)...)
	}
	return out
}

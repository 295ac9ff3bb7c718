package live

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"errors"
	"net/http"
	"path/filepath"
	"time"

	"github.com/alexedwards/scs/sqlite3store"
	"github.com/alexedwards/scs/v2"
	_ "github.com/mattn/go-sqlite3" // driver "sqlite3"
	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/logger"

	ginstore "github.com/gin-contrib/sessions/gorm"

	"github.com/tokenkeep/tokenkeep/demo/bench/measure"
	"github.com/tokenkeep/tokenkeep/demo/bench/site"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/sqlitestore"
)

// OnSQLite are the contestants whose sessions are in a file, read with every request.
func OnSQLite(table string, n int) []measure.Row {
	row := func(name string, role measure.Role, open func(dir string, n int) (*site.Site, func() error, error)) measure.Row {
		return measure.Row{Table: table, Name: name, Role: role, Setup: func(scene *measure.Scene) (*measure.Trial, error) {
			s, closer, err := open(scene.Dir, scene.Size(n)+1)
			if err != nil {
				return nil, err
			}
			t := s.Trial()
			t.Close = closer
			return t, nil
		}}
	}
	return []measure.Row{
		row("floor: database/sql + mattn, prepared", measure.Floor, tableSite),
		row("tokenkeep: guard, keeper, sqlitestore; bearer", measure.Ours, fileSite),
		row("GORM as documented, by hand", measure.Peer, gormSite),
		row("scs: sqlite3store", measure.Peer, scsFileSite),
		row("gin-contrib/sessions: GORM store", measure.Peer, ginFileSite),
	}
}

const loose = "?_journal_mode=WAL&_synchronous=NORMAL&_busy_timeout=10000"

func openFile(dir string) (*sql.DB, error) {
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(dir, "sessions.db")+loose)
	if err == nil {
		db.SetMaxOpenConns(4)
		db.SetMaxIdleConns(4)
	}
	return db, err
}

// bearers makes a token for each user with put, the last one expired, and a site that looks them up with get.
func bearers(n int, put func(sum []byte, user string, expires time.Time) error, get func(ctx context.Context, sum []byte) (string, time.Time, error), remove func(sum []byte) error) (*site.Site, error) {
	tokens := make([]string, n+1)
	hash := func(token string) []byte { sum := sha256.Sum256([]byte(token)); return sum[:] }
	for i := range tokens {
		tokens[i] = rand.Text() + rand.Text()
		expires := time.Now().Add(time.Hour)
		if i == n {
			expires = time.Now().Add(-time.Second)
		}
		if err := put(hash(tokens[i]), site.UserName(i), expires); err != nil {
			return nil, err
		}
	}
	s := &site.Site{Delete: func(i int) error { return remove(hash(tokens[i])) }}
	badBearers(s, tokens)
	next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		user, _ := r.Context().Value(userKey{}).(string)
		s.Seen(user)
	})
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		line := r.Header.Get("Authorization")
		const scheme = "Bearer "
		if len(line) <= len(scheme) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		user, expires, err := get(r.Context(), hash(line[len(scheme):]))
		if err != nil || !time.Now().Before(expires) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, user)))
	})
	return s, nil
}

func tableSite(dir string, n int) (*site.Site, func() error, error) {
	db, err := openFile(dir)
	if err != nil {
		return nil, nil, err
	}
	if _, err := db.Exec(`CREATE TABLE sessions (sum BLOB PRIMARY KEY, user TEXT NOT NULL, expires INTEGER NOT NULL, data BLOB NOT NULL)`); err != nil {
		return nil, nil, err
	}
	insert, err1 := db.Prepare(`INSERT INTO sessions (sum, user, expires, data) VALUES (?, ?, ?, ?)`)
	find, err2 := db.Prepare(`SELECT user, expires, data FROM sessions WHERE sum = ?`)
	if err := errors.Join(err1, err2); err != nil {
		return nil, nil, err
	}
	data := make([]byte, 100)
	s, err := bearers(n, func(sum []byte, user string, expires time.Time) error {
		_, err := insert.Exec(sum, user, expires.UnixMicro(), data)
		return err
	}, func(ctx context.Context, sum []byte) (user string, expires time.Time, err error) {
		var at int64
		var data []byte
		err = find.QueryRowContext(ctx, sum).Scan(&user, &at, &data)
		return user, time.UnixMicro(at), err
	}, func(sum []byte) error {
		_, err := db.Exec(`DELETE FROM sessions WHERE sum = ?`, sum)
		return err
	})
	return s, db.Close, err
}

type row struct {
	Sum     []byte `gorm:"primaryKey"`
	User    string
	Expires time.Time `gorm:"index"`
	Data    []byte
}

func openGORM(dir string) (*gorm.DB, func() error, error) {
	db, err := gorm.Open(sqlite.Open(filepath.Join(dir, "gorm.db")+loose), &gorm.Config{Logger: logger.Discard})
	if err != nil {
		return nil, nil, err
	}
	pool, err := db.DB()
	return db, pool.Close, err
}

func gormSite(dir string, n int) (*site.Site, func() error, error) {
	db, closer, err := openGORM(dir)
	if err != nil {
		return nil, nil, err
	}
	if err := db.AutoMigrate(&row{}); err != nil {
		return nil, nil, err
	}
	data := make([]byte, 100)
	s, err := bearers(n, func(sum []byte, user string, expires time.Time) error {
		return db.Create(&row{sum, user, expires, data}).Error
	}, func(ctx context.Context, sum []byte) (string, time.Time, error) {
		var r row
		err := db.WithContext(ctx).First(&r, "sum = ?", sum).Error
		return r.User, r.Expires, err
	}, func(sum []byte) error { return db.Delete(&row{}, "sum = ?", sum).Error })
	return s, closer, err
}

func fileSite(dir string, n int) (*site.Site, func() error, error) {
	ring, err := seal.New(seal.NewKey())
	if err != nil {
		return nil, nil, err
	}
	tokens, err := sqlitestore.Open(filepath.Join(dir, "tokens.db"), ring, &sqlitestore.Options{SynchronousNormal: true})
	if err != nil {
		return nil, nil, err
	}
	s, guard, err := guarded(tokens, n)
	if err != nil {
		return nil, nil, err
	}
	s.Handler = guard.Require("profile")(handler(s, guard))
	return s, tokens.Close, nil
}

func scsFileSite(dir string, n int) (*site.Site, func() error, error) {
	db, err := openFile(dir)
	if err != nil {
		return nil, nil, err
	}
	for _, text := range []string{
		`CREATE TABLE sessions (token TEXT PRIMARY KEY, data BLOB NOT NULL, expiry REAL NOT NULL)`,
		`CREATE INDEX sessions_expiry_idx ON sessions(expiry)`,
	} {
		if _, err := db.Exec(text); err != nil {
			return nil, nil, err
		}
	}
	m := scs.New()
	m.Store = sqlite3store.NewWithCleanupInterval(db, 0)
	s, err := scsOver(m, n)
	return s, db.Close, err
}

func ginFileSite(dir string, n int) (*site.Site, func() error, error) {
	db, closer, err := openGORM(dir)
	if err != nil {
		return nil, nil, err
	}
	hashKey := []byte(rand.Text() + rand.Text())
	s, err := ginOver(ginstore.NewStore(db, false, hashKey), hashKey, n)
	return s, closer, err
}

package records

import (
	"database/sql"
	"errors"
	"path/filepath"
	"time"

	"github.com/alexedwards/scs/sqlite3store"
	"github.com/alexedwards/scs/v2"
	scsmem "github.com/alexedwards/scs/v2/memstore"
	"github.com/go-oauth2/oauth2/v4"
	"github.com/go-oauth2/oauth2/v4/models"
	oauth2store "github.com/go-oauth2/oauth2/v4/store"
	"gorm.io/gorm"
)

// model is a table as GORM's documentation has one.
type model struct {
	Sum     []byte `gorm:"primaryKey"`
	Access  string
	Refresh string
	Version int
	Expires time.Time `gorm:"index"`
}

// gormUsual is First, Create and Save, as documented.
type gormUsual struct {
	db     *gorm.DB
	closer func() error
}

func openGORMUsual(options string, config gorm.Config) func(dir string) (engine, error) {
	return func(dir string) (engine, error) {
		db, closer, err := gormDB(dir, options, config)
		if err != nil {
			return nil, err
		}
		return &gormUsual{db, closer}, db.AutoMigrate(&model{})
	}
}

func (g *gormUsual) put(i int, expires time.Time) error {
	return g.db.Create(&model{key(i), access(i), refresh(i), 1, expires}).Error
}

func (g *gormUsual) load(i int) (string, error) {
	m, err := g.find(i)
	return m.Access, err
}

func (g *gormUsual) find(i int) (m model, err error) {
	err = g.db.First(&m, "sum = ?", key(i)).Error
	if err == nil && !time.Now().Before(m.Expires) {
		return model{}, errors.New("expired")
	}
	return m, err
}

func (g *gormUsual) replace(i int) error {
	m, err := g.find(i)
	if err != nil {
		return err
	}
	m.Version++
	return g.db.Save(&m).Error
}

func (g *gormUsual) remove(i int) error { return g.db.Delete(&model{}, "sum = ?", key(i)).Error }
func (g *gormUsual) Close() error       { return g.closer() }

// scsEngine is a session store of scs's with its codec.
type scsEngine struct {
	scs.Store
	codec  scs.GobCodec
	closer func() error
}

func openSCSMemory(string) (engine, error) {
	return &scsEngine{Store: scsmem.NewWithCleanupInterval(0)}, nil
}

func openSCSSQLite(dir string) (engine, error) {
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(dir, "scs.db")+"?_journal_mode=WAL&_synchronous=NORMAL&_busy_timeout=10000")
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	for _, text := range []string{
		`CREATE TABLE sessions (token TEXT PRIMARY KEY, data BLOB NOT NULL, expiry REAL NOT NULL)`,
		`CREATE INDEX sessions_expiry_idx ON sessions(expiry)`,
	} {
		if _, err := db.Exec(text); err != nil {
			return nil, err
		}
	}
	return &scsEngine{Store: sqlite3store.NewWithCleanupInterval(db, 0), closer: db.Close}, nil
}

func (s *scsEngine) put(i int, expires time.Time) error {
	data, err := s.codec.Encode(expires, map[string]any{"access": access(i), "refresh": refresh(i)})
	if err != nil {
		return err
	}
	return s.Commit(text(i), data, expires)
}

func (s *scsEngine) load(i int) (string, error) {
	data, ok, err := s.Find(text(i))
	if err != nil || !ok {
		return "", errors.Join(err, errors.New("none"))
	}
	_, values, err := s.codec.Decode(data)
	token, _ := values["access"].(string)
	return token, err
}

func (s *scsEngine) replace(i int) error {
	if _, err := s.load(i); err != nil {
		return err
	}
	return s.put(i, time.Now().Add(24*time.Hour))
}

func (s *scsEngine) remove(i int) error { return s.Delete(text(i)) }

func (s *scsEngine) Close() error {
	if s.closer == nil {
		return nil
	}
	return s.closer()
}

// goOAuth2Engine is go-oauth2's memory store.
type goOAuth2Engine struct{ oauth2.TokenStore }

func openGoOAuth2(string) (engine, error) {
	tokens, err := oauth2store.NewMemoryTokenStore()
	return &goOAuth2Engine{tokens}, err
}

func (g *goOAuth2Engine) put(i int, expires time.Time) error {
	return g.Create(ctx, &models.Token{
		ClientID: "app", UserID: "user-4711", Scope: "profile email", Access: text(i), Refresh: refresh(i), Code: "",
		AccessCreateAt: time.Now(), AccessExpiresIn: time.Until(expires),
		RefreshCreateAt: time.Now(), RefreshExpiresIn: time.Until(expires), RedirectURI: access(i),
	})
}

func (g *goOAuth2Engine) load(i int) (string, error) {
	info, err := g.GetByAccess(ctx, text(i))
	if err != nil || info == nil {
		return "", errors.Join(err, errors.New("none"))
	}
	return info.GetRedirectURI(), nil
}

func (g *goOAuth2Engine) replace(i int) error {
	return errors.Join(g.RemoveByAccess(ctx, text(i)), g.put(i, time.Now().Add(24*time.Hour)))
}

func (g *goOAuth2Engine) remove(i int) error { return g.RemoveByAccess(ctx, text(i)) }
func (g *goOAuth2Engine) Close() error       { return nil }

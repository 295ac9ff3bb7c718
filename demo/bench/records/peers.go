package records

import (
	"crypto/rand"
	"database/sql"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"time"

	"github.com/alexedwards/scs/sqlite3store"
	"github.com/alexedwards/scs/v2"
	scsmem "github.com/alexedwards/scs/v2/memstore"
	ginsessions "github.com/gin-contrib/sessions"
	ginstore "github.com/gin-contrib/sessions/gorm"
	"github.com/gin-gonic/gin"
	"github.com/go-oauth2/oauth2/v4"
	"github.com/go-oauth2/oauth2/v4/models"
	oauth2store "github.com/go-oauth2/oauth2/v4/store"
	"gorm.io/gorm"

	"github.com/tokenkeep/tokenkeep/demo/bench/site"
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

// ginEngine is gin-contrib/sessions over its GORM store: whole requests, as there is no other way in.
type ginEngine struct {
	db      *gorm.DB
	closer  func() error
	router  *gin.Engine
	cookies sync.Map // number -> cookie value
}

const ginCookie = "session"

// job of a request: what its handler does.
type ginJob struct {
	set    func(ginsessions.Session)
	access string
	err    error
}

type ginJobKey struct{}

func openGin(dir string) (engine, error) {
	db, closer, err := gormDB(dir, "?_journal_mode=WAL&_synchronous=NORMAL&_busy_timeout=10000", gorm.Config{})
	if err != nil {
		return nil, err
	}
	g := &ginEngine{db: db, closer: closer, router: gin.New()}
	g.router.Use(ginsessions.Sessions(ginCookie, ginstore.NewStore(db, false, []byte(rand.Text()+rand.Text()))))
	g.router.GET("/me", func(c *gin.Context) {
		j := c.Request.Context().Value(ginJobKey{}).(*ginJob)
		session := ginsessions.Default(c)
		j.access, _ = session.Get("access").(string)
		if j.set != nil {
			j.set(session)
			j.err = session.Save()
		}
	})
	return g, nil
}

func (g *ginEngine) do(cookie string, j *ginJob) (*httptest.ResponseRecorder, error) {
	r := site.Bearer("")
	if cookie != "" {
		r = site.Cookie(ginCookie, cookie)
	}
	w := httptest.NewRecorder()
	g.router.ServeHTTP(w, r.WithContext(withJob(j)))
	return w, j.err
}

func (g *ginEngine) put(i int, expires time.Time) error {
	w, err := g.do("", &ginJob{set: func(s ginsessions.Session) { s.Set("access", access(i)); s.Set("refresh", refresh(i)) }})
	if err != nil {
		return err
	}
	cookies := w.Result().Cookies()
	if len(cookies) != 1 {
		return errors.New("no cookie")
	}
	if i < 1<<20 { // below are those that are asked for again
		g.cookies.Store(i, cookies[0].Value)
	}
	if expires.Before(time.Now()) { // the store takes no expiry of the past
		return g.db.Exec(`UPDATE sessions SET expires_at = ? WHERE data IS NOT NULL AND id = (SELECT id FROM sessions ORDER BY rowid DESC LIMIT 1)`, expires).Error
	}
	return nil
}

func (g *ginEngine) load(i int) (string, error) {
	cookie, ok := g.cookies.Load(i)
	if !ok {
		return "", http.ErrNoCookie
	}
	j := &ginJob{}
	if _, err := g.do(cookie.(string), j); err != nil {
		return "", err
	}
	if j.access == "" {
		return "", errors.New("none")
	}
	return j.access, nil
}

func (g *ginEngine) replace(i int) error {
	cookie, ok := g.cookies.Load(i)
	if !ok {
		return http.ErrNoCookie
	}
	_, err := g.do(cookie.(string), &ginJob{set: func(s ginsessions.Session) { s.Set("refresh", refresh(i)) }})
	return err
}

func (g *ginEngine) remove(i int) error {
	cookie, _ := g.cookies.Load(i)
	_, err := g.do(cookie.(string), &ginJob{set: func(s ginsessions.Session) { s.Clear(); s.Options(ginsessions.Options{MaxAge: -1}) }})
	return err
}

func (g *ginEngine) Close() error { return g.closer() }

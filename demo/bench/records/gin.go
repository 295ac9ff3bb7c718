package records

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	ginsessions "github.com/gin-contrib/sessions"
	ginstore "github.com/gin-contrib/sessions/gorm"
	"github.com/gin-gonic/gin"
	"gorm.io/gorm"

	"github.com/tokenkeep/tokenkeep/demo/bench/site"
)

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
	g.router.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), ginJobKey{}, j)))
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

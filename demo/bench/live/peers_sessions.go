package live

import (
	"crypto/rand"
	"errors"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/alexedwards/scs/v2"
	ginsessions "github.com/gin-contrib/sessions"
	ginmemstore "github.com/gin-contrib/sessions/memstore"
	"github.com/gin-gonic/gin"
	"github.com/quasoft/memstore"

	"github.com/tokenkeep/tokenkeep/demo/bench/site"
)

func scsSite(n int) (*site.Site, error) { return scsOver(scs.New(), n) }

func scsOver(m *scs.SessionManager, n int) (*site.Site, error) {
	m.Cookie.SameSite = http.SameSiteLaxMode
	s := &site.Site{}
	values := make([]string, n+1)
	for i := range values {
		deadline := time.Now().Add(time.Hour)
		if i == n {
			deadline = time.Now().Add(-time.Second)
		}
		values[i] = rand.Text() + rand.Text()
		data, err := m.Codec.Encode(time.Now().Add(time.Hour), map[string]any{"user": site.UserName(i)})
		if err != nil {
			return nil, err
		}
		if err := m.Store.Commit(values[i], data, deadline); err != nil {
			return nil, err
		}
	}
	badCookies(s, m.Cookie.Name, values)
	s.Delete = func(i int) error { return m.Store.Delete(values[i]) }
	s.Handler = m.LoadAndSave(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user := m.GetString(r.Context(), "user")
		if user == "" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		s.Seen(user)
	}))
	return s, nil
}

const cookieName = "session"

func gorillaSite(n int) (*site.Site, error) {
	hashKey := []byte(rand.Text() + rand.Text())
	jar := memstore.NewMemStore(hashKey)
	s := &site.Site{Fresh: true} // gorilla/sessions writes its registry into the request
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		session, err := jar.Get(r, cookieName)
		user, _ := session.Values["user"].(string)
		if err != nil || user == "" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		s.Seen(user)
	})
	values, err := saved(n, hashKey, func(w http.ResponseWriter, r *http.Request, user string) error {
		session, err := jar.New(r, cookieName)
		if err != nil {
			return err
		}
		session.Values["user"] = user
		return jar.Save(r, w, session)
	})
	if err != nil {
		return nil, err
	}
	badCookies(s, cookieName, values)
	s.Delete = func(i int) error {
		r := site.Cookie(cookieName, values[i])
		session, err := jar.New(r, cookieName)
		if err != nil {
			return err
		}
		session.Options.MaxAge = -1
		return jar.Save(r, httptest.NewRecorder(), session)
	}
	return s, nil
}

// saved has save make a cookie for each user; the last one is from long ago.
func saved(n int, hashKey []byte, save func(w http.ResponseWriter, r *http.Request, user string) error) ([]string, error) {
	values := make([]string, n+1)
	for i := range values {
		w := httptest.NewRecorder()
		if err := save(w, site.Bearer(""), site.UserName(i)); err != nil {
			return nil, err
		}
		cookies := w.Result().Cookies()
		if len(cookies) == 0 {
			return nil, errors.New("no cookie was set")
		}
		values[i] = cookies[0].Value
	}
	var err error
	values[n], err = Backdated(cookieName, values[n], hashKey, 365*24*time.Hour)
	return values, err
}

func ginSessionsSite(n int) (*site.Site, error) {
	hashKey := []byte(rand.Text() + rand.Text())
	return ginOver(ginmemstore.NewStore(hashKey), hashKey, n)
}

func ginOver(jar ginsessions.Store, hashKey []byte, n int) (*site.Site, error) {
	s := &site.Site{Fresh: true}
	router := gin.New()
	router.Use(ginsessions.Sessions(cookieName, jar))
	router.GET("/me", func(c *gin.Context) {
		user, _ := ginsessions.Default(c).Get("user").(string)
		if user == "" {
			c.AbortWithStatus(http.StatusUnauthorized)
			return
		}
		s.Seen(user)
	})
	router.GET("/login", func(c *gin.Context) {
		session := ginsessions.Default(c)
		session.Set("user", c.Query("user"))
		_ = session.Save()
	})
	router.GET("/logout", func(c *gin.Context) {
		session := ginsessions.Default(c)
		session.Options(ginsessions.Options{MaxAge: -1})
		session.Clear()
		_ = session.Save()
	})
	s.Handler = router
	values, err := saved(n, hashKey, func(w http.ResponseWriter, _ *http.Request, user string) error {
		router.ServeHTTP(w, httptest.NewRequest("GET", "/login?user="+user, nil))
		return nil
	})
	if err != nil {
		return nil, err
	}
	badCookies(s, cookieName, values)
	s.Delete = func(i int) error {
		r := site.Cookie(cookieName, values[i])
		r.URL.Path = "/logout"
		router.ServeHTTP(httptest.NewRecorder(), r)
		return nil
	}
	return s, nil
}

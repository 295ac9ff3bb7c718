package jar

import (
	"bytes"
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"time"

	ginsessions "github.com/gin-contrib/sessions"
	gincookie "github.com/gin-contrib/sessions/cookie"
	"github.com/gin-gonic/gin"
	"github.com/gorilla/securecookie"

	"github.com/tokenkeep/tokenkeep/demo/bench/live"
	"github.com/tokenkeep/tokenkeep/demo/bench/site"
)

func aged(name, text string, hashKey []byte, expires time.Time) (string, error) {
	if by := time.Since(expires); by > 0 {
		return live.Backdated(name, text, hashKey, by)
	}
	return text, nil
}

// secureCookieJar stands behind keys-1 newer ones. raw leaves bytes as they are, without gob.
func secureCookieJar(keys int, raw bool) (*Jar, error) {
	var hashKey []byte
	var codecs []securecookie.Codec
	for range keys {
		hashKey = newKey()
		c := securecookie.New(hashKey, newKey())
		if raw {
			c.SetSerializer(securecookie.NopEncoder{})
		}
		codecs = append(codecs, c)
	}
	return &Jar{
		Seal: func(name string, expires time.Time, payload []byte) (string, error) {
			text, err := securecookie.EncodeMulti(name, bytes.Clone(payload), codecs[keys-1]) // it encrypts in place
			if err != nil {
				return "", err
			}
			return aged(name, text, hashKey, expires)
		},
		Open: func(name, text string) (plain []byte, err error) {
			err = securecookie.DecodeMulti(name, text, &plain, codecs...)
			return plain, err
		},
	}, nil
}

// ginJar is a whole request each time: there is no other way to reach the store's codec.
func ginJar() (*Jar, error) {
	hashKey := []byte(rand.Text() + rand.Text())
	routers := map[string]*gin.Engine{}
	var kept string // of one caller: rows of this table have one
	for _, name := range []string{cookie, "other"} {
		router := gin.New()
		router.Use(ginsessions.Sessions(name, gincookie.NewStore(hashKey, newKey())))
		router.GET("/save", func(c *gin.Context) {
			session := ginsessions.Default(c)
			session.Set("data", kept)
			if session.Save() != nil {
				c.Status(http.StatusInternalServerError)
			}
		})
		router.GET("/me", func(c *gin.Context) { kept, _ = ginsessions.Default(c).Get("data").(string) })
		routers[name] = router
	}
	return &Jar{
		Seal: func(name string, expires time.Time, payload []byte) (string, error) {
			kept = string(payload)
			r := site.Bearer("")
			r.URL.Path = "/save"
			w := httptest.NewRecorder()
			routers[name].ServeHTTP(w, r)
			cookies := w.Result().Cookies()
			if len(cookies) == 0 {
				return "", errRefused
			}
			return aged(name, cookies[0].Value, hashKey, expires)
		},
		Open: func(name, text string) ([]byte, error) {
			kept = ""
			routers[name].ServeHTTP(httptest.NewRecorder(), site.Cookie(name, text))
			if kept == "" {
				return nil, errRefused
			}
			return []byte(kept), nil
		},
	}, nil
}

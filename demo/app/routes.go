package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/middleware/ginauth"
	"github.com/tokenkeep/tokenkeep/middleware/weblogin"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// routes mounts the app: Gin for the most part, and one route of plain net/http behind the same guard.
func (p *partner) routes(logs io.Writer) (http.Handler, error) {
	engine, err := newEngine(logs)
	if err != nil {
		return nil, err
	}
	if p.page, err = parsePage(); err != nil {
		return nil, err
	}
	look := []string{http.MethodGet, http.MethodHead}
	engine.Match(look, "/", func(c *gin.Context) { p.show(c.Writer, c.Request, http.StatusOK, "") })
	for _, name := range assets {
		file, err := static(name)
		if err != nil {
			return nil, err
		}
		engine.Match(look, "/"+name, gin.WrapF(file))
	}
	p.mountLogins(engine)

	//show:gin
	api := engine.Group("/api", ginauth.RequireAny(p.guard, reading...), p.showToken)
	api.Match(look, "/me", func(c *gin.Context) {
		u, _ := p.guard.User(c) // *user, no assertion
		c.Header("Cache-Control", "no-store")
		c.JSON(http.StatusOK, u)
	})
	api.GET("/editor", ginauth.Require(p.guard, writeScope), func(c *gin.Context) {
		c.Header("Cache-Control", "no-store")
		c.JSON(http.StatusOK, gin.H{"may": "edit"})
	})
	//end
	engine.POST("/api/login", gin.WrapF(p.apiLogin))

	engine.GET("/state", gin.WrapF(p.showState))
	engine.GET("/events", gin.WrapF(p.showEvents))
	engine.POST("/expire", gin.WrapF(p.letExpire))

	//show:plain
	mux := http.NewServeMux()
	mux.Handle("GET /plain/me", p.guard.RequireAny(reading...)(http.HandlerFunc(p.plainMe)))
	mux.Handle("/", engine)
	return mux, nil
	//end
}

// reading is what the providers call it.
var reading = []string{readScope, usersScope, profileScope}

// showToken tells in headers, which curl -i shows, who answers with which token: a refresh can be watched that way.
func (p *partner) showToken(c *gin.Context) {
	if rec, ok := p.guard.Record(c); ok {
		p.tellToken(c.Writer.Header(), rec)
	}
}

func (p *partner) tellToken(h http.Header, rec *store.Record) {
	h.Set(replicaHeader, strconv.Itoa(p.replica))
	h.Set("X-Demo-Token", digest(rec.Token.AccessToken))
	h.Set("X-Demo-Expiry", rec.Token.Expiry.UTC().Format(time.RFC3339Nano))
}

// mountLogins mounts every way in, and both ways out.
func (p *partner) mountLogins(engine *gin.Engine) {
	for _, w := range p.ways {
		at := "/" + w.ID
		if w.Code {
			engine.GET("/login"+at, gin.WrapH(w.web.Start))
			engine.GET("/callback"+at, gin.WrapH(w.web.Callback))
		}
		if w.Password {
			engine.POST("/login"+at+"/password", gin.WrapH(w.web.Password))
		}
		if w.Implicit {
			engine.GET("/login"+at, gin.WrapH(w.web.StartImplicit))
			engine.GET("/callback"+at, gin.WrapH(w.web.Implicit))
			engine.POST("/callback"+at, gin.WrapH(w.web.Implicit))
		}
	}
	p.mountDeviceLogin(engine)
	web := p.way(defaultWay).web
	engine.GET("/login", gin.WrapH(web.Start))
	engine.GET("/callback", gin.WrapH(web.Callback))
	engine.POST("/login/password", gin.WrapH(web.Password))
	engine.GET("/signed-in", gin.WrapF(signedIn))
	//show:logout
	engine.POST("/logout", gin.WrapH(p.session.Logout("/")))
	engine.POST("/logout/everywhere", gin.WrapF(p.logoutEverywhere))
	//end
}

//show:everywhere

// logoutEverywhere ends the sessions of all the user's browsers, and then this one.
func (p *partner) logoutEverywhere(w http.ResponseWriter, r *http.Request) {
	rec, err := p.current(w, r)
	if err == nil {
		err = p.keep.EndSessions(r.Context(), rec.Subject)
	}
	if errors.Is(err, errors.ErrUnsupported) {
		p.show(w, r, http.StatusConflict, textNoList)
		return
	}
	p.session.Logout("/").ServeHTTP(w, r)
}

//end

const textNoList = "This store cannot tell which sessions there are: sign out in each browser."

// signedIn is where a pop-up's login ends: its script closes it, and the page that opened it looks again.
func signedIn(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	io.WriteString(w, popupPage) // the client left
}

const popupPage = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Signed in</title>
<script src="/popup.js" defer></script></head>
<body><p>You are signed in. This window may be closed.</p></body></html>
`

func newEngine(logs io.Writer) (*gin.Engine, error) {
	engine := gin.New()
	if err := engine.SetTrustedProxies(nil); err != nil { // or anybody could claim any address
		return nil, err
	}
	engine.HandleMethodNotAllowed = true
	engine.RedirectTrailingSlash = false
	engine.Use(gin.LoggerWithConfig(gin.LoggerConfig{Output: logs, SkipQueryString: true})) // a callback's query holds its code
	engine.Use(gin.CustomRecoveryWithWriter(nil, func(c *gin.Context, _ any) {
		fmt.Fprintf(logs, "panic in %s %s\n", c.Request.Method, c.FullPath()) // neither the request nor the value: they may hold secrets
		c.AbortWithStatusJSON(http.StatusInternalServerError, gin.H{"error": "server_error"})
	}))
	engine.NoRoute(func(c *gin.Context) { c.JSON(http.StatusNotFound, gin.H{"error": "not_found"}) })
	engine.NoMethod(func(c *gin.Context) { c.JSON(http.StatusMethodNotAllowed, gin.H{"error": "method_not_allowed"}) })
	return engine, nil
}

func (p *partner) plainMe(w http.ResponseWriter, r *http.Request) {
	u, _ := p.guard.User(r.Context())
	writeJSON(w, u)
}

// webOptions shows a failed sign-in on the page it came from.
func (p *partner) webOptions() *weblogin.Options {
	return &weblogin.Options{Logger: p.logger, Fail: func(w http.ResponseWriter, r *http.Request, f weblogin.Failure) {
		p.show(w, r, f.Status, f.Text)
	}}
}

func (p *partner) showState(w http.ResponseWriter, r *http.Request) {
	s, err := p.state(w, r)
	if err != nil {
		p.guard.Deny(w, r, err)
		return
	}
	writeJSON(w, s)
}

// showEvents streams what happens to the presented session.
func (p *partner) showEvents(w http.ResponseWriter, r *http.Request) {
	rec, err := p.current(w, r)
	if err != nil {
		p.guard.Deny(w, r, err)
		return
	}
	p.d.events.stream(w, r, rec.ID)
}

// letExpire ends the life of the presented session's access token.
func (p *partner) letExpire(w http.ResponseWriter, r *http.Request) {
	rec, err := p.current(w, r)
	if err != nil {
		p.guard.Deny(w, r, err)
		return
	}
	if err := expire(r.Context(), p.tokens, p.d.stores.provider, rec); err != nil {
		p.guard.Deny(w, r, err)
		return
	}
	if r.Header.Get("Accept") == "application/json" {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// apiLogin gives a program a handle: POST a form, or a JSON object, of username, password and, if wanted, scope.
func (p *partner) apiLogin(w http.ResponseWriter, r *http.Request) {
	username, password, scope, ok := readLogin(w, r)
	if !ok {
		refuse(w, http.StatusBadRequest, "invalid_request", "send username and password as a form or as one JSON object")
		return
	}
	rec, err := p.bearer(r.Context(), username, password, scope)
	var refused *grants.Error
	switch {
	case errors.As(err, &refused) && refused.Outcome() == keeper.Dead:
		refuse(w, http.StatusBadRequest, "invalid_grant", "wrong user name or password")
	case errors.As(err, &refused) && refused.Code == "invalid_scope":
		refuse(w, http.StatusBadRequest, "invalid_scope", "the scope is not one of this app's")
	case err != nil:
		if errors.As(err, &refused) && refused.RetryAfter() > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(int(refused.RetryAfter().Seconds())+1))
		}
		p.logger.Error("beginning a session", "error", err)
		refuse(w, http.StatusServiceUnavailable, "temporarily_unavailable", "try again in a moment")
	default:
		p.tellToken(w.Header(), rec)
		writeJSON(w, map[string]string{"handle": rec.Handle.Reveal(), "token_type": "Bearer", "subject": rec.Subject})
	}
}

const maxLogin = 64 << 10

func readLogin(w http.ResponseWriter, r *http.Request) (username, password, scope string, ok bool) {
	r.Body = http.MaxBytesReader(w, r.Body, maxLogin)
	if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "application/json" {
		var in struct{ Username, Password, Scope string }
		dec := json.NewDecoder(r.Body)
		if dec.Decode(&in) != nil || dec.More() {
			return "", "", "", false
		}
		return in.Username, in.Password, in.Scope, in.Username != "" && in.Password != ""
	}
	if r.ParseForm() != nil {
		return "", "", "", false
	}
	f := r.PostForm
	return f.Get("username"), f.Get("password"), f.Get("scope"), f.Get("username") != "" && f.Get("password") != ""
}

func refuse(w http.ResponseWriter, status int, code, description string) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": description}) // the client left
}

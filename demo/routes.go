package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"
	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/middleware/ginauth"
	"github.com/tokenkeep/tokenkeep/middleware/weblogin"
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
	for _, name := range []string{"app.css", "app.js", "icon.svg"} {
		file, err := static(name)
		if err != nil {
			return nil, err
		}
		engine.Match(look, "/"+name, gin.WrapF(file))
	}
	engine.GET("/login", gin.WrapH(p.web.Start))
	engine.GET("/callback", gin.WrapH(p.web.Callback))
	engine.POST("/login/password", gin.WrapH(p.web.Password))
	engine.POST("/logout", gin.WrapH(p.session.Logout("/")))

	api := engine.Group("/api", ginauth.Require(p.guard, readScope))
	api.Match(look, "/me", func(c *gin.Context) {
		u, _ := p.guard.User(c)
		c.Header("Cache-Control", "no-store")
		c.JSON(http.StatusOK, u)
	})
	api.GET("/editor", ginauth.Require(p.guard, writeScope), func(c *gin.Context) {
		c.Header("Cache-Control", "no-store")
		c.JSON(http.StatusOK, gin.H{"may": "edit"})
	})
	engine.POST("/api/login", gin.WrapF(p.apiLogin))

	engine.GET("/state", gin.WrapF(p.showState))
	engine.POST("/expire", gin.WrapF(p.letExpire))

	mux := http.NewServeMux()
	mux.Handle("GET /plain/me", p.guard.Require(readScope)(http.HandlerFunc(p.plainMe)))
	mux.Handle("/", engine)
	return mux, nil
}

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

// letExpire ends the life of the presented session's access token.
func (p *partner) letExpire(w http.ResponseWriter, r *http.Request) {
	rec, err := p.current(w, r)
	if err != nil {
		p.guard.Deny(w, r, err)
		return
	}
	if err := expire(r.Context(), p.d.stores, rec); err != nil {
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
	json.NewEncoder(w).Encode(map[string]string{"error": code, "error_description": description}) //nolint:errcheck // the client left
}

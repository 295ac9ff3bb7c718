package middleware

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/tokenkeep/tokenkeep/middleware/internal/browser"
	"github.com/tokenkeep/tokenkeep/store"
)

// Logout returns the handler that signs a browser out and sends it on to "to": the session ends here and on every
// replica first, the provider is told after. It takes POST requests of the site's own pages only, so that no other
// site's page can sign anybody out:
//
//	mux.Handle("POST /logout", session.Logout("/"))
//
// The cookie is cleared even if the session could not be ended; the answer is then a 503, because a copy of the cookie
// is still good.
func (s *Session) Logout(to string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		site, err := s.ready()
		if err != nil {
			plain(w, http.StatusInternalServerError, "Signing out is not set up.")
			return
		}
		browser.NoStore(w)
		if r.Method != http.MethodPost {
			w.Header().Set("Allow", http.MethodPost)
			plain(w, http.StatusMethodNotAllowed, "Signing out takes a POST request.")
			return
		}
		if site.CheckOrigin(r) != nil {
			plain(w, http.StatusForbidden, "This request came from another site.")
			return
		}
		value, presence, _ := site.Read(r)
		site.Clear(w, r)
		if presence == browser.One {
			// A browser that leaves must not leave its session behind.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), logoutPatience)
			defer cancel()
			if err := s.Keeper.End(ctx, store.Credential("session", value)); err != nil {
				w.Header().Set("Retry-After", "2")
				plain(w, http.StatusServiceUnavailable, "You are signed out in this browser, but the session could not be ended everywhere.")
				return
			}
		}
		http.Redirect(w, r, to, http.StatusSeeOther)
	})
}

// logoutPatience bounds how long a store that does not take the end of a session is asked again.
const logoutPatience = 5 * time.Second

func plain(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	io.WriteString(w, text+"\n") //nolint:errcheck // the client left
}

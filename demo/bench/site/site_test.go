package site_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/demo/bench/site"
)

// newSite knows the tokens t0, t1 and t2; lie spoils what it decides.
func newSite(lie func(token, user string) string) *site.Site {
	users := map[string]string{"t0": site.UserName(0), "t1": site.UserName(1), "t2": site.UserName(2)}
	s := &site.Site{
		Good: []*http.Request{site.Bearer("t0"), site.Bearer("t1"), site.Bearer("t2")},
		Bad:  map[string]*http.Request{"no token": site.Bearer(""), "an unknown token": site.Bearer("x")},
	}
	gone := ""
	s.Delete = func(i int) error { gone = strings.Replace("t0", "0", string(rune('0'+i)), 1); return nil }
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		user := users[token]
		if token == gone {
			user = ""
		}
		if user = lie(token, user); user == "" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		s.Seen(user)
	})
	return s
}

func TestLiarsAreCaught(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, want string
		lie        func(token, user string) string
	}{
		{"honest", "", func(_, user string) string { return user }},
		{"lets everybody in", "accepts", func(_, user string) string { return user + map[bool]string{true: "nobody"}[user == ""] }},
		{"takes an unknown token", "accepts an unknown token", func(token, user string) string { return user + map[bool]string{true: "x"}[token == "x"] }},
		{"forgets to look at deletions", "accepts what was deleted", func(token, user string) string {
			if token == "t2" {
				return site.UserName(2)
			}
			return user
		}},
		{"mixes users up", "came through as", func(_, user string) string {
			return map[string]string{"": "", site.UserName(0): site.UserName(1)}[user]
		}},
		{"refuses everybody", "came through as", func(_, _ string) string { return "" }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			err := newSite(tt.lie).Honest()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

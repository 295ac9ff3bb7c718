package issue

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
)

// lying puts a handler before an honest server: it changes the request, or the answer.
func lying(next http.Handler, change func(form url.Values, r *http.Request)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		form, _ := url.ParseQuery(string(body))
		change(form, r)
		text := form.Encode()
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(text)), int64(len(text))
		next.ServeHTTP(w, r)
	})
}

func TestLiarsAreCaught(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, want string
		lie        func(s *Server)
	}{
		{"honest", "", func(*Server) {}},
		{"any password", "a wrong password", func(s *Server) {
			s.Token = lying(s.Token, func(f url.Values, _ *http.Request) {
				if f.Has("password") {
					f.Set("password", userPassword)
				}
			})
		}},
		{"any client", "a wrong client secret", func(s *Server) {
			s.Token = lying(s.Token, func(_ url.Values, r *http.Request) { r.SetBasicAuth(clientID, clientSecret) })
		}},
		{"everything is active", "changed token active", func(s *Server) {
			s.Introspect = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `{"active":true}`) })
		}},
		{"refresh tokens are for ever", "rotate", func(s *Server) {
			login, first := s.Token, ""
			s.Token = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				form, _ := url.ParseQuery(string(body))
				if token := form.Get("refresh_token"); token != "" && token == first && r.Header["Authorization"][0] == basic[0] {
					fmt.Fprintf(w, `{"access_token":"a","refresh_token":"%s"}`, first)
					return
				}
				r.Body = io.NopCloser(strings.NewReader(string(body)))
				a := &answer{h: http.Header{}, status: http.StatusOK}
				login.ServeHTTP(a, r)
				first = a.member("refresh_token") + first
				w.WriteHeader(a.status)
				_, _ = w.Write(a.body)
			})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := oursInMemory("")
			if err != nil {
				t.Fatal(err)
			}
			tt.lie(s)
			err = s.Honest()
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

package weblogin

import (
	"errors"
	"mime"
	"net/http"
	"net/url"

	"github.com/tokenkeep/tokenkeep/grants"
	"github.com/tokenkeep/tokenkeep/store/keeper"
)

const maxForm = 64 << 10

func (l *Login) password(w http.ResponseWriter, r *http.Request) *Failure {
	if r.Method != http.MethodPost {
		return notAllowed(w, http.MethodPost)
	}
	if err := l.site.CheckOrigin(r); err != nil { // a page of another site must not sign anybody in as somebody
		return &Failure{Status: http.StatusForbidden, Text: "This form came from another site.", Err: err}
	}
	form, failure := readForm(w, r)
	if failure != nil {
		return failure
	}
	username, password := form.Get("username"), form.Get("password")
	if username == "" || password == "" {
		return &Failure{Status: http.StatusBadRequest, Text: "Please enter both user name and password."}
	}
	tok, err := l.client.Password(r.Context(), username, password)
	if err != nil {
		var refused *grants.Error
		if errors.As(err, &refused) && refused.Outcome() == keeper.Dead {
			return &Failure{Status: http.StatusForbidden, Text: "Wrong user name or password.", Err: err}
		}
		return providerFailure(err)
	}
	return l.finish(w, r, tok, form.Get("return_to"))
}

func readForm(w http.ResponseWriter, r *http.Request) (url.Values, *Failure) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, &Failure{Status: http.StatusUnsupportedMediaType, Text: "This is not the sign-in form."}
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		return nil, &Failure{Status: http.StatusBadRequest, Text: "This is not the sign-in form."}
	}
	for _, name := range []string{"username", "password", "return_to"} {
		if len(r.PostForm[name]) > 1 {
			return nil, &Failure{Status: http.StatusBadRequest, Text: "This is not the sign-in form."}
		}
	}
	return r.PostForm, nil // the body only: what stands in the query is in logs already
}

package granttest

import (
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
)

// Allow is the user's browser: it opens an authorize URL, signs in as username, allows, and returns the URL at which the
// client gets the answer. Given a device flow's complete verification URI it connects that device, and returns "". A page
// that is not shown, or shows a fault, fails the test.
func (p *Provider) Allow(page, username string) (callback string) {
	return p.decide(page, map[string]string{"decision": "allow", "username": username, "password": Password})
}

// Deny is [Provider.Allow] by a user who signs in and does not.
func (p *Provider) Deny(page, username string) (callback string) {
	return p.decide(page, map[string]string{"decision": "deny", "username": username, "password": Password})
}

func (p *Provider) decide(page string, answers map[string]string) string {
	if p.t != nil {
		p.t.Helper()
	}
	callback, err := p.browse(page, answers)
	p.check(err)
	return callback
}

// carried is what a page hands on to its answer.
var carried = regexp.MustCompile(`name="(request|user_code)" value="([^"]+)"`)

// browse opens a page and answers its form, and the next page's, until one sends the browser away or has no form.
func (p *Provider) browse(page string, answers map[string]string) (string, error) {
	browser := &http.Client{
		Transport:     p.http.Client().Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := browser.Get(page)
	for first := true; ; first = false {
		if err != nil {
			return "", fmt.Errorf("the user's browser gets no answer: %w", errors.Unwrap(err)) // without the URL
		}
		var body []byte
		body, err = io.ReadAll(resp.Body)
		resp.Body.Close()
		fields := carried.FindAllStringSubmatch(string(body), -1)
		switch {
		case err != nil:
			return "", fmt.Errorf("the user's browser gets no whole page: %w", err)
		case resp.StatusCode == http.StatusSeeOther:
			return resp.Header.Get("Location"), nil
		case resp.StatusCode != http.StatusOK || (first && fields == nil):
			return "", fmt.Errorf("the user's browser gets no page to answer, but status %d", resp.StatusCode)
		case fields == nil:
			return "", nil
		}
		form := url.Values{}
		for name, value := range answers {
			form.Set(name, value)
		}
		for _, field := range fields {
			form.Set(field[1], html.UnescapeString(field[2]))
		}
		resp, err = browser.PostForm(page, form)
	}
}

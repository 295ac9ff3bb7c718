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
// client gets the answer. A page that is not shown, or shows a fault, fails the test.
func (p *Provider) Allow(authorizeURL, username string) (callback string) {
	return p.decide(authorizeURL, url.Values{"decision": {"allow"}, "username": {username}, "password": {Password}})
}

// Deny is [Provider.Allow] by a user who does not.
func (p *Provider) Deny(authorizeURL string) (callback string) {
	return p.decide(authorizeURL, url.Values{"decision": {"deny"}})
}

func (p *Provider) decide(authorizeURL string, form url.Values) string {
	if p.t != nil {
		p.t.Helper()
	}
	callback, err := p.browse(authorizeURL, form)
	p.check(err)
	return callback
}

// carried is what the page hands from being shown to its answer.
var carried = regexp.MustCompile(`name="request" value="([^"]+)"`)

func (p *Provider) browse(authorizeURL string, form url.Values) (string, error) {
	browser := &http.Client{
		Transport:     p.http.Client().Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	page, err := browser.Get(authorizeURL)
	if err != nil {
		return "", errors.New("the authorize page did not come: " + sanitized(err))
	}
	body, err := io.ReadAll(page.Body)
	page.Body.Close()
	if err != nil {
		return "", errors.New("the authorize page did not come whole")
	}
	if to := page.Header.Get("Location"); page.StatusCode == http.StatusSeeOther && to != "" {
		return to, nil // the request was refused, and the client is told
	}
	found := carried.FindSubmatch(body)
	if found == nil {
		return "", fmt.Errorf("no authorize page but status %d", page.StatusCode)
	}
	form.Set("request", html.UnescapeString(string(found[1])))
	answer, err := browser.PostForm(authorizeURL, form)
	if err != nil {
		return "", errors.New("the authorize page's answer was lost: " + sanitized(err))
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusSeeOther {
		return "", fmt.Errorf("the authorize page answers with status %d", answer.StatusCode)
	}
	return answer.Header.Get("Location"), nil
}

// sanitized drops the URL, whose query holds the request.
func sanitized(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return err.Error()
}

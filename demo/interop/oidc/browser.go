package main

import (
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
)

var (
	forms  = regexp.MustCompile(`(?s)<form[^>]*action="([^"]*)"[^>]*>(.*?)</form>`)
	inputs = regexp.MustCompile(`<(?:input|button)[^>]*>`)
	names  = regexp.MustCompile(`\bname="([^"]*)"`)
	values = regexp.MustCompile(`\bvalue="([^"]*)"`)
	aborts = regexp.MustCompile(`href="([^"]*/abort)"`)
)

// browse opens a page as a new browser and answers every form until it is sent to the callback, or a page has no form;
// it returns that URL. With cancel it follows the page's link to cancel instead.
func browse(page, user string, cancel bool) (*url.URL, error) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		return nil, err
	}
	var callback *url.URL
	browser := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == "/callback" {
			callback = r.URL
			return http.ErrUseLastResponse
		}
		return nil
	}}
	resp, err := browser.Get(page)
	for range 8 {
		if err != nil {
			return nil, err
		}
		body, err2 := io.ReadAll(resp.Body)
		resp.Body.Close()
		switch {
		case err2 != nil:
			return nil, err2
		case callback != nil:
			return callback, nil
		case resp.StatusCode != http.StatusOK:
			return nil, fmt.Errorf("the browser gets status %d at %s", resp.StatusCode, resp.Request.URL.Path)
		}
		if link := aborts.FindSubmatch(body); cancel && link != nil {
			to, parseErr := resp.Request.URL.Parse(html.UnescapeString(string(link[1])))
			if parseErr != nil {
				return nil, parseErr
			}
			resp, err = browser.Get(to.String())
			continue
		}
		form := forms.FindSubmatch(body)
		if form == nil {
			return resp.Request.URL, nil
		}
		to, parseErr := resp.Request.URL.Parse(html.UnescapeString(string(form[1])))
		if parseErr != nil {
			return nil, parseErr
		}
		resp, err = browser.PostForm(to.String(), fill(string(form[2]), user))
	}
	return nil, errors.New("the browser goes in circles")
}

// fill answers a form: what it holds already, and the user where it asks for somebody.
func fill(form, user string) url.Values {
	all := url.Values{}
	for _, input := range inputs.FindAllString(form, -1) {
		name := names.FindStringSubmatch(input)
		if name == nil || name[1] == "abort" {
			continue
		}
		value := ""
		if v := values.FindStringSubmatch(input); v != nil {
			value = html.UnescapeString(v[1])
		}
		if value == "" && (name[1] == "login" || name[1] == "password") {
			value = user
		}
		all.Set(strings.TrimSpace(name[1]), value)
	}
	return all
}

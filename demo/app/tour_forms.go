package app

import (
	"errors"
	"html"
	"net/http"
	"net/url"
	"regexp"
)

var (
	formTag  = regexp.MustCompile(`(?s)<form\b([^>]*)>(.*?)</form>`)
	inputTag = regexp.MustCompile(`<input\b([^>]*)>`)
	attr     = regexp.MustCompile(`([a-z]+)="([^"]*)"`)
)

func attributes(tag string) map[string]string {
	m := map[string]string{}
	for _, a := range attr.FindAllStringSubmatch(tag, -1) {
		m[a[1]] = html.UnescapeString(a[2])
	}
	return m
}

// fillIn returns the fields of the first form of a page, as a browser would post them with these values typed in and
// this button pressed.
func fillIn(page string, typed map[string]string, button pair) ([]pair, error) {
	form := formTag.FindStringSubmatch(page)
	if form == nil {
		return nil, errors.New("the page has no form")
	}
	var fields []pair
	for _, tag := range inputTag.FindAllStringSubmatch(form[2], -1) {
		a := attributes(tag[1])
		value := a["value"]
		if v, ok := typed[a["name"]]; ok {
			value = v
		}
		fields = append(fields, pair{a["name"], value})
	}
	return append(fields, button), nil
}

// copyJar returns what a thief of the browser's cookies has.
func copyJar(jar http.CookieJar, site string) http.CookieJar {
	stolen := newJar()
	if u, err := url.Parse(site); err == nil {
		stolen.SetCookies(u, jar.Cookies(u))
	}
	return stolen
}

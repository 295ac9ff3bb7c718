package app

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
)

// ways walks the ways in that the documents do not have: implicit and device, and signing out everywhere.
func (t *tourist) ways() {
	t.implicit()
	t.device()
	t.everywhere()
}

func (t *tourist) implicit() {
	t.step("app: sign in by the implicit grant, through the page that relays the fragment", func(s *step) {
		jar := newJar()
		a := s.send(ask{url: t.app.url + "/login/fragment", jar: jar})
		s.want(a, http.StatusSeeOther)
		a = s.consent(a.header.Get("Location"), "allow", jar)
		back, fragment, _ := strings.Cut(a.header.Get("Location"), "#")
		if values, err := url.ParseQuery(fragment); err == nil {
			s.keep(values.Get("access_token"))
		}
		s.check(fragment != "" && !strings.Contains(back, "access_token"), "the token is not in the fragment alone")
		s.want(s.send(ask{url: back, jar: jar}), http.StatusOK, pair{"Referrer-Policy", "no-referrer"})
		post := ask{url: back, form: []pair{{"fragment", fragment}}, jar: jar}
		s.want(s.send(ask{url: back, form: post.form, jar: jar, headers: []pair{{"Sec-Fetch-Site", "cross-site"}}}), http.StatusForbidden)
		s.want(s.send(post), http.StatusSeeOther, pair{"Location", "/"})
		s.want(s.state(jar), http.StatusOK, pair{"subject", "alice"}, pair{"provider", "fragment"})
	})
}

func (t *tourist) device() {
	t.step("app: sign in on a device that has no keyboard (the provider asks to be polled every 5 s)", func(s *step) {
		jar, phone := newJar(), newJar()
		page := s.send(ask{url: t.app.url + "/device/house", jar: jar})
		s.want(page, http.StatusOK)
		_, at, _ := strings.Cut(page.body, `href="`+t.provider.url)
		at, _, _ = strings.Cut(at, `"`)
		verify := t.provider.url + strings.ReplaceAll(at, "&amp;", "&")
		page = s.send(ask{url: verify, jar: phone})
		page = s.press(page, verify, pair{}, phone)
		s.check(strings.Contains(page.body, "Partner app"), "the page does not say who asks")
		s.press(page, verify, pair{"decision", "allow"}, phone)
		s.want(s.send(ask{method: http.MethodPost, url: t.app.url + "/device/house", jar: jar}), http.StatusSeeOther, pair{"Location", "/"})
		s.want(s.state(jar), http.StatusOK, pair{"subject", "alice"}, pair{"provider", "house"})
	})
}

// press fills in page's form as alice and sends it.
func (s *step) press(page *answer, to string, button pair, jar http.CookieJar) *answer {
	form, err := fillIn(page.body, map[string]string{"username": alice[0].value, "password": alice[1].value}, button)
	if err != nil {
		s.fault("%v", err)
		return page
	}
	a := s.send(ask{url: to, form: form, jar: jar})
	s.want(a, http.StatusOK)
	return a
}

func (t *tourist) everywhere() {
	t.step("app: sign out everywhere", func(s *step) {
		jars := []http.CookieJar{newJar(), newJar()}
		for _, jar := range jars {
			s.want(s.send(ask{url: t.app.url + "/login/house/password", form: alice, jar: jar}), http.StatusSeeOther)
		}
		s.want(s.send(ask{method: http.MethodPost, url: t.app.url + "/logout/everywhere", jar: jars[0]}), http.StatusSeeOther)
		for _, jar := range jars {
			s.want(s.send(ask{url: t.me(), jar: jar}), http.StatusUnauthorized)
		}
	})
}

// replicas is the storm over several replicas, at both kinds of provider.
func (t *tourist) replicas() {
	for _, more := range []pair{{}, {"strict", "1"}} {
		name := "app: a storm over 4 replicas makes one token request"
		form := []pair{{"calls", "100"}, {"replicas", "4"}}
		if more.name != "" {
			name += ", and a provider that punishes reuse has nothing to punish"
			form = append(form, more)
		}
		t.step(name, func(s *step) {
			a := s.send(ask{url: t.app.url + "/storm", form: form})
			lines := strings.Split(strings.TrimSpace(a.body), "\n")
			var over line
			err := json.Unmarshal([]byte(lines[len(lines)-1]), &over)
			s.check(err == nil && over.Kind == "over", "the storm broke off")
			s.check(over.Good == 100 && over.TokenRequests == 1 && over.After == http.StatusOK, "%+v", over)
			s.printf("   %d of 100 answered 200 in %.1f s, %d token request\n", over.Good, over.Took/1000, over.TokenRequests)
		})
	}
}

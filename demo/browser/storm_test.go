package browser

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

func (p *page) storm(boxes ...string) string {
	p.Helper()
	for _, name := range boxes {
		p.click(`#storm [name="` + name + `"]`)
	}
	p.until(`(() => {
		const out = document.querySelector("#outcome");
		if (document.readyState !== "complete" || !out) return false;
		out.textContent = "";
		return true;
	})()`, "the page")
	for range 3 { // a page that moves under the mouse loses the click
		p.click("#storm button")
		var begun bool
		p.eval(`new Promise((go) => setTimeout(() => go(document.querySelector("#outcome")?.textContent !== ""), 500))`, &begun)
		if begun {
			break
		}
	}
	p.until(`/good|bad/.test(document.querySelector("#outcome").className)`, "the storm to be over")
	var text string
	p.eval(`document.querySelector("#outcome").textContent`, &text)
	return text
}

// One token request in every store, and nobody is signed out.
func TestStorm(t *testing.T) {
	t.Parallel()
	p := open(t, demo(t)).visit("/")
	for _, store := range []string{"memory", "sqlite", "cookie"} {
		p.click(`button[name="store"][value="` + store + `"]`)
		p.until(`document.querySelector("[aria-current]")?.value === "`+store+`"`, store)
		for _, boxes := range [][]string{nil, {"strict"}} { // the box stays ticked
			got := p.storm(boxes...)
			if !strings.Contains(got, "100 of 100 calls answered 200") || !strings.Contains(got, " 1 token request.") || !strings.Contains(got, "still signed in") {
				t.Errorf("%s, %v: %s", store, boxes, got)
			}
		}
		var drawn, good, asked int
		p.eval(`document.querySelectorAll("#sky .call").length`, &drawn)
		p.eval(`document.querySelectorAll("#sky .call.good").length`, &good)
		p.eval(`document.querySelectorAll("#sky .token").length`, &asked)
		if drawn != 100 || good != 100 || asked != 1 {
			t.Errorf("%s: drawn are %d calls, %d of them good, %d token requests", store, drawn, good, asked)
		}
	}
	p.clean()
}

// Without a keeper the same storm signs the user out.
func TestStormWithoutKeeper(t *testing.T) {
	t.Parallel()
	p := open(t, demo(t)).visit("/")
	if got := p.storm("naive"); !strings.Contains(got, " 4 token requests.") {
		t.Errorf("with a grace: %s", got)
	}
	if got := p.storm("strict"); !strings.Contains(got, "signed out") {
		t.Errorf("without: %s", got)
	}
	p.shootPart("naive-storm", "section.tall")
	p.clean()
}

// A replica that dies mid-refresh costs no session where the provider has a grace; where it has none, nobody could save
// it, and everybody learns.
func TestStormWithKill(t *testing.T) { //nolint:paralleltest // its leases are short: other tests would eat them up
	p := open(t, demo(t)).visit("/")
	p.do(chromedp.SetValue("#n", "40", chromedp.ByQuery))
	got := p.storm("kill")
	if !strings.Contains(got, "still signed in") || !strings.Contains(got, "2 token requests") || !strings.Contains(got, "another took over") {
		t.Errorf("with a grace: %s", got)
	}
	var killed int
	p.eval(`document.querySelectorAll("#sky .killed").length`, &killed)
	if killed != 1 {
		t.Errorf("drawn are %d deaths", killed)
	}
	p.shootPart("kill-storm", "section.tall")
	p.clean()
}

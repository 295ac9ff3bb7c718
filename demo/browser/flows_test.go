package browser

import (
	"net/http"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

func TestCode(t *testing.T) {
	t.Parallel()
	p := open(t, demo(t)).signIn()
	p.until(`location.pathname === "/" && location.search === ""`, "the plain page")
	found := false
	for _, c := range p.cookies() {
		if c.Name == "session" {
			found = true
			if !c.HTTPOnly || c.SameSite != network.CookieSameSiteLax || c.Path != "/" || c.Domain != "127.0.0.1" || c.Expires < 0 {
				t.Errorf("cookie %+v", c)
			}
		}
	}
	if !found {
		t.Error("Chromium kept no session cookie")
	}
	callback := p.asked("/callback/house?")[0]
	requests := len(p.asked(""))
	p.visit(callback)
	p.sees("#who", "You are alice") // a reload goes where the first one went
	p.do(chromedp.NavigateBack())
	p.sees("#who", "You are alice")
	stranger := open(t, p.app).visit(callback)
	stranger.sees(".problem", "cannot be completed")
	stranger.sees("#who", "Sign in")
	if n := len(p.asked("")); n == requests {
		t.Error("nothing was asked for")
	}
	p.clean()
}

func TestDenied(t *testing.T) {
	t.Parallel()
	p := open(t, demo(t)).visit("/")
	p.click(`a[href="/login/house"]`)
	p.click(`button[value="deny"]`)
	p.sees(".problem", "cancelled or refused")
	p.signIn() // and starts again
}

func TestOtherProvidersByCode(t *testing.T) {
	t.Parallel()
	app := demo(t)
	for id, name := range map[string]string{"ulule": "Ulule", "google": "Google"} {
		p := open(t, app).visit("/")
		p.click(`a[href="/login/` + id + `"]`)
		p.allow()
		p.sees("#provider", name)
		p.click(`[data-call="/api/me"] button`)
		p.sees("#exchange", "HTTP/1.1 200")
		p.clean()
	}
}

func TestPopUp(t *testing.T) {
	t.Parallel()
	p := open(t, demo(t)).visit("/")
	opened := chromedp.WaitNewTarget(p.ctx, func(i *target.Info) bool { return i.OpenerID != "" })
	p.click("[data-popup]")
	up := attach(t, p.app, p.browser, <-opened)
	up.do(chromedp.WaitVisible("#username", chromedp.ByQuery))
	up.do(chromedp.SendKeys("#username", "alice@example.org", chromedp.ByQuery), chromedp.SendKeys("#password", "wonderland", chromedp.ByQuery))
	up.try(chromedp.Click(`button[value="allow"]`, chromedp.ByQuery)) //nolint:errcheck // it closes under our hands
	p.sees("#who", "You are alice")
	p.until("true", "the page to live")
	p.clean()
}

func TestPassword(t *testing.T) {
	t.Parallel()
	app := demo(t)
	for id, name := range map[string]string{"house": "House", "ulule": "Ulule", "breakout": "BreakOut", "ushahidi": "Ushahidi"} {
		p := open(t, app).visit("/")
		p.do(chromedp.SendKeys("#username", "alice@example.org", chromedp.ByQuery), chromedp.SendKeys("#password", "wrong", chromedp.ByQuery))
		p.click(`button[formaction="/login/` + id + `/password"]`)
		p.sees(".problem", "Wrong user name or password")
		p.do(chromedp.SendKeys("#username", "alice@example.org", chromedp.ByQuery), chromedp.SendKeys("#password", "wonderland", chromedp.ByQuery))
		p.click(`button[formaction="/login/` + id + `/password"]`)
		p.sees("#provider", name)
		p.click(`[data-call="/plain/me"] button`)
		p.sees("#exchange", "HTTP/1.1 200")
	}
}

// The token comes through the browser, and is in no URL that anybody is sent, nor in the history.
func TestImplicit(t *testing.T) {
	t.Parallel()
	p := open(t, demo(t)).visit("/")
	p.click(`a[href="/login/fragment"]`)
	p.allow()
	p.sees("#provider", "House, implicit")
	p.sees("#refresh output", "none")
	if urls := p.asked("access_token"); len(urls) > 0 {
		t.Errorf("a URL had the token: %d", len(urls))
	}
	p.do(chromedp.NavigateBack())
	var hash string
	p.eval("location.hash", &hash)
	if hash != "" {
		t.Error("the history has the fragment")
	}
	p.clean()
}

func TestTwoTabs(t *testing.T) {
	t.Parallel()
	first := open(t, demo(t)).visit("/")
	second := first.another().visit("/")
	second.sees("#who", "Sign in")
	first.click(`a[href="/login/house"]`)
	first.allow()
	first.sees("#who", "You are alice")
	second.sees("#who", "You are alice") // without a touch
	first.click(`form[action="/logout"] button`)
	first.sees("#who", "Sign in")
	second.sees("#who", "Sign in")
	first.do(chromedp.NavigateBack()) // to the app or the provider; no page of the session comes out of a cache
	first.until(`!document.body.textContent.includes("You are alice")`, "the session's page to be gone")
	first.visit("/").sees("#who", "Sign in")
	first.clean()
	second.clean()
}

func TestSignOutEverywhere(t *testing.T) {
	t.Parallel()
	app := demo(t)
	here, there := open(t, app).signIn(), open(t, app).signIn()
	here.click(`form[action="/logout/everywhere"] button`)
	here.sees("#who", "Sign in")
	there.sees("#who", "Sign in")
}

// A flow that was begun in five tabs is finished in each.
func TestFiveTabs(t *testing.T) {
	t.Parallel()
	first := open(t, demo(t)).visit("/")
	tabs := []*page{first}
	for len(tabs) < 5 {
		tabs = append(tabs, first.another())
	}
	for _, p := range tabs {
		p.visit("/login/house")
	}
	for i, p := range tabs {
		p.allow()
		p.sees("#who", "You are alice")
		if i > 0 && len(p.asked("/callback/house")) == 0 {
			t.Errorf("tab %d saw no callback", i)
		}
	}
}

func TestExpiryDuringUse(t *testing.T) {
	t.Parallel()
	p := open(t, demo(t)).signIn()
	p.click("[data-expire] button")
	p.sees("#access output", "expired")
	p.click(`[data-call="/api/me"] button`)
	p.sees("#exchange", "HTTP/1.1 200")
	p.sees("#exchange", `"id":"alice"`)
	p.sees("#generation", "1")
	p.sees("#events", "refreshed: generation 1")
	p.sees("#verdict", "refreshed on the way")
	p.sees("#access output", "valid for")
	p.clean()
}

// A page of another origin on the same machine, which the browser counts to the same site and sends the cookies of,
// gets nowhere.
func TestSiblingOrigin(t *testing.T) {
	t.Parallel()
	p := open(t, demo(t)).signIn()
	evil := sibling(t, p.app)
	q := p.another().visit(evil)
	var got string
	q.eval(`attack()`, &got)
	if want := "state: blocked, events: blocked, logout: blocked, expire: blocked, storm: blocked, frame: empty"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	q.click("#out") // a form that navigates
	q.sees("body", "cross-origin request")
	p.visit("/")
	p.sees("#who", "You are alice")
	p.sees("#generation", "0")
	if strings.Contains(p.text("#access"), "expired") {
		t.Error("the sibling let the token expire")
	}
}

// sibling serves the page that attacks app.
func sibling(t *testing.T, app string) string {
	t.Helper()
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.Write([]byte(strings.ReplaceAll(attackPage, "APP", app)))
	}))
}

// The device shows a code; the user types it elsewhere, and the device goes on by itself.
func TestDevice(t *testing.T) {
	t.Parallel()
	p := open(t, demo(t)).visit("/")
	p.click(`a[href="/device/house"]`)
	p.sees("#waiting", "goes on by itself")
	var code, verify string
	p.eval(`document.querySelector("#user-code").textContent`, &code)
	p.eval(`document.querySelector("#verify").href`, &verify)
	phone := open(t, p.app).visit(verify)
	phone.do(
		chromedp.SendKeys("#username", "alice@example.org", chromedp.ByQuery),
		chromedp.SendKeys("#password", "wonderland", chromedp.ByQuery),
	)
	var filled string
	phone.eval(`document.querySelector("#user_code, [name=user_code]").value`, &filled)
	if filled != code {
		t.Errorf("the page knows %q, the device shows %q", filled, code)
	}
	phone.click("form button")
	phone.sees("body", "Partner app")
	phone.click(`button[value="allow"]`)
	p.sees("#who", "You are alice")
	p.sees("#provider", "House")
	p.clean()
}

// The same page in front of several processes: each request may meet another one.
func TestReplicas(t *testing.T) {
	t.Parallel()
	p := open(t, demo(t, "-replicas", "3")).signIn()
	p.click("[data-expire] button")
	p.sees("#access output", "expired")
	p.click(`[data-call="/api/me"] button`)
	p.sees("#exchange", "HTTP/1.1 200")
	p.sees("#events", "refreshed: generation 1 · replica ")
	if got := p.storm("strict"); !strings.Contains(got, "100 of 100") || !strings.Contains(got, " 1 token request.") {
		t.Errorf("%s", got)
	}
	p.click(`form[action="/logout"] button`)
	p.sees("#who", "Sign in")
	p.clean()
}

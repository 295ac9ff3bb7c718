package browser

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/storage"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
)

// page is one tab.
type page struct {
	*testing.T
	ctx     context.Context
	app     string
	browser cdp.BrowserContextID

	mu     sync.Mutex
	urls   []string // asked for
	faults []string // of scripts, and on the console
}

const patience = 40 * time.Second // on a busy machine

// open opens a tab of a browser of its own, with its own cookies.
func open(t *testing.T, app string) *page {
	t.Helper()
	var id cdp.BrowserContextID
	onBrowser(t, func(ctx context.Context) (err error) {
		id, err = target.CreateBrowserContext().WithDisposeOnDetach(true).Do(ctx)
		return err
	})
	return tab(t, app, id, true)
}

// another opens a second tab of the same browser.
func (p *page) another() *page {
	p.Helper()
	return tab(p.T, p.app, p.browser, false)
}

func tab(t *testing.T, app string, browser cdp.BrowserContextID, window bool) *page {
	t.Helper()
	var id target.ID
	onBrowser(t, func(ctx context.Context) (err error) {
		id, err = target.CreateTarget("about:blank").WithBrowserContextID(browser).WithNewWindow(window).Do(ctx)
		return err
	})
	return attach(t, app, browser, id)
}

func attach(t *testing.T, app string, browser cdp.BrowserContextID, id target.ID) *page {
	t.Helper()
	ctx, end := chromedp.NewContext(driver, chromedp.WithTargetID(id))
	t.Cleanup(end)
	p := &page{T: t, ctx: ctx, app: app, browser: browser}
	p.watch()
	if err := chromedp.Run(ctx, network.Enable(), cdplog.Enable()); err != nil { // without a deadline: it would end the tab
		t.Fatal(err)
	}
	return p
}

func onBrowser(t *testing.T, do func(context.Context) error) {
	t.Helper()
	if err := do(cdp.WithExecutor(driver, chromedp.FromContext(driver).Browser)); err != nil {
		t.Fatal(err)
	}
}

// watch notes what the tab asks for and what goes wrong in it.
func (p *page) watch() {
	chromedp.ListenTarget(p.ctx, func(ev any) {
		p.mu.Lock()
		defer p.mu.Unlock()
		switch e := ev.(type) {
		case *network.EventRequestWillBeSent:
			p.urls = append(p.urls, e.Request.URL)
		case *runtime.EventExceptionThrown:
			p.faults = append(p.faults, e.ExceptionDetails.Error())
		case *cdplog.EventEntryAdded:
			if e.Entry.Level == cdplog.LevelError {
				p.faults = append(p.faults, e.Entry.Text+" "+e.Entry.URL)
			}
		case *runtime.EventConsoleAPICalled:
			if e.Type == runtime.APITypeError {
				p.faults = append(p.faults, fmt.Sprint("console.error: ", e.Args))
			}
		}
	})
}

// do runs actions, each within patience.
func (p *page) do(actions ...chromedp.Action) {
	p.Helper()
	for i, a := range actions {
		if err := p.try(a); err != nil {
			p.Fatalf("action %d: %v; the page is %s", i+1, err, p.text("body"))
		}
	}
}

func (p *page) try(a chromedp.Action) error {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, a)
}

func (p *page) visit(path string) *page {
	p.Helper()
	to := path
	if strings.HasPrefix(path, "/") {
		to = p.app + path
	}
	p.do(chromedp.Navigate(to))
	return p
}

func (p *page) text(selector string) string {
	var s string
	ctx, cancel := context.WithTimeout(p.ctx, 2*time.Second)
	defer cancel()
	chromedp.Run(ctx, chromedp.Text(selector, &s, chromedp.ByQuery)) //nolint:errcheck // then it is empty
	return s[:min(len(s), 400)]
}

// sees waits until an element has the text.
func (p *page) sees(selector, want string) {
	p.Helper()
	script := fmt.Sprintf(`(document.querySelector(%q)?.textContent ?? "").includes(%q)`, selector, want)
	p.until(script, fmt.Sprintf("%s to say %q", selector, want))
}

// until asks again and again: the page may be on its way to another one.
func (p *page) until(script, what string) {
	p.Helper()
	ask := time.NewTicker(40 * time.Millisecond)
	defer ask.Stop()
	over := time.After(patience)
	for {
		var ok bool
		if p.try(chromedp.Evaluate(script, &ok)) == nil && ok {
			return
		}
		select {
		case <-ask.C:
		case <-over:
			var url string
			chromedp.Run(p.ctx, chromedp.Location(&url)) //nolint:errcheck // for the message
			p.Fatalf("waited for %s at %s; the page is:\n%s", what, url, p.text("body"))
		}
	}
}

func (p *page) eval(script string, into any) {
	p.Helper()
	p.do(chromedp.Evaluate(script, into, func(e *runtime.EvaluateParams) *runtime.EvaluateParams { return e.WithAwaitPromise(true) }))
}

// click presses what is enabled and stands where it stood a moment ago: what moves may not be under the mouse any more.
// A page that is still building itself may lose the element all the same.
func (p *page) click(selector string) {
	p.Helper()
	p.until(fmt.Sprintf(`(() => {
		const e = document.querySelector(%q);
		if (document.readyState !== "complete" || e?.disabled) return false;
		if (!e) return true;
		const r = e.getBoundingClientRect(), at = [r.x, r.y, r.width].join(), was = e.stoodAt;
		e.stoodAt = at;
		return at === was;
	})()`, selector), selector)
	for try := 1; ; try++ {
		err := p.try(chromedp.Click(selector, chromedp.ByQuery, chromedp.NodeVisible))
		if err == nil {
			return
		}
		if try == 3 || !strings.Contains(err.Error(), "node with given id") {
			p.Fatalf("clicking %s: %v; the page is %s", selector, err, p.text("body"))
		}
	}
}

// clean fails the test if anything went wrong in the tab.
func (p *page) clean() {
	p.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, f := range p.faults {
		p.Errorf("console: %s", f)
	}
}

// asked returns the URLs asked for that contain part.
func (p *page) asked(part string) (urls []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, u := range p.urls {
		if strings.Contains(u, part) {
			urls = append(urls, u)
		}
	}
	return urls
}

func (p *page) cookies() (all []*network.Cookie) {
	p.Helper()
	onBrowser(p.T, func(ctx context.Context) (err error) {
		all, err = storage.GetCookies().WithBrowserContextID(p.browser).Do(ctx)
		return err
	})
	return all
}

// allow fills in the provider's page.
func (p *page) allow() {
	p.Helper()
	p.do(
		chromedp.SendKeys("#username", "alice@example.org", chromedp.ByQuery),
		chromedp.SendKeys("#password", "wonderland", chromedp.ByQuery),
	)
	p.click(`button[value="allow"]`)
}

// signIn signs alice in by code.
func (p *page) signIn() *page {
	p.Helper()
	p.visit("/").click(`a[href="/login/house"]`)
	p.allow()
	p.sees("#who", "You are alice")
	return p
}

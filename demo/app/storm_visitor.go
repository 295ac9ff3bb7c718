package app

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// visitor is the browser of a storm's user.
type visitor struct {
	http   *http.Client
	record string

	mu      sync.Mutex
	cookies map[string]string
}

// signIn makes a session whose token has expired.
func (s *storm) signIn(ctx context.Context, at string, o order) (*visitor, error) {
	v := &visitor{cookies: map[string]string{pickCookie: o.kind}, http: &http.Client{
		Transport:     &http.Transport{MaxIdleConnsPerHost: maxCalls},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	form := url.Values{"username": {s.d.accounts[0].login}, "password": {s.d.accounts[0].password}}
	if err := v.want(ctx, http.StatusSeeOther, http.MethodPost, at+"/login/"+o.way()+"/password", form, nil); err != nil {
		return nil, err
	}
	var state state
	if err := v.want(ctx, http.StatusOK, http.MethodGet, at+"/state", nil, &state); err != nil {
		return nil, err
	}
	v.record = state.Record
	return v, v.want(ctx, http.StatusNoContent, http.MethodPost, at+"/expire", nil, nil)
}

// way is the account system that the storm plays with.
func (o order) way() string {
	if o.strict {
		return "storm-strict"
	}
	return "storm"
}

func (v *visitor) want(ctx context.Context, status int, method, to string, form url.Values, into any) error {
	got, err := v.do(ctx, method, to, form, into)
	if err == nil && got != status {
		err = fmt.Errorf("demo: preparing the storm: %d where %d was to be", got, status)
	}
	return err
}

func (v *visitor) get(ctx context.Context, from string) (int, error) {
	return v.do(ctx, http.MethodGet, from, nil, nil)
}

func (v *visitor) do(ctx context.Context, method, to string, form url.Values, into any) (int, error) {
	req, err := http.NewRequestWithContext(ctx, method, to, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, err
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	req.Header.Set("Accept", "application/json")
	v.mu.Lock()
	for name, value := range v.cookies {
		req.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	v.mu.Unlock()
	resp, err := v.http.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	v.mu.Lock()
	for _, c := range resp.Cookies() {
		v.cookies[c.Name] = c.Value
	}
	v.mu.Unlock()
	if into != nil {
		return resp.StatusCode, json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(into)
	}
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
	return resp.StatusCode, err
}

// leave signs out: a storm leaves no session behind.
func (v *visitor) leave(at string) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	v.do(ctx, http.MethodPost, at+"/logout", nil, nil) // it would expire
	v.http.CloseIdleConnections()
}

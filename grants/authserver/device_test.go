package authserver_test

import (
	"html"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
)

const deviceGrant = "urn:ietf:params:oauth:grant-type:device_code"

// newDevices has a public client "tv" for devices.
func newDevices(t *testing.T, change func(*setup)) *service {
	t.Helper()
	svc := newService(t, func(set *setup) {
		set.options.VerificationURI = "/device"
		set.clients = append(set.clients, authserver.Client{
			ID: "tv", Name: "The <TV>", Grants: []string{deviceGrant, "refresh_token"}, Scopes: []string{"read", "write"},
		})
		if change != nil {
			change(set)
		}
	})
	svc.mux.Handle("/device_authorization", svc.DeviceAuthorization())
	svc.mux.Handle("/device", svc.DevicePage())
	return svc
}

func (s *service) authorizeDevice(pairs ...string) (device, user string) {
	s.t.Helper()
	got := s.postAs("", "", "/device_authorization", append([]string{"client_id", "tv"}, pairs...)...)
	return text(s.t, got, "device_code"), text(s.t, got, "user_code")
}

func (s *service) poll(device string) *reply {
	s.t.Helper()
	return s.postAs("", "", "/token", "grant_type", deviceGrant, "client_id", "tv", "device_code", device)
}

// connect sends an answer of the device page as its own form does.
func (s *service) connect(pairs ...string) *reply {
	s.t.Helper()
	r := httptest.NewRequest("POST", "/device", strings.NewReader(form(pairs...)))
	r.Header.Set("Content-Type", formBody)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return s.do(r)
}

// enter types a code as bob and returns what the page carries on.
func (s *service) enter(user string) (carried string, got *reply) {
	s.t.Helper()
	got = s.connect("user_code", user, "username", "bob", "password", password)
	if m := hidden.FindStringSubmatch(got.body); m != nil {
		carried = html.UnescapeString(m[1])
	}
	return carried, got
}

func (s *service) answerDevice(user, decision string) *reply {
	s.t.Helper()
	carried, got := s.enter(user)
	if got.StatusCode != 200 || carried == "" {
		s.t.Fatalf("the code: %d %s", got.StatusCode, got.body)
	}
	return s.connect("request", carried, "decision", decision)
}

func TestDeviceFlow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newDevices(t, nil)
		told := svc.postAs("", "", "/device_authorization", "client_id", "tv", "scope", "read")
		device, user := text(t, told, "device_code"), text(t, told, "user_code")
		if !regexp.MustCompile("^[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}$").MatchString(user) {
			t.Errorf("user code %q", user)
		}
		if told.json["verification_uri"] != "https://as.example/device" || told.json["expires_in"] != 600.0 || told.json["interval"] != 5.0 ||
			told.json["verification_uri_complete"] != "https://as.example/device?user_code="+user {
			t.Errorf("answer %s", told.body)
		}
		svc.poll(device).want(t, 400, "authorization_pending")
		page := svc.do(httptest.NewRequest("GET", "/device?user_code="+user, nil))
		if page.StatusCode != 200 || !strings.Contains(page.body, `value="`+user+`"`) {
			t.Errorf("page %d %s", page.StatusCode, page.body)
		}
		carried, consent := svc.enter(" " + strings.ToLower(strings.ReplaceAll(user, "-", " ")))
		for _, part := range []string{"The &lt;TV&gt;", user, "<li>read</li>", `value="allow"`, `value="deny"`} {
			if !strings.Contains(consent.body, part) {
				t.Errorf("the page lacks %q: %s", part, consent.body)
			}
		}
		time.Sleep(5 * time.Second)
		svc.poll(device).want(t, 400, "authorization_pending") // seeing the page is not allowing it
		done := svc.connect("request", carried, "decision", "allow")
		if done.StatusCode != 200 || !strings.Contains(done.body, "is connected") {
			t.Errorf("page %d %s", done.StatusCode, done.body)
		}
		svc.postAs("web", secret, "/token", "grant_type", deviceGrant, "device_code", device).want(t, 400, "unauthorized_client")
		got := svc.poll(device)
		access := text(t, got, "access_token")
		rec, err := svc.Verify(t.Context(), access)
		if err != nil || rec.Subject != "user-2" || strings.Join(rec.Token.Scopes, " ") != "read" {
			t.Errorf("record %v, error %v", rec, err)
		}
		svc.poll(device).want(t, 400, "invalid_grant")
		if _, got := svc.enter(user); got.StatusCode != 400 {
			t.Errorf("the user code works twice: %d", got.StatusCode)
		}
		refreshed := svc.postAs("", "", "/token", "grant_type", "refresh_token", "client_id", "tv", "refresh_token", text(t, got, "refresh_token"))
		text(t, refreshed, "access_token")
		logs := svc.logs.String()
		for _, s := range []string{"canary", device, user, strings.ReplaceAll(user, "-", ""), access} {
			if strings.Contains(logs, s) {
				t.Errorf("the log holds %q: %s", s, logs)
			}
		}
		if !strings.Contains(logs, "device page") || !strings.Contains(logs, "client=tv") {
			t.Errorf("the log: %s", logs)
		}
	})
}

func TestDeviceDenied(t *testing.T) {
	t.Parallel()
	for _, decision := range []string{"deny", "", "ALLOW"} {
		svc := newDevices(t, nil)
		device, user := svc.authorizeDevice()
		if got := svc.answerDevice(user, decision); got.StatusCode != 200 || !strings.Contains(got.body, "not connected") {
			t.Errorf("page %d %s", got.StatusCode, got.body)
		}
		svc.poll(device).want(t, 400, "access_denied")
	}
}

func TestDevicePolling(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newDevices(t, nil)
		device, user := svc.authorizeDevice()
		for i, step := range []struct {
			wait time.Duration
			code string
		}{
			{0, "authorization_pending"},
			{5 * time.Second, "authorization_pending"},
			{5*time.Second - time.Millisecond, "slow_down"}, // from now on 10 s
			{9 * time.Second, "slow_down"},                  // 15 s
			{14 * time.Second, "slow_down"},                 // 20 s
			{20 * time.Second, "authorization_pending"},
			{19 * time.Second, "slow_down"},
		} {
			time.Sleep(step.wait)
			got := svc.poll(device)
			if got.json["error"] != step.code {
				t.Errorf("poll %d: %s, want %s", i, got.body, step.code)
			}
			got.want(t, 400, step.code)
		}
		// Allowed, it is given at once, however soon it polls.
		svc.answerDevice(user, "allow")
		text(t, svc.poll(device), "access_token")
	})
}

func TestDeviceExpires(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newDevices(t, nil)
		device, user := svc.authorizeDevice()
		allowed, second := svc.authorizeDevice()
		svc.answerDevice(second, "allow")
		time.Sleep(10*time.Minute - time.Millisecond)
		svc.poll(device).want(t, 400, "authorization_pending")
		carried, _ := svc.enter(user)
		time.Sleep(time.Millisecond)
		svc.poll(device).want(t, 400, "expired_token")
		svc.poll(allowed).want(t, 400, "expired_token")
		if got := svc.connect("request", carried, "decision", "allow"); got.StatusCode != 400 || !strings.Contains(got.body, "expired") {
			t.Errorf("page %d %s", got.StatusCode, got.body)
		}
		if _, got := svc.enter(user); got.StatusCode != 400 {
			t.Errorf("the user code lives: %d", got.StatusCode)
		}
		time.Sleep(10 * time.Minute)
		svc.poll(device).want(t, 400, "invalid_grant")
	})
}

func TestDeviceRequests(t *testing.T) {
	t.Parallel()
	svc := newDevices(t, func(set *setup) {
		twin := set.clients[len(set.clients)-1]
		twin.ID = "tv2"
		set.clients = append(set.clients, twin)
	})
	device, user := svc.authorizeDevice()
	svc.postAs("", "", "/device_authorization", "client_id", "nobody").want(t, 400, "invalid_client")
	svc.post("/device_authorization").want(t, 400, "unauthorized_client")
	svc.postAs("", "", "/device_authorization", "client_id", "tv", "scope", "admin").want(t, 400, "invalid_scope")
	svc.postAs("", "", "/token", "grant_type", deviceGrant, "client_id", "tv").want(t, 400, "invalid_request")
	svc.poll("x").want(t, 400, "invalid_grant")
	svc.poll(user).want(t, 400, "invalid_grant")
	svc.postAs("", "", "/token", "grant_type", deviceGrant, "client_id", "tv2", "device_code", device).want(t, 400, "invalid_grant")
	got := svc.do(httptest.NewRequest("GET", "/device_authorization", nil))
	got.want(t, 405, "invalid_request")
	if svc.valid(device) || svc.valid(user) {
		t.Error("a code passes for an access token")
	}
}

func TestEachDeviceCodeWorksOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newDevices(t, func(set *setup) { set.delay = 2 * time.Millisecond })
		once(t, rounds(svc, func() string {
			device, user := svc.authorizeDevice()
			svc.answerDevice(user, "allow")
			return device
		}, svc.poll))
	})
}

// Polls on all sides while the user answers: the answer is not lost, and no poll fails.
func TestDevicePollsWhileTheUserAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		svc := newDevices(t, func(set *setup) { set.delay = 2 * time.Millisecond })
		for range 20 {
			device, user := svc.authorizeDevice()
			carried, _ := svc.enter(user)
			var wg sync.WaitGroup
			for i := range 4 {
				wg.Go(func() {
					time.Sleep(time.Duration(i) * time.Millisecond)
					if got := svc.poll(device); got.StatusCode != 200 && got.StatusCode != 400 {
						t.Errorf("a poll: %d %s", got.StatusCode, got.body)
					}
				})
			}
			wg.Go(func() {
				if got := svc.connect("request", carried, "decision", "deny"); got.StatusCode != 200 {
					t.Errorf("the page: %d %s", got.StatusCode, got.body)
				}
			})
			wg.Wait()
			svc.poll(device).want(t, 400, "access_denied")
		}
	})
}

// Whatever call of the store fails, before or after its effect, the device and the user can go on.
func TestDeviceStoreFailures(t *testing.T) {
	t.Parallel()
	for n := 1; n <= 20; n++ {
		for _, after := range []bool{false, true} {
			svc := newDevices(t, nil)
			_, user := svc.authorizeDevice()
			carried, _ := svc.enter(user)
			svc.tokens.failNext(n, after)
			flow := func() (device, user string, entered, decided *reply) {
				told := svc.postAs("", "", "/device_authorization", "client_id", "tv")
				if told.StatusCode != 200 {
					told.want(t, 503, "temporarily_unavailable")
					device, user = svc.authorizeDevice()
				} else {
					device, user = told.json["device_code"].(string), told.json["user_code"].(string)
				}
				_, entered = svc.enter(user)
				decided = svc.connect("request", carried, "decision", "allow")
				return device, user, entered, decided
			}
			device, user, entered, decided := flow()
			for _, got := range []*reply{entered, decided} {
				if got.StatusCode != 200 && got.StatusCode != 503 && got.StatusCode != 400 {
					t.Errorf("call %d, after %v: page %d %s", n, after, got.StatusCode, got.body)
				}
			}
			svc.poll(device)
			svc.tokens.failNext(0, false)
			svc.answerDevice(user, "allow")
			text(t, svc.poll(device), "access_token")
		}
	}
}

func TestDeviceIDTokenAndEndSubject(t *testing.T) {
	t.Parallel()
	svc := newDevices(t, func(set *setup) {
		withJWT(t, authserver.Dialect{})(set)
		tv := &set.clients[len(set.clients)-1]
		tv.Scopes = []string{"openid"}
	})
	device, user := svc.authorizeDevice()
	svc.answerDevice(user, "allow")
	claims := svc.checked("JWT", "tv", text(t, svc.poll(device), "id_token"))
	if claims.Subject != "user-2" || claims.Get("auth_time") == nil {
		t.Errorf("claims %s", claims.Payload)
	}
	// An account that is closed has no device allowed a moment ago.
	device, user = svc.authorizeDevice()
	svc.answerDevice(user, "allow")
	if err := svc.EndSubject(t.Context(), "user-2"); err != nil {
		t.Fatal(err)
	}
	svc.poll(device).want(t, 400, "invalid_grant")
}

func TestDeviceNeedsAPage(t *testing.T) {
	t.Parallel()
	tokens := newService(t, nil).tokens
	clients := []authserver.Client{{ID: "tv", Grants: []string{deviceGrant}}}
	for uri, good := range map[string]bool{"": false, "/device": false, "http://a.example/device": false, "https://a.example/device": true} {
		_, err := authserver.New(tokens, users, clients, &authserver.Options{VerificationURI: uri})
		if (err == nil) != good {
			t.Errorf("%q: %v", uri, err)
		}
	}
	if _, err := authserver.New(tokens, nil, clients, &authserver.Options{VerificationURI: "https://a.example/"}); err == nil {
		t.Error("without users")
	}
}

package authserver_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"

	"github.com/tokenkeep/tokenkeep/grants/authserver"
	"github.com/tokenkeep/tokenkeep/stores/memstore"
)

// A television asks for a code, its user types the code elsewhere, and the television is told.
func ExampleServer_DeviceAuthorization() {
	tokens, err := memstore.New(nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	const device = "urn:ietf:params:oauth:grant-type:device_code"
	srv, err := authserver.New(tokens, checkPassword, []authserver.Client{
		{ID: "tv", Name: "The TV", Grants: []string{device, "refresh_token"}, Scopes: []string{"watch"}},
	}, &authserver.Options{Issuer: "https://login.example", VerificationURI: "/device"})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/device_authorization", srv.DeviceAuthorization())
	mux.Handle("/device", srv.DevicePage())
	mux.Handle("/token", srv.Token())

	post := func(path string, form url.Values) string {
		r := httptest.NewRequest("POST", path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, r)
		return w.Body.String()
	}
	told := post("/device_authorization", url.Values{"client_id": {"tv"}})
	_, code, _ := strings.Cut(told, `"device_code":"`)
	code, _, _ = strings.Cut(code, `"`)
	fmt.Println(strings.Contains(told, `"verification_uri":"https://login.example/device"`))
	fmt.Print(post("/token", url.Values{"grant_type": {device}, "client_id": {"tv"}, "device_code": {code}}))
	// Output:
	// true
	// {"error":"authorization_pending","error_description":"the user has not answered yet"}
}

package middleware_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/middleware"
	"github.com/tokenkeep/tokenkeep/middleware/internal/guardtest"
)

// The URLs are the examples of RFC 9728 section 3.1, and the edges around them.
func TestMetadata(t *testing.T) {
	t.Parallel()
	type test struct {
		Resource, URL string
	}
	data, err := os.ReadFile("../grants/testdata/rfc_examples.json") // the RFCs' own values, which this is one of
	if err != nil {
		t.Fatal(err)
	}
	var examples struct {
		URLs []test `json:"metadata_url"`
	}
	if err := json.Unmarshal(data, &examples); err != nil {
		t.Fatal(err)
	}
	tests := slices.DeleteFunc(examples.URLs, func(tt test) bool { return tt.Resource == "" })
	if len(tests) < 2 {
		t.Fatalf("only %d examples", len(tests))
	}
	tests = append(tests, []test{
		{"https://resource.example.com/", "https://resource.example.com/.well-known/oauth-protected-resource"},
		{"https://resource.example.com/mcp/", "https://resource.example.com/.well-known/oauth-protected-resource/mcp/"},
		{"http://127.0.0.1:8080/api", "http://127.0.0.1:8080/.well-known/oauth-protected-resource/api"},
	}...)
	for _, tt := range tests {
		t.Run(tt.Resource, func(t *testing.T) {
			t.Parallel()
			guard := newGuard(t, subjects, &middleware.Options{Resource: tt.Resource, AuthorizationServers: []string{"https://as.example"}, Scopes: []string{"read"}})
			mux := http.NewServeMux()
			mux.Handle(guard.Metadata())
			mux.Handle("GET /x", guard.Require("write")(done))
			for token, status := range map[string]int{"": 401, "unknown": 401, "u1": 403} {
				w := serve(mux, request("GET", "/x", token))
				if got := guardtest.Challenge(t, w.Header())["resource_metadata"]; w.Code != status || got != tt.URL {
					t.Errorf("%d: resource_metadata %q, want %q", w.Code, got, tt.URL)
				}
			}
			w := serve(mux, request("GET", tt.URL, ""))
			var doc map[string]any
			if err := json.Unmarshal(w.Body.Bytes(), &doc); err != nil || w.Header().Get("Content-Type") != "application/json" {
				t.Fatalf("%d %v %s", w.Code, err, w.Body)
			}
			want := fmt.Sprint(map[string]any{
				"resource": tt.Resource, "authorization_servers": []any{"https://as.example"},
				"scopes_supported": []any{"read"}, "bearer_methods_supported": []any{"header"},
			})
			if fmt.Sprint(doc) != want {
				t.Errorf("metadata %v, want %v", doc, want)
			}
		})
	}
}

func TestNoMetadata(t *testing.T) {
	t.Parallel()
	guard := newGuard(t, subjects, nil)
	mux := http.NewServeMux()
	mux.Handle(guard.Metadata())
	if w := serve(mux, request("GET", "/.well-known/oauth-protected-resource", "")); w.Code != http.StatusNotFound {
		t.Errorf("status %d", w.Code)
	}
	w := serve(guard.Require()(done), request("GET", "/", ""))
	if strings.Contains(w.Header().Get("WWW-Authenticate"), "resource_metadata") {
		t.Errorf("challenge %q", w.Header().Get("WWW-Authenticate"))
	}
}

func TestResourceFaults(t *testing.T) {
	t.Parallel()
	for _, resource := range []string{"api.example", "/mcp", "https://", "http://api.example", "ftp://api.example", "https://u:p@api.example", "https://api.example/?q", "https://api.example/#f", "https://api.example/{x}", "https://api.example//x", "https://api.example//", "https://api.example/a/..", "https://api.example/a/../b", "https://api.example/./a", "https://api.example/\r\n"} {
		if _, err := middleware.New(subjects, middleware.Self, &middleware.Options{Resource: resource}); err == nil {
			t.Errorf("%q was accepted", resource)
		}
	}
	if _, err := middleware.New(subjects, middleware.Self, &middleware.Options{Scopes: []string{"read"}}); err == nil {
		t.Error("scopes without a resource were accepted")
	}
}

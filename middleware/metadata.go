package middleware

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

const metadataPath = "/.well-known/oauth-protected-resource"

type metadata struct {
	url     string // what challenges name
	pattern string
	body    []byte
}

// Metadata returns pattern and handler of the protected resource metadata (RFC 9728), by which a client that met a
// challenge finds out where to get a token:
//
//	mux.Handle(guard.Metadata())
//
// It describes Options.Resource; without one it answers 404.
func (g *Guard[U]) Metadata() (pattern string, handler http.Handler) {
	if g.metadata.body == nil {
		return "GET " + metadataPath, http.NotFoundHandler()
	}
	return g.metadata.pattern, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(g.metadata.body) //nolint:errcheck // the client left
	})
}

func newMetadata(o *Options) (metadata, error) {
	if o.Resource == "" {
		if len(o.AuthorizationServers)+len(o.Scopes) > 0 {
			return metadata{}, errors.New("middleware: Options.AuthorizationServers and Scopes need a Resource")
		}
		return metadata{}, nil
	}
	var errs []error
	resource, err := identifier("Resource", o.Resource)
	errs = append(errs, err)
	for _, issuer := range o.AuthorizationServers {
		_, err := identifier("AuthorizationServers", issuer)
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return metadata{}, err
	}
	if p := resource.Path; strings.Contains(p, "//") || strings.Contains(p+"/", "/./") || strings.Contains(p+"/", "/../") {
		return metadata{}, fmt.Errorf("middleware: Options.Resource has a path that no request can have: %q", o.Resource)
	}
	path := metadataPath // the well-known part goes between host and path (section 3.1)
	if resource.Path != "/" {
		path += resource.EscapedPath()
	}
	m := metadata{url: resource.Scheme + "://" + resource.Host + path, pattern: "GET " + path}
	if strings.HasSuffix(path, "/") {
		m.pattern += "{$}"
	}
	ways := []string{"header"}
	if o.FormToken {
		ways = append(ways, "body")
	}
	if o.InsecureQueryToken {
		ways = append(ways, "query")
	}
	m.body, err = json.Marshal(struct {
		Resource string   `json:"resource"`
		Servers  []string `json:"authorization_servers,omitempty"`
		Scopes   []string `json:"scopes_supported,omitempty"`
		Ways     []string `json:"bearer_methods_supported"`
	}{o.Resource, o.AuthorizationServers, o.Scopes, ways})
	return m, err
}

// identifier checks a resource or issuer identifier: https without query and fragment, http for loopback hosts only.
func identifier(field, text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.User != nil || !isPrintable(text) || strings.ContainsAny(text, `"\{}?#`):
		return nil, fmt.Errorf("middleware: Options.%s is no absolute URL without query and fragment: %q", field, text)
	case u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())):
		return nil, fmt.Errorf("middleware: Options.%s is not https: %q", field, text)
	}
	return u, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

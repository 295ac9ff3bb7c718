package authserver

import (
	"net/http"
	"net/url"
	"slices"
)

// Endpoints are where the application has mounted what [Server.Metadata] tells about: URLs, or paths at the issuer's
// host. An empty one is left out.
type Endpoints struct {
	Authorize           string // of [Server.Authorize]
	PushedAuthorization string // of [Server.PushedAuthorization]
	Token               string // of [Server.Token]
	DeviceAuthorization string // of [Server.DeviceAuthorization]
	Revoke              string // of [Server.Revoke]
	Introspect          string // of [Server.Introspect]
	UserInfo            string // of [Server.UserInfo]
	JWKS                string // of [Server.JWKS]
}

type metadata struct {
	Issuer            string   `json:"issuer"`
	Authorize         string   `json:"authorization_endpoint,omitempty"`
	Token             string   `json:"token_endpoint,omitempty"`
	Pushed            string   `json:"pushed_authorization_request_endpoint,omitempty"`
	Device            string   `json:"device_authorization_endpoint,omitempty"`
	Revoke            string   `json:"revocation_endpoint,omitempty"`
	Introspect        string   `json:"introspection_endpoint,omitempty"`
	UserInfo          string   `json:"userinfo_endpoint,omitempty"`
	JWKS              string   `json:"jwks_uri,omitempty"`
	Scopes            []string `json:"scopes_supported,omitempty"`
	ResponseTypes     []string `json:"response_types_supported"`
	GrantTypes        []string `json:"grant_types_supported"`
	AuthMethods       []string `json:"token_endpoint_auth_methods_supported"`
	AuthAlgs          []string `json:"token_endpoint_auth_signing_alg_values_supported,omitempty"`
	RevokeMethods     []string `json:"revocation_endpoint_auth_methods_supported,omitempty"`
	IntrospectMethods []string `json:"introspection_endpoint_auth_methods_supported,omitempty"`
	Challenges        []string `json:"code_challenge_methods_supported"`
	Iss               bool     `json:"authorization_response_iss_parameter_supported"`
	RequestURI        bool     `json:"request_uri_parameter_supported"` // absent means true

	// of OpenID Connect, with keys
	Subjects []string `json:"subject_types_supported,omitempty"`
	DPoPAlgs []string `json:"dpop_signing_alg_values_supported,omitempty"`
	IDAlgs   []string `json:"id_token_signing_alg_values_supported,omitempty"`
	Claims   []string `json:"claims_supported,omitempty"`
}

// Metadata returns one document for both: RFC 8414's, to be mounted at /.well-known/oauth-authorization-server followed by
// the issuer's path, and OpenID Connect Discovery's, at the issuer's path followed by /.well-known/openid-configuration.
// Without [Options.Issuer] it answers 404.
func (s *Server) Metadata(e Endpoints) http.Handler {
	doc := s.metadata(e)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case s.issuer == "":
			fail(http.StatusNotFound, "invalid_request", "the server has no issuer").write(w)
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			fail(http.StatusMethodNotAllowed, "invalid_request", "the method must be GET").write(w)
		default:
			now := doc
			if k := s.keys.Load(); k.signer != nil {
				now.Subjects, now.IDAlgs, now.Claims = []string{"public"}, []string{k.signer.Key().Algorithm}, idClaims
			}
			writeJSON(w, http.StatusOK, now)
		}
	})
}

func (s *Server) metadata(e Endpoints) metadata {
	doc := metadata{
		Issuer:    s.issuer,
		Authorize: s.endpoint(e.Authorize), Token: s.endpoint(e.Token), Revoke: s.endpoint(e.Revoke),
		Introspect: s.endpoint(e.Introspect), UserInfo: s.endpoint(e.UserInfo), JWKS: s.endpoint(e.JWKS),
		Pushed:        s.endpoint(e.PushedAuthorization),
		Device:        s.endpoint(e.DeviceAuthorization),
		ResponseTypes: []string{}, GrantTypes: []string{}, Challenges: []string{"S256"}, Iss: true,
	}
	for _, c := range s.clients {
		doc.Scopes = append(doc.Scopes, c.Scopes...)
		doc.GrantTypes = append(doc.GrantTypes, c.Grants...)
		doc.AuthMethods = append(doc.AuthMethods, c.methods()...)
		if c.DPoP {
			doc.DPoPAlgs = assertionAlgs
		}
	}
	for _, list := range []*[]string{&doc.Scopes, &doc.GrantTypes, &doc.AuthMethods} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	for grant, response := range map[string]string{grantCode: "code", grantImplicit: "token"} {
		if slices.Contains(doc.GrantTypes, grant) {
			doc.ResponseTypes = append(doc.ResponseTypes, response)
		}
	}
	slices.Sort(doc.ResponseTypes)
	if slices.Contains(doc.AuthMethods, authAssertion) {
		doc.AuthAlgs = assertionAlgs
	}
	if e.Revoke != "" {
		doc.RevokeMethods = doc.AuthMethods
	}
	if e.Introspect != "" {
		doc.IntrospectMethods = slices.DeleteFunc(slices.Clone(doc.AuthMethods), func(m string) bool { return m == authNone })
	}
	return doc
}

// endpoint resolves what the application said against the issuer; a path keeps its last slash, or its lack of one.
func (s *Server) endpoint(said string) string {
	if said == "" {
		return ""
	}
	base, err := url.Parse(s.issuer)
	if err != nil {
		return said
	}
	to, err := base.Parse(said)
	if err != nil {
		return said
	}
	return to.String()
}

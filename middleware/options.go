package middleware

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
)

// Options are a guard's optional settings; nil and the zero value mean the defaults.
type Options struct {
	// Realm is what challenges name; printable ASCII, default "api".
	Realm string

	// Session admits browsers by its cookie, where no bearer token is sent; both together are a 400. Requests of
	// other origins that change state or open a WebSocket are refused (403), and a session that is over has its cookie cleared.
	Session *Session

	// TokenLimit is the longest token looked at, in bytes; longer ones are refused unread. Default 8192.
	TokenLimit int

	// FormToken accepts the token as access_token in an application/x-www-form-urlencoded body of up to 1 MiB of a
	// POST, PUT or PATCH request (RFC 6750 section 2.2). The handler can still read the body.
	FormToken bool

	// InsecureQueryToken accepts the token as access_token in the query (RFC 6750 section 2.3), where logs, histories
	// and Referer headers keep it. Only for clients that can set neither header nor body.
	InsecureQueryToken bool

	// Resource is the identifier of what is protected, such as "https://api.example/mcp": [Guard.Metadata] then serves
	// RFC 9728 metadata, and challenges point to it. AuthorizationServers are the issuers whose tokens are accepted
	// there, Scopes the scopes worth asking for.
	Resource             string
	AuthorizationServers []string
	Scopes               []string

	// Deny may answer a refused request itself, such as by sending a browser to the login page, and then returns true;
	// false leaves it to the standard answer. The challenge and Cache-Control headers are set already. err is, by
	// errors.Is, one of the package's errors. It must not change the outcome to a success.
	Deny func(w http.ResponseWriter, r *http.Request, err error) bool

	// Logger hears why a request got a 503; nil: slog.Default(). No token is ever logged.
	Logger *slog.Logger
}

const (
	defaultRealm      = "api"
	defaultTokenLimit = 8 << 10
)

func (o *Options) withDefaults() (Options, error) {
	var c Options
	if o != nil {
		c = *o
	}
	var errs []error
	if c.Realm == "" {
		c.Realm = defaultRealm
	}
	if !isPrintable(c.Realm) {
		errs = append(errs, fmt.Errorf("middleware: Options.Realm is not printable ASCII: %q", c.Realm))
	}
	if c.TokenLimit < 0 {
		errs = append(errs, fmt.Errorf("middleware: Options.TokenLimit is negative: %d", c.TokenLimit))
	}
	if c.TokenLimit == 0 {
		c.TokenLimit = defaultTokenLimit
	}
	for _, s := range c.Scopes {
		if !isScopeToken(s) {
			errs = append(errs, fmt.Errorf("middleware: Options.Scopes holds no scope: %q", s))
		}
	}
	if c.Session != nil {
		errs = append(errs, c.Session.Validate())
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	return c, errors.Join(errs...)
}

func isPrintable(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// quote writes s as a quoted-string (RFC 9110 section 5.6.4); s is printable.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

package authserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tokenkeep/tokenkeep/grants/jose"
	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
)

// Users checks a password and returns who it belongs to: the subject, which is the application's user id. A wrong password
// and an unknown user are both store.ErrNotFound, and should take the same time: hash something for an unknown user too.
// Any other error means that it could not be found out. Spellings of a username that differ in case, or in spaces around it,
// share their attempts ([Options].MaxAttempts); a directory that disregards more, such as accents, has to refuse or to
// limit those spellings itself. It may be called concurrently.
type Users func(ctx context.Context, username, password string) (subject string, err error)

// Options are a Server's optional settings. The zero value and nil mean the defaults.
type Options struct {
	// Issuer is the server's identifier (RFC 8414 section 2): https, or http on loopback. With it authorize answers carry
	// iss (RFC 9207); without it there is no metadata.
	Issuer string

	// Authenticate tells who is signed in to the application, for authorize requests: the page then asks for consent only.
	// With ok false it has answered the request itself, mostly by a redirect to a login that leads back to r.URL. It is asked
	// for the page and for the page's answer, whose body it finds read.
	// nil: the page asks for username and password each time.
	Authenticate func(w http.ResponseWriter, r *http.Request) (subject string, ok bool)

	// VerificationURI is where users go to connect a device (RFC 8628 section 3.3): the URL of [Server.DevicePage], or its
	// path at the issuer's host. Needed for clients with the device_code grant.
	VerificationURI string

	// Page shows the authorize page; it is executed with a [Page]. nil means the default page.
	Page *template.Template

	// Scopes tells users what a scope allows: name to text, for the authorize page.
	Scopes map[string]string

	// Ring seals what pages carry from being shown to their answer, and nonces. nil means a ring of this Server's own: then
	// the process that showed a page must get its answer.
	Ring *seal.Ring

	// Keys sign ID tokens, and access tokens of dialects with an Audience: the first signs, all are published. Each has a
	// kid of its own and is no HMAC secret. nil: none of these tokens, and no scope "openid". See [Server.SetKeys].
	Keys []*jose.Signer

	// DPoPNonces asks for a nonce of this server in each proof (RFC 9449 section 8), so that none can be made in advance.
	// With several processes it needs a Ring.
	DPoPNonces bool

	// UserInfo returns what the userinfo endpoint tells, encoded as JSON, about an access token's record as
	// [Server.Verify] returned it. nil tells sub, the subject. With the scope openid sub is told whatever this returns.
	// store.ErrNotFound means that the user is gone.
	UserInfo func(ctx context.Context, rec *store.Record) (any, error)

	CodeTTL     time.Duration // of authorization codes; 0 means 60 seconds, and more than 10 minutes is refused
	MaxAttempts int           // wrong passwords per account and client, or user codes per account, in 15 minutes; 0 means 10

	// Logger gets one line for each token, revocation and introspection request and each answered authorize page:
	// grant, client, status and error; no secret, and nothing that a request made up. nil means none.
	Logger *slog.Logger

	Now func() time.Time // the clock, for tests; nil means time.Now
}

// Server is an authorization server. The zero Server is not usable: call [New]. All methods may be called concurrently.
// Servers with the same clients may share a store, and any of them then answers for what the others issued. Servers with
// other users or another Issuer must not: their tokens would be good at each other's resources.
type Server struct {
	tokens   store.TokenStore
	viewer   store.Viewer // nil: tokens is none
	users    Users
	dialects map[*Dialect]*dialect
	clients  map[string]*client
	owners   map[string]*client // by the plainest state: of most tokens, that is all
	nobody   *client            // compared with when there is no such client

	issuer       string
	verification string
	authenticate func(http.ResponseWriter, *http.Request) (string, bool)
	page         *template.Template
	scopes       map[string]string
	ring         *seal.Ring
	userInfo     func(context.Context, *store.Record) (any, error)
	codeTTL      time.Duration
	maxAttempts  int
	logger       *slog.Logger
	clock        func() time.Time
	origins      http.CrossOriginProtection
	keys         atomic.Pointer[keys]
	turns        turns
	nonces       bool
}

// New returns a Server that keeps what it issues in tokens and serves clients. users may be nil if no client asks for
// passwords and Options.Authenticate is set. A nil o means the defaults; the error names every setting that is wrong.
func New(tokens store.TokenStore, users Users, clients []Client, o *Options) (*Server, error) {
	if o == nil {
		o = &Options{}
	}
	s := &Server{
		tokens: tokens, users: users,
		dialects: map[*Dialect]*dialect{}, clients: map[string]*client{}, owners: map[string]*client{},
		turns:  turns{queue: map[store.Handle]turn{}},
		issuer: o.Issuer, authenticate: o.Authenticate, page: o.Page, scopes: o.Scopes, ring: o.Ring, userInfo: o.UserInfo,
		nonces: o.DPoPNonces, codeTTL: o.CodeTTL, maxAttempts: o.MaxAttempts, logger: o.Logger, clock: o.Now,
	}
	errs := []error{s.setDefaults()}
	add := func(format string, args ...any) { errs = append(errs, fmt.Errorf("authserver: "+format, args...)) }
	if tokens == nil {
		add("tokens: nil")
	} else if _, ok := tokens.(store.Stateless); ok {
		add("tokens: %T cannot compare-and-set, so codes could be used twice", tokens)
	} else if v, ok := tokens.(store.Viewer); ok && v.Viewed() == tokens {
		s.viewer = v
	}
	if err := issuerFault(o.Issuer); err != nil {
		add("Issuer: %w", err)
	}
	s.verification = s.endpoint(o.VerificationURI)
	if err := issuerFault(s.verification); err != nil {
		add("VerificationURI: %w", err)
	}
	if s.codeTTL < time.Second || s.codeTTL > 10*time.Minute { // RFC 6749 section 4.1.2
		add("CodeTTL: %s is not between a second and 10 minutes", o.CodeTTL)
	}
	if s.maxAttempts < 1 {
		add("MaxAttempts: %d is below 1", o.MaxAttempts)
	}
	if len(clients) == 0 {
		add("clients: none")
	}
	for i := range clients {
		errs = append(errs, s.addClient(&clients[i]))
	}
	for _, d := range s.dialects {
		errs = append(errs, d.faults())
	}
	errs = append(errs, s.SetKeys(o.Keys...))
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Server) setDefaults() error {
	if s.codeTTL == 0 {
		s.codeTTL = time.Minute
	}
	if s.maxAttempts == 0 {
		s.maxAttempts = 10
	}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	if s.clock == nil {
		s.clock = time.Now
	}
	if s.page == nil {
		s.page = defaultPage
	}
	s.nobody = newClient(&Client{Secret: rand.Text()}, newDialect(&Dialect{}))
	if s.ring != nil {
		return nil
	}
	var err error
	s.ring, err = seal.New(seal.NewKey())
	return err
}

// now is to the microsecond, as stores keep times: what comes back is then what was put.
func (s *Server) now() time.Time { return s.clock().Truncate(time.Microsecond) }

func (s *Server) addClient(from *Client) error {
	named := from.Dialect
	if s.dialects[named] == nil { // nil has a place too: the zero Dialect's
		d := named
		if d == nil {
			d = &Dialect{}
		}
		s.dialects[named] = newDialect(d)
	}
	c := newClient(from, s.dialects[named])
	errs := []error{c.faults()}
	if s.clients[c.ID] != nil {
		errs = append(errs, fmt.Errorf("authserver: client %q: twice", c.ID))
	}
	page := c.may(grantCode) || c.may(grantImplicit) || c.may(grantDevice)
	if s.users == nil && (c.may(grantPassword) || (page && s.authenticate == nil)) {
		errs = append(errs, fmt.Errorf("authserver: client %q: its grants need Users", c.ID))
	}
	if c.DPoP && s.issuer == "" {
		errs = append(errs, fmt.Errorf("authserver: client %q: DPoP: its proofs need an Issuer to name", c.ID))
	}
	if c.Keys != nil && s.issuer == "" {
		errs = append(errs, fmt.Errorf("authserver: client %q: Keys: its assertions need an Issuer to be made out to", c.ID))
	}
	if c.may(grantDevice) && s.verification == "" {
		errs = append(errs, fmt.Errorf("authserver: client %q: its grants need Options.VerificationURI", c.ID))
	}
	s.clients[c.ID], s.owners[string(c.state)] = c, c
	return errors.Join(errs...)
}

func issuerFault(issuer string) error {
	if issuer == "" {
		return nil
	}
	u, err := url.Parse(issuer)
	switch {
	case err != nil:
		return errors.New("a URL that does not parse")
	case u.Host == "" || u.User != nil || strings.ContainsAny(issuer, "?#"):
		return fmt.Errorf("%q is not a plain https URL", u.Redacted())
	case u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(u.Hostname())):
		return fmt.Errorf("%q must be https, or http on loopback", issuer)
	}
	return nil
}

// log writes the one line of a request. Everything in it is ours: the names of clients and grants that exist, and texts
// of this package.
func (s *Server) log(ctx context.Context, what string, req *request, err error) {
	status, level := http.StatusOK, slog.LevelInfo
	if err != nil {
		status = failureOf(err).status
	}
	if status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	if !s.logger.Enabled(ctx, level) {
		return
	}
	client, grant := "unknown", "unknown"
	var attrs []slog.Attr
	if req.client != nil {
		client = req.client.ID
	}
	switch g := req.params.get("grant_type"); g {
	case grantCode, grantRefresh, grantPassword, grantCredentials, grantImplicit, grantDevice:
		grant = g
	}
	if err != nil {
		f := failureOf(err)
		attrs = append(attrs, slog.String("error", f.code), slog.String("reason", f.description))
		if f.cause != nil { // a store's error text holds no secret (clause F3 of store.TokenStore)
			attrs = append(attrs, slog.String("cause", f.cause.Error()))
		}
	}
	s.logger.LogAttrs(ctx, level, what, append([]slog.Attr{
		slog.String("grant", grant), slog.String("client", client), slog.Int("status", status),
	}, attrs...)...)
}

package grants

import (
	"net/http"

	"github.com/tokenkeep/tokenkeep/store/keeper"
)

// Class is what an answer other than success means. Its text is stable and fit for logs and metrics.
type Class string

const (
	// GrantDead: the server refused the grant itself: password, code or refresh token. Only a new login helps.
	GrantDead Class = "grant_dead"
	// ConfigError: the server refused this client or this request. Nothing is spent; an operator has to act.
	ConfigError Class = "config_error"
	// OAuthError: an error code without a known meaning. Treated as ConfigError; Client.Codes can say what it means.
	OAuthError Class = "oauth_error"
	// RetryLater: certainly not spent: nothing was sent, or the server asked to come back.
	RetryLater Class = "retry_later"
	// UnknownOutcome: a request may have been carried out although no readable answer came.
	UnknownOutcome Class = "unknown_outcome"
	// ProtocolError: an answer that no server may give: a redirect, success without a usable token.
	ProtocolError Class = "protocol_error"
	// UnsupportedTokenType: a token that this client cannot use, such as one bound to a key.
	UnsupportedTokenType Class = "unsupported_token_type"
	// TooLarge: an answer of more than 1 MiB, or tokens of more than 32 KiB.
	TooLarge Class = "too_large"
)

// Error codes of RFC 6749 sections 4.1.2.1 and 5.2, RFC 7009, RFC 8628 section 3.5, RFC 8707 and RFC 9449.
const (
	InvalidRequest          = "invalid_request"
	InvalidClient           = "invalid_client"
	InvalidGrant            = "invalid_grant"
	InvalidScope            = "invalid_scope"
	InvalidTarget           = "invalid_target"
	UnauthorizedClient      = "unauthorized_client"
	UnsupportedGrantType    = "unsupported_grant_type"
	UnsupportedResponseType = "unsupported_response_type"
	AccessDenied            = "access_denied"
	ServerError             = "server_error"
	TemporarilyUnavailable  = "temporarily_unavailable"
	SlowDown                = "slow_down"
	AuthorizationPending    = "authorization_pending"
	ExpiredToken            = "expired_token"
	UseDPoPNonce            = "use_dpop_nonce"
	InvalidDPoPProof        = "invalid_dpop_proof"
)

// Rule is one line of the table from an answer to its class.
type Rule struct {
	Code   string // of the answer; "*": any but none; empty: any, or none
	Status int    // HTTP status; 0: any. A hundred's multiple stands for the whole hundred
	Class  Class
}

// Rules returns the table by which answers without a token are classed: the first line whose code and status both fit
// decides. What Client.Codes says goes before it. The slice is the caller's own.
//
// Only invalid_grant ends a grant, whatever the status: an outage, a rate limit or a firewall's page never does.
func Rules() []Rule {
	return append([]Rule(nil), rules[:]...)
}

func (r Rule) fits(code string, status int) bool {
	if r.Code != "" && r.Code != code && (r.Code != "*" || code == "") {
		return false
	}
	return r.Status == 0 || r.Status == status || r.Status%100 == 0 && r.Status/100 == status/100
}

func (c *Client) classify(code string, status int) Class {
	if class, ok := c.Codes[code]; ok && code != "" {
		return class
	}
	for _, r := range rules {
		if r.fits(code, status) {
			return r.Class
		}
	}
	return ProtocolError
}

// knownCode reports whether a code has a meaning of its own, so that it can be believed where no code belongs.
func (c *Client) knownCode(code string) bool {
	if _, ok := c.Codes[code]; ok {
		return true
	}
	for _, r := range rules {
		if code != "" && code != "*" && r.Code == code {
			return true
		}
	}
	return false
}

func (c Class) known() bool {
	switch c {
	case GrantDead, ConfigError, OAuthError, RetryLater, UnknownOutcome, ProtocolError, UnsupportedTokenType, TooLarge:
		return true
	}
	return false
}

// outcome is what the class means to the keeper. A redirect was not carried out; other answers that break the protocol
// may have been.
func (c Class) outcome(status int) keeper.Outcome {
	switch c {
	case GrantDead:
		return keeper.Dead
	case ConfigError, OAuthError, UnsupportedTokenType:
		return keeper.ConfigError
	case RetryLater:
		return keeper.RetryLater
	case ProtocolError:
		if status >= 300 && status < 400 {
			return keeper.ConfigError
		}
	}
	return keeper.Unknown
}

var rules = [...]Rule{
	{InvalidGrant, 0, GrantDead},
	{TemporarilyUnavailable, 0, RetryLater},
	{SlowDown, 0, RetryLater},
	{AuthorizationPending, 0, RetryLater},
	{UseDPoPNonce, 0, RetryLater},

	// Statuses that say "later" whatever code a gateway adds.
	{"", http.StatusRequestTimeout, RetryLater},
	{"", http.StatusTooEarly, RetryLater},
	{"", http.StatusTooManyRequests, RetryLater},
	{"", http.StatusServiceUnavailable, RetryLater},

	{ServerError, 0, UnknownOutcome},
	{InvalidRequest, 0, ConfigError},
	{InvalidClient, 0, ConfigError},
	{InvalidScope, 0, ConfigError},
	{InvalidTarget, 0, ConfigError},
	{UnauthorizedClient, 0, ConfigError},
	{UnsupportedGrantType, 0, ConfigError},
	{UnsupportedResponseType, 0, ConfigError},
	{InvalidDPoPProof, 0, ConfigError},

	// A failure after the grant was spent looks like this too.
	{"", 500, UnknownOutcome},

	{"*", 0, OAuthError},

	// From here on no code came.
	{"", http.StatusUnauthorized, ConfigError},
	{"", http.StatusNotFound, ConfigError},
	{"", http.StatusMethodNotAllowed, ConfigError},
	{"", http.StatusNotAcceptable, ConfigError},
	{"", http.StatusGone, ConfigError},
	{"", http.StatusRequestEntityTooLarge, ConfigError},
	{"", http.StatusRequestURITooLong, ConfigError},
	{"", http.StatusUnsupportedMediaType, ConfigError},
	{"", 400, RetryLater},
	{"", 300, ProtocolError},
	{"", 200, UnknownOutcome},
}

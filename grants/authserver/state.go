package authserver

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
)

// state is what a record of ours knows beside what every record does. It is kept in [store.Token.Extra], so client_id
// is there for applications to read; the other members are this package's own.
type state struct {
	Client string `json:"client_id"`

	Redirect  string `json:"redirect_uri,omitempty"`   // of a code: where it was sent
	Asked     bool   `json:"redirect_asked,omitempty"` // of a code: the request named that URI
	Challenge string `json:"code_challenge,omitempty"` // of a code: PKCE's, always S256
	Nonce     string `json:"nonce,omitempty"`          // of a code: for the ID token

	Auth time.Time `json:"auth_time,omitzero"` // of a code or family: when this server saw the user's password

	Key string `json:"jkt,omitempty"` // the thumbprint of the key that an access token, or a code, is bound to

	Revoked time.Time `json:"revoked,omitzero"` // of a pair: when its access token was, alone

	Spent time.Time `json:"spent,omitzero"` // when a code, or a pair's refresh token, was used up
	By    string    `json:"by,omitempty"`   // the ID of the pair it was spent for

	// Of a pair: what its successor was given, as long as that may be told again.
	Gave              []string  `json:"gave,omitempty"` // scopes of the access token
	GaveKey           string    `json:"gave_jkt,omitempty"`
	GaveExpiry        time.Time `json:"gave_expiry,omitzero"`
	GaveRefreshExpiry time.Time `json:"gave_refresh_expiry,omitzero"`

	Count int `json:"count,omitempty"` // of an attempts record: failures so far
}

func (s *Server) stateOf(rec *store.Record) (state, error) {
	if c := s.owners[string(rec.Token.Extra)]; c != nil {
		return state{Client: c.ID}, nil
	}
	var st state
	if err := json.Unmarshal(rec.Token.Extra, &st); err != nil {
		return st, errNotOurs
	}
	return st, nil
}

// raw encodes st as json.Marshal does: by hand, since each refresh writes one.
func (st state) raw() json.RawMessage {
	o := newObject(len(st.Client) + len(st.Redirect) + len(st.Nonce)).name("client_id").quoted(st.Client)
	o = o.text("redirect_uri", st.Redirect)
	if st.Asked {
		o = o.raw("redirect_asked", []byte("true"))
	}
	o = o.text("code_challenge", st.Challenge).text("nonce", st.Nonce).instant("auth_time", st.Auth).text("jkt", st.Key)
	o = o.instant("revoked", st.Revoked).instant("spent", st.Spent).text("by", st.By)
	if len(st.Gave) > 0 {
		o = o.raw("gave", encoded(st.Gave))
	}
	o = o.text("gave_jkt", st.GaveKey).instant("gave_expiry", st.GaveExpiry).instant("gave_refresh_expiry", st.GaveRefreshExpiry)
	if st.Count != 0 {
		o = o.number("count", int64(st.Count))
	}
	return o.end()
}

var errNotOurs = errors.New("authserver: a record in the store is not one of ours")

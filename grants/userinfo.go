package grants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/tokenkeep/tokenkeep/store"
)

// UserInfo asks UserInfoURL, with the token, and decodes the JSON answer into v (OpenID Connect Core section
// 5.3; any endpoint that answers JSON about the token's user will do). If the token came with an ID token, the answer's
// sub must be the ID token's (section 5.3.2).
func (c *Client) UserInfo(ctx context.Context, tok store.Token, v any) error {
	if !visible(tok.AccessToken) {
		return c.misconfigured(&call{what: "userinfo"}, errors.New("the token has no access token that a header can carry"))
	}
	q, ans, err := c.get(ctx, "userinfo", "UserInfoURL", c.UserInfoURL, tok)
	if err == nil && q.proves && wantsNonce(ans.status, ans.header, ans.body) {
		q, ans, err = c.get(ctx, "userinfo", "UserInfoURL", c.UserInfoURL, tok)
	}
	if err != nil {
		return err
	}
	if ans.status >= 300 {
		e := c.refused(q, ans)
		if e.Code == "" {
			e.Code = q.clean(challengeCode(ans.header.Values("WWW-Authenticate")), 100)
		}
		return e
	}
	if !json.Valid(ans.body) {
		return c.fail(q, ans, ProtocolError, errors.New("the answer is not JSON"))
	}
	if tok.IDToken != "" && !sameSubject(ans.body, readID(tok.IDToken).Sub) { // nothing of another user gets into v
		return c.fail(q, ans, ProtocolError, errors.New("the answer's sub is not the ID token's"))
	}
	if err := json.Unmarshal(ans.body, v); err != nil {
		return c.fail(q, ans, ProtocolError, decodeFault(err))
	}
	return nil
}

// sameSubject reports whether an answer is about want and no other: in one sub, since v takes any spelling.
func sameSubject(body []byte, want string) bool {
	sub, spellings := "", 0
	eachMember(body, func(name, value []byte) {
		if strings.EqualFold(string(name), "sub") {
			spellings++
			if string(name) == "sub" {
				sub, _ = str(value)
			}
		}
	})
	return spellings == 1 && sub != "" && sub == want
}

// refused makes the error of an answer from another endpoint than the token endpoint.
func (c *Client) refused(q *call, ans *answer) *Error {
	var r reply
	object := eachMember(ans.body, r.fault)
	if !object && !looksJSON(ans.body) {
		object = eachField(ans.body, r.fault)
	}
	return c.refusal(q, ans, &r, object)
}

// challengeCode reads the error of a Bearer challenge (RFC 6750 section 3).
func challengeCode(challenges []string) string {
	for _, ch := range challenges {
		if _, rest, ok := strings.Cut(ch, `error="`); ok {
			code, _, _ := strings.Cut(rest, `"`)
			return code
		}
	}
	return ""
}

// decodeFault says what is wrong with an answer without quoting it.
func decodeFault(err error) error {
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return fmt.Errorf("the answer's member %q does not fit %v", bounded(kind.Field, 100), kind.Type)
	}
	return errors.New("the answer does not fit")
}

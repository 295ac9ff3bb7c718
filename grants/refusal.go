package grants

import (
	"errors"
	"net/url"
	"strings"
)

// refusal makes the error of an answer that holds no token. object: the body could be read.
func (c *Client) refusal(q *call, ans *answer, r *reply, object bool) *Error {
	code, desc := c.told(r)
	class := c.classify(code, ans.status)
	var cause error
	if object && code == "" && ans.status < 300 {
		class, cause = ProtocolError, errors.New("the answer has neither access_token nor error")
	} else if !object && ans.status < 300 {
		cause = errors.New("the answer cannot be read")
	}
	e := c.fail(q, ans, class, cause)
	e.Code = q.clean(code, 100)
	e.Description = q.clean(desc, 300)
	if u, err := url.Parse(text(r.uri)); err == nil && (u.Scheme == "https" || u.Scheme == "http") {
		e.URI = q.clean(u.String(), 300)
	}
	return e
}

// told finds code and description. Where RFC 6749 has a string, servers put sentences, numbers, objects and lists; what
// is found inside of those is believed to be a code only if it is a known one.
func (c *Client) told(r *reply) (code, desc string) {
	desc = text(r.desc)
	if len(r.err) > 0 && r.err[0] == '"' {
		if s := text(r.err); !strings.Contains(s, " ") {
			code = s
		} else if desc == "" {
			desc = s
		}
	}
	for _, raw := range [][]byte{r.err, r.errs} {
		if code != "" || len(raw) == 0 || raw[0] == '"' {
			continue
		}
		if raw[0] == '[' {
			raw = raw[1:]
			raw = raw[skipSpace(raw, 0):]
		}
		if raw[0] != '{' {
			continue
		}
		eachMember(raw[:skipValue(raw, 0)], func(name, value []byte) {
			s := text(value)
			switch string(name) {
			case "code", "type", "error", "errorType", "error_code", "name", "status":
				if c.knownCode(s) {
					code = s
				}
			case "message", "error_description", "description", "title", "detail":
				if desc == "" {
					desc = s
				}
			}
		})
	}
	if desc == "" {
		desc = text(r.message)
	}
	return code, desc
}

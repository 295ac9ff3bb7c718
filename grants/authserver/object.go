package authserver

import (
	"encoding/json"
	"strconv"
	"time"
)

// object is a JSON object under way. The answers that are given most are written with it, since reflection would take as
// long as the rest of such a request.
type object []byte

// newObject begins one, with room for so many bytes of values.
func newObject(values int) object { return append(make(object, 0, values+160), '{') }

func (o object) name(name string) object {
	if len(o) > 1 {
		o = append(o, ',')
	}
	return append(append(append(o, '"'), name...), '"', ':')
}

// text adds a member, if there is a value.
func (o object) text(name, value string) object {
	if value == "" {
		return o
	}
	return o.name(name).quoted(value)
}

// token adds a member whose value has letters that need no escape, as tokens are made of.
func (o object) token(name, value string) object {
	if value == "" {
		return o
	}
	return append(append(append(o.name(name), '"'), value...), '"')
}

func (o object) number(name string, value int64) object {
	return strconv.AppendInt(o.name(name), value, 10)
}

// instant adds a member, if t is one.
func (o object) instant(name string, t time.Time) object {
	if t.IsZero() {
		return o
	}
	return append(t.AppendFormat(append(o.name(name), '"'), time.RFC3339Nano), '"')
}

// raw adds a member whose value is JSON.
func (o object) raw(name string, value []byte) object { return append(o.name(name), value...) }

func (o object) end() []byte { return append(o, '}') }

// encoded is v, of a type that always encodes, as JSON: strings, numbers and times of our own clock.
func encoded(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		panic("authserver: " + err.Error()) //nolint:forbidigo // a clock beyond the year 9999: nothing to answer
	}
	return text
}

func (o object) quoted(value string) object {
	for i := range len(value) {
		if c := value[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return append(o, encoded(value)...)
		}
	}
	return append(append(append(o, '"'), value...), '"')
}

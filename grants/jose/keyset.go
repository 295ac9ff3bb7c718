package jose

import (
	"encoding/json"
	"errors"
	"slices"
)

const maxKeys = 100

// ParseKeySet reads a JWK Set (RFC 7517 section 5) of at most 100 keys. One bad key never spoils the set: what
// [ParseKey] refuses is left out. So are keys of which nobody can tell which one is meant, because they share a kid,
// and HMAC secrets beside public keys. The error says that the text is no JWK Set; a set may come out empty.
func ParseKeySet(jwks []byte) (KeySet, error) {
	text := string(jwks)
	members, err := readObject(nil, text, jwkNames)
	if err != nil {
		return nil, errors.New("jose: not a JWK Set")
	}
	var texts []json.RawMessage
	if err := json.Unmarshal([]byte(find(text, members, "keys")), &texts); err != nil || texts == nil {
		return nil, errors.New("jose: not a JWK Set: no array of keys")
	}
	if len(texts) > maxKeys {
		return nil, errors.New("jose: JWK Set with too many keys")
	}
	set := make(KeySet, 0, len(texts))
	named := map[string]int{}
	public := false
	for _, text := range texts {
		k, err := parseKey(text)
		named[k.ID]++
		if err == nil {
			set = append(set, k)
			public = public || !k.secret()
		}
	}
	return slices.DeleteFunc(set, func(k Key) bool {
		return k.ID != "" && named[k.ID] > 1 || public && k.secret()
	}), nil
}

func (k Key) secret() bool { _, ok := k.Public.([]byte); return ok }

// MarshalJSON encodes public keys as a JWK Set, to be served at a jwks_uri.
func (s KeySet) MarshalJSON() ([]byte, error) {
	return json.Marshal(map[string][]Key{"keys": append([]Key{}, s...)})
}

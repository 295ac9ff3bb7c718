package jar

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
	"github.com/tokenkeep/tokenkeep/stores/cookiestore"
)

// ringJar seals with the last of so many keys' ring and opens with all of them, so it stands behind keys-1 newer ones.
func ringJar(keys int) (*Jar, error) {
	all := make([][]byte, keys)
	for i := range all {
		all[i] = seal.NewKey()
	}
	opener, err := seal.New(all...)
	if err != nil {
		return nil, err
	}
	sealer := opener
	if keys > 1 {
		if sealer, err = seal.New(all[keys-1]); err != nil {
			return nil, err
		}
	}
	return &Jar{
		Seal: func(name string, expires time.Time, payload []byte) (string, error) {
			plain := make([]byte, 8+len(payload))
			binary.BigEndian.PutUint64(plain, uint64(expires.Unix()))
			copy(plain[8:], payload)
			return base64.RawURLEncoding.EncodeToString(sealer.SealBytes("session", name, plain)), nil
		},
		Open: func(name, text string) ([]byte, error) {
			sealed, err := base64.RawURLEncoding.DecodeString(text)
			if err != nil {
				return nil, err
			}
			plain, err := opener.OpenBytes("session", name, sealed)
			if err != nil || len(plain) < 8 || time.Now().Unix() >= int64(binary.BigEndian.Uint64(plain)) {
				return nil, errRefused
			}
			return plain[8:], nil
		},
	}, nil
}

// recordJar is what a browser gets with cookiestore: a record, its encoding included. Another name is another store's,
// as middleware.Session binds each to its cookie.
func recordJar() (*Jar, error) {
	ring, err := seal.New(seal.NewKey())
	if err != nil {
		return nil, err
	}
	bound := map[string]*cookiestore.Store{}
	for _, name := range []string{cookie, "other"} {
		if bound[name], err = cookiestore.New(ring, cookiestore.SingleReplica()); err != nil {
			return nil, err
		}
		if err := bound[name].Bind(name); err != nil {
			return nil, err
		}
	}
	ctx := context.Background()
	return &Jar{
		Seal: func(name string, expires time.Time, payload []byte) (string, error) {
			rec, err := bound[name].Put(ctx, store.Handle{}, &store.Record{
				ID: "R1", Subject: "user-4711", Expires: expires, Token: store.Token{AccessToken: string(payload)},
			})
			if err != nil {
				return "", err
			}
			return rec.Handle.Reveal(), nil
		},
		Open: func(name, text string) ([]byte, error) {
			rec, err := bound[name].Get(ctx, store.Credential("session", text))
			if err != nil {
				return nil, err
			}
			return []byte(rec.Token.AccessToken), nil
		},
	}, nil
}

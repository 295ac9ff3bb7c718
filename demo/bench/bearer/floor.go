package bearer

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"hash"
	"math/big"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/tokenkeep/tokenkeep/demo/bench/site"
)

// floor verifies by hand what this issuer signs, and nothing else: one header, one key, claims without escapes.
type floor struct {
	header []byte // the only one, encoded
	verify func(input, signature []byte) bool
	cached bool
	seen   [256]struct {
		mu sync.RWMutex
		m  map[[32]byte]known
	}
}

type known struct {
	user    string
	expires int64
}

type userKey struct{}

var errRefused = errors.New("refused")

func newFloor(i *issuer, s *site.Site, cached bool) *floor {
	line := s.Good[0].Header["Authorization"][0][len("Bearer "):]
	f := &floor{header: []byte(line[:bytes.IndexByte([]byte(line), '.')]), cached: cached}
	switch key := i.public.(type) {
	case []byte:
		macs := sync.Pool{New: func() any { return hmac.New(sha256.New, key) }}
		f.verify = func(input, signature []byte) bool {
			mac := macs.Get().(hash.Hash)
			mac.Reset()
			mac.Write(input)
			var room [32]byte
			ok := hmac.Equal(mac.Sum(room[:0]), signature)
			macs.Put(mac)
			return ok
		}
	case *rsa.PublicKey:
		f.verify = func(input, signature []byte) bool {
			sum := sha256.Sum256(input)
			return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil
		}
	case *ecdsa.PublicKey:
		f.verify = func(input, signature []byte) bool {
			sum := sha256.Sum256(input)
			return len(signature) == 64 && ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
		}
	case ed25519.PublicKey:
		f.verify = func(input, signature []byte) bool { return ed25519.Verify(key, input, signature) }
	}
	for i := range f.seen {
		f.seen[i].m = map[[32]byte]known{}
	}
	return f
}

func (f *floor) user(r *http.Request) (string, error) {
	lines := r.Header["Authorization"]
	const scheme = "Bearer "
	if len(lines) != 1 || len(lines[0]) <= len(scheme) || lines[0][:len(scheme)] != scheme || len(lines[0]) > 4096 {
		return "", errRefused
	}
	token := lines[0][len(scheme):]
	if !f.cached {
		k, err := f.check([]byte(token))
		return k.user, err
	}
	var room [1024]byte
	sum := sha256.Sum256(append(room[:0], token...))
	shard := &f.seen[sum[0]]
	shard.mu.RLock()
	k, ok := shard.m[sum]
	shard.mu.RUnlock()
	if ok && time.Now().Unix() < k.expires {
		return k.user, nil
	}
	k, err := f.check([]byte(token))
	if err == nil {
		shard.mu.Lock()
		shard.m[sum] = k
		shard.mu.Unlock()
	}
	return k.user, err
}

func (f *floor) check(token []byte) (known, error) {
	last := bytes.LastIndexByte(token, '.')
	if last < len(f.header)+1 || !bytes.HasPrefix(token, f.header) || token[len(f.header)] != '.' {
		return known{}, errRefused
	}
	var room [2048]byte
	signature, err := base64.RawURLEncoding.Strict().AppendDecode(room[:0], token[last+1:])
	if err != nil || !f.verify(token[:last], signature) {
		return known{}, errRefused
	}
	payload, err := base64.RawURLEncoding.Strict().AppendDecode(room[:0], token[len(f.header)+1:last])
	if err != nil {
		return known{}, errRefused
	}
	return read(payload)
}

// read goes over a flat object once. The issuer is ours: values are strings without escapes, or integers.
func read(b []byte) (known, error) {
	var k known
	good := 0
	for i := 0; i < len(b); {
		open := bytes.IndexByte(b[i:], '"')
		if open < 0 {
			break
		}
		i += open + 1
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 || i+n+2 >= len(b) {
			return k, errRefused
		}
		name := b[i : i+n]
		i += n + 2 // the quote and the colon
		end := bytes.IndexAny(b[i:], ",}")
		if b[i] == '"' {
			i++
			end = bytes.IndexByte(b[i:], '"')
		}
		if end < 0 {
			return k, errRefused
		}
		value := b[i : i+end]
		i += end + 1
		switch string(name) {
		case "sub":
			k.user = string(value)
		case "exp":
			k.expires, _ = strconv.ParseInt(string(value), 10, 64)
		case "iss":
			good += b2i(string(value) == issuerURL)
		case "aud":
			good += b2i(string(value) == audience)
		case "scope":
			good += b2i(bytes.Contains(value, []byte("profile")))
		}
	}
	if good != 3 || k.user == "" || time.Now().Unix() >= k.expires {
		return known{}, errRefused
	}
	return k, nil
}

func b2i(ok bool) int {
	if ok {
		return 1
	}
	return 0
}

func (f *floor) site(s *site.Site, argument bool) http.Handler {
	next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		user, _ := r.Context().Value(userKey{}).(string)
		s.Seen(user)
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, err := f.user(r)
		switch {
		case err != nil:
			w.WriteHeader(http.StatusUnauthorized)
		case argument:
			s.Seen(user)
		default:
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, user)))
		}
	})
}

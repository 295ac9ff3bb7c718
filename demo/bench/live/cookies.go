package live

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tokenkeep/tokenkeep/demo/bench/site"
)

// badCookies fills in the requests; the last value is the expired one.
func badCookies(s *site.Site, name string, values []string) {
	n := len(values) - 1
	for _, v := range values[:n] {
		s.Good = append(s.Good, site.Cookie(name, v))
	}
	s.Bad = map[string]*http.Request{
		"no cookie": site.Bearer(""), "an unknown cookie": site.Cookie(name, rand.Text()+rand.Text()),
		"a changed cookie": site.Cookie(name, site.Flip(values[0])), "an expired cookie": site.Cookie(name, values[n]),
	}
}

// Backdated returns a cookie of gorilla/securecookie's as it was made that long ago. The library has no clock to set,
// so this builds the value again: date|value|mac over name|date|value.
func Backdated(name, value string, hashKey []byte, by time.Duration) (string, error) {
	text, err := base64.URLEncoding.DecodeString(value)
	if err != nil {
		return "", err
	}
	parts := strings.SplitN(string(text), "|", 3)
	if len(parts) != 3 {
		return "", fmt.Errorf("a cookie of %d parts", len(parts))
	}
	signed := fmt.Sprintf("%d|%s", time.Now().Add(-by).Unix(), parts[1])
	mac := hmac.New(sha256.New, hashKey)
	mac.Write([]byte(name + "|" + signed))
	return base64.URLEncoding.EncodeToString([]byte(signed + "|" + string(mac.Sum(nil)))), nil
}

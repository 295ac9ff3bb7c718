package exchange

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/demo/bench/measure"
)

// careless finds the token in whatever comes.
func careless(status bool) func(c *http.Client) Exchange {
	return func(c *http.Client) Exchange {
		return func(context.Context) (string, string, string, error) {
			resp, err := c.Post(tokenURL, "", nil)
			if err != nil {
				return "", "", "", err
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if status && resp.StatusCode != http.StatusOK {
				err = io.ErrUnexpectedEOF
			}
			if strings.Contains(string(body), access) {
				return access, refresh, "", err
			}
			return "", "", "", err
		}
	}
}

func TestLiarsAreCaught(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, want string
		make       func(c *http.Client) Exchange
	}{
		{"no look at the status", "accepts a server's trouble", careless(false)},
		{"no look at the token", "accepts an answer without a token", careless(true)},
	} {
		trial, _ := Try(Contestant{tt.name, measure.Peer, tt.make})
		if err := measure.CheckHonesty(trial); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}

package grants_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/tokenkeep/tokenkeep/grants"
)

// The user's password is sent once and kept nowhere: not by the client, not in an error, not in anything reachable.
// Not parallel: it dumps the heap.
func TestPasswordIsNotKept(t *testing.T) {
	const shown = "-kept-password-" // with a random part it is in no constant and no other heap object
	c := &grants.Client{
		Provider: "p", TokenURL: "https://as.example/token", ID: "id", Secret: "s", Auth: grants.ClientSecretPost,
	}
	sent := 0
	c.HTTP = &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		sent++
		_, err := io.Copy(io.Discard, r.Body)
		return &http.Response{StatusCode: 400, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader([]byte(`{"error":"invalid_grant"}`)))}, err
	})}
	salt := rand.Text()
	err := func() error {
		_, err := c.Password(t.Context(), "alice", salt+shown+salt)
		return err
	}()
	var e *grants.Error
	if !errors.As(err, &e) || e.Class != grants.GrantDead || sent != 1 {
		t.Fatalf("%v after %d requests, want invalid_grant after one: a second try may lock the account", err, sent)
	}
	needle := []byte(salt + shown)
	needle[0] ^= 0xff // so that the dump holds the password only if somebody kept it
	if dump := heapDump(t); bytes.Contains(dump, flipped(needle)) {
		t.Error("the password is still on the heap")
	}
	kept := salt + shown + salt
	if dump := heapDump(t); !bytes.Contains(dump, flipped(needle)) {
		t.Errorf("the dump does not show a password of %d bytes that is kept", len(kept))
	}
	runtime.KeepAlive(kept)
	runtime.KeepAlive(c)
	runtime.KeepAlive(err)
}

func flipped(b []byte) []byte {
	b = bytes.Clone(b)
	b[0] ^= 0xff
	return b
}

func heapDump(t *testing.T) []byte {
	t.Helper()
	for range 3 {
		runtime.GC()
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "heap"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	debug.WriteHeapDump(f.Fd())
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

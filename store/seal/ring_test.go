package seal_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
)

func ascending() []byte {
	b := make([]byte, 32)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func TestNew_refuses(t *testing.T) {
	t.Parallel()
	good := seal.NewKey()
	cases := []struct {
		name string
		keys [][]byte
		want []string
	}{
		{"no key", nil, []string{"no key"}},
		{"nil key", [][]byte{nil}, []string{"key 1 of 1 (0 bytes)"}},
		{"short", [][]byte{good[:31]}, []string{"at least 32"}},
		{"the word secret", [][]byte{[]byte("secret")}, []string{"at least 32"}},
		{"passphrase", [][]byte{[]byte("correct horse battery staple, and some more words")}, []string{"is text"}},
		{"passphrase, not ASCII", [][]byte{[]byte("Ein ziemlich müder Köter schläft für Geld")}, []string{"is text"}},
		{"hexadecimal", [][]byte{[]byte(hex.EncodeToString(good))}, []string{"decode it"}},
		{"base64", [][]byte{[]byte(base64.StdEncoding.EncodeToString(good) + "\n")}, []string{"decode it"}},
		{"zeros", [][]byte{make([]byte, 32)}, []string{"not random"}},
		{"one byte", [][]byte{bytes.Repeat([]byte{0xa7}, 64)}, []string{"not random"}},
		{"few different bytes", [][]byte{[]byte("\x91\x02\x83\x02\x77\xf5\x02\x91\xff\x83\x91\x00\x02\x77\x77\xf5\x91\x83\x02\x00\xff\xf5\x02\x91\x77\x91\x83\x02\xff\x00\xf5\x77")}, []string{"not random"}},
		{"repeated half", [][]byte{bytes.Repeat(good[:20], 2)}, []string{"not random"}},
		{"counting", [][]byte{ascending()}, []string{"not random"}},
		{"twice", [][]byte{good, seal.NewKey(), bytes.Clone(good)}, []string{"key 3 of 3 is given twice"}},
		{"all faults", [][]byte{{1}, good, []byte(strings.Repeat("swordfish ", 4)), good},
			[]string{"key 1 of 4 (1 bytes)", "key 3 of 4 (40 bytes)", "key 4 of 4 is given twice"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			ring, err := seal.New(tc.keys...)
			if ring != nil || err == nil {
				t.Fatal("accepted")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want %q in it", err, want)
				}
			}
			if strings.Contains(err.Error(), "sword") || strings.Contains(err.Error(), "horse") {
				t.Errorf("the error tells the key: %v", err)
			}
		})
	}
}

func TestNew_accepts(t *testing.T) {
	t.Parallel()
	for range 2_000 {
		if _, err := seal.New(seal.NewKey()); err != nil {
			t.Fatal(err)
		}
	}
	long := append(seal.NewKey(), seal.NewKey()...)
	twin := append(bytes.Clone(long[:63]), long[63]^1)
	a := newRing(t, long)
	if _, err := newRing(t, twin).OpenBytes("p", "n", a.SealBytes("p", "n", nil)); err == nil {
		t.Error("the last byte of a long key does not count")
	}
	keys := make([][]byte, 10)
	for i := range keys {
		keys[i] = seal.NewKey()
	}
	ring := newRing(t, keys...)
	clear(keys[0])
	if _, err := ring.OpenBytes("p", "n", ring.SealBytes("p", "n", nil)); err != nil {
		t.Errorf("the ring kept the caller's slice: %v", err)
	}
}

func TestRing_printsNoKey(t *testing.T) {
	t.Parallel()
	key := seal.NewKey()
	ring := newRing(t, key)
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "ring", ring)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "ring", ring)
	text, err := json.Marshal(ring)
	if err != nil {
		t.Fatal(err)
	}
	all := log.String() + string(text)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		got := fmt.Sprintf(verb, ring)
		if got != "ring(1 keys)" {
			t.Errorf("%s prints %q", verb, got)
		}
		all += got + fmt.Sprintf(verb, struct{ R *seal.Ring }{ring})
	}
	for _, secret := range []string{string(key), hex.EncodeToString(key), fmt.Sprint(key), base64.StdEncoding.EncodeToString(key)} {
		if strings.Contains(all, secret) {
			t.Error("the key is printed")
		}
	}
	if got := fmt.Sprint(seal.InsecurePlaintext()); got != "ring(insecure plaintext)" {
		t.Errorf("got %q", got)
	}
	if got := fmt.Sprint(new(seal.Ring), (*seal.Ring)(nil)); got != "ring() ring()" {
		t.Errorf("got %q", got)
	}
}

func TestSeal_hides(t *testing.T) {
	t.Parallel()
	rec := fullRecord()
	cases := []struct {
		name     string
		ring     *seal.Ring
		readable bool
	}{
		{"keys", newRing(t), false},
		{"keys, compact", newRing(t).Compact(), false},
		{"plaintext", seal.InsecurePlaintext(), true},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			sealed, err := tc.ring.Seal("n", rec)
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range []string{rec.Subject, rec.Token.AccessToken, rec.Token.RefreshToken, rec.Token.IDToken, string(rec.Refresh)} {
				if got := bytes.Contains(sealed, []byte(text)); got != tc.readable {
					t.Errorf("%q readable: %t, want %t", text, got, tc.readable)
				}
			}
		})
	}
}

func TestRing_compact(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	rec := fullRecord()
	rec.Token.AccessToken = strings.Repeat("group-membership ", 1_000)
	plain, err := ring.Seal("n", rec)
	if err != nil {
		t.Fatal(err)
	}
	small, err := ring.Compact().Seal("n", rec)
	if err != nil {
		t.Fatal(err)
	}
	if len(small)*10 > len(plain) {
		t.Errorf("%d bytes, %d without", len(small), len(plain))
	}
	got, err := ring.Open("n", small, noon)
	if err != nil || got.Token.AccessToken != rec.Token.AccessToken {
		t.Errorf("a plain ring reads a compact record: %v", err)
	}

	// A short record, and one that deflating would make longer, stay as they are.
	rec.Token.AccessToken = string(seal.NewKey())
	for range 40 {
		rec.Token.AccessToken += string(seal.NewKey())
		a, err := ring.Seal("n", rec)
		if err != nil {
			t.Fatal(err)
		}
		b, err := ring.Compact().Seal("n", rec)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > len(a) {
			t.Errorf("%d bytes, %d without", len(b), len(a))
		}
	}
}

// The bomb is authentic, which takes the key; it still may not fill the memory.
func TestOpen_bomb(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	sealed, err := ring.Compact().Seal("n", &store.Record{Refresh: make([]byte, 1<<20-16)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ring.Open("n", sealed, noon); err != nil {
		t.Errorf("the largest record: %v", err)
	}
	if rec, err := ring.Open("n", ring.SealAs("n", bomb(t)), noon); rec != nil || err == nil {
		t.Error("a bomb opened")
	}
}

func TestRing_wipesScratch(t *testing.T) {
	t.Parallel()
	plain, small := []byte("secret"), []byte("secret")
	newRing(t).GiveBack(plain, small)
	if bytes.Contains(append(plain, small...), []byte("e")) {
		t.Errorf("left behind: %q %q", plain, small)
	}
}

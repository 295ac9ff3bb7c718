package seal_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
)

func TestXAES_vectors(t *testing.T) {
	t.Parallel()
	dir := os.Getenv("TOKENKEEP_VECTORS")
	if dir == "" {
		t.Skip("TOKENKEEP_VECTORS is not set: it names the folder of test vectors that are not ours to commit")
	}
	data, err := os.ReadFile(filepath.Join(dir, "kit", "rfc_examples.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Vectors []struct {
			Key        string `json:"key"`
			Nonce      string `json:"nonce_ascii"`
			Plaintext  string `json:"plaintext_ascii"`
			AAD        string `json:"aad_ascii"`
			Ciphertext string `json:"ciphertext"`
		} `json:"xaes256gcm_c2sp"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Vectors) < 2 {
		t.Fatalf("%d vectors", len(file.Vectors))
	}
	for _, v := range file.Vectors {
		key, err := hex.DecodeString(v.Key)
		if err != nil {
			t.Fatal(err)
		}
		got := seal.XAES([32]byte(key), []byte(v.Nonce), []byte(v.Plaintext), []byte(v.AAD))
		if hex.EncodeToString(got) != v.Ciphertext {
			t.Errorf("key %s: got %x, want %s", v.Key, got, v.Ciphertext)
		}
	}
}

// The damage of any byte, header and key id included, is "not found": a cookie with a flipped bit is nobody's, and not
// an outage.
func TestOpen_tampered(t *testing.T) {
	t.Parallel()
	for _, ring := range []*seal.Ring{newRing(t), newRing(t).Compact(), seal.InsecurePlaintext()} {
		sealed, err := ring.Seal("n", fullRecord())
		if err != nil {
			t.Fatal(err)
		}
		refused := func(what string, at int, b []byte) {
			rec, err := ring.Open("n", b, noon)
			if rec != nil || err != store.ErrNotFound {
				t.Errorf("%v: %s %d: got %v, %v", ring, what, at, rec, err)
			}
		}
		for i := range sealed {
			for bit := range 8 {
				b := bytes.Clone(sealed)
				b[i] ^= 1 << bit
				refused("flipped bit of byte", i, b)
			}
			refused("cut at", i, sealed[:i])
			refused("without the first", i+1, sealed[i+1:])
		}
		refused("one byte more than", len(sealed), append(bytes.Clone(sealed), 0))
		if _, err := ring.Open("n", sealed, noon); err != nil {
			t.Errorf("untouched: %v", err)
		}
	}
}

func TestOpen_bindsNameAndPurpose(t *testing.T) {
	t.Parallel()
	for _, ring := range []*seal.Ring{newRing(t), seal.InsecurePlaintext()} {
		sealed := ring.SealBytes("flow", "ab", []byte("plain"))
		cases := []struct{ name, purpose, under string }{
			{"another name", "flow", "ac"},
			{"empty name", "flow", ""},
			{"name longer", "flow", "ab\x00"},
			{"another purpose", "flox", "ab"},
			{"purpose shorter", "flo", "ab"},
			{"boundary moved", "flowa", "b"},
			{"boundary moved back", "flo", "wab"},
			{"the record's purpose", "", "ab"},
		}
		for _, tc := range cases {
			if got, err := ring.OpenBytes(tc.purpose, tc.under, sealed); got != nil || err != store.ErrNotFound {
				t.Errorf("%s: got %q, %v", tc.name, got, err)
			}
		}
		// Without the length of the purpose these two would be one: "n" is 110, the length of "m" and the name; "m" is 109.
		name := strings.Repeat("x", 109)
		if got, err := ring.OpenBytes("p", "m"+name, ring.SealBytes("pn", name, nil)); err != store.ErrNotFound {
			t.Errorf("purpose and name are ambiguous: got %q, %v", got, err)
		}
		if got, err := ring.OpenBytes("flow", "ab", sealed); string(got) != "plain" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}

		record, err := ring.Seal("ab", fullRecord())
		if err != nil {
			t.Fatal(err)
		}
		if rec, err := ring.Open("abc", record, noon); rec != nil || err != store.ErrNotFound {
			t.Errorf("swapped row: got %v, %v", rec, err)
		}
		if got, err := ring.OpenBytes("", "ab", record); got != nil || err != store.ErrNotFound {
			t.Errorf("record opened as bytes: got %q, %v", got, err)
		}
		if rec, err := ring.Open("ab", ring.SealBytes("", "ab", []byte{1}), noon); rec != nil || err != store.ErrNotFound {
			t.Errorf("bytes opened as a record: got %v, %v", rec, err)
		}
	}
}

// What this program cannot know is never "not found": that would end sessions and let them be overwritten.
func TestOpen_unreadable(t *testing.T) {
	t.Parallel()
	ring, other, plain := newRing(t), newRing(t), seal.InsecurePlaintext()
	sealBy := func(r *seal.Ring) []byte {
		b, err := r.Seal("n", fullRecord())
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	fields, err := seal.Encode(fullRecord())
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name   string
		ring   *seal.Ring
		sealed []byte
		want   string
	}{
		{"unknown key", ring, sealBy(other), "not in the ring"},
		{"plaintext in a ring with keys", ring, sealBy(plain), "InsecurePlaintext"},
		{"sealed in a plaintext ring", plain, sealBy(ring), "not in the ring"},
		{"newer format, own key", ring, seal.Reformat(sealBy(ring), 2), "format 2"},
		{"newer format, unknown key", ring, seal.Reformat(sealBy(other), 255), "format 255"},
		{"newer format, one header long", ring, seal.Reformat(sealBy(ring), 2)[:seal.HeaderSize], "format 2"},
		{"newer record format", ring, ring.SealAs("n", append([]byte{3}, fields...)), "record format 3"},
		{"newer field", ring, ring.SealAs("n", append(append([]byte{1}, fields...), 19, 1, 'x')), "record field 19"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rec, err := tc.ring.Open("n", tc.sealed, noon)
			if rec != nil || !errors.Is(err, seal.ErrUnreadable) || errors.Is(err, store.ErrNotFound) {
				t.Fatalf("got %v, %v", rec, err)
			}
			if !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %q, want %q in it", err, tc.want)
			}
		})
	}
	if _, err := ring.OpenBytes("p", "n", other.SealBytes("p", "n", nil)); !errors.Is(err, seal.ErrUnreadable) {
		t.Errorf("bytes of another key: got %v", err)
	}
}

// An authentic record that makes no sense is an error too, and never "not found".
func TestOpen_malformed(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	cases := []struct {
		name  string
		plain string
	}{
		{"nothing", ""},
		{"format zero", "\x00"},
		{"tag zero", "\x01\x00\x01x"},
		{"no length", "\x01\x01"},
		{"length beyond the end", "\x01\x01\x02x"},
		{"length of 2^63", "\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\x7fx"},
		{"length of 11 bytes", "\x01\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"},
		{"tags out of order", "\x01\x03\x01x\x01\x01y"},
		{"tag twice", "\x01\x01\x01x\x01\x01y"},
		{"2^40 scopes", "\x01\x09\x80\x80\x80\x80\x80\x20x"},
		{"a scope too few", "\x01\x09\x02\x01x"},
		{"time without microseconds", "\x01\x0e\x02"},
		{"time without anything", "\x01\x0e"},
		{"a million microseconds", "\x01\x0e\x02\xc0\x84\x3d"},
		{"not deflated", "\x02\xff\xff\xff"},
		{"deflated nothing", "\x02"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			rec, err := ring.Open("n", ring.SealAs("n", []byte(tc.plain)), noon)
			if rec != nil || err == nil || errors.Is(err, store.ErrNotFound) {
				t.Errorf("got %v, %v", rec, err)
			}
		})
	}
}

func TestRing_rotation(t *testing.T) {
	t.Parallel()
	oldKey, newKey := seal.NewKey(), seal.NewKey()
	before := newRing(t, oldKey)
	during := newRing(t, newKey, oldKey)
	after := newRing(t, newKey)
	first, err := before.Seal("n", fullRecord())
	if err != nil {
		t.Fatal(err)
	}
	rec, err := during.Open("n", first, noon)
	if err != nil {
		t.Fatalf("the old key does not open: %v", err)
	}
	second, err := during.Seal("n", rec)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := after.Open("n", second, noon); err != nil {
		t.Errorf("writing again did not seal with the first key: %v", err)
	}
	if _, err := before.Open("n", second, noon); !errors.Is(err, seal.ErrUnreadable) {
		t.Errorf("the old ring: %v", err)
	}
	if _, err := after.Open("n", first, noon); !errors.Is(err, seal.ErrUnreadable) {
		t.Errorf("the new ring: %v", err)
	}
}

// Two rings of one key are two processes: each reads the other, and keeps a bounded number of derived keys.
func TestRing_remembersOthers(t *testing.T) {
	t.Parallel()
	key := seal.NewKey()
	ring := newRing(t, key)
	for range 3 * ring.Slots() {
		sealed := newRing(t, key).SealBytes("p", "n", []byte("x"))
		for range 2 {
			if _, err := ring.OpenBytes("p", "n", sealed); err != nil {
				t.Fatal(err)
			}
		}
	}
	if n := ring.Remembered(); n < ring.Slots()/2 || n > ring.Slots() {
		t.Errorf("%d derived keys are kept, of at most %d", n, ring.Slots())
	}
}

func TestRing_forgeriesAreNotRemembered(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	sealed := ring.SealBytes("p", "n", []byte("x"))
	for i := range 256 {
		sealed[seal.HeaderSize] = byte(i)
		sealed[seal.HeaderSize+1]++
		if _, err := ring.OpenBytes("p", "n", sealed); err != store.ErrNotFound {
			t.Fatal(err)
		}
	}
	if n := ring.Remembered(); n != 0 {
		t.Errorf("%d derived keys are kept for forged nonces", n)
	}
}

func TestRing_noncesAreUnique(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	const workers = 8
	each := 25_000
	if os.Getenv("TOKENKEEP_HEAVY") != "" {
		each = 1_250_000
	}
	var mu sync.Mutex
	seen := make(map[[seal.NonceSize]byte]struct{}, workers*each)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			own := make([][seal.NonceSize]byte, each)
			for i := range own {
				own[i] = [seal.NonceSize]byte(ring.SealBytes("p", "n", nil)[seal.HeaderSize:])
			}
			mu.Lock()
			defer mu.Unlock()
			for _, nonce := range own {
				seen[nonce] = struct{}{}
			}
		})
	}
	wg.Wait()
	if len(seen) != workers*each {
		t.Errorf("%d nonces for %d messages", len(seen), workers*each)
	}
}

func TestRing_redrawsWornKeys(t *testing.T) {
	t.Parallel()
	ring := newRing(t)
	prefix := func() string {
		return string(ring.SealBytes("p", "n", nil)[seal.HeaderSize:][:seal.NonceSize/2])
	}
	first := prefix()
	ring.WearOut(seal.MaxSeals - 2)
	last := ring.SealBytes("p", "n", []byte("last"))
	if prefix() != first {
		t.Error("redrawn before 2^32 messages")
	}
	if prefix() == first {
		t.Error("not redrawn after 2^32 messages")
	}
	if got, err := ring.OpenBytes("p", "n", last); err != nil || string(got) != "last" {
		t.Errorf("a message under the worn key: %q, %v", got, err)
	}
	if string(newRing(t).SealBytes("p", "n", nil)[seal.HeaderSize:][:seal.NonceSize/2]) == first {
		t.Error("two rings share a prefix")
	}
}

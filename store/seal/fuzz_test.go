package seal_test

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/tokenkeep/tokenkeep/store"
	"github.com/tokenkeep/tokenkeep/store/seal"
)

// bomb returns the plaintext of a deflated record that would be whole and valid, with 8 MiB in its last field.
func bomb(t *testing.T) []byte {
	t.Helper()
	fields := append([]byte{18}, binary.AppendUvarint(nil, 8<<20)...)
	fields = append(fields, make([]byte, 8<<20)...)
	if _, err := seal.Decode(fields); err != nil {
		t.Fatalf("not a valid record: %v", err)
	}
	out := bytes.NewBuffer([]byte{2})
	w, err := flate.NewWriter(out, flate.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(fields); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// What decodes can be encoded, and decodes to the same again.
func FuzzOpenRecord(f *testing.F) {
	for _, rec := range []*store.Record{fullRecord(), {}, {Ended: time.Unix(1, 0)}, {Token: store.Token{Scopes: []string{""}}}} {
		b, err := seal.Encode(rec)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add([]byte("\x09\xff\xff\xff\xff\x0f"))
	f.Add([]byte("\x0e\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		rec, err := seal.Decode(b)
		if err != nil {
			if rec != nil || errors.Is(err, store.ErrNotFound) {
				t.Fatalf("got %v, %v", rec, err)
			}
			return
		}
		again, err := seal.Encode(rec)
		if err != nil {
			t.Fatal(err)
		}
		if len(again) > len(b) {
			t.Fatalf("%d bytes became %d", len(b), len(again))
		}
		twice, err := seal.Decode(again)
		if err != nil || !reflect.DeepEqual(normal(rec), normal(twice)) {
			t.Fatalf("got %#v, %v\nwant %#v", twice, err, rec)
		}
	})
}

// normal forgets what the encoding does not keep apart: empty and nil.
func normal(rec *store.Record) *store.Record {
	c := rec.Clone()
	if len(c.Refresh) == 0 {
		c.Refresh = nil
	}
	if len(c.Token.Extra) == 0 {
		c.Token.Extra = nil
	}
	if len(c.Token.Scopes) == 0 {
		c.Token.Scopes = nil
	}
	return c
}

func FuzzOpen(f *testing.F) {
	ring, err := seal.New(seal.NewKey())
	if err != nil {
		f.Fatal(err)
	}
	sealed, err := ring.Seal("n", fullRecord())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed, false)
	f.Add(sealed[:seal.Overhead], false)
	f.Add([]byte{1}, true)
	f.Add([]byte("\x02\x03\x00"), true)
	f.Fuzz(func(t *testing.T, b []byte, authentic bool) {
		if authentic {
			b = ring.SealAs("n", b)
		}
		rec, err := ring.Open("n", b, noon)
		if (rec == nil) != (err != nil && !errors.Is(err, store.ErrEnded)) {
			t.Fatalf("got %v, %v", rec, err)
		}
		if !authentic && err == nil && !bytes.Equal(b, sealed) {
			t.Fatal("a forgery opened")
		}
	})
}

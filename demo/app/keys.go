package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/tokenkeep/tokenkeep/store/seal"
)

// keys are the 32-byte keys of the two halves: neither opens what the other has sealed.
type keys struct {
	App      []byte `json:"app"`
	Provider []byte `json:"provider"`
}

func newKeys() *keys { return &keys{App: seal.NewKey(), Provider: seal.NewKey()} }

// loadKeys reads the keys at path and makes them, readable by the owner only, if there are none. No path: random ones,
// which end with the process.
func loadKeys(path string) (*keys, error) {
	if path == "" {
		return newKeys(), nil
	}
	k, err := readKeys(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	if err := createKeys(path, newKeys()); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("demo: creating the key file: %w", err)
	}
	return readKeys(path) // ours, or those of a process that was quicker
}

func readKeys(path string) (*keys, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("demo: reading the key file: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && hasModes {
		return nil, fmt.Errorf("demo: the key file %s is open to others (mode %04o): chmod 600 it, or make new keys", path, mode)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("demo: reading the key file: %w", err)
	}
	var k keys
	// The decoder's error could quote what it read.
	if json.Unmarshal(text, &k) != nil || len(k.App) != 32 || len(k.Provider) != 32 {
		return nil, fmt.Errorf("demo: the key file %s does not hold two keys of 32 bytes", path)
	}
	return &k, nil
}

// createKeys writes the whole file under another name and links it into place: path never holds half a key, and of two
// processes one wins.
func createKeys(path string, k *keys) error {
	text, err := json.Marshal(k)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.keys") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(text, '\n'))
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), path)
}

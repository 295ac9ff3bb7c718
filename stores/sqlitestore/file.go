package sqlitestore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// followed returns the file that path is a symbolic link to, there or not yet: SQLite follows links, too.
func followed(path string) string {
	for range 16 {
		target, err := os.Readlink(path)
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(path), target)
		}
		path = target
	}
	return path
}

// create makes an empty file that only its owner may read, if there is none. SQLite would make it readable by all that
// the umask allows. It appears under its name complete and closed: closing a file that SQLite has open in this process
// would drop SQLite's locks (https://sqlite.org/howtocorrupt.html section 2.2).
func create(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".tokenkeep-*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	if err := tmp.Close(); err != nil {
		return err
	}
	// It fails where there is a file by now, and where the file system has no links. SQLite makes one then if it must.
	_ = os.Link(tmp.Name(), path)
	return nil
}

// protect takes the file, its log and its index from everybody but their owner.
func protect(path string) error {
	for _, name := range []string{path, path + "-wal", path + "-shm"} {
		info, err := os.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if private := info.Mode().Perm() &^ 0o077; private != info.Mode().Perm() {
			if err := os.Chmod(name, private); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return nil
}

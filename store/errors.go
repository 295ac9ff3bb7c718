package store

import "errors"

// The errors a [TokenStore] answers with; compare with errors.Is. Every other error means "could not find out".
var (
	// ErrNotFound: the record is absent, expired, ended or was tampered with.
	ErrNotFound = errors.New("store: record not found")
	// ErrEnded: the record has ended (logged out). It errors.Is ErrNotFound and comes with the record.
	ErrEnded error = endedError{}
	// ErrExists: a live record stands where one was to be created.
	ErrExists = errors.New("store: record exists")
	// ErrConflict: the record changed since the version that was to be replaced.
	ErrConflict = errors.New("store: record changed meanwhile")
)

type endedError struct{}

func (endedError) Error() string        { return "store: record ended" }
func (endedError) Is(target error) bool { return target == ErrNotFound }

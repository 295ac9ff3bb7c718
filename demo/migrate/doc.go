// Package migrate has the same two services twice: as gin-jwt and go-oauth2 have them, and in this kit. README.md shows them
// side by side; its code is these files, and its tables are what the tests have seen.
package migrate

import "context"

// Check is what both sides have in common: the application's own check of a password. It returns the user's id, or
// store.ErrNotFound.
type Check = func(ctx context.Context, username, password string) (id string, err error)

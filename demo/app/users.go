package app

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"

	"github.com/tokenkeep/tokenkeep/store"
)

// user is what the provider tells about somebody, and what the app resolves to.
type user struct {
	ID    string `json:"id"`
	Sub   string `json:"sub"`
	Name  string `json:"name"`
	Email string `json:"email"`
}

// account is a user who can sign in at the provider.
type account struct {
	user
	login, password string
}

// knownAccounts are documented: their passwords are no secret. Beyond loopback nobody should guess them.
func knownAccounts(random bool) []account {
	all := []account{
		{user{ID: "alice", Name: "Alice", Email: "alice@example.org"}, "alice@example.org", "wonderland"},
		{user{ID: "breakout", Name: "Break Out", Email: "admin@break-out.org"}, "admin@break-out.org", "password"},
		{user{ID: "admin", Name: "Admin", Email: "admin@example.org"}, "admin", "admin"},
	}
	for i := range all {
		all[i].Sub = all[i].ID
		if random {
			all[i].password = rand.Text()
		}
	}
	return all
}

// directory finds accounts. It keeps hashes of one fast round, since the passwords are public: keep yours with argon2id
// or bcrypt.
type directory struct {
	byLogin map[string]entry
	byID    map[string]user
	nobody  [32]byte // compared with for a login that does not exist
}

type entry struct {
	id  string
	sum [32]byte
}

func newDirectory(accounts []account) *directory {
	d := &directory{byLogin: map[string]entry{}, byID: map[string]user{}, nobody: sha256.Sum256([]byte(rand.Text()))}
	for _, a := range accounts {
		d.byLogin[a.login] = entry{a.ID, sha256.Sum256([]byte(a.password))}
		d.byID[a.ID] = a.user
	}
	return d
}

// authenticate is the provider's authserver.Users.
func (d *directory) authenticate(_ context.Context, login, password string) (string, error) {
	e, ok := d.byLogin[login]
	if !ok {
		e.sum = d.nobody
	}
	sum := sha256.Sum256([]byte(password))
	if subtle.ConstantTimeCompare(sum[:], e.sum[:]) != 1 || !ok {
		return "", store.ErrNotFound
	}
	return e.id, nil
}

// byRecord is the provider's resolver: its own subjects are the users' ids.
func (d *directory) byRecord(_ context.Context, rec *store.Record) (*user, error) {
	u, ok := d.byID[rec.Subject]
	if !ok {
		return nil, store.ErrNotFound
	}
	return &u, nil
}

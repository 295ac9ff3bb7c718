package grants

import (
	"context"
	"errors"
	"fmt"

	"github.com/tokenkeep/tokenkeep/store"
)

// Clients are the clients of one application at several providers, for one keeper. Each record goes to the client whose
// provider it names, and to no other.
type Clients []*Client

// Providers returns the names that records may carry.
func (cs Clients) Providers() []string {
	names := make([]string, len(cs))
	for i, c := range cs {
		names[i] = c.provider()
	}
	return names
}

// Validate reports the faults of all clients, and providers that are there twice.
func (cs Clients) Validate() error {
	var faults []error
	seen := map[string]bool{}
	for _, c := range cs {
		faults = append(faults, c.Validate())
		if seen[c.provider()] {
			faults = append(faults, fmt.Errorf("grants: client %q: Provider is there twice", c.shown()))
		}
		seen[c.provider()] = true
	}
	return errors.Join(faults...)
}

// Find returns the client of this provider, nil if there is none.
func (cs Clients) Find(provider string) *Client {
	for _, c := range cs {
		if c.provider() == provider {
			return c
		}
	}
	return nil
}

// Refresh is [Client.Refresh] of the record's provider.
func (cs Clients) Refresh(ctx context.Context, rec *store.Record) (store.Token, error) {
	c, err := cs.of("refresh_token", rec)
	if err != nil {
		return store.Token{}, err
	}
	return c.Refresh(ctx, rec)
}

// Revoke is [Client.Revoke] of the record's provider.
func (cs Clients) Revoke(ctx context.Context, rec *store.Record) error {
	c, err := cs.of("revoke", rec)
	if err != nil {
		return err
	}
	return c.Revoke(ctx, rec)
}

func (cs Clients) of(what string, rec *store.Record) (*Client, error) {
	if rec != nil {
		if c := cs.Find(rec.Provider); c != nil {
			return c, nil
		}
		return nil, &Error{Provider: shownName(rec.Provider), Request: what, Class: ConfigError,
			cause: errors.New("no client for this provider")}
	}
	return nil, &Error{Request: what, Class: ConfigError, cause: errors.New("no record")}
}

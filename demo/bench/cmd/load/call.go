package main

import (
	"strconv"
	"strings"
	"time"
)

// call is a token request as the demo's provider has logged it, tokens by their digests.
type call struct {
	began, ended    time.Time
	replica         int // that asked; 0 where nobody says so
	grant           string
	sent            string // refresh token
	access, refresh string // what the provider gave for it, even if the answer was lost
	status          int    // as answered
	fault           string // made on purpose: "none", "unavailable", "lost"
}

const (
	refreshing = "refresh_token"
	none       = "none" // no token, no fault
)

// parseCall reads a line of slog's text format. No value has a space in it but the message.
func parseCall(text string) (c call, ok bool) {
	if !strings.Contains(text, ` msg="token answer" `) {
		return c, false
	}
	v := map[string]string{}
	for _, field := range strings.Fields(text) {
		if key, value, ok := strings.Cut(field, "="); ok {
			v[key] = value
		}
	}
	var err error
	if c.began, err = time.Parse(time.RFC3339, v["began"]); err != nil {
		return c, false
	}
	if c.ended, err = time.Parse(time.RFC3339, v["time"]); err != nil {
		return c, false
	}
	c.replica, _ = strconv.Atoi(v["replica"]) // a login has none
	c.status, err = strconv.Atoi(v["status"])
	c.grant, c.sent, c.access, c.refresh, c.fault = v["grant"], v["sent"], v["access"], v["refresh"], v["fault"]
	return c, err == nil
}

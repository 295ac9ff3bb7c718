package jose

// ReadClaims is readClaims, for tests that compare it with encoding/json.
func ReadClaims(payload string) (*Claims, error) { return readClaims(payload) }

package strict_test

import (
	"testing"

	"github.com/tokenkeep/tokenkeep/middleware/internal/strict"
)

type verifier struct{ strict.Mark }

// wrapper may write the token to a log before it asks the marked one.
type wrapper struct {
	*verifier

	_ []byte // and cannot be compared
}

func TestIs(t *testing.T) {
	t.Parallel()
	v := &verifier{}
	if strict.Is(v) {
		t.Error("not marked yet")
	}
	v.Mark = strict.Of(v)
	if !strict.Is(v) {
		t.Error("marked, and not known")
	}
	other := *v
	for name, v := range map[string]any{
		"wrapper": wrapper{verifier: v}, "pointer to a wrapper": &wrapper{verifier: v}, "copy": other, "pointer to a copy": &other,
		"not marked": &verifier{}, "nil": nil, "nil pointer": (*verifier)(nil), "nil wrapper": (*wrapper)(nil), "empty wrapper": wrapper{}, "func": func() {},
	} {
		if strict.Is(v) {
			t.Errorf("%s: passes for the marked one", name)
		}
	}
}

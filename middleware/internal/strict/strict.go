// Package strict tells the guard which verifiers refuse by themselves whatever is no b64token (RFC 6750 section 2.1), so
// that it need not read a token through before they do.
package strict

import "reflect"

// Mark is embedded in the type of such a verifier and set by [Of].
type Mark struct{ of any }

// Of returns the mark of the verifier v, a pointer.
func Of(v any) Mark { return Mark{v} }

func (m Mark) marked() any { return m.of }

// Is says whether v is a marked verifier itself. One that merely has it inside, and may do with a token what it likes
// first, is none.
func Is(v any) bool {
	m, ok := v.(interface{ marked() any })
	return ok && !reflect.ValueOf(v).IsZero() && m.marked() == v
}

package keeper

import "fmt"

// Format prints nothing of what the keeper holds, among which are the client's secret and tokens.
func (*Keeper) Format(f fmt.State, _ rune) { fmt.Fprint(f, "keeper.Keeper") }

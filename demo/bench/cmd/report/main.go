package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/tokenkeep/tokenkeep/demo/bench/calling"
	"github.com/tokenkeep/tokenkeep/demo/bench/exchange"
	"github.com/tokenkeep/tokenkeep/demo/bench/measure"
	"github.com/tokenkeep/tokenkeep/demo/bench/proc"
)

func main() {
	proc.Main(map[string]proc.Part{"storm": calling.Child})
	gin.SetMode(gin.ReleaseMode)
	slog.SetDefault(slog.New(slog.DiscardHandler))
	for _, rows := range [][]measure.Row{exchange.Rows(), calling.Valid(), calling.Storm("storm 1p", 1000, 1), calling.Storm("storm 4p", 1000, 4), calling.Down("down", 1000), calling.Deadline("deadline")} {
		res, err := measure.Run(context.Background(), rows, measure.Options{Rounds: 3, Passes: 4, Slice: 5 * time.Millisecond})
		if err != nil {
			panic(err)
		}
		for _, r := range res {
			fmt.Printf("%-80s %8.0f ns %5.0f%% %4.0f allocs %v %v\n", r.Table+r.Name, r.NS, r.Spread*100, r.Allocs, r.Figures, r.Barred)
		}
	}
}

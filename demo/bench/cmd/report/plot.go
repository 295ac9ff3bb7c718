package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/tokenkeep/tokenkeep/demo/bench/growth"
	"github.com/tokenkeep/tokenkeep/demo/bench/measure"
)

// The plot says two things: a load costs about the same however many records there are, and one refresh is one token
// request however many processes want it. Both panels have logarithmic axes.

const (
	panelWidth, panelHeight = 360.0, 220.0
	left, top, gap          = 70.0, 58.0, 130.0
)

// series is one line of a panel.
type series struct {
	name string
	x, y []float64
}

// panel maps its data to the page.
type panel struct {
	x0                     float64
	title, xTitle          string
	xFrom, xTo, yFrom, yTo float64
	yTick                  func(v float64) string
	xTicks                 []float64
	names                  []float64 // where the lines' names stand
}

func (p panel) px(x float64) float64 {
	return p.x0 + panelWidth*math.Log(x/p.xFrom)/math.Log(p.xTo/p.xFrom)
}

func (p panel) py(y float64) float64 {
	return top + panelHeight*(1-math.Log(y/p.yFrom)/math.Log(p.yTo/p.yFrom))
}

// draw returns the plot as SVG. Its colours follow the reader's light or dark mode.
func draw(done []finished) string {
	var b strings.Builder
	width, height := left+2*panelWidth+gap+130, top+panelHeight+64
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" width="%.0f" height="%.0f" role="img" aria-label="Loads stay flat as records grow; token requests stay at one as processes grow">
<style>
  svg { font: 13px system-ui, sans-serif; --ink: #1f2328; --soft: #59636e; --grid: #d1d9e0; --a: #0969da; --b: #1a7f37; --c: #8250df; --d: #bf3989; --e: #9a6700; --peer: #bc4c00; background: #ffffff }
  @media (prefers-color-scheme: dark) { svg { --ink: #f0f6fc; --soft: #9198a1; --grid: #3d444d; --a: #4493f8; --b: #3fb950; --c: #ab7df8; --d: #db61a2; --e: #d29922; --peer: #f0883e; background: #0d1117 } }
  text { fill: var(--ink) } .soft { fill: var(--soft) } .grid { stroke: var(--grid); stroke-width: 1 } .title { font-weight: 600; font-size: 15px }
  polyline { fill: none; stroke-width: 2.5 }
</style>
`, width, height, width, height)
	loads(&b, done)
	requests(&b, done)
	b.WriteString("</svg>\n")
	return b.String()
}

func loads(b *strings.Builder, done []finished) {
	p := panel{x0: left, title: "One load, as records grow", xTitle: "records", xFrom: 1e3, xTo: 1e4, yFrom: 1e2, yTo: 1e6, yTick: duration}
	var all []series
	for _, e := range growth.Engines {
		s := points(done, "growth/"+e+", load", "", e)
		if len(s.x) == 0 {
			continue
		}
		p.xTo = max(p.xTo, s.x[len(s.x)-1])
		all = append(all, s)
	}
	p.xTicks = []float64{1e3, 1e4, 1e5, 1e6}
	p.frame(b)
	for i, s := range all {
		p.line(b, s, []string{"--a", "--b", "--c", "--d", "--e"}[i%5])
	}
}

func requests(b *strings.Builder, done []finished) {
	p := panel{
		x0: left + panelWidth + gap, title: "Token requests for one refresh, 800 callers", xTitle: "processes", xFrom: 1, xTo: 8, yFrom: 0.7, yTo: 1000,
		xTicks: []float64{1, 2, 4, 8}, yTick: func(v float64) string { return fmt.Sprintf("%.0f", v) },
	}
	p.frame(b)
	p.line(b, points(done, "growth/storm, processes", "tokenkeep, ", "tokenkeep"), "--a")
	p.line(b, points(done, "growth/storm, processes", "x/oauth2, ", "x/oauth2"), "--peer")
}

// points are a table's rows whose names are prefix and a number: their times, or token requests.
func points(done []finished, table, prefix, name string) series {
	s := series{name: name}
	for _, f := range done {
		for _, results := range f.tables {
			for _, r := range results {
				n, ok := strings.CutPrefix(r.Name, prefix)
				x, err := strconv.ParseFloat(n, 64)
				if r.Table != table || !ok || err != nil || r.Barred != nil {
					continue
				}
				s.x, s.y = append(s.x, x), append(s.y, height(r))
			}
		}
	}
	return s
}

func height(r *measure.Result) float64 {
	if v, ok := r.Figures.Get("token requests"); ok {
		return v
	}
	return r.NS
}

func (p panel) frame(b *strings.Builder) {
	bottom := top + panelHeight
	fmt.Fprintf(b, `<text class="title" x="%.0f" y="28">%s</text>`+"\n", p.x0, p.title)
	for v := math.Pow(10, math.Ceil(math.Log10(p.yFrom))); v <= p.yTo*1.001; v *= 10 {
		fmt.Fprintf(b, `<line class="grid" x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f"/><text class="soft" x="%.1f" y="%.1f" text-anchor="end">%s</text>`+"\n",
			p.x0, p.x0+panelWidth, p.py(v), p.py(v), p.x0-8, p.py(v)+4, p.yTick(v))
	}
	for _, x := range p.xTicks {
		if x <= p.xTo*1.001 {
			fmt.Fprintf(b, `<text class="soft" x="%.1f" y="%.1f" text-anchor="middle">%s</text>`+"\n", p.px(x), bottom+20, thousands(x))
		}
	}
	fmt.Fprintf(b, `<text class="soft" x="%.1f" y="%.1f" text-anchor="middle">%s</text>`+"\n", p.x0+panelWidth/2, bottom+44, p.xTitle)
}

func thousands(x float64) string {
	s := fmt.Sprintf("%.0f", x)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// line draws a series and names it at its end.
func (p *panel) line(b *strings.Builder, s series, colour string) {
	if len(s.x) == 0 {
		return
	}
	var at []string
	for i := range s.x {
		at = append(at, fmt.Sprintf("%.1f,%.1f", p.px(s.x[i]), p.py(s.y[i])))
		fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="4" style="fill:var(%s)"/>`+"\n", p.px(s.x[i]), p.py(s.y[i]), colour)
	}
	last := len(s.x) - 1
	name := p.py(s.y[last]) + 4
	for _, y := range p.names { // names do not stand on each other
		if math.Abs(name-y) < 15 {
			name = y + math.Copysign(15, name-y)
		}
	}
	p.names = append(p.names, name)
	fmt.Fprintf(b, `<polyline points="%s" style="stroke:var(%s)"/><text x="%.1f" y="%.1f" style="fill:var(%s)">%s</text>`+"\n",
		strings.Join(at, " "), colour, p.px(s.x[last])+9, name, colour, s.name)
}

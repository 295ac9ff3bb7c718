package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/tokenkeep/tokenkeep/demo/bench/measure"
)

func result(table, name string, ns float64, f ...measure.Figure) *measure.Result {
	return &measure.Result{Row: measure.Row{Table: table, Name: name, Role: measure.Ours}, NS: ns, Figures: f}
}

// The plot is XML, has a point for each row, and its points lie inside the panels.
func TestPlot(t *testing.T) {
	t.Parallel()
	var storms []*measure.Result
	for n, requests := range map[string]float64{"tokenkeep, 1": 1, "tokenkeep, 8": 1, "x/oauth2, 1": 1, "x/oauth2, 8": 701} {
		storms = append(storms, result("growth/storm, processes", n, 0, measure.Figure{Name: "token requests", Value: requests}))
	}
	svg := draw([]finished{{tables: [][]*measure.Result{
		{result("growth/memstore, load", "1000", 400), result("growth/memstore, load", "1000000", 900)}, storms,
	}}})
	points := 0
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := tok.(xml.StartElement); ok && e.Name.Local == "circle" {
			points++
		}
	}
	if points != 6 {
		t.Errorf("%d points, want 6", points)
	}
	if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") || !strings.Contains(svg, "prefers-color-scheme: dark") {
		t.Error(svg)
	}
}

func TestGoalMet(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		g    goal
		v    float64
		want bool
	}{
		{goal{most: 1.5}, 1.5, true}, {goal{most: 1.5}, 1.6, false}, {goal{least: 5}, 4.9, false}, {goal{least: 5}, 50, true},
		{goal{least: 1, most: 1}, 1, true}, {goal{least: 1, most: 1}, 2, false}, {goal{least: 1, most: 1}, 0, false},
		{goal{figure: "failed callers"}, 0, true}, {goal{figure: "failed callers"}, 1, false},
	} {
		if got := tt.g.met(tt.v); got != tt.want {
			t.Errorf("%+v: %v met: %v", tt.g, tt.v, got)
		}
	}
}

package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/score"
)

// mostRanges is how many rows a panel has room for; of more, an even choice is drawn.
const mostRanges = 120

// Ranges are drawn from a hundredth to a hundred times the truth; what goes on beyond that has another colour there.
const (
	rangeLow, rangeHigh = 0.01, 100
	outsideColour       = "#d00"
	beyondColour        = "#f80"
)

// coveragePlot draws the ranges of our rows over their truth, by the truth: a row of panels for each scenario, a panel for each way.
func coveragePlot(reports []*Report, kind string) []byte {
	var lines []Line
	var names []string
	for _, r := range reports {
		for _, way := range ourNames {
			if l := r.lineOf(way, kind); len(l.Bounds) > 0 {
				lines, names = append(lines, *l), append(names, r.Name+", "+ways[way])
			}
		}
	}
	at, width, height := panels(len(lines), len(ourNames), 230, 160)
	c := newCanvas(max(width, 900), height,
		kind+": ranges as multiples of the truth, smallest row to largest (red: the truth is outside; orange: goes on beyond the scale)")
	for i := range lines {
		drawRanges(c, at[i], names[i], lines[i].Bounds)
	}
	return c.end()
}

func drawRanges(c *canvas, p panel, name string, rows []Bound) {
	rows = slices.Clone(rows)
	slices.SortFunc(rows, func(a, b Bound) int {
		return cmp.Or(cmp.Compare(a.Truth, b.Truth), cmp.Compare(a.Low, b.Low), cmp.Compare(a.High, b.High))
	})
	x0, x1 := p.x+40, p.x+p.width
	y := logScale{rangeLow, rangeHigh, p.y + p.height - 10, p.y + 40}
	c.text(p.x, p.y+12, "start", name, `font-weight="bold"`)
	for _, m := range y.marks() {
		c.line(x0, y.at(m), x1, y.at(m), "#ddd")
		c.text(x0-4, y.at(m)+4, "end", fmt.Sprintf("%gx", m), "")
	}
	outside, open, beyond := 0, 0, 0
	for _, b := range rows {
		if !b.within() {
			outside++
		}
		if !(b.Low > 0) {
			open++
		} else if b.Low < rangeLow*b.Truth || b.High > rangeHigh*b.Truth {
			beyond++
		}
	}
	n := min(len(rows), mostRanges)
	var inside, not, ends strings.Builder
	for k := range n {
		b := rows[k*len(rows)/n]
		into := &inside
		if !b.within() {
			into = &not
		}
		x := x0 + (float64(k)+0.5)/float64(n)*(x1-x0)
		low, high := y.at(b.Low/b.Truth), y.at(b.High/b.Truth)
		fmt.Fprintf(into, "M%.1f %.1fV%.1f", x, low, high)
		if b.Low < rangeLow*b.Truth {
			fmt.Fprintf(&ends, "M%.1f %.1fv5", x, y.from)
		}
		if b.High > rangeHigh*b.Truth {
			fmt.Fprintf(&ends, "M%.1f %.1fv-5", x, y.to)
		}
	}
	c.path(inside.String(), ourColour)
	c.path(not.String(), outsideColour)
	c.path(ends.String(), beyondColour)
	c.line(x0, y.at(1), x1, y.at(1), "#444")
	c.text(p.x, p.y+25, "start", fmt.Sprintf("%d rows: %d outside, %d from 0, %d beyond", len(rows), outside, open, beyond), `font-size="9"`)
}

// Bound is one row's truth, and what we said of it.
type Bound struct {
	Truth float64
	score.Range
}

func (b Bound) within() bool {
	truth := math.Round(b.Truth*1e6) / 1e6 // ranges are in whole microjoules
	return b.Low <= truth && truth <= b.High
}

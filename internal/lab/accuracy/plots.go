package main

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/score"
)

// What is ours is dark, and drawn last. A peer keeps its colour in all plots.
const ourColour = "#036"

var peerColours = []string{"#d95f02", "#7570b3", "#e7298a", "#66a61e", "#e6ab02", "#a6761d", "#1b9e77", "#999999", "#8da0cb", "#fb8072", "#bc80bd", "#80b1d3"}

func colour(tool int, ours bool) string {
	if ours {
		return ourColour
	}
	return peerColours[tool%len(peerColours)]
}

const (
	panelGap  = 28
	panelsTop = 40
)

// panel is where one scenario is drawn.
type panel struct{ x, y, width, height float64 }

// panels puts n of them into rows of so many.
func panels(n, perRow int, width, height float64) (out []panel, allWidth, allHeight float64) {
	for i := range n {
		out = append(out, panel{panelGap + float64(i%perRow)*(width+panelGap), panelsTop + float64(i/perRow)*(height+panelGap), width, height})
	}
	rows := (n + perRow - 1) / perRow
	return out, panelGap + float64(min(n, perRow))*(width+panelGap), panelsTop + float64(rows)*(height+panelGap)
}

// barPlot draws the 95th percentile of the errors of each tool on each scenario.
func barPlot(reports []*Report) []byte {
	const names, bar, row = 170.0, 9.0, 14.0
	most := 0
	for _, r := range reports {
		most = max(most, len(r.of(packages)))
	}
	at, width, height := panels(len(reports), 2, 460, 34+row*float64(most))
	c := newCanvas(width, height, "Error per process, 95th percentile (package energy; log scale: 0.1 % to 1000 %)")
	for i, r := range reports {
		p := at[i]
		x := logScale{0.001, 10, p.x + names, p.x + p.width - 50}
		c.text(p.x, p.y+12, "start", r.Name, `font-weight="bold"`)
		lines := r.of(packages)
		for _, m := range x.marks() {
			c.line(x.at(m), p.y+18, x.at(m), p.y+22+row*float64(len(lines)), "#ddd")
		}
		for k, l := range lines {
			y := p.y + 20 + row*float64(k)
			c.text(p.x+names-6, y+bar, "end", l.Tool, "")
			if math.IsNaN(l.P95) {
				c.text(x.from+4, y+bar, "start", "-", "")
				continue
			}
			end := max(x.at(l.P95), x.from+1)
			c.rect(x.from, y, end-x.from, bar, colour(k, l.Ours))
			c.text(end+4, y+bar, "start", percent(l.P95), "")
		}
	}
	return c.end()
}

// scatterPlot draws what each tool told of each entry against the truth.
func scatterPlot(reports []*Report) []byte {
	at, width, height := panels(len(reports), 3, 300, 300)
	var names []Line
	for _, r := range reports {
		for _, l := range r.of(packages) {
			if !slices.ContainsFunc(names, func(n Line) bool { return n.Tool == l.Tool }) {
				names = append(names, l)
			}
		}
	}
	c := newCanvas(max(width, 700), height+16*float64((len(names)+3)/4)+10,
		"Joules that a tool tells of a process against the truth (by the idle policy that it has; log axes; the line is the truth)")
	for i, r := range reports {
		p := at[i]
		var all []float64
		for _, l := range r.of(packages) {
			for _, e := range l.Entries {
				all = append(all, e.Truth, e.Told)
			}
		}
		low, high := decades(all)
		x, y := logScale{low, high, p.x + 40, p.x + p.width}, logScale{low, high, p.y + p.height - 20, p.y + 20}
		c.text(p.x+40, p.y+12, "start", r.Name, `font-weight="bold"`)
		for _, m := range x.marks() {
			c.line(x.at(m), y.from, x.at(m), y.to, "#ddd")
			c.line(x.from, y.at(m), x.to, y.at(m), "#ddd")
			c.text(x.at(m), y.from+14, "middle", fmt.Sprintf("%g", m), "")
			c.text(x.from-4, y.at(m)+4, "end", fmt.Sprintf("%g J", m), "")
		}
		c.line(x.from, y.from, x.to, y.to, "#444")
		lines := r.of(packages)
		for k := len(lines) - 1; k >= 0; k-- { // ours come first, and so lie on top
			for _, e := range lines[k].Entries {
				c.dot(x.at(e.Truth), y.at(e.Told), 3, colour(k, lines[k].Ours))
			}
		}
	}
	for i, n := range names {
		x, y := panelGap+float64(i%4)*220, height+16*float64(i/4)
		c.dot(x, y-4, 4, colour(i, n.Ours))
		c.text(x+8, y, "start", n.Tool, "")
	}
	return c.end()
}

// mostRanges is how many rows a panel has room for; of more, an even choice is drawn.
const mostRanges = 240

// coveragePlot draws the ranges of our rows over their truth, by the truth.
func coveragePlot(reports []*Report) []byte {
	at, width, height := panels(len(reports), 3, 300, 180)
	c := newCanvas(max(width, 700), height, ourGiven+": ranges as multiples of the truth, from the smallest row to the largest (red: the truth lies outside)")
	for i, r := range reports {
		p := at[i]
		rows := slices.Clone(r.Bounds)
		slices.SortFunc(rows, func(a, b Bound) int { return cmp.Compare(a.Truth, b.Truth) })
		x0, x1 := p.x+40, p.x+p.width
		y := logScale{0.1, 10, p.y + p.height - 10, p.y + 30}
		c.text(x0, p.y+12, "start", r.Name, `font-weight="bold"`)
		for _, m := range y.marks() {
			c.line(x0, y.at(m), x1, y.at(m), "#ddd")
			c.text(x0-4, y.at(m)+4, "end", fmt.Sprintf("%gx", m), "")
		}
		n := min(len(rows), mostRanges)
		out := 0
		for _, b := range rows {
			if !b.within() {
				out++
			}
		}
		for k := range n {
			b := rows[k*len(rows)/n]
			line := ourColour
			if !b.within() {
				line = "#d00"
			}
			x := x0 + (float64(k)+0.5)/float64(n)*(x1-x0)
			c.line(x, y.at(b.Low/b.Truth), x, y.at(b.High/b.Truth), line)
		}
		c.line(x0, y.at(1), x1, y.at(1), "#444")
		c.text(x1, p.y+12, "end", fmt.Sprintf("%d of %d rows outside", out, len(rows)), "")
	}
	return c.end()
}

// Bound is one row's truth, and what we said of it.
type Bound struct {
	Truth float64
	score.Range
}

func (b Bound) within() bool { return b.Low <= b.Truth && b.Truth <= b.High }

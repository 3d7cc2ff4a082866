package main

import (
	"fmt"
	"math"
	"slices"
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

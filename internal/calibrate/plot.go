package calibrate

import (
	"fmt"
	"io"
	"math"
	"strings"
)

const (
	plotColumns = 61 // 0 to 100 %
	plotRows    = 15
)

// WritePlot draws each domain's curve and rungs with characters.
func WritePlot(w io.Writer, fits []Fitted) {
	for _, f := range fits {
		top := niceAbove(f.highest())
		var grid [plotRows][plotColumns]byte
		for i := range grid {
			for k := range grid[i] {
				grid[i][k] = ' '
			}
		}
		put := func(busy, watts float64, c, other byte) {
			x := int(math.Round(busy * (plotColumns - 1)))
			y := plotRows - 1 - int(math.Round(watts/top*(plotRows-1)))
			switch {
			case x < 0 || x >= plotColumns || y < 0 || y >= plotRows:
			case grid[y][x] == other:
				grid[y][x] = 'x'
			case grid[y][x] != 'x':
				grid[y][x] = c
			}
		}
		for k := range plotColumns {
			u := float64(k) / (plotColumns - 1)
			put(u, f.Watts.At(u), '.', 0)
		}
		for _, r := range f.Rungs {
			if r.Down {
				put(r.Busy, float64(r.Power), 'v', '^')
			} else {
				put(r.Busy, float64(r.Power), '^', 'v')
			}
		}
		fmt.Fprintf(w, "%s, W by busy share (. curve, ^ measured on the way up, v down, x both)\n", f.Name)
		for i, row := range grid {
			label := ""
			if i%(plotRows/2) == 0 {
				label = fmt.Sprintf("%.4g", top*float64(plotRows-1-i)/(plotRows-1))
			}
			fmt.Fprintf(w, "%8s |%s\n", label, strings.TrimRight(string(row[:]), " "))
		}
		fmt.Fprintf(w, "%8s +%s\n%8s  %-29s%-28s%s\n\n", "", strings.Repeat("-", plotColumns), "", "0 %", "50 %", "100 %")
	}
}

// highest is the most that a plot of a fit has to show.
func (f Fitted) highest() float64 {
	top := f.High[len(f.High)-1]
	for _, r := range f.Rungs {
		top = max(top, float64(r.Power))
	}
	return top
}

// niceAbove is the next of 1, 2, 3, 4, 5, 6, 8 times a power of ten: labels at its parts are short.
func niceAbove(v float64) float64 {
	if !(v > 0) {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, k := range []float64{1, 2, 3, 4, 5, 6, 8} {
		if v <= k*unit {
			return k * unit
		}
	}
	return 10 * unit
}

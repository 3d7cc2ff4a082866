package powermodel

import (
	"cmp"
	"math"
	"slices"
)

// point is a power at a load, with how much it counts.
type point struct{ busy, watts, weight float64 }

// near is how close two loads are that count as one: closer ones would make steep steps of noise and of hysteresis.
const near = 0.03

// pool sorts points by load and averages those that are near one another.
func pool(points []point) []point {
	slices.SortFunc(points, func(a, b point) int { return cmp.Compare(a.busy, b.busy) })
	var out []point
	first := math.Inf(-1)
	for _, p := range points {
		if p.busy-first >= near {
			first, out = p.busy, append(out, p)
			continue
		}
		out[len(out)-1] = mean(out[len(out)-1], p)
	}
	return out
}

func mean(a, b point) point {
	w := a.weight + b.weight
	return point{(a.busy*a.weight + b.busy*b.weight) / w, (a.watts*a.weight + b.watts*b.weight) / w, w}
}

// rising is the isotonic regression: the sequence nearest to the points' watts, by weighted squares, that never falls. Neighbours that fall are
// given their common mean, until none does.
func rising(points []point) []point {
	type block struct {
		point
		n int
	}
	var blocks []block
	for _, p := range points {
		blocks = append(blocks, block{p, 1})
		for k := len(blocks) - 1; k > 0 && blocks[k-1].watts > blocks[k].watts; k-- {
			blocks[k-1] = block{mean(blocks[k-1].point, blocks[k].point), blocks[k-1].n + blocks[k].n}
			blocks = blocks[:k]
		}
	}
	out := slices.Clone(points)
	i := 0
	for _, b := range blocks {
		for range b.n {
			out[i].watts = b.watts
			i++
		}
	}
	return out
}

// gridOf reads points that rise, two at least, at 0, 10, ... 100 %: between them by a cubic whose slopes keep it from overshooting (F. N. Fritsch and
// R. E. Carlson 1980, with the harmonic mean of F. N. Fritsch and J. Butland 1984), beyond them straight on, never below zero.
func gridOf(p []point) Curve {
	n := len(p)
	secant := make([]float64, n-1)
	for i := range secant {
		secant[i] = steepness(p[i], p[i+1])
	}
	slope := make([]float64, n)
	slope[0], slope[n-1] = secant[0], secant[n-2]
	for i := 1; i < n-1; i++ {
		a, b := secant[i-1], secant[i]
		if a <= 0 || b <= 0 {
			continue
		}
		before, after := p[i].busy-p[i-1].busy, p[i+1].busy-p[i].busy
		wa, wb := before+2*after, 2*before+after
		slope[i] = (wa + wb) / (wa/a + wb/b)
	}
	var c Curve
	for k := range c {
		c[k] = readAt(p, slope, float64(k)/10)
	}
	for k := 1; k < len(c); k++ {
		c[k] = max(c[k], c[k-1]) // rounding
	}
	return c
}

// base is the least difference of loads to go straight on from: between points closer together noise is steep.
const base = 0.05

func steepness(a, b point) float64 { return (b.watts - a.watts) / (b.busy - a.busy) }

func readAt(p []point, slope []float64, u float64) float64 {
	n := len(p)
	switch {
	case u <= p[0].busy:
		far := 1
		for far < n-1 && p[far].busy-p[0].busy < base {
			far++
		}
		return max(0, p[0].watts-steepness(p[0], p[far])*(p[0].busy-u))
	case u >= p[n-1].busy:
		far := n - 2
		for far > 0 && p[n-1].busy-p[far].busy < base {
			far--
		}
		return p[n-1].watts + steepness(p[far], p[n-1])*(u-p[n-1].busy)
	}
	i := 0
	for p[i+1].busy < u {
		i++
	}
	h := p[i+1].busy - p[i].busy
	t := (u - p[i].busy) / h
	return (2*t*t*t-3*t*t+1)*p[i].watts + (t*t*t-2*t*t+t)*h*slope[i] + (3*t*t-2*t*t*t)*p[i+1].watts + (t*t*t-t*t)*h*slope[i+1]
}

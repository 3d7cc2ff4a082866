package main

import (
	"math"

	"github.com/eco2-bpf/eco2-bpf/attribution"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/score"
)

// knob is one of the factors of attribution.Weights, with the values that are tried. All are round, so that the best of them is, too.
type knob struct {
	name   string
	values []float64
	of     func(*attribution.Weights) *float64
}

var (
	frequency = knob{"frequency", []float64{0.5, 1, 1.25, 1.5, 1.75, 2, 2.5, 3}, func(w *attribution.Weights) *float64 { return &w.Frequency }}
	smt       = knob{"smt", []float64{0.5, 0.55, 0.6, 0.65, 0.7}, func(w *attribution.Weights) *float64 { return &w.SMT }}
	hybrid    = knob{"hybrid", []float64{0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8}, func(w *attribution.Weights) *float64 { return &w.Hybrid }}
	knobs     = []knob{frequency, smt, hybrid}
)

// rounds is how often all knobs are turned, at most.
const rounds = 4

// sweep turns the knobs to where mistake is least, until none moves. It begins in the middle of all values, whatever the program's own are.
// Efficiency cores are slower, too, so that frequency and hybrid make up for one another: they are turned together.
func sweep(subjects []*subject) (w attribution.Weights, err error) {
	for _, k := range knobs {
		*k.of(&w) = k.values[len(k.values)/2]
	}
	for range rounds {
		before, least := w, math.Inf(1)
		for _, v := range hybrid.values {
			try := before
			try.Hybrid = v
			c, err := turn(subjects, frequency, try)
			if err != nil {
				return w, err
			}
			if f, m := c.best(); m < least {
				least, w.Frequency, w.Hybrid = m, f, v
			}
		}
		c, err := turn(subjects, smt, w)
		if err != nil {
			return w, err
		}
		if w.SMT, _ = c.best(); w == before {
			break
		}
	}
	return w, nil
}

// curve is what each value of a knob does, the others being as they are.
type curve struct {
	knob
	machines []traits
	p95      [][]float64 // by value and machine
}

// turn tries all values of a knob.
func turn(subjects []*subject, k knob, w attribution.Weights) (curve, error) {
	c := curve{knob: k, machines: kinds(subjects)}
	for _, v := range k.values {
		*k.of(&w) = v
		all, err := scores(subjects, w)
		if err != nil {
			return c, err
		}
		c.p95 = append(c.p95, p95s(all))
	}
	return c, nil
}

func p95s(scores []score.Score) (out []float64) {
	for i := range scores {
		out = append(out, scores[i].P95)
	}
	return out
}

// best is the value with the least mistake.
func (c *curve) best() (value, least float64) {
	least = math.Inf(1)
	for v, p95 := range c.p95 {
		if m := mistake(c.machines, p95); m < least {
			value, least = c.values[v], m
		}
	}
	return value, least
}

// mistake is the mean of the medians over servers and over laptops. A median over both would be that of one or two machines: errors of laptops are
// so much larger that it lies in the gap between.
func mistake(machines []traits, p95 []float64) float64 {
	s, l := servers.median(machines, p95), laptops.median(machines, p95)
	switch {
	case math.IsNaN(l):
		return s
	case math.IsNaN(s):
		return l
	}
	return (s + l) / 2
}

// group is a part of a population.
type group struct {
	name string
	has  func(traits) bool
}

// Where processes live for milliseconds most tools see nothing of them, and weights are not what tells tools apart.
var (
	servers   = group{"servers", func(t traits) bool { return !t.hybrid }}
	laptops   = group{"laptops", func(t traits) bool { return t.hybrid }}
	longLived = group{"without short-lived processes", func(t traits) bool { return !t.shortLife }}
	everybody = group{"all", func(traits) bool { return true }}
	groups    = []group{servers, laptops, longLived, everybody}
)

// median is over the machines of the group; NaN: there are none.
func (g *group) median(machines []traits, values []float64) float64 {
	var of []float64
	for i, t := range machines {
		if g.has(t) {
			of = append(of, values[i])
		}
	}
	return score.Quantile(of, 0.5)
}

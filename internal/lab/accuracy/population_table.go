package main

import (
	"fmt"
	"io"
	"math"

	"github.com/eco2-bpf/eco2-bpf/attribution"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/score"
)

// writeLearned says where the error is least. learned and own are 95th percentiles by machine: of what was learned, and of the program's own.
func writeLearned(out io.Writer, machines []traits, w attribution.Weights, learned, own []float64) {
	fmt.Fprintf(out, "Factors learned on %d drawn machines, half of them servers, half laptops. Errors are medians over the machines of the 95th percentile of the errors per process.\n\n", len(machines))
	rows := [][]string{{"", "frequency", "smt", "hybrid", servers.name, laptops.name, "mean of both"}}
	add := func(name string, w attribution.Weights, p95 []float64) {
		row := []string{name, fmt.Sprint(w.Frequency), fmt.Sprint(w.SMT), fmt.Sprint(w.Hybrid)}
		rows = append(rows, append(row, errorsOf(machines, p95)...))
	}
	add("learned", w, learned)
	add("the program's own", defaults, own)
	writeMarkdown(out, rows, 1)
}

// writeCurve writes how the error goes by a factor.
func writeCurve(out io.Writer, c *curve, where string) {
	fmt.Fprintf(out, "\nBy %s, %s:\n\n", c.name, where)
	rows := [][]string{{c.name, servers.name, laptops.name, "mean of both"}}
	for v, value := range c.values {
		rows = append(rows, append([]string{fmt.Sprint(value)}, errorsOf(c.machines, c.p95[v])...))
	}
	writeMarkdown(out, rows, 1)
}

func errorsOf(machines []traits, p95 []float64) []string {
	return []string{percent(servers.median(machines, p95)), percent(laptops.median(machines, p95)), percent(mistake(machines, p95))}
}

// write writes what all tools told of the machines: of each the median over them, of the median and of the 95th percentile of the errors.
func (p *population) write(out io.Writer, best []score.Score) {
	fmt.Fprintf(out, "\nShown on %d other machines: medians over them of the median, and of the 95th percentile, of the errors per process.\n\n", len(p.machines))
	head, last := []string{"tool"}, []string{"machines where ours, weighted, is at most half of the peer that is best there"}
	for _, g := range groups {
		met, of := p.halved(g)
		head, last = append(head, g.name), append(last, fmt.Sprintf("%d of %d", met, of))
	}
	rows := [][]string{head}
	for _, t := range p.tools(best) {
		row := []string{t.name}
		for _, g := range groups {
			row = append(row, percent(g.median(p.machines, t.median))+", "+percent(g.median(p.machines, t.p95)))
		}
		rows = append(rows, row)
	}
	writeMarkdown(out, append(rows, last), 1)
}

// against is the median of our 95th percentiles, weighted, and the least that a peer has.
func (p *population) against(g group) (weighted, peer float64, name string) {
	weighted, peer = math.NaN(), math.Inf(1)
	for _, t := range p.tools(nil) {
		switch m := g.median(p.machines, t.p95); {
		case t.name == ourWeighted:
			weighted = m
		case !t.ours && m < peer:
			peer, name = m, t.name
		}
	}
	return weighted, peer, name
}

package main

import (
	"fmt"
	"io"

	"github.com/eco2-bpf/eco2-bpf/attribution"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/score"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/sim"
)

// First seeds of the two parts of the population: on one the factors are learned, and on the other it is shown what they are worth. More machines
// are needed to learn than to show: a median over few is that of one or two.
const (
	learnFrom = 1
	showFrom  = 101
	learnMore = 2 // times as many
)

// defaults are the factors that the program has.
var defaults = attribution.Weights{Frequency: attribution.DefaultFrequency, SMT: attribution.DefaultSMT, Hybrid: attribution.DefaultHybrid}

// runPopulation learns factors on one part of a population of drawn machines, and shows on the other, of so many servers and as many laptops, what
// all tools tell. What is written is Markdown.
func runPopulation(out io.Writer, machines int) error {
	if most := (showFrom - learnFrom) / learnMore; machines < 1 || machines > most {
		return fmt.Errorf("a population of %d servers is not one of 1 to %d", machines, most)
	}
	part := newSubjects(drawnOf(learnFrom, learnMore*machines))
	learned, err := sweep(part)
	if err != nil {
		return fmt.Errorf("learn factors: %w", err)
	}
	then, err := scores(part, learned)
	if err != nil {
		return fmt.Errorf("score what was learned: %w", err)
	}
	now, err := scores(part, defaults)
	if err != nil {
		return fmt.Errorf("score the program's own factors: %w", err)
	}
	writeLearned(out, kinds(part), learned, p95s(then), p95s(now))
	for _, k := range knobs {
		if err := writeTurn(out, part, k, learned, "on the same machines, the others being as learned"); err != nil {
			return err
		}
	}
	others := drawnOf(showFrom, machines)
	p, err := newPopulation(others)
	if err != nil {
		return err
	}
	part = newSubjects(others)
	best, err := bestEach(part)
	if err != nil {
		return fmt.Errorf("find each machine's own factors: %w", err)
	}
	p.write(out, best)
	return writeTurn(out, part, frequency, defaults, "on the other machines, where nothing was learned, the others being the program's own")
}

// writeTurn turns a knob once and writes what that does.
func writeTurn(out io.Writer, subjects []*subject, k knob, w attribution.Weights, where string) error {
	c, err := turn(subjects, k, w)
	if err != nil {
		return fmt.Errorf("turn %s: %w", k.name, err)
	}
	writeCurve(out, &c, where)
	return nil
}

// population are machines that all tools have measured.
type population struct {
	machines []traits
	reports  []*Report // by machine
}

func newPopulation(scenarios []sim.Scenario) (p *population, err error) {
	p = &population{}
	for i := range scenarios {
		p.machines = append(p.machines, traitsOf(&scenarios[i]))
	}
	p.reports, err = runAll(scenarios, "")
	return p, err
}

// bestEach is each machine's score with the factors that are best for it: what a user has who finds them.
func bestEach(subjects []*subject) ([]score.Score, error) {
	out := make([]score.Score, len(subjects))
	err := atOnce(len(out), func(i int) (err error) {
		out[i], err = subjects[i].best()
		return err
	})
	return out, err
}

// best turns the knobs for one machine alone, from where the program has them.
func (u *subject) best() (score.Score, error) {
	w := defaults
	best, err := u.score(w)
	for range rounds {
		before := w
		for _, k := range knobs {
			for _, v := range k.values {
				other := w
				*k.of(&other) = v
				s, failed := u.score(other)
				if failed != nil {
					return s, failed
				}
				if s.P95 < best.P95 {
					best, w = s, other
				}
			}
		}
		if w == before {
			break
		}
	}
	return best, err
}

// tool is one with its errors on each machine.
type tool struct {
	name        string
	ours        bool
	median, p95 []float64
}

// tools are all of them, ours first. best are our scores with each machine's own factors; nil: they are not asked for.
func (p *population) tools(best []score.Score) (out []tool) {
	for _, l := range toolsOf(p.reports, packages) {
		if l.Ours && l.Tool != ourGiven && l.Tool != ourWeighted {
			continue
		}
		t := tool{name: l.Tool, ours: l.Ours}
		for _, r := range p.reports {
			l := r.line(t.name)
			t.median, t.p95 = append(t.median, l.Median), append(t.p95, l.P95)
		}
		out = append(out, t)
		if t.name == ourWeighted && best != nil {
			own := tool{name: ourWeighted + " by its own factors", ours: true, p95: p95s(best)}
			for i := range best {
				own.median = append(own.median, best[i].Median)
			}
			out = append(out, own)
		}
	}
	return out
}

// halved counts the machines on which our 95th percentile, weighted, is at most half of that of the peer that is best there, and of how many.
func (p *population) halved(g group) (met, of int) {
	for i, r := range p.reports {
		best := r.best(packages)
		if !g.has(p.machines[i]) || best == nil {
			continue
		}
		of++
		if r.line(ourWeighted).P95 <= mostOfBest*best.P95 {
			met++
		}
	}
	return met, of
}

package engine

import (
	"time"

	"github.com/eco2-bpf/eco2-bpf/attribution"
	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// How many times more than another a task may use for what it is weighed by. The figures are of the literature that docs/accuracy.md names;
// the laboratory holds them against machines whose truth is known.
const (
	// oddsWork: instructions differ. Of two tasks that keep like cores busy at one frequency, one uses up to twice as much as the other.
	oddsWork = 2
	// oddsFrequency: cores do not all run at one frequency, where nobody looks at which.
	oddsFrequency = 1.5
	// oddsWeighed is what is left of a difference that is weighed, as the factor fits no machine exactly.
	oddsWeighed = 1.15
	// oddsMemory: of resident memory nobody knows how much is used, and what is shared counts with each.
	oddsMemory = 3
	// oddsOther: bytes to disks and time on a device cost more or less.
	oddsOther = 2
)

// defaultTick is the scheduler's where nobody knows it: the time of a task that runs on is as fresh as the last one.
const defaultTick = 4 * time.Millisecond

// rangeOf is what is not known of a domain's step.
func (e *Engine) rangeOf(d int, s *domainStep, idle units.Microjoules) attribution.Range {
	low, high := s.low, s.high
	if e.domains[d].Method == energy.Measured {
		edge := 2 * e.domains[d].EdgeBound(s.energy.Per(s.covers))
		low, high = max(0, s.energy-edge), s.energy+edge
	}
	f := &e.floors[d].last
	r := attribution.Range{
		EnergyLow: low, EnergyHigh: high, Odds: e.odds(d),
		IdleLow: min(idle, max(0, f.Low.Over(s.covers))), IdleHigh: max(idle, min(f.High.Over(s.covers), high)),
	}
	if e.splits[d] == splitCPUTime {
		cpus := len(e.parts.Topology.CPUsOf(e.domains[d].Socket, e.domains[d].Die))
		r.Skew = int64(cpus) * int64(e.prev.Took+e.cur.Took+2*e.tick())
	}
	return r
}

func (e *Engine) tick() time.Duration {
	if e.parts.Tick > 0 {
		return e.parts.Tick
	}
	return defaultTick
}

// odds is attribution.Range.Odds of a domain.
func (e *Engine) odds(d int) float64 {
	switch e.splits[d] {
	case splitCPUTime, splitNobody:
	case splitResident, splitResidentTime:
		return oddsMemory
	default:
		return oddsOther
	}
	w, odds := e.cfg.Weights, float64(oddsWork)
	differ := func(is bool, weighed bool, by float64) {
		switch {
		case is && weighed:
			odds *= min(by, oddsWeighed)
		case is:
			odds *= by
		}
	}
	differ(e.machine.siblings, w.SMT > 0, 1/attribution.DefaultSMT)
	differ(e.machine.hybrid, w.Hybrid > 0, 1/attribution.DefaultHybrid)
	differ(e.machine.frequencies, w.Frequency > 0, oddsFrequency)
	return odds
}

// differences are what makes a second of CPU time on one CPU another than on the next.
type differences struct{ siblings, hybrid, frequencies bool }

func (p *Parts) differences() (d differences) {
	for _, c := range p.Topology {
		d.siblings = d.siblings || c.Sibling > 0
		d.hybrid = d.hybrid || c.Efficient
	}
	d.frequencies = !p.OneFrequency
	return d
}

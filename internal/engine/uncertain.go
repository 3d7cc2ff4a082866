package engine

import (
	"cmp"
	"math"
	"time"

	"github.com/eco2-bpf/eco2-bpf/attribution"
	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
	"github.com/eco2-bpf/eco2-bpf/powermodel"
)

// How many times more than another a task may use for what it is weighed by. docs/attribution.md lists the figures; the laboratory
// holds them against machines whose truth is known.
const (
	// oddsWork: instructions differ. Of two tasks that keep like cores busy at one frequency, one uses up to twice as much as the other.
	oddsWork = 2
	// oddsFrequency: cores do not all run at one frequency, where nobody looks at which.
	oddsFrequency = 2
	// oddsWeighed is what is left of a difference that is weighed, as the factor fits no machine exactly.
	oddsWeighed = 1.15
	// oddsBrief: a CPU that hardly works may be slow or fast, and whoever wakes a package alone pays for all of it. Weighed, the first is less.
	oddsBrief        = 8
	oddsBriefWeighed = 3
	// oddsMemory: of resident memory nobody knows how much is used, and what is shared counts with each.
	oddsMemory = 4
	// oddsUsed: of memory that is run on nobody knows how often it is, without counting.
	oddsUsed = 20
	// oddsOther: bytes to disks and time on a device cost more or less.
	oddsOther = 2
)

// givenDrift is how far a floor that was measured before may have moved, or the counter's gain has: temperature moves both.
const givenDrift = 0.01

// rangeOf is what is not known of a domain's step, but for its edges.
func (e *Engine) rangeOf(d int, s *domainStep, idle units.Microjoules) attribution.Range {
	f := e.floors[d].last
	if f.How == powermodel.FloorGiven {
		f.Low, f.High = f.Low*(1-givenDrift), f.High*(1+givenDrift)
	}
	r := attribution.Range{
		EnergyLow: s.low, EnergyHigh: s.high, Together: e.domains[d].Method == energy.Estimated, Odds: e.odds(d),
		IdleLow: min(idle, max(0, f.Low.Over(s.covers))), IdleHigh: max(idle, min(f.High.Over(s.covers), s.high)),
	}
	if e.splits[d] == splitCPUTime {
		r.Full, r.Brief = int64(s.covers), oddsBrief
		if e.cfg.Weights.Frequency > 0 || !e.machine.frequencies {
			r.Brief = oddsBriefWeighed
		}
	}
	return r
}

// odds is attribution.Range.Odds of a domain. Its parts have nothing to do with each other, so they add up as errors do.
func (e *Engine) odds(d int) float64 {
	switch split := e.splits[d]; {
	case split == splitResidentTime, split == splitCPUTime && e.domains[d].Scope == energy.ScopeDRAM:
		return oddsUsed
	case split == splitCPUTime, split == splitNobody:
	case split == splitResident:
		return oddsMemory
	default:
		return oddsOther
	}
	w, squares := e.cfg.Weights, math.Pow(math.Log(oddsWork), 2)
	differ := func(is, weighed bool, by float64) {
		if weighed {
			by = min(by, oddsWeighed)
		}
		if is {
			squares += math.Pow(math.Log(by), 2)
		}
	}
	differ(e.machine.siblings, w.SMT > 0, 1/attribution.DefaultSMT)
	differ(e.machine.hybrid, w.Hybrid > 0, 1/attribution.DefaultHybrid)
	differ(e.machine.frequencies, w.Frequency > 0, oddsFrequency)
	return math.Exp(math.Sqrt(squares))
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

// defaultTick is the scheduler's where nobody knows it: the time of a task that runs on is as fresh as the last one.
const defaultTick = 4 * time.Millisecond

// edgeOf is how far the joules of a row may be off because energy and CPU time are not read at one moment: at the two edges of all that was
// added up, as what one step lacks the next one has. The counter may be a step behind. Of the n threads that a row has on CPUs at an edge
// each may have run for up to a tick more than is told; they do so apart from one another, so for n of them it is the root of n as much.
func (e *Engine) edgeOf(d int, joules units.Microjoules, cpu time.Duration, a *accumulator) units.Microjoules {
	span := a.energy[d].covers
	if joules <= 0 || span <= 0 {
		return 0
	}
	var off units.Microjoules
	if e.domains[d].Method == energy.Measured {
		off = 2 * e.domains[d].EdgeBound(joules.Per(span))
	}
	if e.splits[d] == splitCPUTime && cpu > 0 {
		late := float64(a.edge + cmp.Or(e.parts.Tick, defaultTick))
		n := float64(cpu) / float64(span)
		off += units.Microjoules(float64(joules) * min(1, 2*late*math.Sqrt(n)/float64(cpu)))
	}
	return off
}

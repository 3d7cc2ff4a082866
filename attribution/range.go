package attribution

import (
	"math"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// Range is what is not known of a domain's window, and so of each of its rows. What one window lacks and the next one has is not in it: that is
// for whoever adds windows up.
type Range struct {
	EnergyLow, EnergyHigh units.Microjoules // bounds of its energy: the counter's step, or an estimate's model
	IdleLow, IdleHigh     units.Microjoules // of its idle part
	Together              bool              // an estimate's: if the energy is at its low bound, so is the idle part, and at the high one likewise
	// Odds is how many times more or less than by its weight a row may have used beside the others: two tasks that run as long do not use
	// the same. At least 1.
	Odds float64
	// Brief is how many times more that is for a row that hardly ran: it may have been on a CPU that was slow, or have woken a package by
	// itself. Full is the weight of a row that ran on one CPU all the time, of which that is not so; in between it goes down by the eighth
	// power, to about half of it at a twelfth. 0: as for all.
	Brief float64
	Full  int64
}

func exact(dom *Domain) Range {
	return Range{EnergyLow: dom.Energy, EnergyHigh: dom.Energy, IdleLow: dom.Idle, IdleHigh: dom.Idle, Odds: 1}
}

// Cause is one reason why a row's energy is not known better.
type Cause int

const (
	CauseEnergy Cause = iota // the domain's own energy
	CauseIdle                // its idle part
	CauseSplit               // what its energy is shared by
	CauseMissed              // busy time that no row has may be any row's
	Causes                   // so many there are
)

// Part is what a row, or some of them together, have of a domain.
type Part struct {
	Weight int64
	Active units.Microjoules // shared by weight
	Idle   units.Microjoules // as IdlePart tells
}

// Part returns a row's.
func (l *Ledger) Part(row, d int) Part {
	idle := l.IdlePart(row, d)
	return Part{l.weightsOf(d)[row], l.Cell(row, d) - idle, idle}
}

// Add adds another row's.
func (p *Part) Add(o Part) {
	p.Weight, p.Active, p.Idle = p.Weight+o.Weight, p.Active+o.Active, p.Idle+o.Idle
}

// Bounds returns what such a part may really be: low <= Active + Idle <= high.
func (l *Ledger) Bounds(d int, p Part) (low, high units.Microjoules) {
	return l.bounds(d, l.shared[d].is, true, p)
}

// BoundsBy is Bounds by one cause alone, to tell what each of them does.
func (l *Ledger) BoundsBy(cause Cause, d int, p Part) (low, high units.Microjoules) {
	return l.bounds(d, l.shared[d].only(cause), cause == CauseMissed, p)
}

// only is the range with nothing unknown but one cause.
func (s *share) only(cause Cause) Range {
	is := Range{EnergyLow: s.energy, EnergyHigh: s.energy, IdleLow: s.idle, IdleHigh: s.idle, Odds: 1}
	switch cause {
	case CauseEnergy:
		is.EnergyLow, is.EnergyHigh = s.is.EnergyLow, s.is.EnergyHigh
		if is.Together = s.is.Together; is.Together {
			is.IdleLow, is.IdleHigh = s.is.IdleLow, s.is.IdleHigh
		}
	case CauseIdle:
		if !s.is.Together {
			is.IdleLow, is.IdleHigh = s.is.IdleLow, s.is.IdleHigh
		}
	case CauseSplit:
		is.Odds, is.Brief, is.Full = s.is.Odds, s.is.Brief, s.is.Full
	}
	return is
}

func (l *Ledger) bounds(d int, is Range, missed bool, p Part) (low, high units.Microjoules) {
	s := &l.shared[d]
	low, high = s.idleBounds(is, p.Idle)
	if p.Weight == 0 { // it did not run
		return low + p.Active, high + p.Active
	}
	lo := float64(p.Weight) / float64(s.weights)
	hi := lo
	if missed {
		hi += float64(l.weightsOf(d)[l.rows]) / float64(s.weights)
	}
	r := is.Odds
	if is.Brief > 1 && p.Weight < is.Full {
		x := 1 - float64(p.Weight)/float64(is.Full)
		x *= x
		x *= x
		r *= 1 + (is.Brief-1)*x*x
	}
	lowShared, highShared := s.sharedBounds(is)
	low += min(p.Active, scale(lowShared, odds(lo, 1/r)))
	high += max(p.Active, scaleUp(highShared, odds(min(1, hi), r)))
	return low, high
}

// idleBounds are those of a part of the domain's idle part.
func (s *share) idleBounds(is Range, part units.Microjoules) (low, high units.Microjoules) {
	if part == 0 || s.idle == 0 {
		return part, part
	}
	by := float64(part) / float64(s.idle)
	return min(part, scale(is.IdleLow, by)), max(part, scaleUp(is.IdleHigh, by))
}

// IdleBounds are those of the row Idle.
func (l *Ledger) IdleBounds(d int) (low, high units.Microjoules) {
	s, cell := &l.shared[d], l.Cell(l.Idle(), d)
	if s.policy == Separate { // also where it was taken for nothing
		return min(cell, s.is.IdleLow), max(cell, s.is.IdleHigh)
	}
	return s.idleBounds(s.is, cell)
}

// UnattributedBounds are those of the row Unattributed.
func (l *Ledger) UnattributedBounds(d int) (low, high units.Microjoules) {
	s := &l.shared[d]
	p := Part{Weight: l.weightsOf(d)[l.rows], Active: l.Cell(l.Unattributed(), d) - s.earlier}
	if s.weights == 0 { // all of it is nobody's
		low, high = s.sharedBounds(s.is)
	} else { // it may all be some row's
		_, high = l.bounds(d, s.is, false, p)
	}
	return low + s.earlier, high + s.earlier
}

// sharedBounds are those of what is shared by weight.
func (s *share) sharedBounds(is Range) (low, high units.Microjoules) {
	low, high = is.EnergyLow-s.earlier, is.EnergyHigh-s.earlier
	if s.policy != Active || s.weights == 0 { // the idle part is not in it
		idleLow, idleHigh := is.IdleHigh, is.IdleLow
		if is.Together {
			idleLow, idleHigh = is.IdleLow, is.IdleHigh
		}
		low, high = low-idleLow, high-idleHigh
	}
	return min(s.active, max(0, low)), max(s.active, high)
}

// odds turns a share into that of a row that uses r times as much for each unit of weight as the others do.
func odds(share, r float64) float64 { return share * r / (share*r + 1 - share) }

func scaleUp(e units.Microjoules, by float64) units.Microjoules {
	down := scale(e, by)
	if float64(down) < float64(e)*by {
		down++
	}
	return down
}

// scale rounds down.
func scale(e units.Microjoules, by float64) units.Microjoules {
	return units.Microjoules(min(float64(e)*by, math.MaxInt64/4))
}

package attribution

import (
	"math"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// Range is what is not known of a domain's window, and so of each of its rows.
type Range struct {
	EnergyLow, EnergyHigh units.Microjoules // bounds of its energy: the counter's step, or an estimate's model
	IdleLow, IdleHigh     units.Microjoules // of its idle part
	// Odds is how many times more or less than by its weight a row may have used beside the others: two tasks that run as long do not use
	// the same. At least 1.
	Odds float64
	// Skew is the weight that may be of the window before or after, for any row at most: energy and CPU time are not read at one moment.
	Skew int64
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
	CauseEdges               // what is read at an edge is not read at one moment
	CauseMissed              // busy time that no row has may be any row's
	Causes                   // so many there are
)

// Bounds returns what a row, or some of them together, may have used of a domain: those whose cells hold active, shared by weight, and idle, as
// IdlePart tells. low <= active + idle <= high.
func (l *Ledger) Bounds(d int, active, idle units.Microjoules) (low, high units.Microjoules) {
	return l.bounds(d, l.shared[d].is, true, active, idle)
}

// BoundsBy is Bounds by one cause alone, to tell what each of them does.
func (l *Ledger) BoundsBy(cause Cause, d int, active, idle units.Microjoules) (low, high units.Microjoules) {
	return l.bounds(d, l.shared[d].only(cause), cause == CauseMissed, active, idle)
}

// only is the range with nothing unknown but one cause.
func (s *share) only(cause Cause) Range {
	is := Range{EnergyLow: s.energy, EnergyHigh: s.energy, IdleLow: s.idle, IdleHigh: s.idle, Odds: 1}
	switch cause {
	case CauseEnergy: // an estimate's idle part goes with it
		is.EnergyLow, is.EnergyHigh, is.IdleLow = s.is.EnergyLow, s.is.EnergyHigh, min(s.idle, s.is.EnergyLow)
	case CauseIdle:
		is.IdleLow, is.IdleHigh = s.is.IdleLow, s.is.IdleHigh
	case CauseSplit:
		is.Odds = s.is.Odds
	case CauseEdges:
		is.Skew = s.is.Skew
	}
	return is
}

func (l *Ledger) bounds(d int, is Range, missed bool, active, idle units.Microjoules) (low, high units.Microjoules) {
	s := &l.shared[d]
	if active == 0 && s.active > 0 { // it did not run
		return s.idleBounds(is, idle)
	}
	lowShared, highShared := s.sharedBounds(is)
	lo, hi := 1.0, 1.0
	if s.active > 0 {
		lo = float64(active) / float64(s.active)
		hi = lo
	}
	if s.weights > 0 {
		skew := min(lo, float64(is.Skew)/float64(s.weights))
		lo, hi = lo-skew, hi+skew
		if missed {
			hi += float64(l.weightsOf(d)[l.rows]) / float64(s.weights)
		}
		lo, hi = odds(lo, 1/is.Odds), odds(min(1, hi), is.Odds)
	}
	low, high = s.idleBounds(is, idle)
	low += min(active, scale(lowShared, lo, math.Floor))
	high += max(active, scale(highShared, hi, math.Ceil))
	return low, high
}

// idleBounds are those of a part of the domain's idle part.
func (s *share) idleBounds(is Range, part units.Microjoules) (low, high units.Microjoules) {
	if part == 0 || s.idle == 0 {
		return part, part
	}
	by := float64(part) / float64(s.idle)
	return min(part, scale(is.IdleLow, by, math.Floor)), max(part, scale(is.IdleHigh, by, math.Ceil))
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
	low, high = l.bounds(d, s.is, false, l.Cell(l.Unattributed(), d)-s.earlier, 0)
	return low + s.earlier, high + s.earlier
}

// sharedBounds are those of what is shared by weight. Energy and idle part are not both taken at their worst against each other: an estimate
// that is too high is so in both.
func (s *share) sharedBounds(is Range) (low, high units.Microjoules) {
	low, high = is.EnergyLow-s.earlier, is.EnergyHigh-s.earlier
	if s.policy != Active || s.weights == 0 {
		low = min(low-is.IdleLow, s.energy-s.earlier-is.IdleHigh)
		high = max(high-is.IdleHigh, s.energy-s.earlier-is.IdleLow)
	}
	return min(s.active, max(0, low)), max(s.active, high)
}

// odds turns a share into that of a row that uses r times as much for each unit of weight as the others do.
func odds(share, r float64) float64 { return share * r / (share*r + 1 - share) }

func scale(e units.Microjoules, by float64, round func(float64) float64) units.Microjoules {
	return units.Microjoules(min(round(float64(e)*by), math.MaxInt64/4))
}

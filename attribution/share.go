package attribution

import (
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// weigh puts every row's weight, and what nobody has behind them, into the domain's weights, which are zero, and returns the sum.
func (l *Ledger) weigh(in *Input, d int) int64 {
	dom, weights := &in.Domains[d], l.weightsOf(d)
	if dom.Weights == nil {
		return weighTime(in, dom, weights)
	}
	sum := dom.Unclaimed
	copy(weights, dom.Weights)
	weights[in.Rows] = dom.Unclaimed
	for _, w := range dom.Weights {
		sum += w
	}
	return sum
}

// weighTime is for the time on the domain's CPUs.
func weighTime(in *Input, dom *Domain, weights []int64) int64 {
	var seen int64
	var kernel time.Duration
	each := func(p int) {
		kernel += in.Busy[p]
		for r := range in.Rows {
			weights[r] += int64(in.Time[r*in.Places+p])
		}
	}
	if dom.Places == nil {
		for p := range in.Places {
			each(p)
		}
	}
	for _, p := range dom.Places {
		each(p)
	}
	for _, t := range weights[:in.Rows] {
		seen += t
	}
	weights[in.Rows] = max(0, int64(kernel)-seen)
	return seen + weights[in.Rows]
}

// shareByWeight shares e over the rows and Unattributed in proportion to the domain's weights, whose sum is total.
//
// Each row gets the difference of two neighbouring points of the rounded-down running sum. So the parts add up to e by
// construction, each is within one microjoule of its exact share, and no sorting is needed as it would be to hand out the
// largest remainders.
func (l *Ledger) shareByWeight(d int, e units.Microjoules, total int64) {
	var run int64
	var given units.Microjoules
	for r, w := range l.weightsOf(d) {
		if w == 0 {
			continue
		}
		run += w
		upTo := mulDiv(e, run, total)
		if r == l.rows {
			r = l.Unattributed()
		}
		l.add(r, d, upTo-given)
		given = upTo
	}
}

// shareEqually gives every account that ran on the domain's CPUs the same part of its idle energy; false when there is none.
func (l *Ledger) shareEqually(in *Input, d int) bool {
	n := int64(0)
	weights := l.weightsOf(d)
	ran := func(r int) bool { return weights[r] > 0 && (in.Shared == nil || !in.Shared[r]) }
	for r := range in.Rows {
		if ran(r) {
			n++
		}
	}
	if n == 0 {
		return false
	}
	idle := in.Domains[d].Idle
	part, left := idle/units.Microjoules(n), idle%units.Microjoules(n)
	for r := range in.Rows {
		if !ran(r) {
			continue
		}
		e := part
		if left > 0 {
			e, left = e+1, left-1
		}
		l.addIdle(r, d, e)
	}
	return true
}

// shareReserved gives every row the part of the idle energy that it has reserved of all, and the row Idle the rest; false when nobody has.
func (l *Ledger) shareReserved(in *Input, d int) bool {
	idle := in.Domains[d].Idle
	var run int64
	var given units.Microjoules
	for r, parts := range in.Reserved {
		if parts == 0 {
			continue
		}
		run += parts
		upTo := mulDiv(idle, run, in.All)
		l.addIdle(r, d, upTo-given)
		given = upTo
	}
	if run == 0 {
		return false
	}
	l.add(l.Idle(), d, idle-given)
	return true
}

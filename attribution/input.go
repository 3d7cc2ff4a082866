package attribution

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// check refuses what cannot be a window, so that the ledger never has to guess.
func (in *Input) check() error {
	if in.Rows < 0 || in.Places < 0 || len(in.Time) != in.Rows*in.Places || len(in.Busy) != in.Places {
		return fmt.Errorf("window of %d rows and %d places has %d times and %d busy totals",
			in.Rows, in.Places, len(in.Time), len(in.Busy))
	}
	if in.Shared != nil && len(in.Shared) != in.Rows {
		return fmt.Errorf("window of %d rows says of %d whether they are shared", in.Rows, len(in.Shared))
	}
	if in.Policy < Separate || in.Policy > Reservation {
		return fmt.Errorf("unknown idle policy %d", in.Policy)
	}
	if err := in.checkReserved(); err != nil {
		return err
	}
	var sum time.Duration
	for _, ts := range [][]time.Duration{in.Time, in.Busy} {
		for _, t := range ts {
			if t < 0 {
				return fmt.Errorf("negative CPU time %d ns", int64(t))
			}
			if t > math.MaxInt64/4-sum {
				return fmt.Errorf("CPU times add up to more than %v", time.Duration(math.MaxInt64/4))
			}
			sum += t
		}
	}
	for d, dom := range in.Domains {
		if dom.Energy < 0 || dom.Idle < 0 || dom.Earlier < 0 || dom.Idle > dom.Energy-dom.Earlier {
			return fmt.Errorf("domain %d: idle energy %v J and earlier energy %v J of %v J", d, dom.Idle, dom.Earlier, dom.Energy)
		}
		if err := errors.Join(dom.checkWeights(in.Rows), dom.Range.check()); err != nil {
			return fmt.Errorf("domain %d: %w", d, err)
		}
		seen := uint64(0)
		for _, p := range dom.Places {
			if p < 0 || p >= in.Places || p < 64 && seen&(1<<p) != 0 {
				return fmt.Errorf("domain %d: place %d is not one of %d, or stands twice", d, p, in.Places)
			}
			if p < 64 {
				seen |= 1 << p
			}
		}
	}
	return nil
}

func (in *Input) checkReserved() error {
	if in.Reserved == nil {
		return nil
	}
	if len(in.Reserved) != in.Rows || in.All <= 0 {
		return fmt.Errorf("window of %d rows has %d reservations, of %d parts", in.Rows, len(in.Reserved), in.All)
	}
	left := in.All
	for _, r := range in.Reserved {
		if r < 0 || r > left {
			return fmt.Errorf("reservations are negative, or add up to more than all %d parts", in.All)
		}
		left -= r
	}
	return nil
}

func (r *Range) check() error {
	const most = math.MaxInt64 / 4
	if *r == (Range{}) {
		return nil
	}
	if r.EnergyLow < 0 || r.EnergyHigh < r.EnergyLow || r.EnergyHigh > most || r.IdleLow < 0 || r.IdleHigh < r.IdleLow || r.IdleHigh > most ||
		!(r.Odds >= 1) || math.IsInf(r.Odds, 0) || !(r.Brief >= 0) || math.IsInf(r.Brief, 0) || r.Full < 0 {
		return fmt.Errorf("no range: %+v", *r)
	}
	return nil
}

func (dom *Domain) checkWeights(rows int) error {
	if dom.Weights == nil {
		if dom.Unclaimed != 0 {
			return fmt.Errorf("unclaimed weight %d without weights", dom.Unclaimed)
		}
		return nil
	}
	if len(dom.Weights) != rows {
		return fmt.Errorf("%d weights of %d rows", len(dom.Weights), rows)
	}
	sum := dom.Unclaimed
	for _, w := range dom.Weights {
		if w < 0 || sum < 0 || w > math.MaxInt64-sum {
			return fmt.Errorf("weights are negative, or add up to more than %d", int64(math.MaxInt64))
		}
		sum += w
	}
	if sum < 0 {
		return fmt.Errorf("negative unclaimed weight %d", dom.Unclaimed)
	}
	return nil
}

// mulDiv returns e*t/total rounded down, for 0 <= t <= total and e >= 0, without overflow.
func mulDiv(e units.Microjoules, t, total int64) units.Microjoules {
	hi, lo := bits.Mul64(uint64(e), uint64(t))
	q, _ := bits.Div64(hi, lo, uint64(total))
	return units.Microjoules(q)
}

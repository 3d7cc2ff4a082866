package attribution

import "time"

// Reconciler turns the kernel's busy totals into denominators that never lag behind what was seen. The kernel's totals and the
// accounts are read some microseconds apart and, without cpuacct, in steps of 10 ms: when a window shows less busy time than its
// rows have, the debt is taken off the next windows' unattributed time instead of being forgotten, so that the noise of the edges
// does not add up to unattributed energy.
type Reconciler struct {
	debt []time.Duration // by place
}

// maxDebt bounds what is carried, as a share of a window's seen time: a busy total that is always too low must not hide a later
// real loss for ever.
const maxDebt = 0.1

// Busy returns the denominator for a place of a window: at least seen.
func (r *Reconciler) Busy(place int, kernel, seen time.Duration) time.Duration {
	for len(r.debt) <= place {
		r.debt = append(r.debt, 0)
	}
	left := kernel - seen - r.debt[place]
	if left >= 0 {
		r.debt[place] = 0
		return seen + left
	}
	r.debt[place] = min(-left, max(time.Duration(maxDebt*float64(seen)), 20*time.Millisecond))
	return seen
}

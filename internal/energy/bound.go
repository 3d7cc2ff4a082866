package energy

import (
	"cmp"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// refresh is how stale a RAPL counter may be when it is read: the hardware brings it up to date about every millisecond (0.976 ms with jitter).
const refresh = time.Millisecond

// maxBoundJoules is more than any machine uses between two steps of a counter.
const maxBoundJoules = 1e9

// EdgeBound is how far the domain's counter may be off at one edge of a window at that power; a window has two edges.
//
// It is a property of a window, not of the counter: what one window misses at its edge the next one finds, so the error never adds up. For that reason a
// measured Sample has Low = High = Energy, and whoever prints the error of one window takes 2*EdgeBound of that window's power.
func (d *Domain) EdgeBound(power units.Watts) units.Microjoules {
	if !(power > 0) { // also NaN
		return 0
	}
	over := cmp.Or(d.Refresh, refresh)
	if float64(power)*over.Seconds() > maxBoundJoules {
		return maxBoundJoules * 1e6
	}
	return power.Over(over)
}

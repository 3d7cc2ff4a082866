package powermodel

import (
	"cmp"
	"math"
	"slices"
)

// fit is what the windows say about the floor.
type fit struct {
	ok               bool
	floor, low, high float64
}

// scratch is the working space of one fit, kept to spare allocations.
type scratch struct {
	samples [ringSize + keptSize]sample
	values  [ringSize + keptSize]weighted
}

type weighted struct{ value, weight float64 }

const (
	leastWindows = 4    // before that nothing is called learned
	leastWall    = 0.35 // seconds: four windows of 100 ms, not four of 10 ms
	leastLoaded  = 2    // one loaded window may be an outlier and would tilt the slope
)

// learn fits power = floor + slope * busy CPUs so that quiet windows dominate, because power curves bend:
// anchor = median of the quietest windows; slope = median of the secants from there to all others (Theil and Sen's, with
// the pairs that matter); floor = median over the quietest of power - slope * busy. All medians are weighted by length,
// so nearly half of the windows on either side may be garbage. Cost: a few sorts of at most 136 numbers.
func (f *Floor) learn() {
	s, old := f.gather()
	f.fit.ok = false
	n, wall := len(s), 0.0
	for i := range s {
		wall += s[i].dur
	}
	if n < leastWindows || wall < leastWall {
		return
	}
	if old {
		slices.SortFunc(s, func(a, b sample) int { return cmp.Compare(a.busy, b.busy) })
	}
	spread := s[n-1].busy - s[0].busy
	q := quietest(s, spread)
	if spread >= max(0.1, 0.1*f.cpus) && n-q >= leastLoaded {
		f.slope, f.slopeOK = f.secant(s, q), true
	} else if !f.slopeOK && s[q-1].busy <= idlePart*f.cpus {
		// Nobody ran to speak of: the power seen is the floor, but for so little load. That takes between nothing and what the model says.
		f.slope = max(0, s[0].power*(float64(f.model.Max.Value)/float64(max(f.model.Idle.Value, 1e-9))-1)/f.cpus) / 2
	} else if !f.slopeOK || s[0].busy > quietPart*f.cpus {
		return // constant load does not tell what of it is idle; only quiet windows can lean on an old slope: it hardly counts there
	}
	f.intercept(s, q, old)
}

// gather copies the windows to fit, the quietest first but for old ones at the end. The old quiet ones speak only when the ring has hardly one as quiet.
func (f *Floor) gather() (s []sample, old bool) {
	s = f.scratch.samples[:copy(f.scratch.samples[:], f.byBusy[:f.count])]
	quiet := 0
	for i := range s {
		if s[i].busy <= idlePart*f.cpus {
			quiet++
		}
	}
	if quiet >= 2 {
		return s, false
	}
	f.expire()
	return append(s, f.kept[:f.keptN]...), f.keptN > 0
}

// quietest says how many windows, of those sorted by busy time, stand for the quiet end: all that are about as quiet as
// the quietest, else three that are not far from it.
func quietest(s []sample, spread float64) int {
	q := 1
	for q < len(s) {
		d := s[q].busy - s[0].busy
		if d > 0.05*spread && (d > 0.2*spread || q >= 3) {
			break
		}
		q++
	}
	return q
}

func (f *Floor) secant(s []sample, q int) float64 {
	v := f.scratch.values[:q]
	for i := range v {
		v[i] = weighted{s[i].power, s[i].dur}
	}
	power := median(v)
	for i := range v {
		v[i] = weighted{s[i].busy, s[i].dur}
	}
	busy := median(v)
	v = f.scratch.values[:len(s)-q]
	for i, l := range s[q:] {
		// Noise falls with a secant's length, so long ones weigh more; not by the square, near ones know more of a bent curve.
		d := max(l.busy-busy, 1e-9)
		v[i] = weighted{(l.power - power) / d, l.dur * d}
	}
	return max(0, median(v))
}

func (f *Floor) intercept(s []sample, q int, old bool) {
	v := f.scratch.values[:q]
	newest := 0.0
	for i := range v {
		v[i] = weighted{s[i].power - f.slope*s[i].busy, s[i].dur}
		newest = max(newest, s[i].at)
	}
	floor := median(v)
	if q == 2 && math.Abs(v[0].value-v[1].value) > 0.15*math.Abs(v[1].value) {
		return // one of the two is garbage, and nobody can say which before there is a third
	}
	for i := range v {
		v[i].value = math.Abs(v[i].value - floor)
	}
	// Two standard errors by the median deviation; few windows can agree by chance, so each is worth 1 % at best.
	noise := 2 * max(1.4826*median(v), 0.01*floor) / math.Sqrt(float64(q))
	if q < 3 {
		noise = max(noise, 0.05*floor)
	}
	for i := range v {
		v[i] = weighted{s[i].busy, s[i].dur}
	}
	reach := f.slope * median(v) // watts between the quiet windows and the floor: extrapolated
	if old {
		// No floor exceeds the lowest power seen. The floor lies below its own quiet windows anyhow (slope >= 0), but it
		// may have sunk since old ones. Noise and garbage are lowest too, so a quarter of the windows has to say so.
		v = f.scratch.values[:len(s)]
		for i := range v {
			v[i] = weighted{s[i].power, s[i].dur}
		}
		floor = min(floor, quantile(v, 0.25))
	}
	if !(floor > 0) {
		return // a line through busy windows only that ends below zero: the table knows better
	}
	// The bounds: noise, 1 % for the counter, 3 % per hour since the last quiet window, and the bend of the curve between
	// the quiet windows and zero: the first step of real curves is up to 2.8 times as steep as their mean.
	noise += floor * (0.01 + 0.03*(f.clock-newest)/3600)
	f.fit = fit{ok: true, floor: floor, low: max(0, floor-noise-1.8*reach), high: floor + noise + 0.5*reach}
	if !f.slopeOK {
		f.fit.high += 0.5 * reach
	}
}

// quantile sorts v in place and gives the least value at or above which the share p of the weight lies.
func quantile(v []weighted, p float64) float64 {
	slices.SortFunc(v, func(a, b weighted) int { return cmp.Compare(a.value, b.value) })
	total := 0.0
	for i := range v {
		total += v[i].weight
	}
	sum := 0.0
	for i := range v {
		if sum += v[i].weight; sum >= p*total {
			return v[i].value
		}
	}
	return v[len(v)-1].value
}

// median is the weighted median; where two values share it and are near each other, their mean. Where they are not, one of
// them is garbage, and that is more often the higher one.
func median(v []weighted) float64 {
	m := quantile(v, 0.5)
	below, above, next := 0.0, 0.0, math.Inf(1)
	for i := range v {
		if v[i].value <= m {
			below += v[i].weight
		} else {
			above += v[i].weight
			next = min(next, v[i].value)
		}
	}
	if math.Abs(below-above) <= 1e-6*(below+above) && next-m <= 0.1*math.Abs(m) {
		return (m + next) / 2
	}
	return m
}

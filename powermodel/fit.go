package powermodel

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// LoadWindow is one window of a load ladder, in one domain.
type LoadWindow struct {
	Rung  int     // of the ladder, from 0
	Busy  float64 // mean busy share of the domain's CPUs, 0 to 1: as measured, not as asked for
	Power units.Watts
}

// LoadRung is one rung of a ladder as one domain saw it.
type LoadRung struct {
	Asked    int  // percent
	Down     bool // on the way down, after the highest load
	Windows  int
	Busy     float64 // median
	Power    units.Watts
	Residual float64 // how far Power is above the fit, as a share of the fit
}

// Residuals say how well a curve fits, as shares of its value.
type Residuals struct {
	RungMedian    float64 `json:"rung_median"`     // of the rungs' absolute residuals
	RungP95       float64 `json:"rung_p95"`        // their 95th percentile
	HeldOutMedian float64 `json:"held_out_median"` // of even windows, against the curve of the odd ones
	HeldOutP95    float64 `json:"held_out_p95"`
	HeldOut       int     `json:"held_out_windows"`
	Hysteresis    float64 `json:"hysteresis"` // how much dearer the same load is on the way down, when the machine is warm
}

// LoadFit is a domain's power by load, with what it was fitted from.
type LoadFit struct {
	Watts, Low, High Curve // watts at 0, 10, ... 100 % busy; none of them ever falls
	Residuals        Residuals
	Rungs            []LoadRung // that had enough windows
	Windows          int        // in these
}

// ErrNarrow says that a ladder did not get from idle to full load: other work kept the CPUs busy, or a limit kept the load from them.
var ErrNarrow = errors.New("the load was not seen from idle to full")

const (
	leastRungWindows = 2    // fewer have no median
	mostIdle         = 0.30 // the quietest rung must be below it, or idle power would be a guess
	leastFull        = 0.80 // and the busiest one above it
	driftRoom        = 0.03 // what a machine's power changes by itself: temperature of the room, ageing, firmware
)

// FitLoad fits a domain's power by load to a ladder. asked are the ladder's loads in percent, in order.
//
// Each rung counts by the medians of its windows: power rises with load, so the median window of the one is that of the other, and up to half of
// the windows may be disturbed. Rungs of about the same load are averaged, so the way up and the way down have equal say; then the
// curve is made to rise (isotonic regression) and read at its 11 points by a cubic that does not overshoot.
func FitLoad(asked []int, windows []LoadWindow) (LoadFit, error) {
	f := LoadFit{Rungs: rungs(asked, windows, func(int) bool { return true })}
	var err error
	if f.Watts, err = riseThrough(f.Rungs); err != nil {
		return LoadFit{}, err
	}
	var off []float64
	for i := range f.Rungs {
		r := &f.Rungs[i]
		r.Residual = residual(f.Watts, r.Busy, r.Power)
		off = append(off, math.Abs(r.Residual))
		f.Windows += r.Windows
	}
	f.Residuals.RungMedian, f.Residuals.RungP95 = percentile(off, 0.5), percentile(off, 0.95)
	f.Residuals.Hysteresis = hysteresis(f.Rungs)
	f.holdOut(asked, windows)
	f.bound()
	return f, nil
}

// rungs takes the medians of those windows whose number within their rung is chosen.
func rungs(asked []int, windows []LoadWindow, chosen func(nth int) bool) []LoadRung {
	busy, power, seen := make([][]float64, len(asked)), make([][]float64, len(asked)), make([]int, len(asked))
	for _, w := range windows {
		if w.Rung < 0 || w.Rung >= len(asked) || !(w.Busy >= 0) || !(w.Power >= 0) || math.IsInf(float64(w.Power), 0) {
			continue
		}
		if seen[w.Rung]++; chosen(seen[w.Rung]) {
			busy[w.Rung] = append(busy[w.Rung], min(w.Busy, 1))
			power[w.Rung] = append(power[w.Rung], float64(w.Power))
		}
	}
	top := 0
	for i, a := range asked {
		if a > asked[top] {
			top = i
		}
	}
	var out []LoadRung
	for i, a := range asked {
		if len(busy[i]) >= leastRungWindows {
			out = append(out, LoadRung{Asked: a, Down: i > top, Windows: len(busy[i]), Busy: percentile(busy[i], 0.5), Power: units.Watts(percentile(power[i], 0.5))})
		}
	}
	return out
}

// riseThrough makes a curve from rungs.
func riseThrough(rungs []LoadRung) (Curve, error) {
	points := make([]point, 0, len(rungs))
	total := 0.0
	for _, r := range rungs {
		points = append(points, point{r.Busy, float64(r.Power), float64(r.Windows)})
		total += float64(r.Power)
	}
	points = pool(points)
	if len(points) < 2 || points[0].busy > mostIdle || points[len(points)-1].busy < leastFull {
		from, to := 0.0, 0.0
		if len(points) > 0 {
			from, to = points[0].busy, points[len(points)-1].busy
		}
		return Curve{}, fmt.Errorf("%w: from %.0f to %.0f %% busy in %d rungs, wanted at most %.0f and at least %.0f %%",
			ErrNarrow, 100*from, 100*to, len(rungs), 100*mostIdle, 100*leastFull)
	}
	if !(total > 0) {
		return Curve{}, errors.New("the counter showed no energy")
	}
	return gridOf(rising(points)), nil
}

// holdOut tells how well the curve foretells windows that it was not made from: that of the odd windows of each rung is held against the even ones.
func (f *LoadFit) holdOut(asked []int, windows []LoadWindow) {
	half, err := riseThrough(rungs(asked, windows, func(nth int) bool { return nth%2 == 1 }))
	if err != nil {
		return
	}
	var off []float64
	seen := map[int]int{}
	for _, w := range windows {
		if seen[w.Rung]++; seen[w.Rung]%2 == 0 && w.Busy >= 0 && w.Power >= 0 {
			off = append(off, math.Abs(residual(half, w.Busy, w.Power)))
		}
	}
	f.Residuals.HeldOut = len(off)
	f.Residuals.HeldOutMedian, f.Residuals.HeldOutP95 = percentile(off, 0.5), percentile(off, 0.95)
}

// hysteresis is the median, over the loads that were held on both ways, of how much more the way down is above the fit than the way up.
func hysteresis(rungs []LoadRung) float64 {
	var off []float64
	for _, down := range rungs {
		for _, up := range rungs {
			if down.Down && !up.Down && up.Asked == down.Asked {
				off = append(off, down.Residual-up.Residual)
			}
		}
	}
	return percentile(off, 0.5)
}

// bound makes the range: what the fit was off by, half of the difference between up and down, and room for drift; beyond the loads seen, all that the curve
// goes on there, too.
func (f *LoadFit) bound() {
	first, last := f.Rungs[0].Busy, f.Rungs[0].Busy
	for _, r := range f.Rungs {
		first, last = min(first, r.Busy), max(last, r.Busy)
	}
	off := max(f.Residuals.RungP95, f.Residuals.HeldOutP95) + math.Abs(f.Residuals.Hysteresis)/2 + driftRoom
	for i, w := range f.Watts {
		u := float64(i) / 10
		beyond := math.Abs(w - f.Watts.At(min(max(u, first), last)))
		f.Low[i], f.High[i] = max(0, w*(1-off)-beyond), w*(1+off)+beyond
	}
	for i := 1; i < len(f.Watts); i++ {
		f.High[i] = max(f.High[i], f.High[i-1])
		k := len(f.Watts) - 1 - i
		f.Low[k] = min(f.Low[k], f.Low[k+1])
	}
}

// residual is how far a power is above a curve, as a share of the curve.
func residual(c Curve, busy float64, power units.Watts) float64 {
	fit := c.At(busy)
	if fit <= 0 {
		if power > 0 {
			return 1
		}
		return 0
	}
	return float64(power)/fit - 1
}

// percentile of values, by straight lines between them; 0 of none.
func percentile(values []float64, p float64) float64 {
	if len(values) == 0 {
		return 0
	}
	v := slices.Sorted(slices.Values(values))
	at := p * float64(len(v)-1)
	i := min(int(at), len(v)-1)
	j := min(i+1, len(v)-1)
	return v[i] + (v[j]-v[i])*(at-float64(i))
}

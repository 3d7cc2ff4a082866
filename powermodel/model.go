// Package powermodel estimates power where no counter exists, and learns what part of a domain's power is its idle floor.
// It is pure: callers hand it bytes and numbers. Where the figures come from: data/README.md, and Notices.
package powermodel

import (
	"math"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// Range is an estimate with its bounds: Low <= Value <= High.
type Range struct{ Value, Low, High units.Watts }

// Model turns load into watts for one kind of CPU. Build it with Resolve; As gives it for another scope.
type Model struct {
	Key       string // row of the power table: "zen3"; "tdp" or "default" where there is none
	Microarch string // as identified; differs from Key where a relative stands in
	How       string // one line for people: how the figures were found
	Scope     string // what the watts include: ScopeWall and so on
	Idle, Max Range  // watts per hardware thread
	CurveKey  string // row of utilisation_curve.csv
	Curve     Curve
	CurveLow  Curve
	CurveHigh Curve
	Guest     bool // bounds are at least +-50 %: who else is on the host is unknown

	scopes    scopeFigures // zero: not made by Resolve
	how       string       // How, but for the scope
	packageBy string       // how the package's figures were found
}

// guestDoubt is the least relative error in a guest (placement, steal, overcommit, power supply are unknown there).
const guestDoubt = 0.5

// Watts estimates the power of so many hardware threads when they are busy for this share of the time, 0 to 1.
func (m Model) Watts(threads int, busyShare float64) Range {
	n, u := float64(max(0, threads)), share(busyShare)
	r := Range{
		Value: between(n, m.Idle.Value, m.Max.Value, m.Curve.At(u)),
		Low:   between(n, m.Idle.Low, m.Max.Low, m.CurveLow.At(u)),
		High:  between(n, m.Idle.High, m.Max.High, m.CurveHigh.At(u)),
	}
	if m.Guest {
		r.Low = min(r.Low, r.Value*(1-guestDoubt))
		r.High = max(r.High, r.Value*(1+guestDoubt))
	}
	r.Low, r.High = min(r.Low, r.Value), max(r.High, r.Value) // rounding must not cross them
	return r
}

func (r Range) times(by float64) Range {
	k := units.Watts(by)
	return Range{r.Value * k, r.Low * k, r.High * k}
}

func between(n float64, idle, full units.Watts, f float64) units.Watts {
	return units.Watts(n * (float64(idle) + (float64(full)-float64(idle))*f))
}

// IdleWatts is the power of so many hardware threads doing nothing.
func (m Model) IdleWatts(threads int) Range { return m.Watts(threads, 0) }

// IdleShareAt is the idle power as a part of the power at that load, in (0,1]. It needs no scale, so it can stand in for a
// floor of a measured domain too.
func (m Model) IdleShareAt(busyShare float64) float64 {
	return idleShare(m.Idle.Value, m.Max.Value, m.Curve.At(busyShare))
}

// idleShareRange gives IdleShareAt and its upper bound: much idle, little at full load, and a low curve.
func (m Model) idleShareRange(busyShare float64) (value, high float64) {
	u := share(busyShare)
	value = m.IdleShareAt(u)
	high = idleShare(m.Idle.High, m.Max.Low, m.CurveLow.At(u))
	if m.Guest {
		high = max(high, value*(1+guestDoubt))
	}
	return value, min(1, max(high, value))
}

func idleShare(idle, full units.Watts, f float64) float64 {
	i := float64(idle)
	p := i + max(0, float64(full)-i)*f
	if !(i > 0) || !(p > 0) || math.IsInf(p, 0) {
		return 1 // a zero Model: without figures nothing can be called activity
	}
	return min(1, i/p)
}

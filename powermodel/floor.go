package powermodel

import (
	"math"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// How a floor was found.
const (
	FloorGiven   = "given"   // by the user
	FloorLearned = "learned" // from this domain's own windows
	FloorTable   = "table"   // the CPU table's idle share of the power seen
)

// Floor is the idle floor of one energy domain: the watts that it takes when none of its CPUs runs anything. A Floor is
// used by one goroutine; it never allocates after its making and holds the same memory after a year as after a minute.
type Floor struct {
	cpus  float64
	model Model
	given bool
	fixed units.Watts

	memory
	slope   float64 // watts per busy CPU, as last learned
	slopeOK bool
	stale   bool // the memory has changed since the last fit
	fit     fit
	scratch scratch
}

// FloorEstimate is the floor as it stands for one window.
type FloorEstimate struct {
	Watts, Low, High units.Watts
	How              string
	Energy           units.Microjoules // idle energy of the window: 0 <= Energy <= its energy
}

// NewFloor learns the floor of a domain that pays for so many CPUs; until it can tell, the model's idle share stands in.
func NewFloor(cpus int, m Model) *Floor {
	return &Floor{cpus: float64(max(1, cpus)), model: m}
}

// FixedFloor is a floor that the user gave. Anything but a finite, positive power is zero.
func FixedFloor(w units.Watts) *Floor {
	if math.IsNaN(float64(w)) || math.IsInf(float64(w), 0) || w < 0 {
		w = 0
	}
	return &Floor{cpus: 1, given: true, fixed: w}
}

// shortest is the shortest window to learn from: RAPL steps about every millisecond, so shorter ones measure the step.
const shortest = 10 * time.Millisecond

// Observe takes in one window: its energy, the busy CPU time of the domain's CPUs, summed, and its length. Windows that
// are marked (reset, resume) are not to be handed in. A window without energy says that the counter did not step.
func (f *Floor) Observe(e units.Microjoules, busy, wall time.Duration) {
	if f.given || wall <= 0 || e < 0 {
		return
	}
	f.clock += wall.Seconds()
	if wall < shortest || e == 0 {
		return
	}
	f.add(sample{power: float64(e.Per(wall)), busy: f.busyCPUs(busy, wall), dur: wall.Seconds(), at: f.clock}, f.cpus)
	f.stale = true
}

// Idle splits one window, after Observe of the same.
func (f *Floor) Idle(e units.Microjoules, busy, wall time.Duration) FloorEstimate {
	if f.given {
		return FloorEstimate{f.fixed, f.fixed, f.fixed, FloorGiven, idleEnergy(f.fixed, e, wall)}
	}
	if f.stale {
		f.learn()
		f.stale = false
	}
	if f.fit.ok {
		w := units.Watts(f.fit.floor)
		return FloorEstimate{w, units.Watts(f.fit.low), units.Watts(f.fit.high), FloorLearned, idleEnergy(w, e, wall)}
	}
	// The table is of whole servers. A package alone has a smaller idle share, down to next to nothing (utilisation_curve.csv).
	value, high := f.model.idleShareRange(f.busyCPUs(busy, wall) / f.cpus)
	p := units.Watts(max(0, float64(e.Per(wall))))
	w := p * units.Watts(value)
	return FloorEstimate{w, 0, p * units.Watts(high), FloorTable, idleEnergy(w, e, wall)}
}

// busyCPUs is the mean number of busy CPUs, within what the domain has: the kernel's busy time may overshoot by a tick.
func (f *Floor) busyCPUs(busy, wall time.Duration) float64 {
	if wall <= 0 || busy <= 0 {
		return 0
	}
	return min(busy.Seconds()/wall.Seconds(), f.cpus)
}

func idleEnergy(w units.Watts, e units.Microjoules, wall time.Duration) units.Microjoules {
	if e <= 0 || wall <= 0 || !(w > 0) {
		return 0
	}
	if float64(w)*wall.Seconds()*1e6 >= float64(e) { // in float first: the product may not fit an integer
		return e
	}
	return min(w.Over(wall), e)
}

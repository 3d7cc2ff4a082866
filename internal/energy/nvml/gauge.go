//go:build cgo

package nvml

import (
	"fmt"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// bridge is the longest time without a reading over which power is still taken to lie between the two at its ends.
const bridge = 10 * time.Second

// gauge integrates readings of power by trapezoid, in integers. It does no I/O.
type gauge struct {
	most units.Watts // a reading above it is not counted

	have             bool
	at               uint64 // timestamp of the last reading in microseconds, by the clock that all of them are stamped with
	milliwatts       uint64
	value, low, high sum
	covered          time.Duration // of the energy since the last sample
	mark             string        // the first thing that went wrong since then
	missed           bool          // no reading at the edge before
	failed           bool          // nor at this one
}

// sum adds up milliwatts times microseconds, which are nanojoules, and loses no fraction.
type sum struct {
	whole units.Microjoules
	rest  uint64 // half nanojoules, below 1 uJ
}

func (s *sum) add(halfNanojoules uint64) {
	s.rest += halfNanojoules
	s.whole += units.Microjoules(s.rest / 2000)
	s.rest %= 2000
}

// add takes a reading. One that is not newer than the last is passed over.
func (g *gauge) add(at, milliwatts uint64) {
	if float64(milliwatts) > 1e3*float64(g.most) {
		g.say(fmt.Sprintf("power reading of %d W: not counted", milliwatts/1000))
		return
	}
	if g.have && at <= g.at {
		return
	}
	if dt := at - g.at; g.have && dt > uint64(bridge.Microseconds()) {
		g.say("no power reading for more than " + seconds(bridge) + ": not counted")
	} else if g.have {
		from, to := min(g.milliwatts, milliwatts), max(g.milliwatts, milliwatts)
		g.value.add((from + to) * dt)
		g.low.add(2 * from * dt)
		g.high.add(2 * to * dt)
		g.covered += time.Duration(dt) * time.Microsecond
	}
	g.have, g.failed, g.at, g.milliwatts = true, false, at, milliwatts
}

// restart forgets the last reading: what was used since then is not counted.
func (g *gauge) restart(why string) {
	g.have = false
	g.say(why)
}

// miss notes that there is no reading at this edge. What is used meanwhile comes with the next one.
func (g *gauge) miss(why string) {
	g.say(why)
	g.failed = true
}

func (g *gauge) say(mark string) {
	if g.mark == "" {
		g.mark = mark
	}
}

// sample ends a window. What happened between two readings was not seen: it was between them, which Low and High say.
func (g *gauge) sample(at time.Duration) energy.Sample {
	mark := g.mark
	if mark == "" && g.missed && g.covered > 0 {
		mark = fmt.Sprintf("covers %s: the power was unreadable before", seconds(g.covered))
	}
	s := energy.Sample{At: at, Energy: g.value.whole, Low: g.low.whole, High: g.high.whole, Span: g.covered, Mark: mark}
	g.covered, g.mark, g.missed = 0, "", g.failed
	return s
}

package energy

import (
	"fmt"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

const (
	// bridge is the longest time without a reading whose power is still taken to lie between its two ends. RAPL loses nothing in a gap, but a gauge
	// has not seen what was used in it.
	bridge = 10 * time.Second
	// stillAfter is when a reading that never changes is told: no load is that even, unless the gauge's steps are coarse.
	stillAfter = 5 * time.Minute
	// lateEdge is how much older than the last reading an edge may be: it is stamped before all that is read for it, and the goroutine that reads
	// between edges may come first.
	lateEdge = time.Second
)

// gauge makes a cumulative energy of readings of power, by trapezoid. It does no I/O.
type gauge struct {
	most units.Watts   // no reading of this device is higher
	lag  time.Duration // how much time a reading is the mean of, or how old it can be
	err  float64       // how far off a reading can be, of itself: 0 to 1; 0 also where that is not told

	have    bool // at and watts are a reading
	at      time.Duration
	watts   units.Watts
	changed time.Duration // when the reading last changed

	value, high joules
	low         joules            // what was used at least; goes down where the lag takes more back than an interval adds
	least       units.Microjoules // the most that low ever was: what is used stays used
	covered     time.Duration     // of the energy since the last sample
	mark        string            // the first thing that went wrong since then
	missed      bool              // the last reading before this window's first was none
	failed      bool              // the latest reading is none
	paused      bool              // it said nothing before the first reading
}

// add takes a reading.
func (g *gauge) add(w units.Watts, now moment) {
	if !(w >= 0 && w <= g.most) { // also NaN
		g.say("gauge says %.4g W: not counted", float64(w))
		g.failed = true
		return
	}
	dt := now.at - g.at
	if g.have && dt < 0 && dt >= -lateEdge && now.slept <= 0 {
		return // it tells nothing of the time since the last one, and to begin at it again would count that stretch twice
	}
	defer g.rebase(w, now)
	switch {
	case !g.have:
		if g.paused {
			g.say("began in this window: what was used before is not counted")
		}
	case dt < -lateEdge:
		g.say("time went backwards: new baseline")
	case now.slept > 0:
		g.say("the machine slept %s: not counted from the last reading on", seconds(now.slept))
	case dt > bridge:
		g.say("no reading for %s: not counted", seconds(dt))
	case dt > 0:
		g.integrate(w, dt)
	}
}

// integrate adds the power between two readings. It was between the two, give or take the gauge's error; and where it changed, it may have done so
// as much as the lag earlier than it was seen.
func (g *gauge) integrate(w units.Watts, dt time.Duration) {
	from, to := min(w, g.watts), max(w, g.watts)
	g.value.add((from+to)/2, dt)
	g.low.add(from*units.Watts(1-g.err), dt)
	g.high.add(to*units.Watts(1+g.err), dt)
	if w > g.watts {
		g.high.add(to-from, g.lag)
	} else {
		g.low.add(from-to, g.lag)
	}
	g.least = max(g.least, g.low.whole)
	g.covered += dt
}

func (g *gauge) rebase(w units.Watts, now moment) {
	if !g.have || w != g.watts {
		g.changed = now.at
	}
	if g.have && now.at >= g.at-lateEdge {
		now.at = max(now.at, g.at)
	}
	g.have, g.failed, g.paused, g.at, g.watts = true, false, false, now.at, w
}

// miss notes that there was no reading. What was used meanwhile comes with the next one.
func (g *gauge) miss(err error) {
	if g.mark == "" {
		g.mark = "gauge unreadable: " + err.Error()
	}
	g.failed = true
}

// pause notes that the gauge says nothing about the machine now, and that nothing is to be counted until it does.
func (g *gauge) pause(why string) {
	if g.mark == "" {
		g.mark = why
	}
	g.have, g.failed, g.paused = false, false, true
}

func (g *gauge) say(format string, args ...any) {
	if g.mark == "" {
		g.mark = fmt.Sprintf(format, args...)
	}
}

// sample ends a window, after the reading of its edge.
func (g *gauge) sample(at time.Duration) Sample {
	mark := g.mark
	if mark == "" && g.missed && g.covered > 0 {
		mark = fmt.Sprintf("covers %s: the gauge was unreadable before", seconds(g.covered))
	}
	if still := at - g.changed; mark == "" && g.have && still >= stillAfter {
		mark = fmt.Sprintf("gauge has not changed for %s", seconds(still))
	}
	e := g.value.whole
	s := Sample{At: at, Energy: e, Low: min(g.least, e), High: max(g.high.whole, e), Span: g.covered, Mark: mark}
	g.covered, g.mark, g.missed = 0, "", g.failed
	return s
}

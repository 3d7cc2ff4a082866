package energy

import (
	"fmt"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// What is plausible. The biggest packages of 2026 draw 500 to 600 W, for moments twice that; a socket's memory stays below 200 W.
// Wraps have the tighter limit, because a reset that is taken for a wrap invents joules, while a step that is refused only loses one window's.
const (
	wrapPackage units.Watts = 1000
	wrapDram    units.Watts = 400
	stepPackage units.Watts = 2500
	stepDram    units.Watts = 1000
)

const (
	// slack is added to the time of every plausibility check: counters are refreshed about every millisecond, and an edge may be stamped late.
	slack = 10 * time.Millisecond
	// stuckAfter is far longer than any real counter stands still: at 0.1 W the coarsest unit (61 uJ) steps every millisecond.
	stuckAfter = 50 * time.Millisecond
	// leastPower is less than any package or memory draws.
	leastPower units.Watts = 0.1
	// doubtFor is how long a value that went back may turn out to have been a bad read.
	doubtFor = 10 * time.Second
)

// moment is when a counter was read, and what is known about the window that ends there.
type moment struct {
	at    time.Duration
	slept time.Duration // how long the machine was suspended since the last read
}

// baseline is a value that a step is counted from.
type baseline struct {
	value int64
	at    time.Duration
	moved time.Duration // when the value last changed
}

// meter makes a cumulative energy of the values of a counter that wraps, resets and stands still. It does no I/O.
type meter struct {
	wrap, step units.Watts
	rng        int64 // highest value before it wraps; 0: not known

	have   bool // last is a baseline
	last   baseline
	doubt  bool // the step from before to last was refused: one of the two values may be a bad read
	good   int  // steps since then that a counter takes
	before baseline
	stood  bool          // the last read was marked as standing still
	missed bool          // reads failed since last
	slept  time.Duration // the machine was suspended in windows whose reads failed
	lost   bool          // the zone went away since last
	total  units.Microjoules
	span   time.Duration // what the energy of the last add covers; longer than its window after reads that failed
}

func newMeter(scope string, rng int64) meter {
	if scope == kindDram {
		return meter{wrap: wrapDram, step: stepDram, rng: rng}
	}
	return meter{wrap: wrapPackage, step: stepPackage, rng: rng}
}

// miss notes a failed read. The baseline stays: the counter went on, and the next good read has the joules of both windows, and says so.
func (m *meter) miss(now moment) {
	m.missed = true
	m.slept += now.slept
}

// lose forgets the baseline: whatever comes back is another counter.
func (m *meter) lose() {
	m.lost = m.lost || m.have
	m.have, m.missed, m.doubt, m.stood, m.slept = false, false, false, false, 0
}

// add takes the counter's value and returns the mark of the window that ends now; empty when all is well.
func (m *meter) add(v int64, now moment) string {
	m.span = 0
	if m.rng > 0 && v > m.rng {
		m.miss(now)
		return fmt.Sprintf("value %d is above max_energy_range_uj %d", v, m.rng)
	}
	if !m.have {
		mark := ""
		if m.lost {
			mark = fmt.Sprintf("counter is back after %s: new baseline", seconds(now.at-m.last.at))
		}
		m.have, m.lost, m.missed, m.slept = true, false, false, 0
		m.last = baseline{v, now.at, now.at}
		return mark
	}
	now.slept += m.slept
	from, past := m.from(v)
	delta, mark, refused := m.delta(from, v, now)
	m.total += delta
	m.span = now.at - from.at + now.slept
	still := v == m.last.value
	switch {
	case mark != "":
	case still && now.at-m.last.moved >= stuckAfter:
		mark = fmt.Sprintf("counter has not moved for %s", seconds(now.at-m.last.moved))
	case past:
		mark = fmt.Sprintf("covers %s: the value before was a bad read", seconds(m.span))
	case m.stood && !still:
		m.span = now.at - from.moved + now.slept
		mark = fmt.Sprintf("covers %s: the counter stood still before", seconds(m.span))
	case now.slept > 0:
		mark = fmt.Sprintf("the machine slept %s in this window", seconds(now.slept))
	case m.missed:
		mark = fmt.Sprintf("covers %s: the counter was unreadable before", seconds(m.span))
	}
	m.rebase(from, v, now, refused)
	return mark
}

// from chooses the baseline of a step: the last value, unless that was a bad read, which past tells. After a step forward was refused it was
// one if the counter is below it again. After a step back, if the counter is where it was before or further: then the smaller of the
// two steps is never more than was spent, even if it was reset in between and has climbed that far.
func (m *meter) from(v int64) (from baseline, past bool) {
	if m.doubt {
		ahead := m.last.value > m.before.value
		if ahead && v < m.last.value || !ahead && v >= m.before.value {
			return m.before, true
		}
	}
	return m.last, false
}

func (m *meter) rebase(from baseline, v int64, now moment, refused bool) {
	still := v == m.last.value
	switch {
	case refused:
		m.doubt, m.before, m.good = true, from, 0
	case still: // where the refused step went to
	case from == m.before, v > m.before.value, now.at-m.before.at > doubtFor:
		m.doubt = false
	case m.alive(v, now):
		m.good++
		m.doubt = m.good < leastGood
	}
	moved := now.at
	if still {
		moved = m.last.moved
	}
	m.stood = still && now.at-moved >= stuckAfter
	m.last = baseline{v, now.at, moved}
	m.missed, m.slept = false, 0
}

// leastGood steps on from a value tell that it was no bad read.
const leastGood = 2

// alive tells that the counter goes on from the last value as a counter does.
func (m *meter) alive(v int64, now moment) bool {
	return units.Microjoules(v-m.last.value) >= leastPower.Over(now.at-m.last.moved)
}

// delta is the energy since a baseline, and why it is not all of it; refused: the step is none that a counter takes.
func (m *meter) delta(from baseline, v int64, now moment) (e units.Microjoules, mark string, refused bool) {
	dt := now.at - from.at
	if dt < -slack { // less is the jitter of reading two domains one after the other
		return 0, "time went backwards: new baseline", false
	}
	dt = max(dt, 0)
	span := dt + now.slept
	if v >= from.value {
		d := units.Microjoules(v - from.value)
		// A counter that stood still and then catches up has the joules of all that time.
		if since := now.at - from.moved + now.slept; d > m.step.Over(since+slack) {
			return 0, fmt.Sprintf("counter step implies %.0f W: not counted", float64(d.Per(since+slack))), true
		}
		if m.wrapsHide(span) {
			return d, fmt.Sprintf("gap of %s: wraps cannot be excluded", seconds(span)), false
		}
		return d, "", false
	}
	if m.rng <= 0 {
		return 0, "counter reset (went back, and has no range to wrap at)", true
	}
	if now.slept > 0 {
		return 0, fmt.Sprintf("counter reset (the machine slept %s)", seconds(now.slept)), true
	}
	if m.wrapsHide(dt) {
		return 0, fmt.Sprintf("counter went back over a gap of %s: a wrap or a reset, not counted", seconds(dt)), true
	}
	// The range is the highest value (2^32-1 counter steps), so this is one step, at most 61 uJ, less than was spent: short, never over.
	d := units.Microjoules(m.rng - from.value + v)
	if d > m.wrap.Over(dt+slack) {
		return 0, "counter reset", true
	}
	return d, "", false
}

// wrapsHide says that the counter may have gone all the way round in d.
func (m *meter) wrapsHide(d time.Duration) bool {
	return m.rng > 0 && m.wrap.Over(d) > units.Microjoules(m.rng)
}

func seconds(d time.Duration) string {
	return fmt.Sprintf("%g s", d.Round(10*time.Millisecond).Seconds())
}

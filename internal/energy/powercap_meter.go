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
	stuckAfter = 10 * time.Second
	// stuckBusy is the CPU time that must have been used meanwhile, where the edge says it: a recorded or simulated machine may be at rest.
	stuckBusy = time.Second
)

// moment is when a counter was read, and what is known about the window that ends there.
type moment struct {
	at    time.Duration
	slept time.Duration // how long the machine was suspended since the last read
	busy  time.Duration // CPU time of the whole machine so far; negative: not known
}

// meter makes a cumulative energy of the values of a counter that wraps, resets and stands still. It does no I/O.
type meter struct {
	wrap, step units.Watts
	rng        int64 // highest value before it wraps; 0: not known

	have      bool // last is a baseline
	last      int64
	at        time.Duration // of last
	moved     time.Duration // when the value last changed
	movedBusy time.Duration
	missed    bool // reads failed since last
	lost      bool // the zone went away since last
	total     units.Microjoules
}

func newMeter(scope string, rng int64) meter {
	if scope == kindDram {
		return meter{wrap: wrapDram, step: stepDram, rng: rng}
	}
	return meter{wrap: wrapPackage, step: stepPackage, rng: rng}
}

// miss notes a failed read. The baseline stays: the counter went on, and the next good read has the joules of both windows, and says so.
func (m *meter) miss() { m.missed = true }

// lose forgets the baseline: whatever comes back is another counter.
func (m *meter) lose() {
	m.lost = m.lost || m.have
	m.have, m.missed = false, false
}

// add takes the counter's value and returns the mark of the window that ends now; empty when all is well.
func (m *meter) add(v int64, now moment) string {
	if m.rng > 0 && v > m.rng {
		m.miss()
		return fmt.Sprintf("value %d is above max_energy_range_uj %d", v, m.rng)
	}
	dt := now.at - m.at
	if !m.have {
		mark := ""
		if m.lost {
			mark = fmt.Sprintf("counter is back after %s: new baseline", seconds(dt))
		}
		m.have, m.lost = true, false
		m.rebase(v, now, true)
		return mark
	}
	delta, mark := m.delta(v, dt, now)
	if mark == "" && now.slept > 0 {
		mark = fmt.Sprintf("the machine slept %s in this window", seconds(now.slept))
	}
	if mark == "" && m.missed {
		mark = fmt.Sprintf("covers %s: the counter was unreadable before", seconds(dt))
	}
	m.total += delta
	if v == m.last && mark == "" && m.stuck(now) {
		mark = fmt.Sprintf("counter has not moved for %s", seconds(now.at-m.moved))
	}
	m.rebase(v, now, v != m.last)
	return mark
}

func (m *meter) rebase(v int64, now moment, moved bool) {
	m.last, m.at, m.missed = v, now.at, false
	if moved {
		m.moved, m.movedBusy = now.at, now.busy
	}
}

// delta is the energy since the last value, and why it is not all of it.
//
// A forward step is never more than was spent, even if the counter was reset or wrapped in between. Only a wrap that is none can invent joules.
func (m *meter) delta(v int64, dt time.Duration, now moment) (units.Microjoules, string) {
	if dt < -slack { // less is the jitter of reading two domains one after the other
		return 0, "time went backwards: new baseline"
	}
	dt = max(dt, 0)
	span := dt + now.slept
	if v >= m.last {
		d := units.Microjoules(v - m.last)
		// A counter that stood still and then catches up has the joules of all that time.
		if since := now.at - m.moved + now.slept; d > m.step.Over(since+slack) {
			return 0, fmt.Sprintf("counter step implies %.0f W: not counted", float64(d.Per(since+slack)))
		}
		if m.wrapsHide(span) {
			return d, fmt.Sprintf("gap of %s: wraps cannot be excluded", seconds(span))
		}
		return d, ""
	}
	if m.rng <= 0 {
		return 0, "counter reset (went back, and its range is not known)"
	}
	if now.slept > 0 {
		return 0, fmt.Sprintf("counter reset (the machine slept %s)", seconds(now.slept))
	}
	if m.wrapsHide(dt) {
		return 0, fmt.Sprintf("counter went back over a gap of %s: a wrap or a reset, not counted", seconds(dt))
	}
	// The range is the highest value (2^32-1 counter steps), so this is one step, at most 61 uJ, less than was spent: short, never over.
	d := units.Microjoules(m.rng - m.last + v)
	if d > m.wrap.Over(dt+slack) {
		return 0, "counter reset"
	}
	return d, ""
}

// wrapsHide says that the counter may have gone all the way round in d.
func (m *meter) wrapsHide(d time.Duration) bool {
	return m.rng > 0 && m.wrap.Over(d) > units.Microjoules(m.rng)
}

func (m *meter) stuck(now moment) bool {
	if now.at-m.moved < stuckAfter {
		return false
	}
	return now.busy < 0 || m.movedBusy < 0 || now.busy-m.movedBusy >= stuckBusy
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.4g s", d.Seconds()) }

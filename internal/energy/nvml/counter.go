//go:build cgo

package nvml

import (
	"fmt"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

const (
	// mostWatts is more than any GPU draws, or a board of them.
	mostWatts units.Watts = 20_000
	// overLimit is how far above the limit that is set for a GPU its power may be before the reading is not believed.
	overLimit = 10
	// refresh is how old a value may be: the driver brings power and energy up to date about every 20 to 100 ms.
	refresh = 100 * time.Millisecond
	// stuckAfter is far longer than the counter of a GPU stands still, which even at rest draws watts.
	stuckAfter = 2 * time.Second
)

// baseline is a value of the counter that a step is counted from.
type baseline struct {
	value uint64 // in millijoules
	at    time.Duration
	moved time.Duration // when the value last changed
}

// counter makes a cumulative energy of a counter of millijoules since the driver was loaded, which resets, and never wraps. It does no I/O.
type counter struct {
	most units.Watts // a step that implies more is not counted

	have   bool // last is a baseline
	last   baseline
	doubt  bool // the step from before to last was refused: one of the two may be a bad read
	before baseline
	missed bool // reads failed since last
	stood  bool // the last read was marked as standing still
	total  units.Microjoules
	span   time.Duration // what the energy of the last add covers
}

// add takes the counter's value and returns the mark of the window that ends now; empty when all is well.
func (c *counter) add(value uint64, at time.Duration) string {
	c.span = 0
	if !c.have || at < c.last.at {
		mark := ""
		if c.have {
			mark = "time went backwards: new baseline"
		}
		c.have, c.doubt, c.missed, c.stood, c.last = true, false, false, false, baseline{value, at, at}
		return mark
	}
	from, past := c.from(value)
	mark, refused := c.step(from, value, at)
	still := value == c.last.value
	switch {
	case mark != "":
	case still && at-c.last.moved >= stuckAfter:
		mark = fmt.Sprintf("counter has not moved for %s", seconds(at-c.last.moved))
	case past:
		mark = fmt.Sprintf("covers %s: the value before was a bad read", seconds(c.span))
	case c.stood && !still:
		c.span = at - from.moved
		mark = fmt.Sprintf("covers %s: the counter stood still before", seconds(c.span))
	case c.missed:
		mark = fmt.Sprintf("covers %s: the counter was unreadable before", seconds(c.span))
	}
	moved := at
	if still {
		moved = c.last.moved
	}
	c.stood = still && at-moved >= stuckAfter
	c.doubt, c.before = refused, from
	c.last, c.missed = baseline{value, at, moved}, false
	return mark
}

// from chooses the baseline of a step: the last value, unless that was a bad read, which past tells: it went back and the counter is
// where it was before or further, or it leapt ahead and the counter is below it again.
func (c *counter) from(value uint64) (from baseline, past bool) {
	ahead := c.last.value > c.before.value
	if c.doubt && value >= c.before.value && (!ahead || value < c.last.value) {
		return c.before, true
	}
	return c.last, false
}

// step counts the energy since a baseline, or says why it is none that a GPU can have used.
func (c *counter) step(from baseline, value uint64, at time.Duration) (mark string, refused bool) {
	c.span = at - from.at
	if value < from.value {
		return "counter reset", true
	}
	since := at - from.moved + refresh // a counter that stood still and then catches up has the joules of all that time
	if watts := float64(value-from.value) / 1e3 / since.Seconds(); watts > float64(c.most) {
		return fmt.Sprintf("counter step implies %.4g W: not counted", watts), true
	}
	c.total += units.Microjoules(value-from.value) * 1000
	return "", false
}

// miss notes a failed read. The counter went on: the next good read has the joules of both windows, and says so.
func (c *counter) miss() { c.missed, c.span = true, 0 }

func (c *counter) sample(at time.Duration, mark string) energy.Sample {
	return energy.Sample{At: at, Energy: c.total, Low: c.total, High: c.total, Span: c.span, Mark: mark}
}

func seconds(d time.Duration) string {
	return fmt.Sprintf("%g s", d.Round(10*time.Millisecond).Seconds())
}

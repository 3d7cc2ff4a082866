package live

import "time"

// WrapAfter is how much, in microjoules, until a counter wraps that does: a second and a half to three.
const WrapAfter = 60_000_000

// faultWrap is the only fault that is none.
const faultWrap = "wrap"

// faults say what a counter shows in place of its right value, so long after the fault begins.
var faults = map[string]func(c *counter, at time.Duration, value int64) error{
	faultWrap: func(c *counter, _ time.Duration, value int64) error { return c.show(value) },
	"back": func(c *counter, at time.Duration, value int64) error { // as after a reset
		if at > 2500*time.Millisecond {
			value -= 900_000_000
		}
		return c.show(value)
	},
	"gone": func(c *counter, at time.Duration, value int64) error {
		if amiss(at) {
			return c.remove()
		}
		return c.show(value)
	},
	"garbage": func(c *counter, at time.Duration, value int64) error {
		if amiss(at) {
			return c.put("12x45\n")
		}
		return c.show(value)
	},
	"empty": func(c *counter, at time.Duration, value int64) error {
		if amiss(at) {
			return c.put("")
		}
		return c.show(value)
	},
	"ahead": func(c *counter, at time.Duration, value int64) error { // no machine draws so much
		if at > 2500*time.Millisecond {
			value += 90_000_000_000
		}
		return c.show(value)
	},
	"stall": func(c *counter, at time.Duration, value int64) error {
		if at > time.Second && at < 5*time.Second {
			return nil
		}
		return c.show(value)
	},
}

// amiss is while a counter is ill.
func amiss(at time.Duration) bool { return at > 2500*time.Millisecond && at < 4500*time.Millisecond }

package energy

import (
	"strings"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

const (
	pkgRange  = 262_143_328_850
	dramRange = 65_712_999_613
)

func TestMeterRules(t *testing.T) {
	type read struct {
		dt   time.Duration
		v    int64
		want units.Microjoules // of this window
		mark string
	}
	const s = time.Second
	for name, c := range map[string]struct {
		scope string
		rng   int64
		reads []read
	}{
		"wrap":                      {"package", pkgRange, []read{{0, pkgRange - 30e6, 0, ""}, {s, 20e6, 50e6, ""}, {s, 70e6, 50e6, ""}}},
		"wrap to zero":              {"package", pkgRange, []read{{0, pkgRange, 0, ""}, {s, 0, 0, ""}}},
		"dram wraps by its range":   {"dram", dramRange, []read{{0, dramRange - 3e6, 0, ""}, {s, 2e6, 5e6, ""}}},
		"reset":                     {"package", pkgRange, []read{{0, 100e9, 0, ""}, {s, 20e6, 0, "counter reset"}, {s, 70e6, 50e6, ""}}},
		"wrap at the limit":         {"package", pkgRange, []read{{0, pkgRange - 900e6, 0, ""}, {s, 100e6, 1000e6, ""}}},
		"wrap over the limit":       {"package", pkgRange, []read{{0, pkgRange - 900e6, 0, ""}, {s, 120e6, 0, "counter reset"}}},
		"dram has a lower limit":    {"dram", dramRange, []read{{0, dramRange - 300e6, 0, ""}, {s, 120e6, 0, "counter reset"}}},
		"no range, no wrap":         {"package", 0, []read{{0, pkgRange - 30e6, 0, ""}, {s, 20e6, 0, "has no range to wrap at"}}},
		"absurd step":               {"package", pkgRange, []read{{0, 0, 0, ""}, {s, 3000e6, 0, "counter step implies 2970 W: not counted"}, {s, 3001e6, 1e6, ""}}},
		"absurd dram step":          {"dram", dramRange, []read{{0, 0, 0, ""}, {s, 1500e6, 0, "counter step implies"}}},
		"big but possible step":     {"package", pkgRange, []read{{0, 0, 0, ""}, {s, 2400e6, 2400e6, ""}}},
		"short window, late tick":   {"package", pkgRange, []read{{0, 0, 0, ""}, {time.Millisecond, 3e6, 3e6, ""}}},
		"gap hides wraps":           {"package", pkgRange, []read{{0, 0, 0, ""}, {300 * s, 1e9, 1e9, "gap of 300 s: wraps cannot be excluded"}}},
		"gap below the limit":       {"package", pkgRange, []read{{0, 0, 0, ""}, {260 * s, 1e9, 1e9, ""}}},
		"back over a gap":           {"package", pkgRange, []read{{0, 5e9, 0, ""}, {300 * s, 1e9, 0, "a wrap or a reset, not counted"}, {s, 1.05e9, 50e6, ""}}},
		"stuck":                     {"package", pkgRange, []read{{0, 5, 0, ""}, {s, 5, 0, "counter has not moved for 1 s"}, {3 * s, 5, 0, "counter has not moved for 4 s"}, {s, 9, 4, "covers 5 s: the counter stood still before"}, {s, 12, 3, ""}}},
		"a very short window":       {"package", pkgRange, []read{{0, 5, 0, ""}, {time.Millisecond, 5, 0, ""}, {s, 9, 4, ""}}},
		"stall is made up for":      {"package", pkgRange, []read{{0, 0, 0, ""}, {30 * s, 0, 0, "counter has not moved"}, {s, 3100e6, 3100e6, "covers 31 s"}, {s, 3150e6, 50e6, ""}}},
		"stuck, then reset":         {"package", pkgRange, []read{{0, 200e9, 0, ""}, {120 * s, 200e9, 0, "counter has not moved"}, {s, 1e6, 0, "counter reset"}}},
		"one low read":              {"package", pkgRange, []read{{0, 1000e6, 0, ""}, {s, 0, 0, "counter reset"}, {s, 1040e6, 40e6, "covers 2 s: the value before was a bad read"}, {s, 1060e6, 20e6, ""}}},
		"low reads":                 {"package", pkgRange, []read{{0, 1000e6, 0, ""}, {s, 0, 0, "counter reset"}, {s, 0, 0, "not moved"}, {s, 7, 7, "covers 2 s"}, {s, 1080e6, 80e6, "covers 4 s: the value before"}, {s, 1100e6, 20e6, ""}}},
		"bad reads that go on":      {"package", pkgRange, []read{{0, 1000e6, 0, ""}, {s, 0, 0, "counter reset"}, {s, 0.2e6, 0.2e6, ""}, {s, 1040e6, 40e6, "covers 3 s: the value before"}}},
		"reset, then as ever":       {"package", pkgRange, []read{{0, 96e6, 0, ""}, {s, 15e6, 0, "counter reset"}, {s, 45e6, 30e6, ""}, {s, 75e6, 30e6, ""}, {s, 105e6, 30e6, ""}, {s, 135e6, 30e6, ""}}},
		"low reads to the end":      {"package", pkgRange, []read{{0, 1000e6, 0, ""}, {s, 0, 0, "counter reset"}, {s, 20e6, 20e6, ""}, {9 * s, 200e6, 180e6, ""}, {s, 1100e6, 900e6, ""}}},
		"one high read":             {"package", pkgRange, []read{{0, 10e6, 0, ""}, {s, 262_100e6, 0, "not counted"}, {s, 50e6, 40e6, "covers 2 s: the value before was a bad read"}, {s, 60e6, 10e6, ""}}},
		"a jump that stays":         {"package", pkgRange, []read{{0, 10e6, 0, ""}, {s, 2700e6, 0, "not counted"}, {s, 2720e6, 20e6, ""}, {s, 2740e6, 20e6, ""}}},
		"reset, then climbed past":  {"package", pkgRange, []read{{0, 10e6, 0, ""}, {s, 1e6, 0, "counter reset"}, {s, 31e6, 21e6, "covers 2 s"}, {s, 61e6, 30e6, ""}}},
		"time back":                 {"package", pkgRange, []read{{5 * s, 0, 0, ""}, {-s, 10e6, 0, "time went backwards"}, {s, 20e6, 10e6, ""}}},
		"no time between two reads": {"package", pkgRange, []read{{0, 0, 0, ""}, {0, 1e6, 1e6, ""}}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMeter(c.scope, c.rng)
			at := time.Duration(0)
			for i, r := range c.reads {
				at += r.dt
				before := m.total
				mark := m.add(r.v, moment{at: at})
				if got := m.total - before; got != r.want {
					t.Errorf("read %d: %v J, want %v", i, got, r.want)
				}
				if (mark == "") != (r.mark == "") || !strings.Contains(mark, r.mark) {
					t.Errorf("read %d: mark %q, want %q", i, mark, r.mark)
				}
			}
		})
	}
}

// What a late step covers, which is how much of it may be charged to those who run in its window.
func TestMeterSpan(t *testing.T) {
	const s = time.Second
	m := newMeter("package", pkgRange)
	for i, r := range []struct {
		dt, slept time.Duration
		v         int64
		miss      bool
		want      time.Duration
	}{
		{0, 0, 5, false, 0}, {s, 0, 10e6, false, s}, {s, 0, 0, true, 0}, {s, 0, 30e6, false, 2 * s}, // unreadable
		{s, 0, 30e6, false, s}, {s, 0, 30e6, false, s}, {s, 0, 60e6, false, 3 * s}, {s, 0, 70e6, false, s}, // standing still
		{s, 9 * s, 80e6, false, 10 * s}, {s, 9 * s, 0, true, 0}, {s, 0, 90e6, false, 11 * s}, // asleep
		{s, 0, 5e6, false, s}, {s, 0, 110e6, false, 2 * s}, {s, 0, 120e6, false, s}, // one bad read
	} {
		now := moment{at: m.last.at + r.dt, slept: r.slept}
		if r.miss {
			m.miss(now)
			continue
		}
		if m.missed {
			now.at += s
		}
		if m.add(r.v, now); m.span != r.want {
			t.Errorf("read %d: covers %v, want %v", i, m.span, r.want)
		}
	}
}

func TestEdgeBound(t *testing.T) {
	for w, want := range map[units.Watts]units.Microjoules{100: 100_000, 0: 0, -5: 0} {
		if got := (&Domain{}).EdgeBound(w); got != want {
			t.Errorf("%v W: %v", w, got)
		}
	}
}

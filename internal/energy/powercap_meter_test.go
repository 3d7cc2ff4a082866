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
		"no range, no wrap":         {"package", 0, []read{{0, pkgRange - 30e6, 0, ""}, {s, 20e6, 0, "its range is not known"}}},
		"absurd step":               {"package", pkgRange, []read{{0, 0, 0, ""}, {s, 3000e6, 0, "counter step implies 2970 W: not counted"}, {s, 3001e6, 1e6, ""}}},
		"absurd dram step":          {"dram", dramRange, []read{{0, 0, 0, ""}, {s, 1500e6, 0, "counter step implies"}}},
		"big but possible step":     {"package", pkgRange, []read{{0, 0, 0, ""}, {s, 2400e6, 2400e6, ""}}},
		"short window, late tick":   {"package", pkgRange, []read{{0, 0, 0, ""}, {time.Millisecond, 3e6, 3e6, ""}}},
		"gap hides wraps":           {"package", pkgRange, []read{{0, 0, 0, ""}, {300 * s, 1e9, 1e9, "gap of 300 s: wraps cannot be excluded"}}},
		"gap below the limit":       {"package", pkgRange, []read{{0, 0, 0, ""}, {260 * s, 1e9, 1e9, ""}}},
		"back over a gap":           {"package", pkgRange, []read{{0, 5e9, 0, ""}, {300 * s, 1e9, 0, "a wrap or a reset, not counted"}, {s, 1.05e9, 50e6, ""}}},
		"stuck":                     {"package", pkgRange, []read{{0, 5, 0, ""}, {9 * s, 5, 0, ""}, {3 * s, 5, 0, "counter has not moved for 12 s"}, {s, 9, 4, ""}, {s, 9, 0, ""}}},
		"stall is made up for":      {"package", pkgRange, []read{{0, 0, 0, ""}, {30 * s, 0, 0, "counter has not moved"}, {s, 3100e6, 3100e6, ""}}},
		"stuck, then reset":         {"package", pkgRange, []read{{0, 200e9, 0, ""}, {120 * s, 200e9, 0, "counter has not moved"}, {s, 1e6, 0, "counter reset"}}},
		"time back":                 {"package", pkgRange, []read{{5 * s, 0, 0, ""}, {-s, 10e6, 0, "time went backwards"}, {s, 20e6, 10e6, ""}}},
		"no time between two reads": {"package", pkgRange, []read{{0, 0, 0, ""}, {0, 1e6, 1e6, ""}}},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMeter(c.scope, c.rng)
			at := time.Duration(0)
			for i, r := range c.reads {
				at += r.dt
				before := m.total
				mark := m.add(r.v, moment{at: at, busy: -1})
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

func TestStuckNeedsABusyMachine(t *testing.T) {
	m := newMeter("package", pkgRange)
	m.add(5, moment{at: 0, busy: 0})
	if mark := m.add(5, moment{at: 20 * time.Second, busy: 900 * time.Millisecond}); mark != "" {
		t.Errorf("at rest: %q", mark)
	}
	if mark := m.add(5, moment{at: 30 * time.Second, busy: 2 * time.Second}); mark == "" {
		t.Error("busy: no mark")
	}
}

func TestEdgeBound(t *testing.T) {
	for w, want := range map[units.Watts]units.Microjoules{100: 100_000, 0: 0, -5: 0} {
		if got := EdgeBound(w); got != want {
			t.Errorf("%v W: %v", w, got)
		}
	}
}

//go:build cgo

package nvml

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

func TestCounter(t *testing.T) {
	type read struct {
		dt   time.Duration
		v    uint64 // mJ; miss: it cannot be read
		want units.Microjoules
		span time.Duration
		mark string
	}
	const s, miss = time.Second, math.MaxUint64 - 1
	for name, reads := range map[string][]read{
		"since the driver was loaded": {{0, 9_000_000_000, 0, 0, ""}, {s, 9_000_300_000, 300e6, s, ""}},
		"driver reload":               {{0, 9e6, 0, 0, ""}, {s, 1000, 0, s, "counter reset"}, {s, 301_000, 300e6, s, ""}},
		"one low read":                {{0, 9e6, 0, 0, ""}, {s, 0, 0, s, "counter reset"}, {s, 9_400_000, 400e6, 2 * s, "covers 2 s: the value before was a bad read"}, {s, 9_500_000, 100e6, s, ""}},
		"one high read":               {{0, 9e6, 0, 0, ""}, {s, 9e9, 0, s, "not counted"}, {s, 9_400_000, 400e6, 2 * s, "covers 2 s"}, {s, 9_500_000, 100e6, s, ""}},
		"reset, then low again":       {{0, 9e6, 0, 0, ""}, {s, 5000, 0, s, "counter reset"}, {s, 1000, 0, s, "counter reset"}, {s, 2000, 1e6, s, ""}},
		"absurd step":                 {{0, 0, 0, 0, ""}, {s, 4_500_000, 0, s, "counter step implies 4091 W: not counted"}, {s, 4_600_000, 100e6, s, ""}},
		"most that is believed":       {{0, 0, 0, 0, ""}, {s, 4_300_000, 4300e6, s, ""}},
		"all bits":                    {{0, 0, 0, 0, ""}, {s, math.MaxUint64, 0, s, "not counted"}, {s, 100, 100e3, 2 * s, "covers 2 s"}},
		"unreadable":                  {{0, 0, 0, 0, ""}, {s, miss, 0, 0, ""}, {s, miss, 0, 0, ""}, {s, 900_000, 900e6, 3 * s, "covers 3 s: the counter was unreadable before"}, {s, 910_000, 10e6, s, ""}},
		"unreadable at first":         {{0, miss, 0, 0, ""}, {s, 900_000, 0, 0, ""}, {s, 910_000, 10e6, s, ""}},
		"short windows between steps": {{0, 5, 0, 0, ""}, {50 * time.Millisecond, 5, 0, 50 * time.Millisecond, ""}, {50 * time.Millisecond, 5005, 5e6, 50 * time.Millisecond, ""}},
		"stands still":                {{0, 5, 0, 0, ""}, {s, 5, 0, s, ""}, {s, 5, 0, s, "counter has not moved for 2 s"}, {s, 300_005, 300e6, 3 * s, "covers 3 s: the counter stood still before"}, {s, 300_105, 100e3, s, ""}},
		"stood still, catches up":     {{0, 0, 0, 0, ""}, {20 * s, 0, 0, 20 * s, "not moved"}, {s, 8_000_000, 8000e6, 21 * s, "covers 21 s"}},
		"time back":                   {{5 * s, 0, 0, 0, ""}, {-s, 10_000, 0, 0, "time went backwards"}, {s, 20_000, 10e6, s, ""}},
		"no time":                     {{0, 0, 0, 0, ""}, {0, 100, 100e3, 0, ""}},
	} {
		t.Run(name, func(t *testing.T) {
			c, at := counter{most: 4000}, time.Duration(0)
			for i, r := range reads {
				at += r.dt
				before, mark := c.total, ""
				if r.v == miss {
					c.miss()
				} else {
					mark = c.add(r.v, at)
				}
				s := c.sample(at, mark)
				if got := s.Energy - before; got != r.want || s.Span != r.span || s.Low != s.Energy || s.High != s.Energy || s.At != at {
					t.Errorf("read %d: %v J, %+v; want %v J, %v", i, got, s, r.want, r.span)
				}
				if (mark == "") != (r.mark == "") || !strings.Contains(mark, r.mark) {
					t.Errorf("read %d: mark %q, want %q", i, mark, r.mark)
				}
			}
		})
	}
}

func TestGauge(t *testing.T) {
	g := gauge{most: 4000}
	for i, r := range []struct {
		us, milliwatts   uint64
		value, low, high units.Microjoules // of this step
		mark             string
		span             time.Duration
	}{
		{7e6, 100_000, 0, 0, 0, "", 0}, // a baseline, not 100 W since 0
		{7.5e6, 100_000, 50e6, 50e6, 50e6, "", 500 * time.Millisecond},
		{8.5e6, 300_000, 200e6, 100e6, 300e6, "", time.Second},
		{8.5e6, 50_000, 0, 0, 0, "", 0},
		{8.4e6, 50_000, 0, 0, 0, "", 0},
		{9e6, math.MaxUint32, 0, 0, 0, "power reading of 4294967 W: not counted", 0},
		{9.5e6, 300_000, 300e6, 300e6, 300e6, "", time.Second},
		{20e6, 300_000, 0, 0, 0, "no power reading for more than 10 s: not counted", 0},
		{20_000_003, 1, 450, 0, 900, "", 3 * time.Microsecond}, // of 450,001.5 nJ
		{20_000_004, 0, 0, 0, 0, "", time.Microsecond},
		{20_000_005, 3_999_999, 2_000, 0, 4_000, "", time.Microsecond},
	} {
		before := [3]units.Microjoules{g.value.whole, g.low.whole, g.high.whole}
		g.add(r.us, r.milliwatts)
		s := g.sample(0)
		got := [3]units.Microjoules{s.Energy - before[0], s.Low - before[1], s.High - before[2]}
		if got != [3]units.Microjoules{r.value, r.low, r.high} {
			t.Errorf("%d: %v, want %v", i, got, r)
		}
		if s.Mark != r.mark || s.Span != r.span {
			t.Errorf("%d: %+v", i, s)
		}
		if s.Low > s.Energy || s.High < s.Energy {
			t.Errorf("%d: %+v", i, s)
		}
	}
	if g.value.rest != 3 { // of 450,001.5 + 0.5 + 1,999,999.5 nJ, in half nJ
		t.Errorf("%+v", g.value)
	}
}

// A million odd intervals: no drift.
func TestGaugeNeverDrifts(t *testing.T) {
	g := gauge{most: 4000}
	at := uint64(0)
	for i := range uint64(1_000_001) {
		g.add(at, 123_457)
		at += 1 + i%7
	}
	want := (at - 1 - 1_000_000%7) * 123_457 / 1000
	if uint64(g.value.whole) != want || g.low.whole != g.value.whole || g.high.whole != g.value.whole {
		t.Errorf("%d, want %d", g.value.whole, want)
	}
}

package attribution

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

func TestReservationByHand(t *testing.T) {
	for name, c := range map[string]struct {
		reserved []int64
		want     [5]units.Microjoules // three rows, idle, unattributed
	}{
		"some":    {[]int64{500, 0, 250}, [5]units.Microjoules{50 + 20, 20, 25, 25, 0}},
		"all":     {[]int64{0, 1000, 0}, [5]units.Microjoules{20, 20 + 100, 0, 0, 0}},
		"nothing": {nil, [5]units.Microjoules{20, 20, 0, 100, 0}},
		"zeros":   {[]int64{0, 0, 0}, [5]units.Microjoules{20, 20, 0, 100, 0}},
	} {
		l := apply(t, &Input{
			Policy: Reservation, Rows: 3, Places: 1, Time: []time.Duration{ms, ms, 0}, Busy: []time.Duration{2 * ms}, Reserved: c.reserved, All: 1000,
			Shared: []bool{false, false, true}, Domains: []Domain{{Energy: 140, Idle: 100}},
		})
		for r, want := range c.want {
			if got := l.Cell(r, 0); got != want {
				t.Errorf("%s: row %d has %d, want %d", name, r, got, want)
			}
		}
	}
}

// A machine that is idle all through still has its reservations paid.
func TestReservationsOfAnIdleMachine(t *testing.T) {
	l := apply(t, &Input{Policy: Reservation, Rows: 1, Places: 1, Time: []time.Duration{0}, Busy: []time.Duration{0}, Reserved: []int64{1}, All: 4,
		Shared: []bool{true}, Domains: []Domain{{Energy: 100, Idle: 100}}})
	if l.Cell(0, 0) != 25 || l.Cell(l.Idle(), 0) != 75 {
		t.Errorf("%v", l.cells)
	}
}

func TestBoundsByHand(t *testing.T) {
	in := Input{Rows: 2, Places: 1, Time: []time.Duration{300 * ms, 100 * ms}, Busy: []time.Duration{400 * ms}}
	for name, c := range map[string]struct {
		domain    Domain
		busy      time.Duration
		low, high units.Microjoules // of the first row
	}{
		"nothing is unknown": {domain: Domain{Energy: 5000, Idle: 1000}, low: 3000, high: 3000},
		"the counter's step": {domain: Domain{Energy: 5000, Idle: 1000, Range: Range{EnergyLow: 4900, EnergyHigh: 5100, IdleLow: 1000, IdleHigh: 1000, Odds: 1}}, low: 2925, high: 3075},
		"the floor":          {domain: Domain{Energy: 5000, Idle: 1000, Range: Range{EnergyLow: 5000, EnergyHigh: 5000, IdleLow: 600, IdleHigh: 1800, Odds: 1}}, low: 2400, high: 3300},
		// An estimate's energy and its idle part are too high, or too low, together.
		"an estimate": {domain: Domain{Energy: 5000, Idle: 1000, Range: Range{EnergyLow: 2500, EnergyHigh: 10000, IdleLow: 500, IdleHigh: 2000, Together: true, Odds: 1}}, low: 1500, high: 6000},
		// 3 against 1 may be 6 against 1, or 3 against 2.
		"odds": {domain: Domain{Energy: 4000 + 1000, Idle: 1000, Range: Range{EnergyLow: 5000, EnergyHigh: 5000, IdleLow: 1000, IdleHigh: 1000, Odds: 2}}, low: 2400, high: 3429},
		// The row ran for a twelfth of what a CPU can.
		"a brief row": {domain: Domain{Energy: 4000 + 1000, Idle: 1000, Range: Range{EnergyLow: 5000, EnergyHigh: 5000, IdleLow: 1000, IdleHigh: 1000, Odds: 1, Brief: 3, Full: int64(3600 * ms)}}, low: 2401, high: 3428},
		// A fifth of the busy time was not seen: it may all be this row's.
		"missed time": {domain: Domain{Energy: 5000}, busy: 500 * ms, low: 3000, high: 4000},
	} {
		in.Domains, in.Busy[0] = []Domain{c.domain}, 400*ms
		if c.busy != 0 {
			in.Busy[0] = c.busy
		}
		l := apply(t, &in)
		if low, high := l.Bounds(0, l.Part(0, 0)); low != c.low || high != c.high {
			t.Errorf("%s: %d to %d, want %d to %d", name, low, high, c.low, c.high)
		}
	}
}

func TestIdleBoundsByHand(t *testing.T) {
	is := Range{EnergyLow: 5000, EnergyHigh: 5000, IdleLow: 600, IdleHigh: 1800, Odds: 1}
	for policy, want := range map[IdlePolicy][2]units.Microjoules{Separate: {600, 1800}, Active: {0, 0}, Equal: {0, 0}, Reservation: {300, 900}} {
		in := Input{Policy: policy, Rows: 1, Places: 1, Time: []time.Duration{ms}, Busy: []time.Duration{ms}, Reserved: []int64{1}, All: 2, Domains: []Domain{{Energy: 5000, Idle: 1000, Range: is}}}
		l := apply(t, &in)
		if low, high := l.IdleBounds(0); low != want[0] || high != want[1] {
			t.Errorf("%v: %d to %d, want %v", policy, low, high, want)
		}
	}
	// An account that pays for half of it does not know its half better.
	in := Input{Policy: Equal, Rows: 2, Places: 1, Time: []time.Duration{ms, ms}, Busy: []time.Duration{2 * ms}, Domains: []Domain{{Energy: 1000, Idle: 1000, Range: Range{EnergyLow: 1000, EnergyHigh: 1000, IdleLow: 600, IdleHigh: 1000, Odds: 1}}}}
	l := apply(t, &in)
	if low, high := l.Bounds(0, l.Part(0, 0)); low != 300 || high != 700 { // of the 400 that may be active it has a half
		t.Errorf("%d to %d of an idle part of 500, want 300 to 700", low, high)
	}
}

// Whatever each row really uses for a unit of weight, within the odds, and whoever had the time that was missed: the truth is in its range.
func TestTruthIsWithinBounds(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 3000 {
		n, is := 1+r.IntN(20), Range{Odds: 1 + 2*r.Float64()}
		in := Input{Rows: n, Places: 1, Busy: []time.Duration{0}}
		truth := make([]float64, n)
		var all float64
		missed, whose := time.Duration(r.Int64N(int64(200*ms))), r.IntN(n)
		for i := range n {
			w := time.Duration(r.Int64N(int64(time.Second))) * time.Duration(r.IntN(4))
			in.Time = append(in.Time, w)
			in.Busy[0] += w
			if w > 0 && i == whose {
				w += missed
			} else if w == 0 && i == whose {
				missed = 0
			}
			truth[i] = float64(w) * math.Pow(is.Odds, r.Float64())
			all += truth[i]
		}
		in.Busy[0] += missed
		if all == 0 {
			continue
		}
		const energy, idle = 50_000_000, 20_000_000
		is.EnergyLow, is.EnergyHigh, is.IdleLow, is.IdleHigh = energy-1000, energy+1000, idle-r1(r), idle+r1(r)
		active := energy - 1000 + 2000*r.Float64() - (float64(is.IdleLow) + r.Float64()*float64(is.IdleHigh-is.IdleLow))
		in.Domains = []Domain{{Energy: energy, Idle: idle, Range: is}}
		l := apply(t, &in)
		for i := range n {
			low, high := l.Bounds(0, l.Part(i, 0))
			if e := active * truth[i] / all; e < float64(low)-2 || e > float64(high)+2 {
				t.Fatalf("row %d of %d: %f is not within %d to %d (%+v)", i, n, e, low, high, is)
			}
		}
	}
}

func r1(r *rand.Rand) units.Microjoules { return units.Microjoules(r.Int64N(5_000_000)) }

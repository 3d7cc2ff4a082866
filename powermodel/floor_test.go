package powermodel

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// sim is a domain that follows a known law; truth comes from here, not from the code under test.
type sim struct {
	rng      *rand.Rand
	law      func(busy float64) float64
	noise    float64 // relative
	outliers float64 // share of garbage windows
	step     float64 // seconds of energy by which the counter may be late
}

func (s *sim) window(f *Floor, busyCPUs float64, wall time.Duration) FloorEstimate {
	p := s.law(busyCPUs) * (1 + s.noise*s.rng.NormFloat64())
	e := p * (wall.Seconds() + s.step*(s.rng.Float64()-s.rng.Float64()))
	if s.rng.Float64() < s.outliers {
		e *= []float64{0.1, 0.5, 3, 1000}[s.rng.IntN(4)]
	}
	busy := time.Duration(busyCPUs * float64(wall))
	f.Observe(units.Microjoules(e*1e6), busy, wall)
	return f.Idle(units.Microjoules(e*1e6), busy, wall)
}

func linear(b float64) float64  { return 20 + 10*b }
func concave(b float64) float64 { return 20 + 20*math.Pow(b/2, 0.7) }

func milan() Model { return Resolve(CPU{Vendor: "AuthenticAMD", Family: 25, Model: 1, Threads: 2}) }

// TestFloorAccuracy is the requirement: 2 s of quiet, then load; after the third loaded window the floor is known.
func TestFloorAccuracy(t *testing.T) {
	for _, c := range []struct {
		name       string
		law        func(float64) float64
		wall       time.Duration
		worst, p95 float64 // watts off 20
	}{
		{"linear 100ms", linear, 100 * time.Millisecond, 0.6, 0.4},
		{"linear 500ms", linear, 500 * time.Millisecond, 0.6, 0.4},
		{"linear 1s", linear, time.Second, 0.6, 0.5},
		{"concave 100ms", concave, 100 * time.Millisecond, 2, 2},
		{"concave 500ms", concave, 500 * time.Millisecond, 2, 2},
		{"concave 1s", concave, time.Second, 2, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			const runs = 400
			var worst, sum float64
			within, covered := 0, 0
			for seed := range uint64(runs) {
				s := &sim{rng: rand.New(rand.NewPCG(seed, 1)), law: c.law, noise: 0.01, step: 0.001}
				f := NewFloor(2, milan())
				for range int(2 * time.Second / c.wall) {
					s.window(f, 0.02+0.08*s.rng.Float64(), c.wall)
				}
				var got FloorEstimate
				for range 3 {
					got = s.window(f, 1+s.rng.Float64(), c.wall)
				}
				if got.How != FloorLearned {
					t.Fatalf("seed %d: %+v", seed, got)
				}
				off := math.Abs(float64(got.Watts) - 20)
				worst, sum = max(worst, off), sum+off
				if off <= c.p95 {
					within++
				}
				if got.Low <= 20 && 20 <= got.High {
					covered++
				}
			}
			t.Logf("%d runs: mean error %.3f W, worst %.3f W, truth inside the bounds in %.1f %%", runs, sum/runs, worst, 100*float64(covered)/runs)
			if worst > c.worst {
				t.Errorf("worst error %.3f W > %g W", worst, c.worst)
			}
			if within < runs*95/100 {
				t.Errorf("only %d of %d within %g W", within, runs, c.p95)
			}
			if covered < runs*85/100 {
				t.Errorf("bounds held the truth in %d of %d runs only", covered, runs)
			}
		})
	}
}

func TestFloorOutliers(t *testing.T) {
	for _, wall := range []time.Duration{100 * time.Millisecond, time.Second} {
		worst := 0.0
		for seed := range uint64(200) {
			s := &sim{rng: rand.New(rand.NewPCG(seed, 2)), law: linear, noise: 0.01, step: 0.001, outliers: 0.1}
			f := NewFloor(2, milan())
			for range 20 {
				s.window(f, 0.02+0.08*s.rng.Float64(), wall)
			}
			for i := range 60 {
				got := s.window(f, 1+s.rng.Float64(), wall)
				if i >= 5 {
					worst = max(worst, math.Abs(float64(got.Watts)-20))
				}
			}
		}
		t.Logf("%v, 10 %% outliers, 200 runs x 55 windows: worst error %.3f W", wall, worst)
		if worst > 1 {
			t.Errorf("%v: worst error %.3f W > 5 %%", wall, worst)
		}
	}
}

// TestFloorOneGarbageWindow puts one absurd window at every place of the short run.
func TestFloorOneGarbageWindow(t *testing.T) {
	for _, factor := range []float64{0.2, 3, 1e9} {
		for at := range 14 {
			s := &sim{rng: rand.New(rand.NewPCG(uint64(at), 3)), law: linear, noise: 0.01}
			f := NewFloor(2, milan())
			var got FloorEstimate
			for i := range 14 {
				b := 0.05
				if i >= 8 {
					b = 1 + s.rng.Float64()
				}
				s.law = linear
				if i == at {
					s.law = func(b float64) float64 { return factor * linear(b) }
				}
				got = s.window(f, b, time.Second/4)
			}
			if got.How != FloorLearned || math.Abs(float64(got.Watts)-20) > 1 {
				t.Errorf("garbage x %g at window %d: %+v", factor, at, got)
			}
		}
	}
}

func TestFloorConstantLoadIsTheTable(t *testing.T) {
	m := milan()
	for _, busy := range []float64{0.6, 1, 2} {
		s := &sim{rng: rand.New(rand.NewPCG(1, 4)), law: linear, noise: 0.01, step: 0.001}
		f := NewFloor(2, m)
		for range 300 {
			got := s.window(f, busy, time.Second)
			want := float64(linear(busy)) * m.IdleShareAt(busy/2)
			if got.How != FloorTable || math.Abs(float64(got.Watts)-want) > 0.06*want {
				t.Fatalf("busy %g: %+v, want about %.2f W from the table", busy, got, want)
			}
		}
	}
}

// TestFloorOfQuietIsSeen: with nothing to do the power seen is the floor, whatever the slope; what little load there is the model takes off.
func TestFloorOfQuietIsSeen(t *testing.T) {
	for _, busy := range []float64{0, 0.05, 0.15} {
		s := &sim{rng: rand.New(rand.NewPCG(1, 12)), law: linear, noise: 0.01, step: 0.001}
		f := NewFloor(2, milan())
		var got FloorEstimate
		for range 8 {
			got = s.window(f, busy, time.Second)
		}
		if floor := units.Watts(linear(0)); got.How != FloorLearned || got.Low > floor || got.High < floor || math.Abs(float64(got.Watts/floor)-1) > 0.02+0.5*busy {
			t.Errorf("busy %g: %+v of a floor of %v", busy, got, floor)
		}
		for range 300 { // it keeps what it saw when a load comes that never changes
			got = s.window(f, 2, time.Second)
		}
		if floor := units.Watts(linear(0)); got.How != FloorLearned || got.Low > floor || got.High < floor {
			t.Errorf("busy %g, then a load: %+v of a floor of %v", busy, got, floor)
		}
	}
}

func TestFloorOnlyBusyWindowsIsWide(t *testing.T) {
	for _, law := range []func(float64) float64{linear, concave} {
		s := &sim{rng: rand.New(rand.NewPCG(1, 5)), law: law, noise: 0.01, step: 0.001}
		f := NewFloor(2, milan())
		var got FloorEstimate
		for range 60 {
			got = s.window(f, 1+s.rng.Float64(), time.Second)
		}
		t.Logf("%+v", got)
		if got.Low > 20 || got.High < 20 || got.High-got.Low < 0.25*got.Watts {
			t.Errorf("bounds hide that no quiet window was seen: %+v", got)
		}
	}
}

// TestFloorDriftAndMemory: the floor rises by 30 % (fans) while quiet and load alternate; then seven hours of load.
func TestFloorDriftAndMemory(t *testing.T) {
	base := 20.0
	s := &sim{rng: rand.New(rand.NewPCG(1, 6)), noise: 0.01, step: 0.001}
	s.law = func(b float64) float64 { return base + 10*b }
	f := NewFloor(2, milan())
	var got FloorEstimate
	cycle := func(windows int) {
		for i := range windows {
			b := 0.05
			if i/10%2 == 1 {
				b = 1 + s.rng.Float64()
			}
			got = s.window(f, b, time.Second)
		}
	}
	cycle(200)
	if math.Abs(float64(got.Watts)-20) > 0.5 {
		t.Fatalf("before the drift: %+v", got)
	}
	base = 26
	cycle(200)
	if math.Abs(float64(got.Watts)-26) > 0.6 {
		t.Errorf("200 s after the drift: %+v", got)
	}
	width := got.High - got.Low
	for range 5 * 3600 {
		got = s.window(f, 2, time.Second)
	}
	t.Logf("after 5 h of full load: %+v", got)
	if got.How != FloorLearned || math.Abs(float64(got.Watts)-26) > 1 {
		t.Errorf("after 5 h of full load: %+v", got)
	}
	if got.High-got.Low <= width {
		t.Errorf("bounds did not widen: %v then %v", width, got.High-got.Low)
	}
	for range 2 * 3600 {
		got = s.window(f, 2, time.Second)
	}
	if got.How != FloorTable {
		t.Errorf("a floor of 7 h ago still speaks: %+v", got)
	}
	// Hours of quiet keep the slope that was learned, and so the floor.
	cycle(100)
	for range 3600 {
		got = s.window(f, 0.05, time.Second)
	}
	if got.How != FloorLearned || math.Abs(float64(got.Watts)-26) > 0.6 {
		t.Errorf("after an hour of quiet: %+v", got)
	}
}

// TestFloorNeedsVariation: few windows, short windows or little spread are not enough.
func TestFloorNeedsVariation(t *testing.T) {
	for _, c := range []struct {
		name  string
		busy  []float64
		wall  time.Duration
		cpus  int
		learn bool
	}{
		{"three windows", []float64{0, 1, 2}, time.Second, 2, false},
		{"four windows", []float64{0, 0, 1, 2}, time.Second, 2, true},
		{"four short ones", []float64{0, 0, 1, 2}, 20 * time.Millisecond, 2, false},
		{"spread of 5 % of 64 CPUs, all quiet", []float64{0, 0, 1, 2, 3, 3}, time.Second, 64, true},
		{"spread of 5 % of 64 CPUs, none quiet", []float64{20, 20, 21, 22, 23, 23}, time.Second, 64, false},
		{"spread of 20 % of 64 CPUs", []float64{0, 0, 1, 12, 13, 12}, time.Second, 64, true},
		{"one loaded window, and quiet", []float64{0, 0, 0, 0, 0, 2}, time.Second, 2, true},
		{"one loaded window, and a load", []float64{1, 1, 1, 1, 1, 2}, time.Second, 2, false},
	} {
		s := &sim{rng: rand.New(rand.NewPCG(1, 7)), law: linear}
		f := NewFloor(c.cpus, milan())
		var got FloorEstimate
		for _, b := range c.busy {
			got = s.window(f, b, c.wall)
		}
		if (got.How == FloorLearned) != c.learn {
			t.Errorf("%s: %+v", c.name, got)
		}
	}
}

// TestFloorMixedWindows: long quiet windows and short loaded ones, as when an interval is changed or a command ends early.
func TestFloorMixedWindows(t *testing.T) {
	for seed := range uint64(50) {
		s := &sim{rng: rand.New(rand.NewPCG(seed, 11)), law: linear, noise: 0.01, step: 0.001}
		f := NewFloor(2, milan())
		var got FloorEstimate
		for i := range 12 {
			if i%3 == 0 {
				got = s.window(f, 0.05, 10*time.Second)
			} else {
				got = s.window(f, 1+s.rng.Float64(), 100*time.Millisecond)
			}
		}
		if got.How != FloorLearned || math.Abs(float64(got.Watts)-20) > 0.6 {
			t.Errorf("seed %d: %+v", seed, got)
		}
	}
}

// TestFloorRisingBase: a host that was quiet once and then never falls below 15 % keeps what it knew.
func TestFloorRisingBase(t *testing.T) {
	s := &sim{rng: rand.New(rand.NewPCG(1, 12)), law: concave, noise: 0.01, step: 0.001}
	f := NewFloor(2, milan())
	for range 30 {
		s.window(f, 0.02+0.02*s.rng.Float64(), time.Second)
	}
	var got FloorEstimate
	for range 1800 {
		got = s.window(f, 0.3+1.7*s.rng.Float64(), time.Second)
	}
	t.Logf("%+v", got)
	if got.How != FloorLearned || math.Abs(float64(got.Watts)-20) > 1.5 {
		t.Errorf("%+v", got)
	}
}

// TestFloorSinksUnderLoad: no quiet window since the floor fell below every old one's power; the power seen says so.
func TestFloorSinksUnderLoad(t *testing.T) {
	base := 40.0
	s := &sim{rng: rand.New(rand.NewPCG(1, 10)), noise: 0.01, step: 0.001}
	s.law = func(b float64) float64 { return base + 2*b }
	f := NewFloor(2, milan())
	for i := range 200 {
		s.window(f, 0.05+1.5*float64(i%2), time.Second)
	}
	base = 30
	var got FloorEstimate
	for range 300 {
		got = s.window(f, 1+0.5*s.rng.Float64(), time.Second)
	}
	if got.How != FloorLearned || got.Watts > 33.5 {
		t.Errorf("%+v, though no window took more than 33.5 W for minutes", got)
	}
}

func TestFixedFloor(t *testing.T) {
	f := FixedFloor(20)
	f.Observe(1e6, time.Second, time.Second)
	if got, want := f.Idle(30e6, time.Second, time.Second), (FloorEstimate{20, 20, 20, FloorGiven, 20e6}); got != want {
		t.Errorf("got %+v", got)
	}
	if got := f.Idle(5e6, time.Second, time.Second); got.Energy != 5e6 {
		t.Errorf("more idle energy than energy: %+v", got)
	}
	for _, w := range []units.Watts{-1, units.Watts(math.NaN()), units.Watts(math.Inf(1))} {
		if got := FixedFloor(w).Idle(5e6, 0, time.Second); got.Watts != 0 || got.Energy != 0 {
			t.Errorf("%v: %+v", w, got)
		}
	}
	if got := FixedFloor(1e300).Idle(math.MaxInt64, 0, math.MaxInt64); got.Energy != math.MaxInt64 {
		t.Errorf("%+v", got)
	}
}

func TestFloorDoesNotAllocate(t *testing.T) {
	s := &sim{rng: rand.New(rand.NewPCG(1, 8)), law: linear, noise: 0.01}
	f := NewFloor(2, milan())
	if n := testing.AllocsPerRun(1000, func() { s.window(f, 2*s.rng.Float64(), time.Second) }); n != 0 {
		t.Errorf("%v allocations per window", n)
	}
}

func BenchmarkFloor(b *testing.B) {
	s := &sim{rng: rand.New(rand.NewPCG(1, 9)), law: linear, noise: 0.01, step: 0.001}
	f := NewFloor(2, milan())
	b.ReportAllocs()
	for b.Loop() {
		s.window(f, 2*s.rng.Float64(), time.Second)
	}
}

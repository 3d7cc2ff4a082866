package powermodel

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// ladderOf makes windows of a law, with as many windows a rung as noise has values; busy is what was measured at each rung.
func ladderOf(busy []float64, law func(u float64) float64, noise ...float64) []LoadWindow {
	var out []LoadWindow
	for i, u := range busy {
		for _, n := range noise {
			out = append(out, LoadWindow{Rung: i, Busy: u, Power: units.Watts(law(u) * (1 + n))})
		}
	}
	return out
}

func line(u float64) float64 { return 20 + 40*u }

func TestFitLine(t *testing.T) {
	asked := []int{0, 50, 100, 50, 0}
	f, err := FitLoad(asked, ladderOf([]float64{0.01, 0.5, 0.99, 0.52, 0.02}, line, 0, 0.01, 0, 0.3, -0.2))
	if err != nil {
		t.Fatal(err)
	}
	for k, w := range f.Watts {
		if want := line(float64(k) / 10); math.Abs(w-want) > 0.005 {
			t.Errorf("at %d %%: %.4f W, want %.4f", 10*k, w, want)
		}
	}
	if f.Windows != 25 || len(f.Rungs) != 5 || f.Residuals.HeldOut != 10 {
		t.Errorf("%+v", f)
	}
	for i, down := range []bool{false, false, false, true, true} {
		if f.Rungs[i].Down != down || f.Rungs[i].Asked != asked[i] || f.Rungs[i].Windows != 5 {
			t.Errorf("rung %d: %+v", i, f.Rungs[i])
		}
	}
	// Even windows are those of +1 % and +30 %; the odd ones' median has no noise.
	if r := f.Residuals; math.Abs(r.HeldOutMedian-0.155) > 0.001 || math.Abs(r.HeldOutP95-0.3) > 0.001 || r.RungP95 > 1e-6 {
		t.Errorf("%+v", r)
	}
}

// A median of rungs that fall is their mean on both: the curve never falls.
func TestFitRises(t *testing.T) {
	watts := []float64{20, 30, 28, 40, 39, 60}
	f, err := FitLoad([]int{0, 20, 40, 60, 80, 100}, ladderOf([]float64{0, 0.2, 0.4, 0.6, 0.8, 1}, func(u float64) float64 { return watts[int(math.Round(u*5))] }, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	for k, want := range map[int]float64{0: 20, 2: 29, 3: 29, 4: 29, 6: 39.5, 7: 39.5, 8: 39.5, 10: 60} {
		if math.Abs(f.Watts[k]-want) > 1e-9 {
			t.Errorf("at %d %%: %.3f W, want %.3f", 10*k, f.Watts[k], want)
		}
	}
	if !slices.IsSorted(f.Watts[:]) || !slices.IsSorted(f.Low[:]) || !slices.IsSorted(f.High[:]) {
		t.Errorf("%v %v %v", f.Low, f.Watts, f.High)
	}
}

// Weighted least squares under the condition that nothing falls, against a search through many rising sequences.
func TestRisingIsNearest(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	cost := func(points []point, watts []float64) float64 {
		sum := 0.0
		for i, p := range points {
			sum += p.weight * (p.watts - watts[i]) * (p.watts - watts[i])
		}
		return sum
	}
	for range 200 {
		points := make([]point, 2+rng.IntN(6))
		for i := range points {
			points[i] = point{float64(i), 10 * rng.Float64(), 1 + 5*rng.Float64()}
		}
		var got []float64
		for _, p := range rising(points) {
			got = append(got, p.watts)
		}
		if !slices.IsSorted(got) {
			t.Fatalf("%v of %v", got, points)
		}
		least := cost(points, got)
		for range 200 {
			other := slices.Clone(got)
			for i := range other {
				other[i] += 0.3 * rng.NormFloat64()
			}
			slices.Sort(other)
			if c := cost(points, other); c < least-1e-9 {
				t.Fatalf("%v costs %v, %v costs %v", got, least, other, c)
			}
		}
	}
}

// The cubic goes through its points and stays between them.
func TestGrid(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 500 {
		points := []point{{0, 5 * rng.Float64(), 1}}
		for u := 0.1; u < 1.05; u += 0.1 {
			if u > 0.95 || rng.IntN(2) == 0 {
				points = append(points, point{math.Min(1, math.Round(10*u)/10), points[len(points)-1].watts + 20*rng.Float64()*float64(rng.IntN(2)), 1})
			}
		}
		c := gridOf(points)
		for i, p := range points {
			if math.Abs(c.At(p.busy)-p.watts) > 1e-9 {
				t.Fatalf("%v at %v: %v", points, p.busy, c)
			}
			if i > 0 {
				for k := int(math.Round(10 * points[i-1].busy)); k <= int(math.Round(10*p.busy)); k++ {
					if c[k] < points[i-1].watts-1e-9 || c[k] > p.watts+1e-9 {
						t.Fatalf("%v overshoots: %v", points, c)
					}
				}
			}
		}
	}
	// A curve that bends is followed between its points, better than by straight lines: those are 1.3 % off.
	root := func(u float64) float64 { return 30 + 70*math.Sqrt(u+0.05) }
	var points []point
	for _, u := range []float64{0, 0.1, 0.25, 0.5, 0.75, 1} {
		points = append(points, point{u, root(u), 1})
	}
	for k, w := range gridOf(points) {
		if off := w/root(float64(k)/10) - 1; math.Abs(off) > 0.008 {
			t.Errorf("at %d %%: %+.2f %%", 10*k, 100*off)
		}
	}
}

// Beyond the loads seen the curve goes straight on, by what a tenth of the load or so costs and not by the noise of two close rungs, and the range is wide.
func TestFitBeyond(t *testing.T) {
	steep := func(u float64) float64 {
		if u == 0.85 { // a percent of noise
			return line(u) * 1.01
		}
		return line(u)
	}
	f, err := FitLoad([]int{0, 30, 60, 80, 100}, ladderOf([]float64{0.2, 0.4, 0.6, 0.81, 0.85}, steep, 0, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(f.Watts[0]-20) > 0.01 || math.Abs(f.Watts[10]-60) > 1.3 {
		t.Errorf("%v", f.Watts)
	}
	for k := range f.Watts {
		if truth := line(float64(k) / 10); f.Low[k] > truth || f.High[k] < truth {
			t.Errorf("at %d %%: %.3f not in %.3f to %.3f", 10*k, truth, f.Low[k], f.High[k])
		}
	}
	if f.Low[0] > 12.1 || f.High[0] < 27.9 { // 8 W of the line are a guess
		t.Errorf("idle %.3f to %.3f", f.Low[0], f.High[0])
	}
	if f.Low[4] < 0.95*36 || f.High[4] > 1.05*36 { // where it was seen there is only room for drift
		t.Errorf("at 40 %%: %.3f to %.3f", f.Low[4], f.High[4])
	}
	if f, err = FitLoad([]int{0, 50, 100}, ladderOf([]float64{0.25, 0.5, 1}, func(u float64) float64 { return 100 * (u - 0.2) }, 0, 0)); err != nil || f.Watts[0] != 0 || f.Low[0] != 0 {
		t.Errorf("%v: a power below zero: %v", err, f.Watts)
	}
}

// Up and down have equal say however close their loads are, and the range has half of the difference.
func TestFitHysteresis(t *testing.T) {
	busy := []float64{0, 0.5, 1, 0.504, 0.003}
	w := ladderOf(busy, line, 0, 0)
	for i := range w {
		if w[i].Rung > 2 {
			w[i].Power *= 1.10
		}
	}
	f, err := FitLoad([]int{0, 50, 100, 50, 0}, w)
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(f.Watts[5]-42) > 0.15 || math.Abs(f.Watts[0]-21) > 0.15 {
		t.Errorf("%v: want 21 and 42 W", f.Watts)
	}
	if h := f.Residuals.Hysteresis; math.Abs(h-0.095) > 0.003 {
		t.Errorf("%+.4f on the way down", h)
	}
	if f.High[5] < 1.12*42 {
		t.Errorf("at 50 %% up to %.3f W", f.High[5])
	}
}

func TestFitRefuses(t *testing.T) {
	asked := []int{0, 50, 100}
	inf, nan := units.Watts(math.Inf(1)), units.Watts(math.NaN())
	good := ladderOf([]float64{0, 0.5, 1}, line, 0, 0)
	bad := []LoadWindow{{0, 0.1, -1}, {1, 0.1, nan}, {1, 0.1, inf}, {1, math.NaN(), 1}, {1, -0.1, 1}, {-1, 0.1, 1}, {3, 0.1, 1}}
	for name, c := range map[string]struct {
		windows []LoadWindow
		narrow  bool
		ok      bool
	}{
		"good":                {good, false, true},
		"good and nonsense":   {slices.Concat(bad, bad, bad, good), false, true},
		"nothing":             {nil, true, false},
		"nonsense":            {slices.Concat(bad, bad, bad), true, false},
		"one window a rung":   {ladderOf([]float64{0, 0.5, 1}, line, 0), true, false},
		"never quiet":         {ladderOf([]float64{0.31, 0.5, 1}, line, 0, 0), true, false},
		"never full":          {ladderOf([]float64{0, 0.5, 0.79}, line, 0, 0), true, false},
		"one load":            {ladderOf([]float64{0.5, 0.5, 0.5}, line, 0, 0), true, false},
		"no energy":           {ladderOf([]float64{0, 0.5, 1}, func(float64) float64 { return 0 }, 0, 0), false, false},
		"busier than is":      {ladderOf([]float64{0, 0.5, 7}, line, 0, 0), false, true},
		"memory without load": {ladderOf([]float64{0, 0.5, 1}, func(float64) float64 { return 4 }, 0, 0), false, true},
	} {
		f, err := FitLoad(asked, c.windows)
		if (err == nil) != c.ok || errors.Is(err, ErrNarrow) != c.narrow {
			t.Errorf("%s: %v", name, err)
		}
		for k, w := range f.Watts {
			want := map[string]float64{"good": 20 + 4*float64(k), "good and nonsense": 20 + 4*float64(k), "busier than is": 300}[name]
			if want > 0 && (k == 10 || want < 300) && math.Abs(w-want) > 1e-9 {
				t.Errorf("%s: at %d %%: %.3f W, want %.0f", name, 10*k, w, want)
			}
		}
		for k := range f.Watts {
			if !(f.Low[k] >= 0 && f.Low[k] <= f.Watts[k] && f.Watts[k] <= f.High[k] && f.High[k] < 1e4) {
				t.Errorf("%s: %v %v %v", name, f.Low, f.Watts, f.High)
				break
			}
		}
	}
}

package intensity

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

const kWh = units.Microjoules(microjoulesPerKWh)

func TestGramsExact(t *testing.T) {
	for _, c := range []struct {
		e         units.Microjoules
		pue, g    float64
		want      units.GramsCO2e
		condition string
	}{
		{45 * kWh, 1, 489, 22005, "a published example"},
		{45 * kWh, 1.5, 489, 33007.5, "pue"},
		{kWh, 1, 472.94, 472.94, "one kWh"},
		{0, 1.2, 489, 0, "no energy"},
		{kWh, 1, 0, 0, "the user's own zero"},
		{kWh, 0, 489, 489, "an unset pue"},
		{kWh, math.NaN(), 489, 489, "no pue"},
		{kWh, math.Inf(1), 489, 489, "an endless pue"},
		{kWh, 0.5, 489, 489, "an impossible pue"},
		{-kWh, 1, 489, -489, "negative energy stays visible"},
	} {
		if got := (Factor{GramsPerKWh: c.g}).Grams(c.e, c.pue); got != c.want {
			t.Errorf("%s: %v g, want %v", c.condition, got, c.want)
		}
	}
}

func TestGramsProperties(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	near := func(a, b units.GramsCO2e) bool { return math.Abs(float64(a-b)) <= 1e-12*math.Abs(float64(a+b)) }
	all := Search("")
	for range 20_000 {
		f := all[r.IntN(len(all))]
		a, b := units.Microjoules(r.Int64N(1<<r.IntN(62)+1)), units.Microjoules(r.Int64N(1<<r.IntN(62)+1))
		pue := 1 + 3*r.Float64()
		ga, gb, sum := f.Grams(a, pue), f.Grams(b, pue), f.Grams(a+b, pue)
		switch {
		case ga < 0 || math.IsNaN(float64(ga)) || math.IsInf(float64(ga), 0):
			t.Fatalf("%s: %v µJ at pue %v is %v g", f.Region, a, pue, ga)
		case !near(ga+gb, sum):
			t.Fatalf("%s: %v + %v is not %v", f.Region, ga, gb, sum)
		case !near(ga, f.Grams(a, 1)*units.GramsCO2e(pue)):
			t.Fatalf("%s: pue %v does not scale %v", f.Region, pue, ga)
		case a <= b && ga > gb:
			t.Fatalf("%s: less energy gives more grams", f.Region)
		}
	}
	f, err := Fixed(maxFixed)
	if g := f.Grams(math.MaxInt64, maxPUE); err != nil || math.IsInf(float64(g), 0) {
		t.Errorf("the largest of everything overflows: %v, %v", g, err)
	}
}

func TestFixed(t *testing.T) {
	f, err := Fixed(100)
	want := Factor{Region: "user", Name: "own factor", GramsPerKWh: 100, Source: "user", Basis: "unknown", Method: "unknown", How: "given by --factor"}
	if err != nil || f != want {
		t.Errorf("%+v, %v", f, err)
	}
	if f, err := Fixed(math.Copysign(0, -1)); err != nil || math.Signbit(f.GramsPerKWh) {
		t.Errorf("minus zero: %+v, %v", f, err)
	}
	for _, g := range []float64{-1, -1e-300, math.NaN(), math.Inf(1), math.Inf(-1), 489_000} {
		if f, err := Fixed(g); err == nil {
			t.Errorf("%g: %+v", g, f)
		} else {
			t.Log(err)
		}
	}
}

func TestCheckPUE(t *testing.T) {
	for pue, ok := range map[float64]bool{1: true, 1.54: true, 100: true, 0: false, 0.99: false, -1: false, 101: false, math.Inf(1): false} {
		if err := CheckPUE(pue); (err == nil) != ok {
			t.Errorf("%g: %v", pue, err)
		}
	}
	if CheckPUE(math.NaN()) == nil {
		t.Error("NaN is accepted")
	}
}

package energy

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// linear is 10 W idle and 50 W busy, 20 % either way.
func linear(cpus int, u float64) Bounds {
	w := units.Watts(5*float64(cpus) + 20*float64(cpus)*u)
	return Bounds{w, 0.8 * w, 1.2 * w}
}

func twoCPUs() *estimate {
	return NewEstimate([]ZoneModel{{Socket: 1, Die: -1, CPUs: []int{0, 3}, Detail: "test model", Scope: "package", Watts: linear}}).(*estimate)
}

func busy(ms ...int) []time.Duration {
	var b []time.Duration
	for _, m := range ms {
		b = append(b, time.Duration(m)*time.Millisecond)
	}
	return b
}

func TestEstimateDomains(t *testing.T) {
	s := NewEstimate([]ZoneModel{{Socket: 0, Die: -1, Detail: "a", Scope: "package"}, {Socket: -1, Die: -1, Scope: "wall"}})
	want := []Domain{{"estimate:package-0", 0, -1, Estimated, "estimate", "package", "a", 0, false, true}, {"estimate:machine", -1, -1, Estimated, "estimate", "wall", "", 0, false, true}}
	if d := s.Domains(); len(d) != 2 || d[0] != want[0] || d[1] != want[1] {
		t.Errorf("%+v", d)
	}
	out := make([]Sample, 2)
	s.Read(Edge{}, out)
	if out[0].Mark == "" {
		t.Error("a model without CPUs must be marked")
	}
	s.Read(Edge{}, out[:1])
	s.Close()
}

func TestEstimateWindows(t *testing.T) {
	type read struct {
		at   time.Duration
		busy []time.Duration
		want units.Microjoules // cumulative
		mark string
	}
	const s = time.Second
	for name, reads := range map[string][]read{
		"idle, half, full": {{5 * s, busy(9, 9, 9, 9), 0, ""}, {6 * s, busy(9, 99, 99, 9), 10e6, ""}, {7 * s, busy(1009, 99, 99, 9), 40e6, ""},
			{8 * s, busy(2009, 99, 99, 1009), 90e6, ""}},
		"busier than the window is long":      {{0, busy(0, 0, 0, 0), 0, ""}, {s, busy(5000, 0, 0, 5000), 50e6, ""}},
		"one CPU's excess is not the other's": {{0, busy(0, 0, 0, 0), 0, ""}, {s, busy(5000, 0, 0, 0), 30e6, ""}},
		"no busy time": {{0, busy(0, 0, 0, 0), 0, ""}, {s, nil, 0, "no busy time of cpu 0"}, {2 * s, busy(0, 0, 0), 0, "no busy time of cpu 3"},
			{3 * s, busy(0, 0, 0, 0), 30e6, "covers 3 s"}, {4 * s, busy(0, 0, 0, 0), 40e6, ""}},
		"no busy time at first": {{0, nil, 0, "no busy time"}, {s, busy(0, 0, 0, 0), 0, ""}, {2 * s, busy(0, 0, 0, 0), 10e6, ""}},
		"time back":             {{5 * s, busy(0, 0, 0, 0), 0, ""}, {3 * s, busy(0, 0, 0, 0), 0, "time went backwards"}, {4 * s, busy(0, 0, 0, 0), 10e6, ""}},
		"same time":             {{5 * s, busy(0, 0, 0, 0), 0, ""}, {5 * s, busy(500, 0, 0, 500), 0, ""}, {6 * s, busy(500, 0, 0, 500), 30e6, ""}},
		"busy time back": {{0, busy(500, 0, 0, 500), 0, ""}, {s, busy(499, 0, 0, 1500), 30e6, "busy time of cpu 0 went back"},
			{2 * s, busy(499, 0, 0, 1500), 40e6, ""}},
	} {
		t.Run(name, func(t *testing.T) {
			e, out := twoCPUs(), make([]Sample, 1)
			for _, r := range reads {
				e.Read(Edge{Time: r.at, Busy: r.busy}, out)
				for i := range r.busy { // the engine may use its slice again
					r.busy[i] = -1
				}
				if s := out[0]; s.Energy != r.want || s.At != r.at || (s.Mark == "") != (r.mark == "") || !strings.Contains(s.Mark, r.mark) {
					t.Errorf("at %v: %+v, want %v %q", r.at, s, r.want, r.mark)
				}
			}
		})
	}
}

func TestEstimateRange(t *testing.T) {
	e, out := twoCPUs(), make([]Sample, 1)
	e.Read(Edge{Busy: busy(500, 0, 0, 0)}, out)
	e.Read(Edge{Time: time.Second, Busy: busy(1500, 0, 0, 0)}, out)
	if s := out[0]; s.Low != 24e6 || s.Energy != 30e6 || s.High != 36e6 {
		t.Errorf("%+v", s)
	}
	// A CPU whose time went back may have been busy all the time: the range says so.
	e.Read(Edge{Time: 2 * time.Second, Busy: busy(0, 0, 0, 0)}, out)
	if s := out[0]; s.Low != 32e6 || s.Energy != 40e6 || s.High != 72e6 {
		t.Errorf("%+v", s)
	}
}

// A hundred thousand windows of odd lengths: the sum is the integral, not off by a rounding each.
func TestEstimateNeverDrifts(t *testing.T) {
	const watts = 0.1234567
	e := NewEstimate([]ZoneModel{{Die: -1, CPUs: []int{0}, Watts: func(int, float64) Bounds { return Bounds{watts, watts / 3, watts * 3} }}})
	out, r := make([]Sample, 1), rand.New(rand.NewPCG(1, 1))
	var last Sample
	edge := Edge{Busy: busy(0)}
	e.Read(edge, out)
	for range 100_000 {
		edge.Time += time.Duration(r.Int64N(3_000_000))
		e.Read(edge, out)
		s := out[0]
		if s.Energy < last.Energy || s.Low < last.Low || s.High < last.High || s.Low > s.Energy || s.High < s.Energy {
			t.Fatalf("%+v after %+v", s, last)
		}
		last = s
	}
	for _, c := range []struct {
		got  units.Microjoules
		want float64
	}{{last.Energy, watts}, {last.Low, watts / 3}, {last.High, watts * 3}} {
		if want := c.want * edge.Time.Seconds() * 1e6; math.Abs(float64(c.got)-want) > 1 {
			t.Errorf("%d uJ, want %.2f", c.got, want)
		}
	}
}

func TestBadModelIsNotCounted(t *testing.T) {
	for _, w := range []float64{math.NaN(), math.Inf(1), -1, 2e6} {
		e := NewEstimate([]ZoneModel{{Die: -1, CPUs: []int{0}, Watts: func(int, float64) Bounds { return Bounds{units.Watts(w), 1, 2} }}})
		out := make([]Sample, 1)
		e.Read(Edge{Busy: busy(0)}, out)
		e.Read(Edge{Time: time.Second, Busy: busy(0)}, out)
		if s := out[0]; s.Energy != 0 || s.High != 0 || !strings.Contains(s.Mark, "not counted") {
			t.Errorf("%v W: %+v", w, s)
		}
	}
}

// A CPU that comes online is one more from then on; one that goes is one less.
func TestEstimateFollowsCPUs(t *testing.T) {
	cpus := []int{0}
	e, out := NewEstimate([]ZoneModel{{Die: -1, CPUs: cpus, Online: func() []int { return cpus }, Watts: linear}}), make([]Sample, 1)
	at := func(s int, b []time.Duration, want, idle units.Microjoules) {
		t.Helper()
		e.Read(Edge{Time: time.Duration(s) * time.Second, Busy: b}, out)
		if out[0].Energy != want || out[0].Idle != idle || out[0].Mark != "" {
			t.Errorf("at %d s: %+v, want %v, %v idle", s, out[0], want, idle)
		}
	}
	at(0, busy(0, 7000), 0, 0)
	cpus = []int{0, 1}
	at(1, busy(1000, 7000), 25e6, 5e6)
	at(2, busy(1000, 8000), 25e6+30e6, 15e6)
	cpus = []int{1}
	at(3, busy(1000, 8000), 55e6+10e6, 25e6)
	at(4, busy(1000, 9000), 65e6+25e6, 30e6)
	cpus = nil
	at(5, busy(1000, 9000), 90e6+5e6, 35e6)
	at(6, busy(1000, 9000), 95e6, 35e6)
	cpus = []int{1}
	at(7, busy(1000, 9000), 95e6, 35e6)
	at(8, busy(1000, 9000), 95e6+5e6, 40e6)
	cpus = []int{9} // nobody counts it: those that are known stay
	at(9, busy(1000, 9000), 100e6+5e6, 45e6)
	at(10, busy(1000, 9000), 105e6+5e6, 50e6)
}

func TestEstimateAllocatesNothing(t *testing.T) {
	e, out, edge := twoCPUs(), make([]Sample, 1), Edge{Busy: busy(0, 0, 0, 0)}
	if n := testing.AllocsPerRun(100, func() { edge.Time += time.Second; e.Read(edge, out) }); n != 0 {
		t.Errorf("%v allocations per read", n)
	}
}

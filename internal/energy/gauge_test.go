package energy

import (
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

func noSleep() time.Duration { return 0 }

// hidden is a load that nobody sees but through its gauge: a power that changes in steps, for as long as 60 s.
type hidden struct {
	watts []float64 // by 10 ms
}

func newHidden(r *rand.Rand) *hidden {
	h := &hidden{}
	for len(h.watts) < 6000 {
		w, n := 100*r.Float64(), 1+r.IntN(200)
		for range n {
			h.watts = append(h.watts, w)
		}
	}
	return h
}

func (h *hidden) at(t time.Duration) units.Watts {
	return units.Watts(h.watts[min(int(t/(10*time.Millisecond)), len(h.watts)-1)])
}

// spent is the truth between two moments, which are whole steps.
func (h *hidden) spent(from, to time.Duration) (e float64) {
	for t := from; t < to; t += 10 * time.Millisecond {
		e += float64(h.at(t)) * 1e4
	}
	return e
}

// Whatever the readings: the sums never go down, low <= energy <= high, no window has more than its highest reading times what it covers, and what was
// not seen is marked.
func TestGaugeNeverInvents(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 3))
		h, g := newHidden(r), gauge{most: 1000, lag: time.Duration(r.IntN(2)) * time.Second}
		var before Sample
		at, good, most := time.Duration(0), time.Duration(-1), units.Watts(0) // good: the last reading; most: the highest since the one before it
		for range 200 {
			begin := at
			at += time.Duration(1+r.IntN(300)) * 10 * time.Millisecond
			slept, odd := time.Duration(0), false
			if r.IntN(10) == 0 {
				at += 15 * time.Second
			}
			switch r.IntN(12) {
			case 0:
				g.miss(errors.New("unplugged"))
				odd = true
			case 1:
				g.add(units.Watts([]float64{-1, 1001, math.NaN(), math.Inf(1)}[r.IntN(4)]), moment{at: at})
				odd = true
			case 2:
				g.pause("on mains")
				good, odd = -1, true
			case 3:
				slept = time.Hour
				fallthrough
			default:
				w := h.at(at)
				most = max(w, g.watts)
				g.add(w, moment{at: at, slept: slept})
			}
			s := g.sample(at)
			e := s.Energy - before.Energy
			switch {
			case s.Energy < before.Energy || s.Low < before.Low || s.High < before.High || s.Low > s.Energy || s.Energy > s.High:
				t.Fatalf("seed %d: %+v after %+v", seed, s, before)
			case odd && (e != 0 || s.Mark == ""):
				t.Fatalf("seed %d: %d uJ without a reading, %+v", seed, e, s)
			case good < 0 && e != 0:
				t.Fatalf("seed %d: %d uJ from a baseline", seed, e)
			case !odd && good >= 0 && (slept > 0 || at-good > bridge) != (e == 0 && s.Span == 0 && s.Mark != ""):
				t.Fatalf("seed %d: gap of %v, slept %v: %+v", seed, at-good, slept, s)
			case s.Span != 0 && s.Span != at-good, e > most.Over(s.Span)+1:
				t.Fatalf("seed %d: %d uJ in %v since %v, at most %v", seed, e, s.Span, good, most)
			case s.Span > at-begin && !strings.HasPrefix(s.Mark, "covers"):
				t.Fatalf("seed %d: window of %v, %+v", seed, at-begin, s)
			}
			if before = s; !odd {
				good = at
			}
		}
	}
}

// Of a load that changes less often than it is read, the bounds hold the truth, also where the gauge tells the mean of the last second.
func TestGaugeBoundsHoldTheTruth(t *testing.T) {
	for _, lag := range []time.Duration{0, time.Second} {
		outside, windows := 0, 0
		for seed := range uint64(50) {
			r := rand.New(rand.NewPCG(seed, 4))
			h, g := &hidden{}, gauge{most: 1000, lag: lag}
			for len(h.watts) < 6000 {
				w := 100 * r.Float64()
				for range 250 + r.IntN(300) {
					h.watts = append(h.watts, w)
				}
			}
			for at := 2 * time.Second; at < time.Minute; at += 100 * time.Millisecond {
				w := h.at(at)
				if lag > 0 {
					w = units.Watts(h.spent(at-lag, at) / 1e6 / lag.Seconds())
				}
				g.add(w, moment{at: at})
				s := g.sample(at)
				truth := h.spent(2*time.Second, at)
				windows++
				// Before the first reading there is a lag's worth that no gauge has seen change.
				edge := 100 * lag.Seconds() * 1e6
				if float64(s.Low) > truth+edge+1 || float64(s.High) < truth-edge-1 {
					outside++
				}
			}
		}
		if outside > 0 {
			t.Errorf("lag %v: %d of %d windows outside the bounds", lag, outside, windows)
		}
	}
}

// A load that comes and goes: what two readings a second see of it, and what ten do. This is why gauges are read between edges.
func TestSamplingIsWorthIt(t *testing.T) {
	mean := func(every time.Duration) float64 {
		var sum float64
		n := 0
		for phase := time.Duration(0); phase < 600*time.Millisecond; phase += 10 * time.Millisecond {
			load := func(at time.Duration) units.Watts {
				return units.Watts(100 * ((at + phase) / (300 * time.Millisecond) % 2))
			}
			g, last := gauge{most: 1000}, units.Microjoules(0)
			for at := time.Duration(0); at <= 20*time.Second; at += every {
				g.add(load(at), moment{at: at})
				if at%time.Second != 0 || at == 0 {
					continue
				}
				truth := 0.0
				for x := at - time.Second; x < at; x += time.Millisecond {
					truth += float64(load(x)) * 1e3
				}
				e := g.sample(at).Energy
				sum += math.Abs(float64(e-last)-truth) / truth
				last = e
				n++
			}
		}
		return sum / float64(n)
	}
	edges, often := mean(time.Second), mean(everyInstant)
	t.Logf("a window is off by %.0f%% read at its edges, and by %.0f%% read every %v", 100*edges, 100*often, everyInstant)
	if edges < 4*often {
		t.Errorf("off by %.3f at edges, %.3f every %v", edges, often, everyInstant)
	}
}

// The readings between edges see what the edges do not.
func TestReadsBetweenEdges(t *testing.T) {
	root := tree(t, "hwmon-acpi")
	path := filepath.Join(root, "devices/pci0000:00/0000:03:00.0/hwmon/hwmon1/power1_input")
	g, _, err := openHwmon(root, kernelFiles)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if g.tick != everyInstant {
		t.Fatalf("reads every %v", g.tick)
	}
	var reads atomic.Int64
	card := g.channels[1].input.(wattFile).file
	card.pread = func(fd int, p []byte, off int64) (int, error) {
		reads.Add(1)
		return unix.Pread(fd, p, off)
	}
	between := func() { // waits for some readings that no edge makes
		for n, tries := reads.Load(), 0; reads.Load() < n+3; tries++ {
			if tries > 20_000 {
				t.Fatal("nothing is read between edges")
			}
			time.Sleep(time.Millisecond)
		}
	}
	out := make([]Sample, 2)
	g.Read(Edge{Time: time.Hour}, out)
	if err := os.WriteFile(path, []byte("90000000\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	between()
	if err := os.WriteFile(path, []byte("30000000\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	g.Read(Edge{Time: time.Hour + time.Since(g.began)}, out)
	// At both edges it says 30 W.
	if span := out[1].Span; out[1].Energy <= units.Watts(30).Over(span)+1 || out[1].Energy > units.Watts(90).Over(span) {
		t.Errorf("%+v", out[1])
	}
	g.Close()
	g.Close()
	n := reads.Load()
	time.Sleep(3 * everyInstant)
	if reads.Load() != n {
		t.Error("it is read after Close")
	}
}

func TestGaugesAllocateNothing(t *testing.T) {
	for _, name := range []string{"hwmon-amd", "hwmon-jetson", "battery"} {
		src := openTree(t, tree(t, name), noSleep)
		out, edge := make([]Sample, len(src.Domains())), Edge{}
		if n := testing.AllocsPerRun(100, func() { src.Read(edge, out) }); n != 0 {
			t.Errorf("%s: %v allocations per read", name, n)
		}
		src.Read(edge, out[:0])
		src.Close()
	}
}

func BenchmarkReadGauges(b *testing.B) {
	src := openTree(b, tree(b, "hwmon-amd"), noSleep)
	defer src.Close()
	out := make([]Sample, len(src.Domains()))
	b.ReportAllocs()
	for b.Loop() {
		src.Read(Edge{}, out)
	}
	b.ReportMetric(float64(len(out)), "domains")
}

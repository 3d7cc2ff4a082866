package energy

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// walk is one machine, seen through powercap's files and through perf's events. Both stand on the same counters of 32 bits.
type walk struct {
	*rand.Rand
	pmu      *fakePMU
	powercap *powercap
	perf     *perf
	zones    []string       // of powercap, by domain
	counters []*fakeCounter // by domain
	spent    []float64      // joules
	wraps    []int          // by domain, as a reader of powercap's file sees them
	shown    []int64        // the file's last value
	step     []units.Microjoules
}

func newWalk(t *testing.T, seed uint64) *walk {
	w := &walk{Rand: rand.New(rand.NewPCG(seed, 3)), pmu: newFakePMU(t, "perf-two-sockets"),
		zones: []string{"intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1", "intel-rapl:1:0"},
		spent: make([]float64, 4), wraps: make([]int, 4), shown: make([]int64, 4)}
	for i, cpu := range []int{0, 0, 24, 24} {
		c := w.pmu.counter(cpu, 27, uint64(2+i%2)) // energy-pkg, energy-ram
		c.unit = 14 + 2*(i%2)                      // memory of servers counts in 15.3 uJ
		c.raw = uint32(w.Uint64())
		w.counters = append(w.counters, c)
		w.step = append(w.step, units.Microjoules(1e6/float64(uint64(1)<<c.unit))+1)
	}
	root := tree(t, "two-sockets")
	for i, zone := range w.zones { // the tree's memory counts in 15.3 uJ, which is not 2^-16 J
		text := strconv.FormatUint((1<<32-1)*1e6>>w.counters[i].unit, 10) + "\n"
		if err := os.WriteFile(zonePath(root, zone, "max_energy_range_uj"), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	w.show(t, root)
	w.wraps = make([]int, 4) // there was no value before
	w.powercap, w.perf = mustOpen(t, root), w.pmu.mustPerf()
	w.powercap.asleep = func() time.Duration { return 0 }
	return w
}

// show writes the counters in microjoules, as the powercap driver does.
func (w *walk) show(t *testing.T, root string) {
	for i, c := range w.counters {
		uj := int64(uint64(c.raw) * 1e6 >> c.unit)
		if uj < w.shown[i] {
			w.wraps[i]++
		}
		w.shown[i] = uj
		set(t, root, w.zones[i], uj)
	}
}

// Two ways to one counter, one truth: powercap and perf give the same joules, to one step for each wrap that powercap has to see for itself (its
// range is that of the highest value, one step short of the whole round) and one for where each began.
func TestPerfAndPowercapAgree(t *testing.T) {
	var wraps int
	for seed := range uint64(2) {
		w := newWalk(t, seed)
		root := strings.TrimSuffix(w.powercap.domains[0].Detail, "/class/powercap/intel-rapl:0/energy_uj")
		at := time.Duration(0)
		a, b := make([]Sample, 4), make([]Sample, 4)
		for window := range 400 {
			w.powercap.Read(Edge{Time: at}, a)
			w.perf.Read(Edge{Time: at}, b)
			for i := range a {
				truth := units.Microjoules(w.spent[i] * 1e6)
				if lack := b[i].Energy - a[i].Energy; lack < -w.step[i] || lack > w.step[i]*units.Microjoules(w.wraps[i]+1) {
					t.Fatalf("seed %d window %d domain %d: powercap %d, perf %d after %d wraps; marks %q %q", seed, window, i, a[i].Energy, b[i].Energy, w.wraps[i], a[i].Mark, b[i].Mark)
				}
				if d := truth - b[i].Energy; d < -w.step[i] || d > w.step[i] {
					t.Fatalf("seed %d window %d domain %d: perf %d, spent %d, mark %q", seed, window, i, b[i].Energy, truth, b[i].Mark)
				}
				if a[i].Mark != "" || b[i].Mark != "" {
					t.Fatalf("seed %d window %d domain %d: marks %q %q", seed, window, i, a[i].Mark, b[i].Mark)
				}
			}
			dt := 100*time.Millisecond + time.Duration(w.Int64N(int64(30*time.Second)))
			at += dt
			w.pmu.now += dt
			for i, c := range w.counters {
				limit := 900.0 // below what tells a wrap from a reset
				if i%2 == 1 {
					limit = 300
				}
				joules := (0.2 + w.Float64()*limit) * dt.Seconds()
				w.spent[i] += joules
				c.spend(joules)
			}
			w.show(t, root)
		}
		for _, n := range w.wraps {
			wraps += n
		}
	}
	if wraps < 20 {
		t.Errorf("only %d wraps were tested", wraps)
	}
}

// Whatever happens to CPUs, sleep, clocks and other users of the counters: no window has more than was spent since the last one that had its
// joules, and one that has less says so.
func TestPerfNeverInvents(t *testing.T) {
	kinds := map[string]int{}
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 4))
		f := newFakePMU(t, "perf-two-sockets")
		p := f.mustPerf()
		c := f.counter(0, 27, 2)
		c.raw = uint32(r.Uint64())
		f.samples(p, 0)
		spent, read, total := 0.0, 0.0, units.Microjoules(0)
		was := ""
		on := 0 // the CPU that reads package 0
		for window := range 200 {
			dt := 100*time.Millisecond + time.Duration(r.Int64N(int64(4*time.Second)))
			spend := func(joules float64) { c.spend(joules); spent += joules }
			joules := (0.2 + 800*r.Float64()) * dt.Seconds()
			part := r.Float64()
			spend(joules * part)
			kind := ""
			switch r.IntN(12) {
			case 0:
				kind = "migrate"
				gap := time.Duration(r.IntN(50)) * time.Millisecond
				f.migrate(on, 1-on, gap, func() { spend(800 * gap.Seconds()) })
				delete(f.dead, on)
				on = 1 - on
				f.mask("power", fmt.Sprintf("%d,24", on))
			case 1:
				kind = "off"
				f.offline(on)
				delete(f.dead, on)
				on = 1 - on
				f.mask("power", fmt.Sprintf("%d,24", on))
			case 2:
				kind = "sleep"
				f.slept += time.Duration(1+r.IntN(3600)) * time.Second
				if r.IntN(2) == 0 {
					c.raw = 0
				}
			case 3:
				kind = "unreadable"
				f.readErr = unix.ENODEV
			case 4:
				kind = "multiplexed"
				for _, e := range f.events {
					e.lag += dt / 2
				}
			}
			spend(joules * (1 - part))
			s := f.samples(p, dt)[0]
			f.readErr = nil
			got, truth := s.Energy-total, units.Microjoules((spent-read)*1e6)
			unsaid := 62 + units.Watts(800).Over(slack+dt/rateSlack) // a step, and what two clocks cannot tell
			if got > truth+62 || got < 0 {
				t.Fatalf("seed %d window %d (%s): %d uJ of %d, mark %q", seed, window, kind, got, truth, s.Mark)
			}
			if got < truth-unsaid && s.Mark == "" {
				t.Fatalf("seed %d window %d (%s): %d uJ of %d and no mark", seed, window, kind, got, truth)
			}
			if calm := kind == "" && was != "unreadable"; calm && (s.Mark != "" || got < truth-unsaid) { // what was closed is opened again a window later
				t.Fatalf("seed %d window %d: %d uJ of %d, mark %q", seed, window, got, truth, s.Mark)
			}
			was = kind
			kinds[kind]++
			total, read = s.Energy, spent
		}
	}
	for _, kind := range []string{"migrate", "off", "sleep", "unreadable", "multiplexed", ""} {
		if kinds[kind] < 50 {
			t.Errorf("%q was tested %d times", kind, kinds[kind])
		}
	}
}

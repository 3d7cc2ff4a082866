package energy

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// machine is a simulated package whose counter wraps, resets, stands still and cannot be read. spent is the truth.
type machine struct {
	*rand.Rand
	mod     int64 // the counter goes from 0 to mod-1
	counter int64
	spent   int64
	pending int64 // spent, but the counter has not been refreshed
	wraps   int64
	at      time.Duration
}

func (h *machine) run(dt time.Duration, watts float64) {
	h.at += dt
	e := int64(watts * dt.Seconds() * 1e6)
	h.spent += e
	h.pending += e
}

func (h *machine) refresh() {
	h.counter += h.pending
	h.wraps += h.counter / h.mod
	h.counter, h.pending = h.counter%h.mod, 0
}

func (h *machine) window() time.Duration {
	return 100*time.Millisecond + time.Duration(h.Int64N(int64(4*time.Second)))
}

// Wraps, stalls and failed reads lose nothing: at every refreshed read the sum is the truth, to the microjoule.
func TestMeterIsExactWithoutResetsAndGaps(t *testing.T) {
	for seed := range uint64(300) {
		h := &machine{Rand: rand.New(rand.NewPCG(seed, 1)), mod: dramRange}
		h.counter = h.Int64N(h.mod)
		m := newMeter(kindPackage, dramRange) // AMD: a package's power on a short range wraps often
		m.add(h.counter, moment{at: h.at})
		stalled := 0
		for i := range 400 {
			h.run(h.window(), h.Float64()*800*float64(h.IntN(2)))
			// A stall longer than a window that ends across a wrap is told from a reset only by luck, so this machine has none of those.
			if canStall := h.counter+h.pending+30e9 < h.mod && stalled < 8 && !m.missed; canStall && h.IntN(10) == 0 {
				stalled++
			} else {
				h.refresh()
				stalled = 0
			}
			failed := stalled == 0 && h.IntN(50) == 0
			if failed {
				m.miss(moment{})
			}
			if !failed && stalled == 0 {
				before := h.wraps
				mark := m.add(h.counter, moment{at: h.at})
				if int64(m.total) != h.spent {
					t.Fatalf("seed %d window %d: %d uJ, spent %d (wraps %d), mark %q", seed, i, m.total, h.spent, before, mark)
				}
				if mark != "" && !strings.HasPrefix(mark, "covers") && !strings.HasPrefix(mark, "counter has not moved") {
					t.Fatalf("seed %d window %d: mark %q", seed, i, mark)
				}
			} else if !failed {
				m.add(h.counter, moment{at: h.at})
			}
		}
		if h.wraps == 0 {
			t.Fatalf("seed %d: no wrap was tested", seed)
		}
	}
}

// Real counters have one step more than max_energy_range_uj says: short by one step per wrap, and never over.
func TestMeterIsNeverOverOnRealRanges(t *testing.T) {
	const step = 15
	h := &machine{Rand: rand.New(rand.NewPCG(7, 7)), mod: dramRange + step}
	m := newMeter(kindPackage, dramRange)
	m.add(0, moment{})
	for range 20000 {
		h.run(h.window(), h.Float64()*800)
		h.refresh()
		h.counter = min(h.counter, dramRange)
		m.add(h.counter, moment{at: h.at})
		if d := h.spent - int64(m.total); d < 0 || d > (h.wraps+1)*step {
			t.Fatalf("short by %d uJ after %d wraps", d, h.wraps)
		}
	}
	if h.wraps < 100 {
		t.Fatalf("%d wraps", h.wraps)
	}
}

// With resets, lost zones and gaps too: the sum is never more than was spent, and a window that has not all of its joules says so.
//
// Two things no reader can know, and the test states their size: a reset close below the wrap looks like a wrap (off by less than the wrap limit times
// the window), and a counter that was reset and has climbed past its last value looks like a step (short).
func TestMeterNeverInvents(t *testing.T) {
	windows, resets, ambiguous, hidden, bad := 0, 0, 0, 0, 0
	for seed := range uint64(300) {
		h := &machine{Rand: rand.New(rand.NewPCG(seed, 2)), mod: pkgRange}
		h.counter = h.Int64N(h.mod)
		m := newMeter(kindPackage, pkgRange)
		m.add(h.counter, moment{at: h.at})
		read := h.spent // the truth at the last good read
		reset := false  // since then
		told := false   // a window since then had a mark
		readAt := h.at
		for i := range 400 {
			dt := h.window()
			if h.IntN(40) == 0 {
				dt = time.Duration(h.Int64N(int64(2000 * time.Second)))
			}
			resetNow := h.IntN(40) == 0
			before, last, base := m.total, m.last.value, m.have
			h.run(dt, h.Float64()*800)
			if reset = reset || resetNow; resetNow {
				h.counter, h.pending = 0, int64(float64(h.pending)*h.Float64()) // somewhere in the window
				resets++
			}
			h.refresh()
			switch h.IntN(60) {
			case 0:
				m.lose()
				continue
			case 1:
				m.miss(moment{})
				continue
			case 2: // a bad read; near the wrap, or after long, it could be one
				if m.have && max(h.counter, last) < h.mod/2 && h.at-readAt < 30*time.Second {
					if m.add(0, moment{at: h.at}); m.total != before {
						t.Fatalf("seed %d window %d: %d uJ from a bad read", seed, i, m.total-before)
					}
					bad++
					told = true
					continue
				}
			}
			mark := m.add(h.counter, moment{at: h.at})
			got, truth := m.total-before, units.Microjoules(h.spent-read)
			windows++
			switch span := h.at - readAt; {
			case got > truth && !reset && last <= h.counter:
				t.Fatalf("seed %d window %d: invented %d uJ, mark %q", seed, i, got-truth, mark)
			case got > truth: // a reset in this window, or in one that could not be read
				if got > units.Watts(wrapPackage).Over(span+slack) {
					t.Fatalf("seed %d window %d: reset taken for a wrap of %d uJ in %v", seed, i, got, span)
				}
				ambiguous++
			case got < truth && mark == "" && base:
				if !reset && !told {
					t.Fatalf("seed %d window %d: short by %d uJ and no mark", seed, i, truth-got)
				}
				hidden++
			}
			read, readAt, reset, told = h.spent, h.at, false, false
		}
	}
	t.Logf("%d windows, %d resets: %d taken for a wrap, %d hidden by a climb; %d bad reads", windows, resets, ambiguous, hidden, bad)
	if ambiguous*20 > resets {
		t.Errorf("%d of %d resets were taken for wraps", ambiguous, resets)
	}
}

// Sleeps, zones that go away, and ranges that change: a counter may start again in each, and the meter is told of each. So there is no exception
// here: the sum is never more than was spent, no window has more than was spent since the value that it counts from, and a window that nothing
// happened in has all of it.
func TestMeterNeverInventsOverSleeps(t *testing.T) {
	sleeps, resets, lost := 0, 0, 0
	for seed := range uint64(300) {
		h := &machine{Rand: rand.New(rand.NewPCG(seed, 5)), mod: pkgRange}
		h.counter = h.Int64N(h.mod)
		m := newMeter(kindPackage, h.mod)
		m.add(h.counter, moment{at: h.at})
		begin := h.spent
		read, earlier := begin, begin // the truth at the last good read, and at the one before
		quiet := true                 // nothing happened since the last good read
		for i := range 300 {
			var slept time.Duration
			h.run(h.window(), h.Float64()*800)
			switch h.IntN(10) {
			case 0: // a machine that sleeps draws little, and its counter may go on or start again
				slept = time.Duration(h.Int64N(int64(5000 * time.Second)))
				h.spent += int64(2 * slept.Seconds() * 1e6)
				h.pending += int64(2 * slept.Seconds() * 1e6)
				sleeps++
				quiet = false
				if h.IntN(2) == 0 {
					h.counter, h.pending = 0, h.Int64N(h.pending+1)
					resets++
				}
			case 1: // gone, and registered anew with another range
				m.lose()
				h.mod = []int64{pkgRange, dramRange}[h.IntN(2)]
				h.counter, h.pending = h.Int64N(h.mod), 0
				m.rng = h.mod
				quiet = false
				lost++
			case 2: // the hardware is late
				if m.have && !m.missed && h.counter == m.last.value {
					m.add(h.counter, moment{at: h.at})
					earlier, quiet = read, false
					continue
				}
			}
			h.refresh()
			if h.IntN(10) == 0 {
				m.miss(moment{slept: slept})
				quiet = quiet && slept == 0
				continue
			}
			before, base := m.total, m.have
			mark := m.add(h.counter, moment{at: h.at, slept: slept})
			got, since := m.total-before, read
			if strings.Contains(mark, "bad read") {
				since = earlier
			}
			switch {
			case int64(got) > h.spent-since:
				t.Fatalf("seed %d window %d: %d uJ, spent %d, mark %q", seed, i, got, h.spent-since, mark)
			case int64(m.total) > h.spent-begin:
				t.Fatalf("seed %d window %d: %d uJ in all, spent %d, mark %q", seed, i, m.total, h.spent-begin, mark)
			case quiet && base && mark == "" && int64(got) != h.spent-read:
				t.Fatalf("seed %d window %d: %d uJ, spent %d, and no mark", seed, i, got, h.spent-read)
			case !base && got != 0:
				t.Fatalf("seed %d window %d: %d uJ from a baseline", seed, i, got)
			case slept > 0 && base && mark == "":
				t.Fatalf("seed %d window %d: slept %v and no mark", seed, i, slept)
			}
			earlier, read, quiet = read, h.spent, true
		}
	}
	if sleeps < 1000 || resets < 500 || lost < 1000 {
		t.Errorf("%d sleeps, %d resets, %d lost", sleeps, resets, lost)
	}
}

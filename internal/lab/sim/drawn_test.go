package sim

import (
	"reflect"
	"testing"
	"time"
)

// kinds of drawn machines.
var drawnKinds = map[string]func(uint64) Scenario{"server": DrawnServer, "laptop": DrawnLaptop}

// Every number lies where the draw says that it does, and reaches most of that range.
func TestDrawnRanges(t *testing.T) {
	type limits struct{ low, high float64 }
	ranges := map[string]limits{
		"volts at the lowest":        {0.60, 0.80},
		"volts at the highest":       {0.95, 1.25},
		"leakage":                    {0.1, 0.4},
		"SMT gain":                   {0.10, 0.30},
		"all cores' frequency":       {0.6, 0.9},
		"server's cores":             {4, 16},
		"server's maintenance, W":    {2, 12},
		"laptop's maintenance, W":    {0.5, 3},
		"efficiency core's capacity": {0.25, 0.6},
	}
	low, high := map[string]float64{}, map[string]float64{}
	note := func(name string, seed uint64, v float64) {
		if r := ranges[name]; !(v >= r.low-1e-9 && v <= r.high+1e-9) {
			t.Errorf("seed %d: %s is %v, not from %v to %v", seed, name, v, r.low, r.high)
		}
		if _, ok := low[name]; !ok {
			low[name], high[name] = v, v
		}
		low[name], high[name] = min(low[name], v), max(high[name], v)
	}
	for kind, drawn := range drawnKinds {
		for seed := range uint64(200) {
			m := drawn(seed).Machine
			note(kind+"'s maintenance, W", seed, m.WakeWatts)
			note("SMT gain", seed, m.SMTGain)
			for _, c := range m.Cores {
				note("volts at the lowest", seed, c.volts(c.MinKHz))
				note("volts at the highest", seed, c.volts(c.MaxKHz))
				leak := c.leaking(c.MaxKHz)
				note("leakage", seed, leak/(leak+c.switching(c.MaxKHz)))
				note("all cores' frequency", seed, float64(c.highest(c.Count, c.Count))/float64(c.MaxKHz))
				if c.MinKHz >= c.BaseKHz || c.Count < 1 || c.MinKHz%stepKHz != 0 || c.MaxKHz%stepKHz != 0 {
					t.Errorf("%s %d: %+v", kind, seed, c)
				}
			}
			if kind == "laptop" {
				note("efficiency core's capacity", seed, m.Cores[1].Nanofarads/m.Cores[0].Nanofarads)
			} else {
				note("server's cores", seed, float64(m.Cores[0].Count))
			}
		}
	}
	for name, r := range ranges {
		if width := r.high - r.low; low[name] > r.low+width/5 || high[name] < r.high-width/5 {
			t.Errorf("%s was from %v to %v, not from %v to %v", name, low[name], high[name], r.low, r.high)
		}
	}
}

// A seed is one machine; another one is another.
func TestDrawnIsTheSame(t *testing.T) {
	for kind, drawn := range drawnKinds {
		if !reflect.DeepEqual(drawn(7), drawn(7)) {
			t.Errorf("%s: a seed gives two machines", kind)
		}
		a, b := drawn(7), drawn(8)
		if a.Seed == b.Seed || reflect.DeepEqual(a.Machine, b.Machine) || reflect.DeepEqual(a.Jobs, b.Jobs) {
			t.Errorf("%s: two seeds give one machine", kind)
		}
	}
	if a, b := DrawnServer(7), DrawnLaptop(7); a.Seed == b.Seed || a.Name == b.Name {
		t.Error("a server and a laptop are drawn alike")
	}
}

// What weights weigh is there on many machines: cores at work differ in frequency, some work is beside a busy sibling and some is not. All
// instructions cost the same, and no machine has nothing to do.
func TestDrawnHasWhatWeightsWeigh(t *testing.T) {
	const seeds = 12
	for kind, drawn := range drawnKinds {
		fast, beside, small := 0, 0, 0
		for seed := range uint64(seeds) {
			s := drawn(seed)
			s.Duration = 5 * time.Second
			lowest, highest := int64(0), int64(0)
			truth := s.Run(Observer{Edges: Edges{Every: time.Second, Do: func(e Edge) {
				for cpu, kHz := range e.KHz {
					if e.Busy[cpu] < e.At/10 || kHz == 0 {
						continue
					}
					if lowest == 0 || kHz < lowest {
						lowest = kHz
					}
					highest = max(highest, kHz)
				}
				if kind == "laptop" {
					last := len(e.Busy) - 1
					if e.At == 5*time.Second && e.Busy[last] > 0 {
						small++
					}
				}
			}}})
			var alone, both time.Duration
			for _, p := range truth.Processes {
				alone, both = alone+p.CPU-p.Beside, both+p.Beside
			}
			if highest > lowest*5/4 {
				fast++
			}
			if part := float64(both) / float64(alone+both); part > 0.02 && part < 0.98 {
				beside++
			}
			if truth.Busy < s.Duration/10 {
				t.Errorf("%s %d: busy for %v of %v", kind, seed, truth.Busy, s.Duration)
			}
			checkActivities(t, s.Jobs)
		}
		if fast < seeds/3 || beside < seeds/3 || kind == "laptop" && small < seeds/2 {
			t.Errorf("%s: of %d machines, cores differ in frequency on %d, siblings work at times on %d, efficiency cores on %d",
				kind, seeds, fast, beside, small)
		}
	}
}

// checkActivities finds an instruction mix.
func checkActivities(t *testing.T, jobs []Job) {
	t.Helper()
	for i := range jobs {
		if a := jobs[i].Load.Activity; a != 0 && a != 1 {
			t.Errorf("%s has an activity of %v", jobs[i].Comm, a)
		}
		if c := jobs[i].Children; c != nil {
			if c.Spread != 0 {
				t.Errorf("children of %s have their own activities", jobs[i].Comm)
			}
			checkActivities(t, []Job{c.Job})
		}
	}
}

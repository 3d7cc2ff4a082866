package peers

import (
	"math"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// pair is a machine of one socket with two CPUs, whose counters go to 1000 J.
func pair() seen.Machine {
	return seen.Machine{
		CPUs:     []seen.CPU{{Sibling: 1}, {Sibling: 0}},
		Zones:    []seen.Zone{{Name: "package-0", Parent: -1, Range: 1000e6}, {Name: "dram", Range: 1000e6}},
		TDPWatts: 100, BaseKHz: 2_000_000, MemoryBytes: 32 << 30,
	}
}

// twin is a machine of two sockets with a CPU each: package-0, dram, package-1, dram.
func twin() seen.Machine {
	m := pair()
	m.CPUs = []seen.CPU{{Socket: 0, Sibling: -1}, {Socket: 1, Sibling: -1}}
	m.Zones = append(m.Zones, seen.Zone{Name: "package-1", Parent: -1, Socket: 1, Range: 1000e6}, seen.Zone{Name: "dram", Parent: 2, Socket: 1, Range: 1000e6})
	return m
}

// look is what there is after so many seconds: counters in joules, the two CPUs' ticks together, processes.
func look(seconds float64, joules []float64, cpu seen.CPUTimes, processes ...seen.Process) seen.Sample {
	s := seen.Sample{At: time.Duration(seconds * 1e9), CPUs: []seen.CPUTimes{cpu, {}}, Processes: processes}
	for _, j := range joules {
		s.Zones = append(s.Zones, uint64(math.Round(j*1e6)))
	}
	return s
}

// proc is a process of init's that has used so many ticks.
func proc(pid int, start, ticks int64) seen.Process {
	return seen.Process{PID: pid, PPID: 1, Start: start, User: ticks - ticks/3, Sys: ticks / 3}
}

func child(of, pid int, ticks int64) seen.Process {
	p := proc(pid, int64(pid), ticks)
	p.PPID = of
	return p
}

// told is what a program says after those reads.
func told(p Peer, reads ...seen.Sample) Result {
	for _, s := range reads {
		p.Poll(s)
	}
	return p.Result()
}

type joules map[Key]Domains

// expect compares what processes have of all domains; what is not there is 0.
func expect(t *testing.T, got Result, want joules) {
	t.Helper()
	for _, m := range []joules{got.Joules, want} {
		for k, d := range m {
			for name := range d {
				if g, w := got.Joules[k][name], want[k][name]; math.Abs(g-w) > 1e-9*max(1, w) || math.IsNaN(g) {
					t.Errorf("%v %s: %v J, want %v", k, name, g, w)
				}
			}
		}
	}
}

func expectDomains(t *testing.T, what string, got, want Domains) {
	t.Helper()
	for _, d := range []Domains{got, want} {
		for name := range d {
			if math.Abs(got[name]-want[name]) > 1e-9*max(1, want[name]) || math.IsNaN(got[name]) {
				t.Errorf("%s of %s: %v J, want %v", what, name, got[name], want[name])
			}
		}
	}
}

func TestAll(t *testing.T) {
	names := map[string]bool{}
	for _, p := range All(pair(), Options{}) {
		if names[p.Name()] || p.Name() == "" || p.Words() == "" || p.Every() <= 0 {
			t.Errorf("%q: %q each %v: a name twice, or something missing", p.Name(), p.Words(), p.Every())
		}
		names[p.Name()] = true
		if want := p.Name() == "DEEP-mon" || p.Name() == "Kepler 0.9" || p.Name() == "Kepler 0.7"; NeedsSlices(p) != want {
			t.Errorf("%s: needs slices is %v", p.Name(), !want)
		}
		if trees := p.Result().ByTree; trees != (p.Name() == "EnergAt" || p.Name() == "eco2AI 0.3.13" || p.Name()[:4] == "Code") {
			t.Errorf("%s: by tree is %v", p.Name(), trees)
		}
	}
	if len(names) != 11 {
		t.Errorf("%d programs", len(names))
	}
}

// What everyone agrees on: the first read of counters that are not at 0 gives nothing, a machine with nothing to do gives no NaN, and a read
// that is not later than the last is none.
func TestNothing(t *testing.T) {
	for _, p := range All(pair(), Options{}) {
		first := look(100, []float64{900, 800}, seen.CPUTimes{User: 5000, Idle: 15000}, proc(7, 1, 4000))
		expect(t, told(p, first), nil)
		again := look(100, []float64{950, 850}, seen.CPUTimes{User: 9000, Idle: 15000}, proc(7, 1, 8000))
		expect(t, told(p, again), nil)
		expectDomains(t, p.Name()+": first reads", p.Result().Total, nil)
		idle := first
		idle.At += 20 * time.Second
		for k, d := range told(p, idle).Joules {
			for name, j := range d {
				if math.IsNaN(j) || j != 0 && p.Name()[:4] != "Code" {
					t.Errorf("%s: %v has %v J of %s on a machine where nothing moved", p.Name(), k, j, name)
				}
			}
		}
	}
}

func TestResultIsACopy(t *testing.T) {
	p := NewKepler(pair())
	r := told(p, look(0, []float64{0, 0}, seen.CPUTimes{}), look(5, []float64{10, 0}, seen.CPUTimes{User: 10}, proc(7, 1, 10)))
	r.Joules[Key{7, 1}]["package"], r.Total["package"] = 99, 99
	expect(t, p.Result(), joules{{7, 1}: {"package": 10}})
	expectDomains(t, "total", p.Result().Total, Domains{"package": 10})
}

func TestUnder(t *testing.T) {
	loop := []seen.Process{child(3, 1, 1), child(1, 2, 1), child(2, 3, 1), child(4, 4, 1), child(2, 5, 1), child(9, 6, 1)}
	for i, want := range []int{4, 4, 4, 1, 1, 1} {
		n := 0
		newForest(loop).under(i, func(*seen.Process) { n++ })
		if n != want {
			t.Errorf("under %d: %d processes, want %d", loop[i].PID, n, want)
		}
	}
}

func TestDomain(t *testing.T) {
	for zone, want := range map[string]string{"package-0": "package", "package-1-die-0": "package", "dram": "dram", "dram-0": "dram", "": ""} {
		if got := domain(zone); got != want {
			t.Errorf("%q counts %q, want %q", zone, got, want)
		}
	}
}

package sim

import (
	"slices"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// who is a process.
type who struct {
	pid   int
	start time.Duration
}

// naive gets the energy of each process from the switches alone: between any two of them nothing changes, so it looks at each such piece on
// its own. It is for machines of one frequency, and for runs whose slices are all over.
func naive(s Scenario, all []seen.Slice, of map[who]Process) map[who]float64 {
	m := s.Machine
	core := m.Cores[0]
	volts := core.HighVolts * core.HighVolts
	full, leak := core.Nanofarads*float64(core.MaxKHz)/1e6*volts, core.Leak*volts
	activity := map[string]float64{}
	var add func(j Job)
	add = func(j Job) {
		activity[j.Comm] = j.Load.Activity
		if j.Children != nil {
			add(j.Children.Job)
		}
	}
	for _, j := range s.Jobs {
		add(j)
	}
	var instants []time.Duration
	for _, x := range all {
		instants = append(instants, x.From, x.To)
	}
	slices.Sort(instants)
	instants = slices.Compact(instants)
	slices.SortFunc(all, func(a, b seen.Slice) int { return int(a.From - b.From) })
	out := map[who]float64{}
	on := map[int]who{}
	cpus := m.Seen().CPUs
	next := 0
	ends := map[int]time.Duration{}
	for i, at := range instants {
		for cpu, end := range ends {
			if end <= at {
				delete(on, cpu)
				delete(ends, cpu)
			}
		}
		for ; next < len(all) && all[next].From == at; next++ {
			if all[next].To > at {
				on[all[next].CPU], ends[all[next].CPU] = who{all[next].PID, all[next].Start}, all[next].To
			}
		}
		if i+1 == len(instants) {
			break
		}
		seconds := (instants[i+1] - at).Seconds()
		for cpu, p := range on {
			works := 0
			for other := range on {
				if cpus[other].Socket == cpus[cpu].Socket {
					works++
				}
			}
			a := activity[of[p].Comm]
			watts := full*a + leak + m.WakeWatts/float64(works)
			if o, ok := on[cpus[cpu].Sibling]; ok && cpus[cpu].Sibling >= 0 {
				b := activity[of[o].Comm]
				watts = full*(1+m.SMTGain)/2*a + leak*a/(a+b) + m.WakeWatts/float64(works)
			}
			out[p] += watts * seconds
		}
	}
	return out
}

func TestNaive(t *testing.T) {
	m := server(2, 2, 0.27)
	m.Cores[0].MinKHz = m.Cores[0].MaxKHz
	last := 1900 * time.Millisecond
	s := Scenario{Seed: 7, Duration: 2 * time.Second, Machine: m, Jobs: []Job{
		burner("burn", 2, 1.2).between(0, last), bursty("batch", 5, 3*ms, 2*ms, 0.8).between(0, last),
		bursty("late", 3, 20*ms, 5*ms, 1.4).between(time.Second, last), storm("loop", 2*ms, 2, 1.1, 0).between(0, last),
		roaming("roam", 90*ms).between(0, last), burner("pinned", 2, 0.9).on(1, 2).between(0, last)}}
	for i := range s.Jobs {
		s.Jobs[i].Load.Misses = 0
	}
	var all []seen.Slice
	got := s.Run(Observer{Slice: func(x seen.Slice) { all = append(all, x) }})
	of := map[who]Process{}
	for _, p := range got.Processes {
		of[who{p.PID, p.Start}] = p
	}
	want := naive(s, all, of)
	if len(of) < 500 {
		t.Errorf("%d processes, want hundreds", len(of))
	}
	for k, p := range of {
		if packages := p.Joules[0] + p.Joules[2]; !near(packages, want[k], 1e-6) {
			t.Errorf("%s %d: %v J, want %v", p.Comm, p.PID, packages, want[k])
		}
	}
}

package sim

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// TestSums: in every scenario what is idle, what interrupts and what processes used is the energy, and CPU time is nowhere twice.
func TestSums(t *testing.T) {
	for _, s := range Small() {
		t.Run(s.Name, func(t *testing.T) {
			uses := map[who]time.Duration{}
			var last Edge
			got := s.Run(Observer{Edges: Edges{Every: time.Second, Do: func(e Edge) {
				last = e
				for _, u := range e.Uses {
					if u.Time < 0 || u.Beside < 0 || u.Beside > u.Time {
						t.Errorf("%s used CPU %d for %v, %v of it beside another", u.Comm, u.CPU, u.Time, u.Beside)
					}
					uses[who{u.PID, u.Start}] += u.Time
				}
			}}})
			sum := make([]float64, len(got.Domains))
			var busy time.Duration
			for _, p := range got.Processes {
				for d, j := range p.Joules {
					sum[d] += j
					if j < 0 {
						t.Errorf("%s used %v J of %s", p.Comm, j, got.Domains[d])
					}
				}
				busy += p.CPU
				bySocket := time.Duration(0)
				for _, c := range p.BySocket {
					bySocket += c
				}
				if bySocket != p.CPU || p.Beside < 0 || p.Beside > p.CPU || p.Ended < p.Began {
					t.Errorf("%+v does not add up", p)
				}
			}
			for d, j := range sum {
				if j += got.Idle[d] + got.Interrupts[d]; !near(j, got.Total[d], 1e-9) {
					t.Errorf("%s: all parts are %v J, all is %v J", got.Domains[d], j, got.Total[d])
				}
			}
			cpus := time.Duration(len(s.Machine.Seen().CPUs))
			if busy != got.Busy || got.Busy+got.Interrupt > cpus*s.Duration {
				t.Errorf("%v of processes, %v of CPUs, %v in interrupts, %v at most", busy, got.Busy, got.Interrupt, cpus*s.Duration)
			}
			// The tables lack what has run since the last tick, and what was not traced.
			var seenBusy, seenUses time.Duration
			for _, b := range last.Busy {
				seenBusy += b
			}
			for k := range uses {
				seenUses += uses[k]
			}
			if seenBusy > got.Busy || seenBusy < got.Busy-cpus*tick {
				t.Errorf("the kernel's count is %v, the truth %v", seenBusy, got.Busy)
			}
			if lost := seenBusy - seenUses; s.Missed == 0 && lost != 0 || s.Missed > 0 && (last.Missed == 0 || lost <= 0 || lost > seenBusy/20) {
				t.Errorf("tables lack %v of %v, with %d switches untraced", lost, seenBusy, last.Missed)
			}
			if want := s.Machine.Sockets; got.Wraps < want {
				t.Errorf("%d wraps, want %d or more", got.Wraps, want)
			}
		})
	}
}

// TestSame: a scenario gives the same run each time, whoever looks.
func TestSame(t *testing.T) {
	for _, name := range []string{"storm", "server", "interrupts", "untraced", "gpu"} {
		s := find(t, name)
		s.Duration = 5 * time.Second
		a, b := s.Run(Observer{}), s.Run(Observer{})
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%s: two runs differ", name)
		}
		watched := s.Run(Observer{Slice: func(seen.Slice) {}, Edges: Edges{Every: 100 * time.Millisecond, Do: func(Edge) {}},
			Polls: []Poll{{Every: 10 * time.Millisecond, Skew: time.Millisecond, Do: func(seen.Sample) {}}}})
		if len(a.Processes) != len(watched.Processes) || a.Busy != watched.Busy || a.Slices != watched.Slices || a.Wraps != watched.Wraps {
			t.Errorf("%s: who is watched does something else", name)
		}
		for i, p := range a.Processes {
			q := watched.Processes[i]
			if p.CPU != q.CPU || p.PID != q.PID || !near(p.Joules[0], q.Joules[0], 1e-9) {
				t.Fatalf("%s: %+v alone, %+v watched", name, p, q)
			}
		}
		s.Seed++
		if reflect.DeepEqual(a, s.Run(Observer{})) {
			t.Errorf("%s: another seed makes no difference", name)
		}
	}
}

// find a small scenario.
func find(t *testing.T, name string) Scenario {
	t.Helper()
	all := Small()
	i := slices.IndexFunc(all, func(s Scenario) bool { return s.Name == name })
	if i < 0 {
		t.Fatalf("no scenario %q", name)
	}
	return all[i]
}

// TestNames: each scenario has its own name, and words, and both lists have the same.
func TestNames(t *testing.T) {
	small, full := Small(), Scenarios()
	names := map[string]bool{}
	for i, s := range small {
		if s.Name != full[i].Name || s.Words == "" || s.Machine.Name == "" || names[s.Name] || s.Duration >= full[i].Duration {
			t.Errorf("%d: %q %q", i, s.Name, full[i].Name)
		}
		names[s.Name] = true
		if g := s.Machine.SMTGain; g != 0 && (g < 0.10 || g > 0.30) {
			t.Errorf("%s: a second thread adds %v", s.Name, g)
		}
	}
}

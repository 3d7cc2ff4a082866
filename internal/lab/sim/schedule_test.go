package sim

import (
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// run jobs for a while on a machine.
func run(m MachineSpec, d time.Duration, jobs ...Job) Truth {
	return Scenario{Seed: 3, Duration: d, Machine: m, Jobs: jobs}.Run(Observer{})
}

// TestFair: who waits for a CPU gets its share of it, and who sleeps gets it soon.
func TestFair(t *testing.T) {
	got := run(linear(), 10*time.Second, burner("a", 1, 1).on(2), burner("b", 1, 1).on(2), burner("c", 1, 1).on(2))
	for _, p := range got.Processes {
		if s := p.CPU.Seconds(); s < 3.27 || s > 3.4 {
			t.Errorf("one of three on a CPU had %v of 10 s", p.CPU)
		}
	}
	nap := bursty("nap", 1, ms, 4*ms, 1).on(2)
	nap.Load.Steady = true
	got = run(linear(), 10*time.Second, burner("a", 1, 1).on(2), nap)
	if s := got.Processes[1].CPU.Seconds(); s < 1.6 || s > 2.01 {
		t.Errorf("one that wants a fifth of a CPU had %v of 10 s beside a burner", got.Processes[1].CPU)
	}
	got = run(linear(), 10*time.Second, burner("a", 3, 1).on(2), nap)
	if s := got.Processes[1].CPU.Seconds(); s < 1.6 || s > 2.01 {
		t.Errorf("one that wants a fifth of a CPU had %v of 10 s beside three burners", got.Processes[1].CPU)
	}
	if all := got.Busy.Seconds(); all < 9.99 || all > 10.001 {
		t.Errorf("the CPU was busy for %v of 10 s", got.Busy)
	}
}

// TestNoneIdle: no CPU idles while somebody waits, and all get about the same in the end.
func TestNoneIdle(t *testing.T) {
	var jobs []Job
	for range 12 {
		jobs = append(jobs, burner("one", 1, 1))
	}
	got := run(linear(), 20*time.Second, jobs...)
	if all := got.Busy.Seconds(); all < 159.9 {
		t.Errorf("8 CPUs were busy for %v s of 160", all)
	}
	for _, p := range got.Processes {
		if s := p.CPU.Seconds(); s < 11 || s > 16 {
			t.Errorf("one of 12 on 8 CPUs had %v s of 20, want about 13.3", s)
		}
	}
}

// TestPull: a CPU that has nothing left takes what waits elsewhere.
func TestPull(t *testing.T) {
	got := run(linear(), 10*time.Second, bursty("a", 16, 5*ms, ms, 1))
	if all := got.Busy.Seconds(); all < 79.9 {
		t.Errorf("8 CPUs were busy for %v s of 80, with 16 threads that sleep a sixth of the time", all)
	}
}

// TestPlaces: threads get cores of their own while there are some, the fast ones first.
func TestPlaces(t *testing.T) {
	got := run(server(2, 4, 0.2), 10*time.Second, burner("a", 8, 1))
	if p := got.Processes[0]; p.Beside > p.CPU/100 || p.CPU < 79*time.Second {
		t.Errorf("8 threads on 8 cores: %v of %v beside another", p.Beside, p.CPU)
	}
	got = run(server(2, 4, 0.2), 10*time.Second, burner("a", 16, 1))
	if p := got.Processes[0]; p.Beside < p.CPU*99/100 {
		t.Errorf("16 threads on 8 cores: %v of %v beside another", p.Beside, p.CPU)
	}
	slow := time.Duration(0)
	m := laptop(0.2)
	four := Scenario{Duration: 10 * time.Second, Machine: m, Jobs: []Job{bursty("a", 4, 5*ms, 5*ms, 1)}}
	four.Run(Observer{Edges: Edges{Every: time.Second, Do: func(e Edge) {
		for _, u := range e.Uses {
			if m.Seen().CPUs[u.CPU].Efficient {
				slow += u.Time
			}
		}
	}}})
	if slow > 0 {
		t.Errorf("4 threads were on efficiency cores for %v of 20 s, with 4 fast ones", slow)
	}
	if p := run(m, 10*time.Second, burner("a", 12, 1)).Processes[0]; p.Beside > p.CPU/100 {
		t.Errorf("12 threads on 12 cores: %v of %v beside another", p.Beside, p.CPU)
	}
	p := run(server(2, 4, 0.2), 10*time.Second, roaming("r", 300*ms)).Processes[0]
	if p.BySocket[0] < 4*time.Second || p.BySocket[1] < 4*time.Second {
		t.Errorf("a process that moves had %v on the sockets", p.BySocket)
	}
}

// TestSpread: who is beside another when a core gets free moves there.
func TestSpread(t *testing.T) {
	pair := burner("pair", 2, 1).on(0, 1).between(0, time.Second)
	got := run(server(1, 2, 0.2), 10*time.Second, pair, burner("a", 2, 1))
	if p := got.Processes[1]; p.Beside < 1900*time.Millisecond || p.Beside > 2200*time.Millisecond {
		t.Errorf("two threads, for a second with nowhere to go, were beside each other for %v", p.Beside)
	}
}

// TestGovernor: alone a core is fast, with all at work slower, and slowest with little to do.
func TestGovernor(t *testing.T) {
	mean := func(jobs ...Job) (of int64) {
		s := Scenario{Duration: 3 * time.Second, Machine: server(1, 8, 0.2), Jobs: jobs}
		s.Run(Observer{Edges: Edges{Every: time.Second, Do: func(e Edge) { of = e.KHz[0] }}})
		return of
	}
	light := bursty("light", 1, 200*us, 20*ms, 1).on(0)
	for _, c := range []struct {
		what      string
		got       int64
		low, high int64
	}{
		{"alone", mean(burner("a", 1, 1).on(0)), 3_400_000, 3_500_000},
		{"all", mean(burner("a", 16, 1)), 2_600_000, 2_700_000},
		{"little", mean(light), 800_000, 1_000_000},
		{"nothing", mean(), 0, 0},
	} {
		if c.got < c.low || c.got > c.high {
			t.Errorf("%s: %d kHz", c.what, c.got)
		}
	}
}

// TestStorm: thousands of children, each of 2 ms, that nobody who looks every 5 s knows.
func TestStorm(t *testing.T) {
	s, looked := find(t, "storm"), map[int]bool{}
	var ends, slices int
	got := s.Run(Observer{
		Polls: []Poll{{Every: 5 * time.Second, Do: func(x seen.Sample) {
			for _, p := range x.Processes {
				if p.Comm == "true" {
					looked[p.PID] = true
				}
			}
		}}},
		Slice: func(x seen.Slice) {
			slices++
			if x.Exited {
				ends++
			}
		},
	})
	children, cpu := 0, time.Duration(0)
	for _, p := range got.Processes {
		if p.Comm != "true" || !p.Exited {
			continue
		}
		children++
		cpu += p.CPU
		if p.CPU != 2*time.Millisecond || p.Joules[0]+p.Joules[2] <= 0 || p.Parent == 1 {
			t.Fatalf("a child: %+v", p)
		}
	}
	if children < 5000 || ends < children || slices < ends {
		t.Errorf("%d children, %d ends, %d slices", children, ends, slices)
	}
	if len(looked) > 10 {
		t.Errorf("%d children seen by looks at /proc", len(looked))
	}
	for _, p := range got.Processes {
		if p.Comm == "loop" && p.CPU > cpu/5 {
			t.Errorf("the shell ran for %v, its children for %v", p.CPU, cpu)
		}
	}
}

// TestMixes: children of one shell use more or less, as their instructions are.
func TestMixes(t *testing.T) {
	low, high := 1e9, 0.0
	for _, p := range run(linear(), 5*time.Second, storm("loop", 2*ms, 1, 1, 0.3)).Processes {
		if p.Comm == "true" && p.Exited {
			low, high = min(low, p.Joules[0]+p.Joules[2]), max(high, p.Joules[0]+p.Joules[2])
		}
	}
	if high < 1.7*low {
		t.Errorf("children used from %v to %v J", low, high)
	}
}

// TestBuild: make starts shells, which start compilers.
func TestBuild(t *testing.T) {
	of := map[string]int{}
	byPID := map[int]string{}
	for _, p := range find(t, "build").Run(Observer{}).Processes {
		of[p.Comm]++
		byPID[p.PID] = p.Comm
		if p.Comm == "cc1" && byPID[p.Parent] != "sh" || p.Comm == "sh" && byPID[p.Parent] != "make" {
			t.Fatalf("%s has the parent %q", p.Comm, byPID[p.Parent])
		}
	}
	if of["sh"] < 1000 || of["cc1"] < 2*of["sh"]-40 || of["cc1"] > 2*of["sh"] {
		t.Errorf("%v", of)
	}
}

// TestPIDs: a pid is used again, but never by two at once.
func TestPIDs(t *testing.T) {
	used, again := map[int]time.Duration{}, 0
	for _, p := range find(t, "reuse").Run(Observer{}).Processes {
		if end, ok := used[p.PID]; ok {
			again++
			if p.Began < end {
				t.Fatalf("pid %d had two processes at %v", p.PID, p.Began)
			}
		}
		used[p.PID] = p.Ended
	}
	if again < 1000 {
		t.Errorf("%d pids used again", again)
	}
}

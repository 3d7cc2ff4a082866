package sim

import (
	"slices"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// TestProc: what /proc shows is the truth in ticks, of those that live.
func TestProc(t *testing.T) {
	for _, name := range []string{"bursts", "build", "interrupts"} {
		s := find(t, name)
		var last seen.Sample
		before := map[who]int64{}
		got := s.Run(Observer{Polls: []Poll{{Every: 100 * time.Millisecond, Offset: 50 * time.Millisecond, Do: func(x seen.Sample) {
			last = x
			if !slices.IsSortedFunc(x.Processes, func(a, b seen.Process) int { return a.PID - b.PID }) {
				t.Errorf("%s: pids are not in order", name)
			}
			for _, p := range x.Processes {
				k := who{p.PID, time.Duration(p.Start)}
				if p.User+p.Sys < before[k] {
					t.Errorf("%s: %s went back from %d to %d ticks", name, p.Comm, before[k], p.User+p.Sys)
				}
				before[k] = p.User + p.Sys
			}
		}}, {Every: s.Duration, Offset: s.Duration, Do: func(x seen.Sample) { last = x }}}})
		live, threads := map[who]Process{}, map[who]time.Duration{}
		for _, p := range got.Processes {
			if !p.Exited {
				live[who{p.PID, time.Duration(p.Ticks())}] = p
			}
		}
		if len(live) != len(last.Processes) || last.At != s.Duration {
			t.Errorf("%s: %d processes live, %d are seen", name, len(live), len(last.Processes))
		}
		for _, p := range last.Processes {
			k := who{p.PID, time.Duration(p.Start)}
			threads[k] = time.Duration(p.Threads) * tick
			// Two numbers of ticks are cut off, and running threads are as old as their CPU's last tick.
			told, truth := time.Duration(p.User+p.Sys)*seen.Tick, live[k].CPU
			if told > truth || told < truth-2*seen.Tick-threads[k] {
				t.Errorf("%s: %s shows %v, has used %v", name, p.Comm, told, truth)
			}
		}
		var busy, irq time.Duration
		for n, c := range last.CPUs {
			if up := time.Duration(c.User+c.System+c.Idle+c.IRQ+c.SoftIRQ) * seen.Tick; up > boot+s.Duration || up < boot+s.Duration-5*seen.Tick {
				t.Errorf("%s: CPU %d has been up for %v", name, n, up)
			}
			busy += time.Duration(c.User+c.System) * seen.Tick
			irq += time.Duration(c.IRQ+c.SoftIRQ) * seen.Tick
		}
		slack := time.Duration(2*len(last.CPUs)) * seen.Tick
		if busy > got.Busy || busy < got.Busy-slack || irq > got.Interrupt || irq < got.Interrupt-slack {
			t.Errorf("%s: /proc/stat has %v busy and %v in interrupts, the truth is %v and %v", name, busy, irq, got.Busy, got.Interrupt)
		}
	}
}

// TestModes: two processes, by turns on a CPU, are in the kernel for a quarter of their time.
func TestModes(t *testing.T) {
	j := burner("a", 1, 1).on(0)
	j.Load.Kernel = 0.25
	var last seen.Sample
	s := Scenario{Duration: 10 * time.Second, Machine: linear(), Jobs: []Job{j, j}}
	s.Run(Observer{Polls: []Poll{{Every: time.Second, Do: func(x seen.Sample) { last = x }}}})
	p, c := last.Processes[0], last.CPUs[0]
	if p.Sys < 120 || p.Sys > 130 || p.User < 3*p.Sys-3 || p.User > 3*p.Sys+3 || c.System < 249 || c.System > 250 || c.User < 749 || c.User > 750 {
		t.Errorf("%+v on %+v", p, c)
	}
}

// TestStale: what the tables have of a thread that runs is as old as a tick, which comes every 4 ms.
func TestStale(t *testing.T) {
	s := Scenario{Seed: 5, Duration: 5 * time.Second, Machine: server(1, 2, 0.2), Jobs: []Job{pin("a", 0, 0, 0, 1), pin("b", 2, 0, 0, 1)}}
	used, oldest := map[int]time.Duration{}, time.Duration(0)
	switches, behind := 0, 0
	s.Run(Observer{
		Slice: func(seen.Slice) { switches++ },
		Polls: []Poll{{Every: 101 * time.Millisecond, Do: func(x seen.Sample) {
			shown := x.Processes[0].User + x.Processes[0].Sys
			if shown < int64((x.At-tick)/seen.Tick) || shown > int64(x.At/seen.Tick) {
				t.Errorf("at %v /proc shows %d ticks", x.At, shown)
			}
			if shown < int64(x.At/seen.Tick) {
				behind++
			}
		}}},
		Edges: Edges{Every: 101 * time.Millisecond, Do: func(e Edge) {
			for _, u := range e.Uses {
				used[u.CPU] += u.Time
			}
			for n, at := range used {
				age := e.At - at
				if age < 0 || age > tick || at != e.Busy[n] {
					t.Errorf("at %v CPU %d has %v, and the kernel counts %v", e.At, n, at, e.Busy[n])
				}
				oldest = max(oldest, age)
			}
		}},
	})
	if oldest < tick/2 || len(used) != 2 || switches != 0 || behind == 0 {
		t.Errorf("the oldest was %v old; %d CPUs, %d switches, /proc behind %d times", oldest, len(used), switches, behind)
	}
}

// TestBeside: both threads of a core are beside each other for the same time, in slices and in tables.
func TestBeside(t *testing.T) {
	s := find(t, "smt")
	for i := range s.Jobs {
		s.Jobs[i].Until = 20 * time.Second // so that all slices are over
	}
	cpus := s.Machine.Seen().CPUs
	bySlice, byUse := make([]time.Duration, len(cpus)), make([]time.Duration, len(cpus))
	got := s.Run(Observer{
		Slice: func(x seen.Slice) { bySlice[x.CPU] += x.Beside },
		Edges: Edges{Every: time.Second, Do: func(e Edge) {
			for _, u := range e.Uses {
				byUse[u.CPU] += u.Beside
			}
		}},
	})
	sum := time.Duration(0)
	for n, c := range cpus {
		if bySlice[n] != bySlice[c.Sibling] || bySlice[n] != byUse[n] || bySlice[n] == 0 {
			t.Errorf("CPU %d: %v, its sibling %v, in tables %v", n, bySlice[n], bySlice[c.Sibling], byUse[n])
		}
		sum += bySlice[n]
	}
	for _, p := range got.Processes {
		sum -= p.Beside
	}
	if sum != 0 {
		t.Errorf("processes lack %v", sum)
	}
}

// TestSlices: they come in the order of their ends, do not overlap, and have the cycles and misses of their length.
func TestSlices(t *testing.T) {
	s := find(t, "memory")
	s.Duration = 5 * time.Second
	for i := range s.Jobs {
		s.Jobs[i].Load.CPUs = []int{0, 1} // so that they take turns
	}
	last, ends := time.Duration(0), map[int]time.Duration{}
	time1, cycles, misses := map[int]time.Duration{}, map[int]uint64{}, map[int]uint64{}
	got := s.Run(Observer{Slice: func(x seen.Slice) {
		if x.To < last || x.From < ends[x.CPU] || x.To <= x.From || x.Beside > x.To-x.From {
			t.Errorf("a slice from %v to %v, %v of it beside another, after %v", x.From, x.To, x.Beside, last)
		}
		last, ends[x.CPU] = x.To, x.To
		time1[x.PID] += x.To - x.From
		cycles[x.PID] += x.Cycles
		misses[x.PID] += x.Misses
	}})
	for _, p := range got.Processes {
		if p.Comm != "stream" {
			continue
		}
		seconds := time1[p.PID].Seconds()
		if open := p.CPU - time1[p.PID]; open < 0 || open > 50*time.Millisecond {
			t.Errorf("%v of %v in slices", time1[p.PID], p.CPU)
		}
		if rate := float64(misses[p.PID]) / seconds; rate < 1.24e8 || rate > 1.25e8 {
			t.Errorf("%v misses per second", rate)
		}
		if rate := float64(cycles[p.PID]) / seconds; rate < 2.6e9 || rate > 3.5e9 {
			t.Errorf("%v cycles per second", rate)
		}
	}
}

// TestInterrupts: where the kernel counts their time apart they are no part of a task's, else they are; their energy is never a task's.
func TestInterrupts(t *testing.T) {
	for _, apart := range []bool{true, false} {
		m := linear()
		m.IRQTime = apart
		s := Scenario{Seed: 9, Duration: 10 * time.Second, Machine: m, Jobs: []Job{burner("a", 1, 1).on(0)}, Interrupts: network()}
		var last Edge
		got := s.Run(Observer{Edges: Edges{Every: time.Second, Do: func(e Edge) { last = e }}})
		cpu := got.Processes[0].CPU.Seconds()
		joules := got.Processes[0].Joules[0]
		if share := got.Interrupt.Seconds() / 20; share < 0.25 || share > 0.4 {
			t.Errorf("interrupts took %v of two CPUs", share)
		}
		// 5 W of a core, for as long as no interrupt had it: some 7 s.
		if joules < 31 || joules > 38 || got.Interrupts[0] < 20 {
			t.Errorf("apart %v: the task used %v J, interrupts %v J", apart, joules, got.Interrupts[0])
		}
		s.Jobs[0].Load.Work = 3 * time.Second
		if done := s.Run(Observer{}).Processes[0]; apart && done.CPU != 3*time.Second || !apart && done.CPU < 3500*time.Millisecond {
			t.Errorf("apart %v: 3 s of work took %v", apart, done.CPU)
		}
		if apart != (last.Interrupts != nil) || apart && (cpu < 6 || cpu > 7.6 || !near(cpu*5, joules, 1e-6)) || !apart && !near(cpu, 10, 1e-6) {
			t.Errorf("apart %v: the task has %v s, the edge %v", apart, cpu, last.Interrupts)
		}
	}
}

// TestCards: what cards used above idle is their jobs'; a context without work uses nothing; what ended is shown once more.
func TestCards(t *testing.T) {
	s, ended := find(t, "gpu"), 0
	util := map[int]float64{}
	got := s.Run(Observer{Edges: Edges{Every: time.Second, Do: func(e Edge) {
		live := map[int]bool{}
		for _, p := range e.Processes {
			live[p.PID] = true
		}
		for _, g := range e.GPUs {
			sum := 0.0
			for _, p := range g.Processes {
				sum += p.SMUtil
				util[p.PID] += p.SMUtil / 100
				if !live[p.PID] {
					ended++
				}
			}
			if sum > 100.001 {
				t.Errorf("a card works %v %%", sum)
			}
		}
	}}, Polls: []Poll{{Every: s.Duration, Offset: s.Duration, Do: func(x seen.Sample) {
		for _, p := range x.GPUs[0].Processes {
			if util[p.PID] == 0 && p.SMUtil != 0 {
				t.Errorf("a context without work has %v %%", p.SMUtil)
			}
		}
		if j := float64(x.GPUs[0].EnergyMilliJoules) / 1000; j < 30*60 || j > 30*350 {
			t.Errorf("card 0 shows %v J", j)
		}
	}}}})
	if ended != 1 {
		t.Errorf("what ended was shown %d times, want once", ended)
	}
	// Card 0 is at work for SM-seconds x 290 W, card 1 for x 245 W.
	for _, p := range got.Processes {
		first, second := p.Joules[len(p.Joules)-2], p.Joules[len(p.Joules)-1]
		if u := util[p.PID]; !near(first/290+second/245, u, 1e-6) {
			t.Errorf("%s: %v J and %v J of the cards for %v SM-seconds", p.Comm, first, second, u)
		}
	}
}

package sim

import (
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// Observer is who looks at a run. All of its calls come from the goroutine of Run, in the order of simulated time. What they are given is
// theirs to keep.
type Observer struct {
	Slice func(seen.Slice) // at each context switch that is traced; nil: nobody looks. Who never leaves a CPU is in none
	Polls []Poll
	Edges Edges
}

// Poll looks at /proc and the counters at Offset, Offset+Every, ... up to and with the scenario's Duration.
type Poll struct {
	Every, Offset time.Duration // Every is 5 ms at least
	Skew          time.Duration // from the look at /proc, which is Sample.At, to the counters; half of Every at most
	Do            func(seen.Sample)
}

// Edges looks as a program in the kernel does. Do nil: nobody looks.
type Edges struct {
	Every, Offset time.Duration
	Skew          time.Duration // from the tables, which is Edge.At, to the counters
	Do            func(Edge)
}

// Edge is what there is at a moment: Uses are since the edge before (the first: since the beginning), the rest is cumulative.
type Edge struct {
	At   time.Duration // monotonic, since the run began
	Boot time.Duration // since boot, as Use.Start
	Uses []Use
	// Busy is by CPU the kernel's count of time in tasks, as old as theirs. Time in interrupts is in it only where Interrupts is nil, and only
	// what interrupted a task.
	Busy       []time.Duration
	Interrupts []time.Duration // by CPU; nil: this kernel does not take it off tasks
	KHz        []int64         // by CPU: mean frequency while it was busy, since the edge before; 0: it was not
	Zones      []uint64        // energy_uj, by Machine.Zones
	GPUs       []seen.GPU      // SMUtil is since the edge before; processes that ended since are among them
	Processes  []seen.Process  // those that live
	Missed     uint64          // slices whose end was not traced: they are in Busy and in no Use
}

// Use is what one process used on one CPU. Time is never negative, and over all edges it adds up to what was used.
type Use struct {
	PID, Parent  int
	Start        time.Duration // since boot
	Comm, Cgroup string
	Kernel       bool
	CPU          int
	Time         time.Duration
	Beside       time.Duration // of Time: while the sibling had a task
	Misses       uint64
	Switches     uint64
	Resident     int64 // bytes
}

// Truth is what was used, from the beginning to the scenario's Duration. Domains are the zones of Machine.Zones, then the GPUs.
type Truth struct {
	Domains    []string  // package-0, dram-0, core-0, psys, gpu-0, ...
	Processes  []Process // in the order of their starts, which is not that of pids where those are used again
	Interrupts []float64 // joules by domain: of interrupts
	Idle       []float64 // joules by domain: with nothing to do it would have been that
	Total      []float64 // joules by domain: Idle, Interrupts and all processes' Joules
	Busy       time.Duration
	Interrupt  time.Duration // time in interrupts
	Slices     uint64
	Wraps      int // of all counters
}

// Process is what one used.
type Process struct {
	PID, Parent  int
	Start        time.Duration // since boot
	Comm, Cgroup string
	Kernel       bool
	Began, Ended time.Duration // since the run began; Ended is the run's where it had not
	Exited       bool          // before the end of the run
	CPU          time.Duration
	BySocket     []time.Duration // of CPU
	Beside       time.Duration   // of CPU
	Joules       []float64       // by domain: active
}

// Ticks is the start as field 22 of /proc/PID/stat has it.
func (p Process) Ticks() int64 { return int64(p.Start / seen.Tick) }

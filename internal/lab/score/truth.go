package score

import (
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// Key names a process: pids come back.
type Key struct {
	PID   int
	Start int64 // seen.Ticks since boot
}

// KeyOf is for a start since boot.
func KeyOf(pid int, start time.Duration) Key { return Key{pid, int64(start / seen.Tick)} }

// Process is what is true of one over the whole run.
type Process struct {
	Key
	Root   Key // of its tree; itself where it has none
	Comm   string
	CPU    time.Duration
	Active float64 // joules that it caused
	Exited bool    // before the end of the run
}

// Truth is what is true of the energy of one kind: packages, memory or GPUs.
type Truth struct {
	Processes []Process
	Total     float64   // joules that were used
	Idle      []float64 // of them, by socket: with nothing to do it would have been as much; of the whole machine: one number
	Wall      time.Duration
	CPUs      int
	Times     *Times
}

// Policy says who pays for idle energy.
type Policy string

// Policies: no two tools mean the same by a process's joules, and none is scored against what it does not claim.
const (
	Separate Policy = "separate" // nobody
	Capacity Policy = "capacity" // each by the part of all CPUs' time that it had; nobody pays for the rest
	Busy     Policy = "busy"     // those who ran in a window, by their CPU time, whichever socket they ran on
	Sockets  Policy = "sockets"  // those who ran on a socket in a window, by their CPU time there: each socket's idle energy apart
	Equal    Policy = "equal"    // those who ran in a window, each the same
)

// Policies are all of them.
var Policies = []Policy{Separate, Capacity, Busy, Sockets, Equal}

// Joules is the truth of each process by a policy, idle energy being shared window by window.
func (t *Truth) Joules(p Policy, window time.Duration) map[Key]float64 {
	out := make(map[Key]float64, len(t.Processes))
	for i := range t.Processes {
		out[t.Processes[i].Key] += t.Processes[i].Active
	}
	idle := 0.0
	for _, j := range t.Idle {
		idle += j
	}
	if t.Wall <= 0 {
		return out
	}
	switch p {
	case Capacity:
		for i := range t.Processes {
			part := t.Processes[i].CPU.Seconds() / (t.Wall.Seconds() * float64(max(1, t.CPUs)))
			out[t.Processes[i].Key] += idle * part
		}
	case Busy, Equal:
		t.share(out, idle, -1, p == Equal, window)
	case Sockets:
		for socket, j := range t.Idle {
			only := socket
			if len(t.Idle) == 1 {
				only = -1
			}
			t.share(out, j, only, false, window)
		}
	}
	return out
}

// share gives idle joules of the run, window by window, to those who ran on a socket, or on any (-1).
func (t *Truth) share(out map[Key]float64, joules float64, socket int, equal bool, window time.Duration) {
	t.Times.each(window, t.Wall, socket, func(length time.Duration, ran map[Key]time.Duration) {
		var sum time.Duration
		for _, d := range ran {
			sum += d
		}
		for k, d := range ran {
			if _, known := out[k]; !known {
				continue
			}
			part := float64(d) / float64(sum)
			if equal {
				part = 1 / float64(len(ran))
			}
			out[k] += joules * (float64(length) / float64(t.Wall)) * part
		}
	})
}

// Times is who ran when and where, by seconds of the run and sockets.
type Times struct{ seconds []map[at]time.Duration }

type at struct {
	Key
	socket int
}

// maxSeconds bounds what a moment that makes no sense can take.
const maxSeconds = 24 * 3600

// Add takes CPU time of a process on a socket that was used shortly before a moment of the run.
func (t *Times) Add(k Key, socket int, when, used time.Duration) {
	s := int(max(0, when-1) / time.Second)
	if used <= 0 || s >= maxSeconds {
		return
	}
	for len(t.seconds) <= s {
		t.seconds = append(t.seconds, map[at]time.Duration{})
	}
	t.seconds[s][at{k, socket}] += used
}

// each calls do with the windows of a run in turn, and who ran in them; windows are whole seconds. socket -1: all.
func (t *Times) each(window, wall time.Duration, socket int, do func(length time.Duration, ran map[Key]time.Duration)) {
	n := max(1, int(window/time.Second))
	for s := 0; t != nil && s < len(t.seconds) && time.Duration(s)*time.Second < wall; s += n {
		ran := map[Key]time.Duration{}
		for _, second := range t.seconds[s:min(s+n, len(t.seconds))] {
			for a, d := range second {
				if socket < 0 || a.socket == socket {
					ran[a.Key] += d
				}
			}
		}
		do(min(wall-time.Duration(s)*time.Second, time.Duration(n)*time.Second), ran)
	}
}

package engine

import (
	"time"

	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/internal/energy"
)

// Looker tells what each process holds of memory and has moved to and from disks, as bpf.Collector does.
type Looker interface {
	Look(into []bpf.Task) ([]bpf.Task, error)
}

// lookCost bounds what looks may cost, as a part of one CPU: each is paid for by the time since the one before.
const lookCost = 0.005

// looks decides when to look at all processes: what that costs grows with how many there are, and is asked for only by domains of memory
// and storage.
type looks struct {
	domains []energy.Domain
	next    time.Duration // monotonic
	began   bool
}

// due tells whether to look at an edge of that time.
func (l *looks) due(at time.Duration) bool {
	if !l.began {
		l.began, l.next = true, at
		for _, d := range l.domains {
			if d.Scope == energy.ScopeRAM || d.Scope == energy.ScopeStorage {
				return true
			}
		}
		l.next = 1<<63 - 1
	}
	return at >= l.next
}

// read looks, and says when the next time may be.
func (l *looks) read(c Collector, into []bpf.Task) ([]bpf.Task, error) {
	looker, ok := c.(Looker)
	if !ok {
		return into, nil
	}
	began := time.Now()
	tasks, err := looker.Look(into)
	l.next += time.Duration(float64(time.Since(began)) / lookCost)
	return tasks, err
}

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

// lookCost bounds what reading for looks may cost, as a part of one CPU; to book what is found costs some times as much. Each look is
// paid for by the time since the one before: every step on a machine of a few thousand processes, every few seconds on one of twenty
// thousand.
const lookCost = 0.002

// looks decides when to look at all processes: what that costs grows with how many there are, and is asked for only by domains of memory
// and storage.
type looks struct {
	domains []energy.Domain
	next    time.Duration // monotonic
	began   bool
}

// due tells whether to look at an edge of that time; asked: somebody wants it now.
func (l *looks) due(at time.Duration, asked bool) bool {
	if !l.began {
		l.began, l.next = true, never
		for _, d := range l.domains {
			if d.Scope == energy.ScopeRAM || d.Scope == energy.ScopeStorage {
				l.next = at
			}
		}
	}
	return l.next != never && (asked || at >= l.next)
}

const never = time.Duration(1<<63 - 1)

// read looks, and says when the next time may be.
func (l *looks) read(at time.Duration, c Collector, into []bpf.Task) ([]bpf.Task, error) {
	looker, ok := c.(Looker)
	if !ok {
		return into, nil
	}
	began := time.Now()
	tasks, err := looker.Look(into)
	l.next = at + time.Duration(float64(time.Since(began))/lookCost)
	return tasks, err
}

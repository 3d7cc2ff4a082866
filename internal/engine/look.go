package engine

import (
	"slices"
	"time"

	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/internal/energy"
)

// Looker tells what each process holds of memory and has moved to and from disks, as bpf.Collector does.
type Looker interface {
	Look(into []bpf.Task) ([]bpf.Task, error)
}

// lookPause is how long after a look the next one may be, for each process that it told of: to read and book one costs some 4 us, so that
// looks never take more than half a percent of one CPU, however many processes there are. On a machine of a thousand every window of a
// second has one. What memory and disks used comes with the window that has the look.
const lookPause = 800 * time.Microsecond

// looks decides when to look at all processes: what that costs grows with how many there are, and is asked for only by domains of memory
// and storage.
type looks struct {
	domains []energy.Domain
	dram    string        // Parts.DRAM
	next    time.Duration // monotonic
	began   bool
}

// due tells whether to look at an edge of that time; asked: somebody wants it now.
func (l *looks) due(at time.Duration, asked bool) bool {
	if !l.began {
		l.began, l.next = true, never
		if Looks(l.domains, l.dram) {
			l.next = at
		}
	}
	return l.next != never && (asked || at >= l.next)
}

// Looks tells whether one of the domains is split by what a Look tells. dram is Parts.DRAM.
func Looks(domains []energy.Domain, dram string) bool {
	return slices.ContainsFunc(domains, func(d energy.Domain) bool { return byLook(splitOf(&d, dram)) })
}

// byLook tells whether what is split so is split by what a Look tells, and so comes with the step that has one.
func byLook(split string) bool {
	return split == splitResident || split == splitBlockIO
}

const never = time.Duration(1<<63 - 1)

// read looks, and says when the next time may be.
func (l *looks) read(at time.Duration, c Collector, into []bpf.Task) ([]bpf.Task, error) {
	looker, ok := c.(Looker)
	if !ok {
		return into, nil
	}
	tasks, err := looker.Look(into)
	l.next = at + time.Duration(len(tasks))*lookPause
	return tasks, err
}

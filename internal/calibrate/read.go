package calibrate

import (
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/powermodel"
)

// reader makes windows of what is read twice.
type reader struct {
	m             *Machine
	domains       []Domain
	at            time.Duration
	busy, before  []time.Duration
	good          bool // busy was read the last time
	samples, last []energy.Sample
}

func newReader(m *Machine, domains []Domain) *reader {
	n := len(m.Source.Domains())
	return &reader{m: m, domains: domains, busy: make([]time.Duration, m.CPUs), before: make([]time.Duration, m.CPUs),
		samples: make([]energy.Sample, n), last: make([]energy.Sample, n)}
}

// read ends a window of a rung; -1: what has gone by is of none.
func (r *reader) read(rung int) {
	was, hadBusy := r.at, r.good
	copy(r.before, r.busy)
	copy(r.last, r.samples)
	r.good = r.m.Busy.Read(r.busy) == nil
	r.at = r.m.Now()
	edge := energy.Edge{Time: r.at}
	if r.good {
		edge.Busy = r.busy
	}
	r.m.Source.Read(edge, r.samples)
	if rung < 0 {
		return
	}
	for i := range r.domains {
		d := &r.domains[i]
		s, t := r.samples[d.index], r.last[d.index]
		wall, took := r.at-was, s.At-t.At
		var why string
		switch {
		case s.Mark != "":
			why = s.Mark
		case t.Mark != "": // what was missing may have come now
			why = t.Mark
		case !r.good || !hadBusy:
			why = "the busy time could not be read"
		case wall <= 0 || took <= 0 || s.Energy < t.Energy:
			why = "no time went by"
		default:
			d.Windows = append(d.Windows, powermodel.LoadWindow{Rung: rung, Busy: r.share(d.CPUs, wall), Power: (s.Energy - t.Energy).Per(took)})
			continue
		}
		d.Dropped++
		d.Mark = why
	}
}

// share is how busy CPUs were, 0 to 1. A late tick must not make one busier than the window is long.
func (r *reader) share(cpus []int, wall time.Duration) float64 {
	var sum time.Duration
	for _, cpu := range cpus {
		if cpu >= 0 && cpu < len(r.busy) {
			sum += min(max(0, r.busy[cpu]-r.before[cpu]), wall)
		}
	}
	return sum.Seconds() / wall.Seconds() / float64(len(cpus))
}

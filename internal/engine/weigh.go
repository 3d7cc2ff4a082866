package engine

import (
	"time"

	"github.com/eco2-bpf/eco2-bpf/attribution"
	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/internal/host"
	"github.com/eco2-bpf/eco2-bpf/internal/snapshot"
)

// weighing says what a second of CPU time counts for in a step.
type weighing struct {
	by     attribution.Weights
	topo   host.Topology
	factor []float64 // by CPU, in this step; nil: a second is a second
}

func newWeighing(by attribution.Weights, topo host.Topology) weighing {
	w := weighing{by: by, topo: topo}
	if by.Any() {
		w.factor = make([]float64, len(topo))
	}
	return w
}

// begin takes the frequencies of a step.
func (w *weighing) begin(kHz []int64) {
	if w.factor == nil {
		return
	}
	var highest, known int64
	var sum float64
	for _, f := range kHz {
		if f > 0 {
			highest, sum, known = max(highest, f), sum+float64(f), known+1
		}
	}
	for cpu := range w.factor {
		var f int64
		if cpu < len(kHz) {
			f = kHz[cpu]
		}
		if f <= 0 && known > 0 { // it hardly worked: as the others, for want of better
			f = int64(sum / float64(known))
		}
		w.factor[cpu] = w.by.Of(f, highest, w.topo[cpu].Efficient)
	}
}

// of is what an account's time on a CPU counts.
func (w *weighing) of(u *bpf.Usage) time.Duration {
	if w.factor == nil || u.Time <= 0 {
		return u.Time
	}
	t := float64(u.Time)
	if w.by.SMT > 0 {
		t -= float64(min(max(0, u.Beside), u.Time)) * (1 - w.by.SMT)
	}
	if u.CPU >= 0 && u.CPU < len(w.factor) {
		t *= w.factor[u.CPU]
	}
	return max(1, time.Duration(t))
}

// levelOverflow has time that no table had room for count as that of the others on the same CPUs: nothing is known of it but how long it was.
func (a *accounts) levelOverflow(places int) {
	row, ok := a.index[bpf.Account{}]
	if !ok || a.weighing.factor == nil {
		return
	}
	for p := range places {
		var all, weighed float64
		for i := range a.rows {
			if i != row {
				all += float64(a.time[i*places+p])
				weighed += float64(a.weighed[i*places+p])
			}
		}
		if at := row*places + p; all > 0 {
			a.weighed[at] = time.Duration(float64(a.time[at]) * (weighed / all))
		}
	}
}

// weights names what CPU time is weighed by, and where that is read.
func (e *Engine) weights() []snapshot.Weight {
	var out []snapshot.Weight
	add := func(name string, factor float64, from string) {
		if factor > 0 {
			out = append(out, snapshot.Weight{Name: name, Factor: factor, From: from})
		}
	}
	add("frequency", e.cfg.Weights.Frequency, e.parts.FrequencyHow)
	add("smt", e.cfg.Weights.SMT, "the kernel's programs")
	add("hybrid", e.cfg.Weights.Hybrid, "sysfs")
	return out
}

// denominators are the times that energy is shared over, by place: the kernel's own, and never less than what was seen.
type denominators struct {
	busy    []time.Duration
	weighed []time.Duration // by what a second counts: time that nobody was seen to use counts as the others' does
	unseen  time.Duration   // of busy: it has no row
}

func (e *Engine) denominators() (d denominators) {
	seen, weighed := make([]time.Duration, e.places.n), make([]time.Duration, e.places.n)
	for i, t := range e.accounts.time {
		seen[i%e.places.n] += t
		weighed[i%e.places.n] += e.accounts.weighed[i]
	}
	d.busy, d.weighed = make([]time.Duration, e.places.n), weighed
	if !e.cur.BusyGood || !e.prev.BusyGood {
		copy(d.busy, seen)
		return d
	}
	for cpu := range e.cur.Busy {
		d.busy[e.places.of(cpu)] += max(0, e.cur.Busy[cpu]-e.prev.Busy[cpu])
		if e.parts.BusySource == busyOfTasks {
			d.busy[e.places.of(cpu)] += interruptsOf(&e.prev, &e.cur, cpu)
		}
	}
	for p := range d.busy {
		d.busy[p] = e.reconcile.Busy(p, d.busy[p], seen[p])
		more := d.busy[p] - seen[p]
		d.unseen += more
		if seen[p] > 0 {
			more = time.Duration(float64(more) * (float64(weighed[p]) / float64(seen[p])))
		}
		d.weighed[p] += more
	}
	return d
}

// busyOfTasks is a host.Busy.How: what that counts leaves out interrupts that have a time of their own.
const busyOfTasks = "cpuacct"

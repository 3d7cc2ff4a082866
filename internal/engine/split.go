package engine

import (
	"math"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/energy"
)

// weightsOf are what a domain's active energy is shared by, in place of CPU time; nil: by that.
func (e *Engine) weightsOf(d int, den *denominators) (rows []int64, nobody int64) {
	h := &e.holdings
	switch e.splits[d] {
	case splitResident:
		rows = h.memory
	case splitResidentTime:
		return e.byTime(d, den, func(row int, t time.Duration, _ int64) float64 {
			return t.Seconds() * math.Sqrt(float64(max(smallMemory, e.accounts.rows[row].Resident)))
		})
	case splitMisses:
		return e.byTime(d, den, func(_ int, _ time.Duration, counted int64) float64 { return float64(counted) })
	case splitBlockIO:
		rows, nobody = h.disk, h.unclaimed
	case splitDevice, splitNobody:
		rows, nobody = h.device[d], h.nobody[d]
	default:
		return nil, 0
	}
	if rows == nil { // not by CPU time, if there are no rows either
		rows = []int64{}
	}
	return rows, nobody
}

// smallMemory is what a process is taken to use at least: the kernel's own threads have no memory of their own, and use what others hold.
const smallMemory = 1 << 20

// weightsSum is what weights that are made of floats add up to, about: they are exact to one part in it.
const weightsSum = 1 << 52

// byTime weighs the rows by what they did on the domain's CPUs. Busy time that no row has is nobody's, in proportion; where nothing tells
// the rows apart, time does.
func (e *Engine) byTime(d int, den *denominators, weigh func(row int, t time.Duration, counted int64) float64) (rows []int64, nobody int64) {
	h, a, n := &e.holdings, &e.accounts, e.places.n
	h.floats = resize(h.floats[:0], len(a.rows))
	var all float64
	var seen time.Duration
	for row := range a.rows {
		var t time.Duration
		var counted int64
		for p := range n {
			if e.places.pays(d, p) {
				t += a.time[row*n+p]
				counted += a.counted[row*n+p]
			}
		}
		if t <= 0 && counted <= 0 {
			continue
		}
		if h.floats[row] = weigh(row, t, counted); h.floats[row] > 0 || !e.uncounted(row) {
			all += h.floats[row]
			seen += t
		}
	}
	if all <= 0 {
		return nil, 0
	}
	h.device[d] = resize(h.device[d][:0], len(a.rows))
	for row, w := range h.floats {
		h.device[d][row] = int64(w / all * weightsSum)
	}
	if busy := e.places.sum(d, den.busy); busy > seen && seen > 0 {
		nobody = int64(min(float64(busy-seen)/float64(seen), 1<<9) * weightsSum)
	}
	return h.device[d], nobody
}

// uncounted tells of a row without events that it may have had some: what is no process is not counted, and a process may have run on a CPU whose
// counter could not be read. Its time is nobody's.
func (e *Engine) uncounted(row int) bool {
	return !isProcess(&e.accounts.rows[row]) || e.cur.Losses.Uncounted > e.prev.Losses.Uncounted
}

// hold keeps the measured energy of memory back until the step that tells what it is split by, and returns the busy time that it is of.
func (e *Engine) hold(d int, busy []time.Duration) []time.Duration {
	if !byLook(e.splits[d]) || e.domains[d].Scope != energy.ScopeDRAM {
		return busy
	}
	if e.cur.Samples[d].Mark != "" {
		e.heldMark[d] = e.cur.Samples[d].Mark
	}
	if e.cur.Looked {
		e.cur.Samples[d].Mark, e.heldMark[d] = e.heldMark[d], ""
		return e.sinceLook
	}
	e.cur.Samples[d] = e.prev.Samples[d]
	e.cur.Samples[d].Mark = ""
	return e.sinceLook
}

// unitOf is what the weights of a split are in.
func (e *Engine) unitOf(d int) string {
	switch e.splits[d] {
	case splitResident:
		return "KiB x 100 us"
	case splitResidentTime:
		return "parts of resident set x CPU time"
	case splitMisses:
		return "parts of cache misses"
	case splitBlockIO:
		return "bytes"
	case splitDevice, splitNobody:
		return "ns on the device"
	}
	if e.cfg.Weights.Any() {
		return "weighed ns"
	}
	return "ns"
}

package recording

import (
	"slices"
	"time"

	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/internal/engine"
)

// splitFlags tells which parts of an edge that a split by weight goes by are there.
func (w *writer) splitFlags(edge *engine.Edge) (flags uint64) {
	if slices.ContainsFunc(edge.Usages, func(u bpf.Usage) bool { return u.Beside > 0 }) {
		flags |= edgeBeside
	}
	if slices.ContainsFunc(edge.Usages, func(u bpf.Usage) bool { return u.Counted > 0 }) {
		flags |= edgeCounted
	}
	if slices.ContainsFunc(edge.Usages, func(u bpf.Usage) bool { return u.Resident > 0 }) {
		flags |= edgeResident
	}
	if len(edge.Interrupts) > 0 {
		flags |= edgeInterrupts
	}
	if len(edge.KHz) > 0 {
		flags |= edgeKHz
	}
	if uncounted(edge) > w.prev.uncounted {
		flags |= edgeUncounted
	}
	if edge.Reserved == nil {
		return flags
	}
	if slices.Equal(edge.Reserved, w.prev.reserved) {
		return flags | edgeReserved
	}
	w.prev.reserved = withinAll(edge.Reserved)
	return flags | edgeReservedNew
}

// withinAll is a copy with parts that are together no more than there is: no reader takes others.
func withinAll(reserved []engine.Reservation) []engine.Reservation {
	out, left := slices.Clone(reserved), int64(engine.ReservedAll)
	for i := range out {
		out[i].Parts = min(max(0, out[i].Parts), left)
		left -= out[i].Parts
	}
	return out
}

// maxCounted is more than a processor counts of anything in a step.
const maxCounted = 1 << 48

// split writes these parts. What no reader takes is held to what one does.
func (w *writer) split(flags uint64, edge *engine.Edge) {
	e, prev := &w.e, &w.prev
	if flags&edgeBeside != 0 {
		for i := range edge.Usages {
			u := &edge.Usages[i]
			e.uint(uint64(max(0, min(u.Beside, u.Time))))
		}
	}
	if flags&edgeCounted != 0 {
		for i := range edge.Usages {
			e.uint(min(edge.Usages[i].Counted, maxCounted))
		}
	}
	if flags&edgeResident != 0 {
		for i := range edge.Usages {
			u := &edge.Usages[i]
			was, now := &prev.ran[w.who[key(u)]], min(max(0, u.Resident), maxSum)
			e.int(now - *was)
			*was = now
		}
	}
	if flags&edgeInterrupts != 0 {
		for cpu := range prev.interrupts {
			now := prev.interrupts[cpu]
			if cpu < len(edge.Interrupts) {
				now = int64(edge.Interrupts[cpu])
			}
			e.grown(&prev.interrupts[cpu], now)
		}
	}
	if flags&edgeKHz != 0 {
		for cpu := range prev.khz {
			now := int64(0)
			if cpu < len(edge.KHz) {
				now = min(max(0, edge.KHz[cpu]), maxKHz)
			}
			e.int(now - prev.khz[cpu])
			prev.khz[cpu] = now
		}
	}
	if flags&edgeReservedNew != 0 {
		e.uint(uint64(len(prev.reserved)))
		for _, r := range prev.reserved {
			e.uint(r.Cgroup)
			e.uint(uint64(r.Parts))
		}
	}
	if flags&edgeUncounted != 0 {
		e.grown(&prev.uncounted, uncounted(edge))
	}
}

func uncounted(edge *engine.Edge) int64 { return int64(min(edge.Losses.Uncounted, maxSum)) }

// split reads what writer.split has written. What the edge does not tell is nil, or 0.
func (r *Reader) split(d *decoder, flags uint64, e *engine.Edge) {
	prev, cpus := &r.prev, r.header.CPUs
	if flags&edgeBeside != 0 {
		for i := range e.Usages {
			u := &e.Usages[i]
			u.Beside = time.Duration(d.upTo(uint64(u.Time)))
		}
	}
	if flags&edgeCounted != 0 {
		for i := range e.Usages {
			e.Usages[i].Counted = uint64(d.takes(&r.sums.counted))
		}
	}
	if flags&edgeResident != 0 {
		for i := range e.Usages {
			was := &prev.ran[r.whose[i]]
			*was = d.near(*was)
			e.Usages[i].Resident = *was
		}
	}
	if flags&edgeInterrupts == 0 {
		e.Interrupts = nil
	} else {
		e.Interrupts = sized(e.Interrupts, cpus)
		for cpu := range prev.interrupts {
			d.grown(&prev.interrupts[cpu], &r.sums.interrupts)
			e.Interrupts[cpu] = time.Duration(prev.interrupts[cpu])
		}
	}
	if flags&edgeKHz == 0 {
		e.KHz = nil
	} else {
		e.KHz = sized(e.KHz, cpus)
		for cpu := range prev.khz {
			if prev.khz[cpu] = d.near(prev.khz[cpu]); prev.khz[cpu] > maxKHz {
				d.fail(errRange)
			}
			e.KHz[cpu] = prev.khz[cpu]
		}
	}
	if flags&edgeReservedNew != 0 {
		r.reservations(d)
	}
	if flags&edgeUncounted != 0 {
		d.grown(&prev.uncounted, &r.sums.losses)
	}
	if flags&(edgeReserved|edgeReservedNew) == 0 {
		e.Reserved = nil
		return
	}
	if e.Reserved == nil {
		e.Reserved = []engine.Reservation{}
	}
	e.Reserved = append(e.Reserved[:0], prev.reserved...)
}

// reservations reads those that count from here on.
func (r *Reader) reservations(d *decoder) {
	n, left := d.count(maxReserved, 2), uint64(engine.ReservedAll)
	r.prev.reserved = r.prev.reserved[:0]
	for range n {
		id, parts := d.uint(), d.upTo(left)
		left -= parts
		r.prev.reserved = append(r.prev.reserved, engine.Reservation{Cgroup: id, Parts: int64(parts)})
	}
}

package recording

import (
	"slices"
	"time"

	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/engine"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// addWho adds to the table that usages refer to.
func (r *Reader) addWho(d *decoder) {
	var u bpf.Usage
	u.TGID, u.TID, u.Start, u.Cgroup = d.uint32(), d.uint32(), d.time(), d.uint()
	u.Execs, u.UID, u.PPID, u.Root = d.uint32(), d.uint32(), d.uint32(), d.uint32()
	u.Kernel = d.bool()
	u.Comm = d.textUpTo(maxName)
	if len(r.who) >= maxWho {
		d.fail(errRange)
	}
	if d.err != nil {
		return
	}
	if r.joinTIDs {
		u.TID = 0
	}
	r.cgroups.Of(u.Cgroup) // the recorder asked for it, too: one that had no path counts as unknown
	r.who = append(r.who, u)
	r.prev.resident, r.prev.ran = append(r.prev.resident, 0), append(r.prev.ran, 0)
}

// edge reads one in the order that encode writes.
func (r *Reader) edge(d *decoder, e *engine.Edge) {
	prev, before := &r.prev, r.sums
	flags := d.uint()
	step := d.grown(&prev.at, &r.sums.time)
	e.At = time.Duration(prev.at)
	prev.wall = d.near(prev.wall + step)
	prev.boot = d.near(prev.boot + step)
	if r.edges == 0 {
		r.began, r.looked = prev.at, prev.boot
	}
	if prev.at-r.began > maxSum/int64(r.header.CPUs) || r.edges > 0 && step > maxStep { // idle time is of all CPUs
		d.fail(errRange)
	}
	e.Boot, e.Wall, e.Took = time.Duration(prev.boot), time.Unix(0, prev.wall), min(maxTook, d.time())
	if e.BusyGood = flags&edgeBusy != 0; e.BusyGood {
		for cpu := range prev.busy {
			d.grown(&prev.busy[cpu], &r.sums.busy)
		}
	}
	e.Busy = sized(e.Busy, r.header.CPUs)
	for cpu, t := range prev.busy {
		e.Busy[cpu] = time.Duration(t)
	}
	e.Samples = sized(e.Samples, len(prev.samples))
	for i := range prev.samples {
		r.sample(d, &prev.samples[i], &e.Samples[i])
	}
	r.usages(d, e)
	e.Tasks, e.Looked = e.Tasks[:0], flags&edgeLooked != 0
	if e.Looked {
		r.tasks(d, e)
	}
	e.Overflow = sized(e.Overflow, r.header.CPUs)
	clear(e.Overflow)
	if flags&edgeOverflow != 0 {
		for range d.count(r.header.CPUs, 2) {
			cpu := d.upTo(uint64(r.header.CPUs - 1))
			e.Overflow[cpu] += time.Duration(d.takes(&r.sums.cpuTime))
		}
	}
	e.Shares = e.Shares[:0]
	if flags&edgeShares != 0 {
		for range d.count(maxUsages, 3) {
			domain := int(d.upTo(uint64(len(prev.samples) - 1)))
			e.Shares = append(e.Shares, energy.Share{Domain: domain, PID: d.uint32(), Busy: time.Duration(d.takes(&r.sums.moved))})
		}
	}
	if flags&edgeLosses != 0 {
		for i := range prev.losses {
			d.grown(&prev.losses[i], &r.sums.losses)
		}
	}
	r.split(d, flags, e)
	now := &r.sums
	if r.edges > 0 && (max(now.cpuTime-before.cpuTime, now.busy-before.busy, now.interrupts-before.interrupts) > maxStepTime ||
		max(now.energy-before.energy, now.low-before.low, now.high-before.high, now.idle-before.idle) > maxStepEnergy) {
		d.fail(errRange)
	}
	l := &prev.losses
	e.Losses = bpf.Losses{
		Missed: uint64(l[0]), Overflow: time.Duration(l[1]), OverflowSwitches: uint64(l[2]), Spilled: uint64(l[3]),
		Unfollowed: uint64(l[4]), Recursion: uint64(l[5]), Events: uint64(l[6]), Gone: uint64(l[7]), Uncounted: uint64(prev.uncounted),
	}
}

// sized gives a slice that length, its room used again.
func sized[T any](s []T, n int) []T { return slices.Grow(s[:0], n)[:n] }

func (r *Reader) sample(d *decoder, prev *sample, s *energy.Sample) {
	flags, was := d.uint(), *prev
	prev.at = d.near(r.prev.at)
	span := d.near(max(0, prev.at-was.at))
	used := d.grown(&prev.energy, &r.sums.energy)
	low, high := used, used
	if flags&sampleBounds != 0 {
		low, high = d.near(used), d.near(used)
	}
	d.add(&prev.low, low, &r.sums.low)
	d.add(&prev.high, high, &r.sums.high)
	if flags&sampleIdle != 0 {
		idle := d.grown(&prev.idle, &r.sums.idle)
		d.add(&prev.idleLow, d.near(idle), &r.sums.low)
		d.add(&prev.idleHigh, d.near(idle), &r.sums.high)
	}
	if flags&sampleWritten != 0 {
		d.grown(&prev.written, &r.sums.moved)
	}
	s.Mark = ""
	if flags&sampleMark != 0 {
		s.Mark = printable(d.text())
	}
	s.At, s.Span = time.Duration(prev.at), time.Duration(span)
	s.Energy, s.Low, s.High = units.Microjoules(prev.energy), units.Microjoules(prev.low), units.Microjoules(prev.high)
	s.Idle, s.IdleLow, s.IdleHigh = units.Microjoules(prev.idle), units.Microjoules(prev.idleLow), units.Microjoules(prev.idleHigh)
	s.Written = uint64(prev.written)
}

func (r *Reader) usages(d *decoder, e *engine.Edge) {
	n := d.count(maxUsages, 4)
	e.Usages, r.whose = e.Usages[:0], r.whose[:0]
	for range n {
		u, who, ok := r.lookUp(d)
		if !ok {
			return
		}
		r.whose = append(r.whose, who)
		u.CPU = int(d.upTo(uint64(r.header.CPUs - 1)))
		u.Time = time.Duration(d.takes(&r.sums.cpuTime))
		u.Switches = uint64(d.takes(&r.sums.switches))
		e.Usages = append(e.Usages, u)
	}
}

// lookUp reads a reference to the table of who.
func (r *Reader) lookUp(d *decoder) (u bpf.Usage, who int, ok bool) {
	i := d.uint()
	if i >= uint64(len(r.who)) {
		d.fail(errRange)
		return u, 0, false
	}
	return r.who[i], int(i), d.err == nil
}

// maxHeld bounds what all processes held of memory between two looks, in KiB times 100 us: whoever shares memory out adds that up.
const maxHeld = maxSum / 2

func (r *Reader) tasks(d *decoder, e *engine.Edge) {
	n := d.count(maxUsages, 5)
	held := 0.0
	for range n {
		who := d.upTo(uint64(max(1, len(r.who)) - 1))
		if d.err != nil || len(r.who) == 0 {
			d.fail(errRange)
			return
		}
		resident := &r.prev.resident[who]
		*resident = d.near(*resident)
		held += float64(*resident)
		e.Tasks = append(e.Tasks, bpf.Task{
			Usage: r.who[who], Resident: *resident,
			Read: uint64(d.takes(&r.sums.moved)), Written: uint64(d.takes(&r.sums.moved)), Exited: d.time(),
		})
	}
	if held/1024*float64(r.prev.boot-r.looked)/1e5 > maxHeld {
		d.fail(errRange)
	}
	r.looked = r.prev.boot
}

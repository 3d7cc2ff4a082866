package sim

import (
	"math"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// look is a Poll, or the Edges. What it shows is read at an instant, but for the counters: those come when it is given, skew later.
type look struct {
	every, at, skew int64 // at: of the next
	poll            func(seen.Sample)
	edge            func(Edge)
	sample          seen.Sample
	read            Edge
	zones           []uint64
	cards           cardLook
}

func (w *world) addLooks() {
	for _, p := range w.obs.Polls {
		if p.Do == nil {
			continue
		}
		w.addLook(&look{every: int64(p.Every), at: int64(p.Offset), skew: int64(p.Skew), poll: p.Do})
	}
	if e := w.obs.Edges; e.Do != nil {
		w.addLook(&look{every: int64(e.Every), at: int64(e.Offset), skew: int64(e.Skew), edge: e.Do})
	}
}

func (w *world) addLook(l *look) {
	l.every = max(l.every, int64(5*time.Millisecond))
	l.skew = min(max(l.skew, 0), l.every/2)
	w.looks = append(w.looks, l)
	w.arrange(len(w.looks) - 1)
}

// arrange a look and, ahead of it, the instants that it shows: when each counter moved last, and where each CPU had its last tick.
func (w *world) arrange(i int) {
	l := w.looks[i]
	if l.at > int64(w.Duration) {
		return
	}
	l.zones = make([]uint64, len(w.meters))
	for z := range w.meters {
		w.events.push(event{at: max(w.meters[z].moved(l.at+l.skew), w.now), kind: evLatch, arg: i, gen: z})
	}
	if l.edge != nil {
		for n := range w.cpus {
			w.events.push(event{at: max(w.cpus[n].ticked(l.at), w.now), kind: evTick, arg: n})
		}
	}
	w.events.push(event{at: l.at, kind: evLook, arg: i})
}

// ticked is when a CPU had its last tick before at.
func (c *cpu) ticked(at int64) int64 {
	if at < c.phase {
		return 0
	}
	return at - (at-c.phase)%tick
}

// take the look, all but its counters.
func (w *world) look(i int) {
	l := w.looks[i]
	if l.poll != nil {
		l.sample = w.sample(l)
	} else {
		l.read = w.edge(l)
	}
	w.events.push(event{at: l.at + l.skew, kind: evGive, arg: i})
}

// give it to whoever asked, and arrange the next.
func (w *world) give(i int) {
	l := w.looks[i]
	if l.poll != nil {
		l.sample.Zones = l.zones
		l.poll(l.sample)
	} else {
		l.read.Zones = l.zones
		l.edge(l.read)
	}
	l.at += l.every
	w.arrange(i)
}

// sample is /proc now.
func (w *world) sample(l *look) seen.Sample {
	s := seen.Sample{At: time.Duration(w.now), Processes: w.processes(), GPUs: w.lookAtCards(&l.cards, false)}
	s.CPUs = make([]seen.CPUTimes, len(w.cpus))
	s.KHz = make([]int64, len(w.cpus))
	for n := range w.cpus {
		c := &w.cpus[n]
		s.CPUs[n] = w.times(c)
		s.KHz[n] = w.cores[c.core].kHz
	}
	return s
}

// times of a CPU, which add up to how long the machine has been up.
func (w *world) times(c *cpu) seen.CPUTimes {
	busy, user, irq, soft := c.busy, c.user, c.irq, c.soft
	if c.cur != nil && w.counted(c) {
		open := w.now - c.accounted
		busy += open
		user += int64(float64(open) * (1 - c.cur.proc.job.Load.Kernel))
	}
	if c.in != nil && w.Machine.IRQTime {
		if c.in.Soft {
			soft += w.now - c.in.since
		} else {
			irq += w.now - c.in.since
		}
	}
	return seen.CPUTimes{User: user / int64(seen.Tick), System: (busy - user) / int64(seen.Tick), IRQ: irq / int64(seen.Tick),
		SoftIRQ: soft / int64(seen.Tick), Idle: (int64(boot) + w.now - busy - irq - soft) / int64(seen.Tick)}
}

// processes that live, by pid. The time of those that run is as old as the last tick of their CPU.
func (w *world) processes() []seen.Process {
	for n := range w.cpus {
		if c := &w.cpus[n]; c.cur != nil && w.counted(c) {
			c.cur.proc.open += max(c.ticked(w.now)-c.accounted, 0)
		}
	}
	out := make([]seen.Process, 0, len(w.live))
	for _, p := range w.live {
		sum := p.sum + p.open
		p.open = 0
		system := int64(float64(sum) * p.job.Load.Kernel)
		out = append(out, seen.Process{PID: p.pid, PPID: p.ppid(), Start: int64(p.start / seen.Tick), Comm: p.job.Comm, Kernel: p.job.Kernel,
			User: (sum - system) / int64(seen.Tick), Sys: system / int64(seen.Tick), Threads: p.threads, Resident: p.job.Load.Resident,
			Cgroup: p.job.Cgroup})
	}
	return out
}

// ppid is the parent's; that of one whose parent has ended is init's.
func (p *process) ppid() int {
	switch {
	case p.job.Kernel:
		return 2
	case p.parent == nil || p.parent.exited:
		return 1
	}
	return p.parent.pid
}

// edge is what the tables in the kernel have now.
func (w *world) edge(l *look) Edge {
	e := Edge{At: time.Duration(w.now), Boot: boot + time.Duration(w.now), Processes: w.processes(), Missed: w.missed,
		GPUs: w.lookAtCards(&l.cards, true)}
	for n := range w.cpus {
		c := &w.cpus[n]
		w.settle(c.core)
		if c.cur != nil {
			w.publish(n, false)
		}
		kHz := int64(0)
		if c.busyTime > 0 {
			kHz = int64(math.Round(c.busyKHz / c.busyTime))
		}
		c.busyKHz, c.busyTime = 0, 0
		e.KHz = append(e.KHz, kHz)
		e.Busy = append(e.Busy, time.Duration(c.busy))
		if w.Machine.IRQTime {
			e.Interrupts = append(e.Interrupts, time.Duration(w.irqTime(c)))
		}
	}
	for _, p := range w.used {
		for _, u := range p.uses {
			e.Uses = append(e.Uses, Use{PID: p.pid, Parent: p.ppid(), Start: p.start, Comm: p.job.Comm, Cgroup: p.job.Cgroup, Kernel: p.job.Kernel,
				CPU: u.cpu, Time: time.Duration(u.time), Beside: time.Duration(u.beside), Misses: uint64(u.misses), Switches: u.switches,
				Resident: p.job.Load.Resident})
		}
		p.uses = p.uses[:0]
		if p.exited {
			p.uses = nil
		}
	}
	w.used = w.used[:0]
	return e
}

// irqTime of a CPU, until now.
func (w *world) irqTime(c *cpu) int64 {
	ns := c.irq + c.soft
	if c.in != nil {
		ns += w.now - c.in.since
	}
	return ns
}

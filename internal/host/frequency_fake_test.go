package host

import (
	"encoding/binary"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fakeCycles stands for the kernel's msr PMU and the processor below it. Its registers go by a law: MPERF by the base clock and APERF by the CPU's,
// while it is busy; the TSC by the base clock, always.
type fakeCycles struct {
	testing.TB
	base   float64 // kHz
	cpus   []fakeCPU
	events map[int]*fakeCycle
	next   int
	opened int // ever
	refuse error
	apart  func(e *fakeCycle) // what becomes of a leader's group when its CPU goes offline
}

type fakeCPU struct {
	offline bool
	reg     [3]float64 // tsc, aperf, mperf: by the events of the trees
}

type fakeCycle struct {
	cpu     int
	config  uint64
	start   float64
	count   uint64
	enabled time.Duration
	dead    bool
	short   bool
	alone   bool
	group   []*fakeCycle // of a leader: with itself
}

func newFakeCycles(t testing.TB, cpus int, baseKHz float64) *fakeCycles {
	return &fakeCycles{TB: t, base: baseKHz, cpus: make([]fakeCPU, cpus), events: map[int]*fakeCycle{}, next: 100, apart: func(e *fakeCycle) { e.alone = true }}
}

func (f *fakeCycles) calls() eventCalls {
	return eventCalls{open: f.open, read: f.read, close: f.close}
}

func (f *fakeCycles) open(attr *unix.PerfEventAttr, cpu, group int) (int, error) {
	f.opened++
	switch {
	case f.refuse != nil:
		return -1, f.refuse
	case f.cpus[cpu].offline:
		return -1, unix.ENODEV
	case attr.Type != 9 || attr.Config > 2 || attr.Read_format != unix.PERF_FORMAT_GROUP|unix.PERF_FORMAT_TOTAL_TIME_ENABLED:
		f.Fatalf("%+v", attr)
	}
	e := &fakeCycle{cpu: cpu, config: attr.Config, start: f.cpus[cpu].reg[attr.Config]}
	if e.group = []*fakeCycle{e}; group >= 0 {
		leader := f.events[group]
		leader.group = append(leader.group, e)
	}
	f.next++
	f.events[f.next] = e
	return f.next, nil
}

func (f *fakeCycles) read(fd int, p []byte) (int, error) {
	e := f.events[fd]
	if e == nil {
		f.Fatalf("read of %d, which is closed", fd)
	}
	if e.short {
		return 0, nil
	}
	group := e.group
	if e.alone {
		group = group[:1]
	}
	out := binary.NativeEndian.AppendUint64(p[:0], uint64(len(group)))
	out = binary.NativeEndian.AppendUint64(out, uint64(e.enabled))
	for _, m := range group {
		if !m.dead {
			m.count = uint64(int64(f.cpus[m.cpu].reg[m.config] - m.start))
		}
		out = binary.NativeEndian.AppendUint64(out, m.count)
	}
	return len(out), nil
}

func (f *fakeCycles) close(fd int) error {
	if f.events[fd] == nil {
		f.Fatalf("close of %d, which is closed", fd)
	}
	delete(f.events, fd)
	return nil
}

// run lets time go by: each CPU is busy for that part of it, at that frequency.
func (f *fakeCycles) run(d time.Duration, busy, kHz []float64) {
	for i := range f.cpus {
		ms := float64(d) / 1e6
		f.cpus[i].reg[0] += ms * f.base
		f.cpus[i].reg[1] += ms * busy[i] * kHz[i]
		f.cpus[i].reg[2] += ms * busy[i] * f.base
	}
	for _, e := range f.events {
		if !e.dead {
			e.enabled += d
		}
	}
}

// offline takes a CPU away; what counts on it stops for good.
func (f *fakeCycles) offline(cpu int) {
	f.cpus[cpu].offline = true
	for _, e := range f.events {
		if e.cpu == cpu && !e.dead {
			e.dead = true
			f.apart(e)
		}
	}
}

// back brings a CPU back, with what was counting before as it was then: no kernel does that, but for a clock of ticks that stood for a while.
func (f *fakeCycles) back(cpu int) {
	f.cpus[cpu].offline = false
	for _, e := range f.events {
		if e.cpu == cpu && e.dead {
			e.dead = false
			e.start = f.cpus[cpu].reg[e.config] - float64(e.count)
		}
	}
}

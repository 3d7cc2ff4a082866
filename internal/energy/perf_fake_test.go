package energy

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// fakePMU stands for the kernel below a tree: counters of 32 bits in steps of 2^-unit J, whose difference an event adds as a signed number of 32
// bits, in steps of 2^-32 J, at every read (arch/x86/events/rapl.c).
type fakePMU struct {
	testing.TB
	root     string
	now      time.Duration
	slept    time.Duration
	counters map[fakeKey]*fakeCounter
	events   map[int]*fakeEvent
	nextFD   int
	opened   []string // TYPE:CONFIG@CPU, with +LEADER for a member of a group
	refuse   func(attr *unix.PerfEventAttr, cpu int) error
	readErr  error
	oneEach  bool         // each package has one counter, as AMD's have, whatever its dies
	dead     map[int]bool // CPUs that are offline
}

type fakeKey struct {
	place string // socket/die, or with /core
	event uint64
}

type fakeCounter struct {
	unit int     // steps are 2^-unit J
	raw  uint32  // as the hardware has it
	rest float64 // joules that are no step yet
}

type fakeEvent struct {
	fd, cpu int
	counter *fakeCounter
	group   []*fakeEvent // of a leader: itself first
	prev    uint32
	count   int64
	since   time.Duration
	off     bool
	enabled time.Duration
	lag     time.Duration // enabled, not running
}

func newFakePMU(t testing.TB, name string) *fakePMU {
	return &fakePMU{TB: t, root: tree(t, name), counters: map[fakeKey]*fakeCounter{}, events: map[int]*fakeEvent{}, nextFD: 1000, dead: map[int]bool{}}
}

func (f *fakePMU) calls() perfCalls {
	return perfCalls{files: kernelFiles, event: f.open, read: f.read, close: f.close,
		clock: func() time.Duration { return f.now }, asleep: func() time.Duration { return f.slept }}
}

// mustPerf opens the source on the fake.
func (f *fakePMU) mustPerf() *perf {
	f.Helper()
	p, reasons, err := openPerf(f.root, f.calls())
	if err != nil {
		f.Fatal(err, reasons)
	}
	f.Cleanup(func() { p.Close() })
	return p
}

func (f *fakePMU) topology(cpu int, file string) string {
	b, err := os.ReadFile(filepath.Join(f.root, "devices/system/cpu", fmt.Sprintf("cpu%d", cpu), "topology", file))
	if err != nil {
		return "0"
	}
	return strings.TrimSpace(string(b))
}

// counter is the one that an event on that CPU reads: of the die, or of the core for AMD's second PMU (type 12).
func (f *fakePMU) counter(cpu int, kind uint32, event uint64) *fakeCounter {
	place := f.topology(cpu, "physical_package_id")
	if !f.oneEach {
		place += "/" + f.topology(cpu, "die_id")
	}
	if kind == 12 {
		place += "/" + f.topology(cpu, "core_id")
	}
	key := fakeKey{place, event}
	if f.counters[key] == nil {
		f.counters[key] = &fakeCounter{unit: 14}
	}
	return f.counters[key]
}

func (c *fakeCounter) spend(joules float64) {
	steps := (joules + c.rest) * float64(uint64(1)<<c.unit)
	whole := uint64(steps)
	c.rest = (steps - float64(whole)) / float64(uint64(1)<<c.unit)
	c.raw += uint32(whole)
}

func (f *fakePMU) open(attr *unix.PerfEventAttr, cpu, group int) (int, error) {
	if f.dead[cpu] {
		return -1, unix.ENODEV
	}
	if f.refuse != nil {
		if err := f.refuse(attr, cpu); err != nil {
			return -1, err
		}
	}
	if attr.Sample != 0 || attr.Bits != 0 || attr.Read_format != readFormat || attr.Size < unix.PERF_ATTR_SIZE_VER0 {
		f.Errorf("attributes %+v", attr)
	}
	f.nextFD++
	e := &fakeEvent{fd: f.nextFD, cpu: cpu, counter: f.counter(cpu, attr.Type, attr.Config), since: f.now}
	e.prev = e.counter.raw
	what := fmt.Sprintf("%d:%d@%d", attr.Type, attr.Config, cpu)
	if group >= 0 {
		leader := f.events[group]
		leader.group = append(leader.group, e)
		what += fmt.Sprintf("+%d", leader.cpu)
	} else {
		e.group = []*fakeEvent{e}
	}
	f.events[e.fd] = e
	f.opened = append(f.opened, what)
	return e.fd, nil
}

func (e *fakeEvent) update(now time.Duration) {
	if e.off {
		return
	}
	delta := int32(e.counter.raw - e.prev)
	e.prev = e.counter.raw
	e.count += int64(delta) << (32 - e.counter.unit)
	e.enabled += now - e.since
	e.since = now
}

func (f *fakePMU) read(fd int, p []byte) (int, error) {
	leader := f.events[fd]
	if leader == nil {
		return 0, unix.EBADF
	}
	if f.readErr != nil {
		return 0, f.readErr
	}
	f.now += 3 * time.Microsecond // a read takes its time
	words := []uint64{uint64(len(leader.group)), 0, 0}
	for _, e := range leader.group {
		e.update(f.now)
		words = append(words, uint64(e.count))
	}
	words[1], words[2] = uint64(leader.enabled), uint64(leader.enabled-leader.lag)
	if len(p) < 8*len(words) {
		return 0, unix.ENOSPC
	}
	for i, w := range words {
		putWord(p, i, w)
	}
	return 8 * len(words), nil
}

func (f *fakePMU) close(fd int) error {
	if f.events[fd] == nil {
		f.Errorf("closed fd %d twice", fd)
	}
	delete(f.events, fd)
	return nil
}

func (f *fakePMU) mask(pmu, list string) {
	f.Helper()
	if err := os.WriteFile(filepath.Join(f.root, "bus/event_source/devices", pmu, "cpumask"), []byte(list+"\n"), 0o644); err != nil {
		f.Fatal(err)
	}
}

// offline does what the kernel does where no other CPU takes the events over: they keep their counts, and groups are taken apart.
func (f *fakePMU) offline(cpu int) {
	f.dead[cpu] = true
	for _, e := range f.events {
		if e.cpu == cpu {
			e.update(f.now)
			e.off = true
		}
	}
	for _, e := range f.events {
		if e.cpu == cpu {
			e.group = []*fakeEvent{e}
		}
	}
}

// migrate does what the kernel does where another CPU takes over: the events go on there, short of what was spent in between, and of the time.
func (f *fakePMU) migrate(from, to int, gap time.Duration, between func()) {
	var moved []*fakeEvent
	for _, e := range f.events {
		if e.cpu == from {
			e.update(f.now)
			moved = append(moved, e)
		}
	}
	f.now += gap
	between()
	for _, e := range moved {
		e.cpu, e.prev, e.since = to, e.counter.raw, f.now
	}
	f.dead[from] = true
}

// samples is the next edge, dt later.
func (f *fakePMU) samples(p *perf, dt time.Duration) []Sample {
	f.now += dt
	out := make([]Sample, len(p.Domains()))
	p.Read(Edge{Time: f.now}, out)
	return out
}

func sortedStrings(s []string) []string { slices.Sort(s); return s }

func putWord(p []byte, i int, w uint64) { binary.NativeEndian.PutUint64(p[8*i:], w) }

package energy

import (
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// perfBench reads a two-socket tree edge by edge.
type perfBench struct {
	*fakePMU
	p   *perf
	out []Sample
}

func newPerfBench(t *testing.T) *perfBench {
	f := newFakePMU(t, "perf-two-sockets")
	return &perfBench{fakePMU: f, p: f.mustPerf()}
}

// next is the next edge, dt later; it checks package-0's cumulative energy, and that the mark has the text (no text: no mark).
func (b *perfBench) next(dt time.Duration, want units.Microjoules, mark string) {
	b.Helper()
	b.out = b.samples(b.p, dt)
	s := b.out[0]
	if s.Energy != want || s.Low != want || s.High != want {
		b.Errorf("at %v: energy %v (%v to %v), want %v", b.now, s.Energy, s.Low, s.High, want)
	}
	if (mark == "") != (s.Mark == "") || !strings.Contains(s.Mark, mark) || strings.Contains(s.Mark, "\n") {
		b.Errorf("at %v: mark %q, want %q", b.now, s.Mark, mark)
	}
	if s.Mark != "" && !strings.HasPrefix(s.Mark, "package-0: ") {
		b.Errorf("mark %q does not name the package", s.Mark)
	}
}

// spend gives joules to package-0, and to the memory behind it a quarter.
func (b *perfBench) spend(joules float64) {
	b.counter(0, 27, 2).spend(joules)
	b.counter(0, 27, 3).spend(joules / 4)
}

func TestPerfFirstReadIsBaseline(t *testing.T) {
	b := newPerfBench(t)
	b.spend(1000) // between opening and the first read
	b.next(time.Second, 0, "")
	b.spend(40)
	b.next(time.Second, 40e6, "")
	if b.out[1].Energy != 10e6 || b.out[1].Span.Round(time.Millisecond) != time.Second || b.out[1].At.Round(time.Millisecond) != 2*time.Second {
		t.Errorf("dram %+v", b.out[1])
	}
	if b.out[2].Energy != 0 || !strings.Contains(b.out[2].Mark, "package-1: counter has not moved for 1 s") {
		t.Errorf("a package that stands still must say so: %+v", b.out[2])
	}
	b.p.Read(Edge{}, nil)
	b.p.Read(Edge{}, b.out[:3])
	if b.p.Read(Edge{Time: time.Hour}, b.out); b.out[0].At.Round(time.Millisecond) != time.Hour {
		t.Errorf("at %v, not on the edge's clock", b.out[0].At)
	}
}

// The hardware's 32 bits wrap below the kernel's count, which does not show it.
func TestPerfWrapsAreTheKernels(t *testing.T) {
	b := newPerfBench(t)
	b.counter(0, 27, 2).raw = 1<<32 - 100
	b.next(0, 0, "")
	b.spend(50)
	b.next(time.Second, 50e6, "")
}

// Where another CPU takes the events over, as the RAPL driver and newer kernels see to, nothing is lost but the move, which is said.
func TestPerfHotplugWithMigration(t *testing.T) {
	b := newPerfBench(t)
	b.next(0, 0, "")
	b.spend(10)
	opened := len(b.opened)
	b.migrate(0, 1, 30*time.Millisecond, func() { b.spend(3) })
	b.mask("power", "1,24")
	b.spend(20)
	b.next(time.Second, 30e6, "package-0: the kernel did not count for 0.03 s")
	b.spend(5)
	b.next(time.Second, 35e6, "")
	if len(b.opened) != opened {
		t.Errorf("opened again: %q", b.opened[opened:])
	}
}

// Where none does, what was counted until then stays, and the events are opened on the CPU that the mask has now.
func TestPerfHotplugWithoutMigration(t *testing.T) {
	b := newPerfBench(t)
	b.next(0, 0, "")
	b.spend(10)
	b.now += 400 * time.Millisecond
	b.offline(0)
	b.mask("power", "1,24")
	b.spend(20) // not seen by anyone
	b.next(600*time.Millisecond, 0, "package-0: unreadable: the group of events was taken apart: opened again on CPU 1: new baseline")
	b.spend(5)
	b.next(time.Second, 5e6, "")
	if b.out[1].Energy != 1.25e6 || b.out[1].Mark != "" {
		t.Errorf("dram %+v", b.out[1])
	}
	if got := sortedStrings(b.opened[len(b.opened)-2:]); got[0] != "27:2@1" || got[1] != "27:3@1+1" {
		t.Errorf("opened %q", got)
	}
}

// A group of one event cannot be taken apart: the time that it was enabled tells.
func TestPerfEventThatIsOff(t *testing.T) {
	f := newFakePMU(t, "perf-multi-die")
	p := f.mustPerf()
	f.samples(p, 0)
	const die = 1 // package-0-die-1, which CPU 1 reads
	f.counter(1, 27, 2).spend(10)
	f.now += 400 * time.Millisecond
	f.offline(1)
	f.counter(1, 27, 2).spend(20)
	f.mask("power", "0,4,8")
	s := f.samples(p, 600*time.Millisecond)[die]
	if s.Energy != 10e6 || s.Span.Round(time.Millisecond) != time.Second || s.Mark != "package-0-die-1: the kernel did not count for 0.6 s" {
		t.Errorf("%+v", s)
	}
	s = f.samples(p, time.Second)[die]
	if s.Energy != 10e6 || s.Mark != "package-0-die-1: off for 1 s: not counted: no CPU of it is in power/cpumask" {
		t.Errorf("%+v", s)
	}
	for range 2 {
		f.counter(1, 27, 2).spend(20)
		if s := f.samples(p, time.Second)[die]; s.Energy != 10e6 || s.Mark != "package-0-die-1: not counted: no CPU of it is in power/cpumask" {
			t.Errorf("%+v", s)
		}
	}
	delete(f.dead, 1)
	f.mask("power", "0-1,4,8")
	f.refuse = func(*unix.PerfEventAttr, int) error { return unix.EPERM } // as after privileges were given up
	if s := f.samples(p, time.Second)[die]; s.Energy != 10e6 || !strings.Contains(s.Mark, "not counted: open power/energy-pkg/ on CPU 1: operation not permitted") {
		t.Errorf("%+v", s)
	}
	f.refuse = nil
	if s := f.samples(p, time.Second)[die]; s.Energy != 10e6 || s.Mark != "package-0-die-1: opened again on CPU 1: new baseline" {
		t.Errorf("%+v", s)
	}
	f.counter(1, 27, 2).spend(3)
	if s := f.samples(p, time.Second)[die]; s.Energy != 13e6 || s.Mark != "" {
		t.Errorf("%+v", s)
	}
	if s := f.samples(p, time.Second)[0]; strings.Contains(s.Mark, "off") {
		t.Errorf("the other die has %q", s.Mark)
	}
}

// Windows shorter than what tells a dead event from a clock that goes by ticks.
func TestPerfShortWindowsSeeWhatIsOff(t *testing.T) {
	f := newFakePMU(t, "perf-multi-die")
	p := f.mustPerf()
	f.samples(p, 0)
	f.offline(1)
	delete(f.dead, 1)
	marks := ""
	for range 5 {
		marks += f.samples(p, 20*time.Millisecond)[1].Mark + "\n"
	}
	if !strings.Contains(marks, "opened again on CPU 1") {
		t.Errorf("marks %q", marks)
	}
}

// Where the kernel's clock goes by ticks, an event that is read twice in one tick is not off.
func TestPerfCoarseClockIsNotOff(t *testing.T) {
	b := newPerfBench(t)
	read := b.p.calls.read
	b.p.calls.read = func(fd int, p []byte) (int, error) {
		n, err := read(fd, p)
		for i := 1; i <= 2; i++ {
			putWord(p, i, word(p, i)/10e6*10e6)
		}
		return n, err
	}
	b.next(0, 0, "")
	for i := range 300 {
		b.spend(1)
		b.next(time.Duration(1+i%37)*time.Millisecond, units.Microjoules(1e6*(i+1)), "")
	}
}

// A program that is put off for long between its clock and its read must not take its events for dead.
func TestPerfSlowReaderIsNotOff(t *testing.T) {
	b := newPerfBench(t)
	b.next(0, 0, "")
	read := b.p.calls.read
	for i := range 5 {
		b.p.calls.read = func(fd int, p []byte) (int, error) { b.now += 300 * time.Millisecond; return read(fd, p) }
		b.spend(10)
		b.next(100*time.Millisecond, units.Microjoules(10e6*(2*i+1)), "")
		b.p.calls.read = read
		b.spend(10)
		b.next(100*time.Millisecond, units.Microjoules(10e6*(2*i+2)), "")
	}
}

func TestPerfReadErrors(t *testing.T) {
	b := newPerfBench(t)
	b.next(0, 0, "")
	b.spend(10)
	b.readErr = unix.ENODEV
	b.next(time.Second, 0, "unreadable: no such device")
	b.spend(10)
	b.next(time.Second, 0, "unreadable: no such device")
	b.readErr = nil
	b.next(time.Second, 0, "opened again on CPU 0: new baseline")
	b.spend(10)
	b.next(time.Second, 10e6, "")
	interrupted := 0
	read := b.p.calls.read
	b.p.calls.read = func(fd int, p []byte) (int, error) {
		if interrupted++; interrupted%2 == 1 {
			return -1, unix.EINTR
		}
		return read(fd, p)
	}
	b.spend(10)
	b.next(time.Second, 20e6, "")
}

// After a resume the hardware begins at zero, and the kernel's count jumps by what that looks like: up to half of the range, either way.
func TestPerfSleepIsNotCounted(t *testing.T) {
	for _, raw := range []uint32{1 << 20, 1 << 30, 3 << 30, 1<<32 - 1<<24} {
		b := newPerfBench(t)
		b.counter(0, 27, 2).raw = raw
		b.next(0, 0, "")
		b.spend(10)
		b.next(time.Second, 10e6, "")
		b.slept += time.Hour
		b.counter(0, 27, 2).raw = 0
		b.spend(2)
		b.next(time.Second, 10e6, "the machine slept 3600 s")
		b.spend(4)
		b.slept += sleepNoise / 2
		b.next(time.Second, 14e6, "")
	}
}

// A reader that was away for long, on a package above 200 W: the kernel's signed step hides a round of the counter.
func TestPerfMissedWrapIsSaid(t *testing.T) {
	b := newPerfBench(t)
	b.counter(0, 27, 2).unit = 16
	b.next(0, 0, "")
	b.spend(100)
	b.next(time.Second, 100e6, "")
	b.spend(65536 + 500) // at 656 W
	b.next(100*time.Second, 600e6, "gap of 100 s: the kernel may have missed a wrap")
	b.spend(40000) // more than half of the range: a step back
	b.next(60*time.Second, 600e6, "counter reset")
	b.spend(70)
	b.next(time.Second, 670e6, "")
	b.spend(6000)
	b.next(60*time.Second, 6670e6, "")
}

func TestPerfAbsurdStepIsNotCounted(t *testing.T) {
	b := newPerfBench(t)
	b.next(0, 0, "")
	b.spend(4000)
	b.next(time.Second, 0, "counter step implies 3960 W: not counted")
	b.spend(10)
	b.next(time.Second, 10e6, "")
}

// Events that took turns with others did not see everything, and are not scaled up.
func TestPerfMultiplexedIsMarked(t *testing.T) {
	b := newPerfBench(t)
	b.next(0, 0, "")
	for _, e := range b.events {
		e.lag += 250 * time.Millisecond
	}
	b.spend(10)
	b.next(time.Second, 10e6, "the kernel did not count for 0.25 s")
	b.spend(10)
	b.next(time.Second, 20e6, "")
}

func TestPerfReadAllocatesNothing(t *testing.T) {
	f := newFakePMU(t, "perf-two-sockets")
	p := f.mustPerf()
	var buf [5]uint64 // a fake that allocates nothing itself
	p.calls.read = func(_ int, b []byte) (int, error) {
		buf[0], buf[1], buf[2] = 2, buf[1]+1e9, buf[1]+1e9
		buf[3] += 1 << 33
		buf[4] += 1 << 32
		for i, w := range buf {
			putWord(b, i, w)
		}
		return 8 * len(buf), nil
	}
	out, edge := make([]Sample, 4), Edge{}
	n := testing.AllocsPerRun(100, func() {
		f.now += time.Second
		edge.Time = f.now
		p.Read(edge, out)
	})
	if n != 0 || out[0].Energy <= 100e6 || out[0].Mark != "" {
		t.Errorf("%v allocations per read, %+v", n, out[0])
	}
}

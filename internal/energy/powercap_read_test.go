package energy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// bench reads a single-socket tree edge by edge on a clock of its own.
type bench struct {
	*testing.T
	root string
	p    *powercap
	at   time.Duration
	out  [2]Sample
}

func newBench(t *testing.T) *bench {
	root := tree(t, "single")
	b := &bench{T: t, root: root, p: mustOpen(t, root)}
	b.p.asleep = func() time.Duration { return 0 }
	return b
}

// read is the next edge, dt later; it checks package-0's cumulative energy and that the mark has the text (no text: no mark).
func (b *bench) read(dt time.Duration, want units.Microjoules, mark string) {
	b.Helper()
	b.at += dt
	b.p.Read(Edge{Time: b.at}, b.out[:])
	s := b.out[0]
	if s.Energy != want || s.Low != want || s.High != want {
		b.Errorf("at %v: energy %v (%v to %v), want %v", b.at, s.Energy, s.Low, s.High, want)
	}
	if (mark == "") != (s.Mark == "") || !strings.Contains(s.Mark, mark) || strings.Contains(s.Mark, "\n") {
		b.Errorf("at %v: mark %q, want %q", b.at, s.Mark, mark)
	}
	if s.Mark != "" && !strings.HasPrefix(s.Mark, "intel-rapl:0/energy_uj: ") {
		b.Errorf("mark %q does not name the file", s.Mark)
	}
	if s.At < b.at || s.At > b.at+time.Second {
		b.Errorf("at %v: stamped %v", b.at, s.At)
	}
}

func (b *bench) set(uj int64) { b.Helper(); set(b, b.root, "intel-rapl:0", uj) }

// text is for what is no number.
func (b *bench) text(s string) { b.Helper(); setText(b, b.root, "intel-rapl:0", s) }

func TestFirstReadIsBaseline(t *testing.T) {
	b := newBench(t)
	b.read(time.Hour, 0, "")
	b.set(43_000_000)
	b.read(time.Second, 42_000_000, "")
	if b.out[1].Energy != 0 || !strings.Contains(b.out[1].Mark, "counter has not moved for 1 s") {
		t.Errorf("dram moved with the package, or its rest is silent: %+v", b.out[1])
	}
	set(t, b.root, "intel-rapl:0:2", 300_007)
	b.set(44_000_000)
	b.read(time.Second, 43_000_000, "")
	if b.out[1].Energy != 7 {
		t.Errorf("dram %+v", b.out[1])
	}
}

func TestBadTextIsAMark(t *testing.T) {
	for text, mark := range map[string]string{
		"": "empty", "\n": "empty", "-5\n": "negative", "12x\n": "not a number", "0x10\n": "not a number", "12\n13\n": "not a number", " 12\n": "not a number",
		"9223372036854775808\n": "too large", strings.Repeat("9", 40): "too large", "123": "short read", strings.Repeat("0", 40): "short read",
		"262143328851\n": "value 262143328851 is above max_energy_range_uj 262143328850",
	} {
		b := newBench(t)
		b.read(0, 0, "")
		b.text(text)
		b.read(time.Second, 0, mark)
		b.set(51_000_000) // the counter went on meanwhile: nothing is lost, and the window says that it is a long one
		b.read(time.Second, 50_000_000, "covers 2 s")
		b.set(61_000_000)
		b.read(time.Second, 60_000_000, "")
	}
}

func TestFailedReadsKeepTheBaselineOfTheSameFile(t *testing.T) {
	for _, errno := range []unix.Errno{unix.EIO, unix.EACCES} {
		b := newBench(t)
		f := b.p.zones[0].energy
		opens := 0
		f.open = func(path string) (int, error) { opens++; return openRead(path) }
		b.read(0, 0, "")
		f.pread = func(int, []byte, int64) (int, error) { return 0, errno }
		b.read(time.Second, 0, "counter unreadable: "+errno.Error())
		b.read(time.Second, 0, "counter unreadable: "+errno.Error())
		if opens != 2 {
			t.Errorf("%d opens in two windows, want 2", opens)
		}
		f.pread = unix.Pread
		b.set(31_000_000)
		b.read(time.Second, 30_000_000, "covers 3 s")
	}
}

func TestInterruptedReadIsReadAgain(t *testing.T) {
	b := newBench(t)
	f := b.p.zones[0].energy
	f.pread = func(int, []byte, int64) (int, error) {
		f.pread = unix.Pread
		return 0, unix.EINTR
	}
	b.read(0, 0, "")
	f.pread = func(int, []byte, int64) (int, error) {
		f.pread = unix.Pread
		return 0, unix.EINTR
	}
	b.set(3_000_000)
	b.read(time.Second, 2_000_000, "")
}

func TestVanishedZoneComesBackWithANewBaseline(t *testing.T) {
	b := newBench(t)
	b.read(0, 0, "")
	b.set(11_000_000)
	b.read(time.Second, 10_000_000, "")
	dir := zonePath(b.root, "intel-rapl:0", "")
	if err := os.Rename(dir, filepath.Join(b.root, "gone")); err != nil {
		t.Fatal(err)
	}
	b.p.zones[0].energy.pread = func(int, []byte, int64) (int, error) { return 0, unix.ENODEV }
	b.read(time.Second, 10_000_000, "counter unreadable: no such file")
	b.p.zones[0].energy.pread = unix.Pread
	b.read(time.Second, 10_000_000, "counter unreadable: no such file")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{"energy_uj": "40000000\n", "max_energy_range_uj": "50000000\n"} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b.read(time.Second, 10_000_000, "counter is back after 3 s: new baseline")
	b.set(45_000_000)
	b.read(10*time.Millisecond, 15_000_000, "")
	b.set(50_000_001) // the new zone has its own range
	b.read(10*time.Millisecond, 15_000_000, "above max_energy_range_uj 50000000")
}

func TestReplacedFileIsNotReadForEver(t *testing.T) {
	b := newBench(t)
	b.read(0, 0, "")
	path := zonePath(b.root, "intel-rapl:0", "energy_uj")
	if err := os.WriteFile(path+".new", []byte("9000000\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	b.read(time.Second, 0, "counter is back after 1 s: new baseline")
	b.set(9_500_000)
	b.read(time.Second, 500_000, "")
}

func TestSuspendIsMarked(t *testing.T) {
	b := newBench(t)
	slept := time.Hour // before we started: not our window
	b.p.asleep = func() time.Duration { return slept }
	b.read(0, 0, "")
	b.set(262_143_000_000)
	b.p.zones[0].meter.last.value = 262_143_000_000
	slept += 20 * time.Second
	b.set(1_000_000) // 1.3 J away as a wrap: plausible, but the machine resumed
	b.read(time.Second, 0, "counter reset (the machine slept 20 s)")
	slept += 20 * time.Second
	b.set(41_000_000)
	b.read(time.Second, 40_000_000, "the machine slept 20 s in this window")
	slept += sleepNoise / 2
	b.set(42_000_000)
	b.read(time.Second, 41_000_000, "")
}

func TestUnreadableRangeNeverWraps(t *testing.T) {
	root := tree(t, "single")
	if err := os.Remove(zonePath(root, "intel-rapl:0", "max_energy_range_uj")); err != nil {
		t.Fatal(err)
	}
	_, reasons, err := OpenPowercap(root)
	if err != nil || !slices.ContainsFunc(reasons, func(r Reason) bool { return !r.OK && strings.Contains(r.Text, "a wrap cannot be told from a reset") }) {
		t.Fatal(err, reasons)
	}
	b := &bench{T: t, root: root, p: mustOpen(t, root)}
	b.read(0, 0, "")
	b.set(999_999)
	b.read(time.Second, 0, "counter reset (went back, and has no range to wrap at)")
	b.set(1_999_999) // which of the two was a bad read nobody knows: the smaller step is not too much
	b.read(time.Second, 999_999, "covers 2 s: the value before was a bad read")
	b.set(2_999_999)
	b.read(time.Second, 1_999_999, "")
}

// A zone that comes back without its range says so.
func TestLostRangeIsSaid(t *testing.T) {
	b := newBench(t)
	b.read(0, 0, "")
	path := zonePath(b.root, "intel-rapl:0", "energy_uj")
	if err := os.WriteFile(path+".new", []byte("9000000\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(zonePath(b.root, "intel-rapl:0", "max_energy_range_uj")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		t.Fatal(err)
	}
	b.read(time.Second, 0, "new baseline; its range cannot be read (no such file or directory): a wrap will be taken for a reset")
}

func TestShortSampleSlice(t *testing.T) {
	b := newBench(t)
	b.p.Read(Edge{}, nil)
	b.p.Read(Edge{}, b.out[:1])
}

// Every window of every machine pays this.
func BenchmarkReadTwoSockets(b *testing.B) {
	p := mustOpen(b, tree(b, "two-sockets"))
	out := make([]Sample, len(p.Domains()))
	p.Read(Edge{}, out)
	b.ReportAllocs()
	for b.Loop() {
		p.Read(Edge{}, out) // no time passes: a mark for counters that stand still would cost more
	}
	b.ReportMetric(float64(len(out)), "domains")
}

func TestReadAllocatesNothing(t *testing.T) {
	p := mustOpen(t, tree(t, "two-sockets"))
	out, edge := make([]Sample, 4), Edge{Busy: make([]time.Duration, 64)}
	if n := testing.AllocsPerRun(100, func() { p.Read(edge, out) }); n != 0 {
		t.Errorf("%v allocations per read", n)
	}
}

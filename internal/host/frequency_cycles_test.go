package host

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func mustFrequency(t testing.TB, root string, cpus int, calls eventCalls) *Frequency {
	t.Helper()
	topo, _ := ReadTopology(root, cpus)
	f, err := openFrequency(root, topo, calls)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// near compares kHz; the counters are read as integers.
func near(got []int64, want ...int64) bool {
	return slices.EqualFunc(got, want, func(a, b int64) bool { return a-b <= 2 && b-a <= 2 })
}

func repeat(v float64, n int) []float64 { return slices.Repeat([]float64{v}, n) }

func TestFrequencyCounted(t *testing.T) {
	k := newFakeCycles(t, 8, 2_095_000)
	f := mustFrequency(t, machine(t, "server-smt"), 8, k.calls())
	if f.How != FrequencyCounted || f.Why != "" {
		t.Fatalf("%s, %s", f.How, f.Why)
	}
	into := make([]int64, 8)
	// In two halves at two frequencies the mean is over the cycles of MPERF: over busy time.
	k.run(500*time.Millisecond, []float64{1, .1, .9, 0, 1, 1, 1, 1e-9}, repeat(3_900_000, 8))
	k.run(500*time.Millisecond, []float64{1, .3, .1, 0, 0, 0, 1, 1e-9}, []float64{1_900_000, 1_900_000, 900_000, 900_000, 1, 1, 800_000, 900_000})
	if err := f.Read(into); err != nil || !near(into, 2_900_000, 2_400_000, 3_600_000, 0, 3_900_000, 3_900_000, 2_350_000, 0) {
		t.Errorf("%v, %v", into, err)
	}
	k.run(time.Second, repeat(.5, 8), repeat(1_200_000, 8))
	if err := f.Read(into); err != nil || !near(into, slices.Repeat([]int64{1_200_000}, 8)...) {
		t.Errorf("the second step has what the first had: %v, %v", into, err)
	}
	k.run(24*time.Hour, repeat(1, 8), repeat(5_700_000, 8))
	if err := f.Read(into); err != nil || !near(into, slices.Repeat([]int64{5_700_000}, 8)...) {
		t.Errorf("a day: %v, %v", into, err)
	}
}

func TestFrequencyTakesCPUsAsTheyAre(t *testing.T) {
	k := newFakeCycles(t, 8, 2_000_000)
	f := mustFrequency(t, machine(t, "server-smt"), 8, k.calls())
	k.run(time.Second, repeat(1, 8), repeat(1e6, 8))
	few, many := make([]int64, 2), slices.Repeat([]int64{7}, 9)
	if err := f.Read(few); err != nil || !near(few, 1e6, 1e6) {
		t.Errorf("%v, %v", few, err)
	}
	k.run(time.Second, repeat(1, 8), repeat(1e6, 8))
	if err := f.Read(many); err != nil || many[7] != 1e6 || many[8] != 0 {
		t.Errorf("%v, %v", many, err)
	}
}

// fourCPUs have counters, and the last has a gauge, too.
var fourCPUs = map[string]string{
	"devices/system/cpu/online": "0-3\n", "devices/system/cpu/cpu3/cpufreq/scaling_cur_freq": "2100000\n", "bus/event_source/devices/msr/type": "9\n",
	"bus/event_source/devices/msr/events/aperf": "event=0x01\n", "bus/event_source/devices/msr/events/mperf": "event=0x02\n",
	"bus/event_source/devices/msr/events/tsc": "event=0x00\n",
}

// A CPU goes offline and comes back. Whatever the kernel makes of its counters, the others' go on, the gauge stands in, and what is open stays bounded.
func TestFrequencyOffline(t *testing.T) {
	apart := map[string]func(*fakeCycle){
		"taken apart":   func(e *fakeCycle) { e.alone = true },
		"ends":          func(e *fakeCycle) { e.short = true },
		"stands still":  func(e *fakeCycle) {},
		"counts rubble": func(e *fakeCycle) { e.count = 1 << 63; e.alone = true },
	}
	for name, what := range apart {
		for _, allowed := range []bool{true, false} {
			for _, seen := range []bool{true, false} { // a Read while it is offline
				k := newFakeCycles(t, 4, 2_000_000)
				k.apart = what
				root := write(t, t.TempDir(), fourCPUs)
				f := mustFrequency(t, root, 4, k.calls())
				into := make([]int64, 4)
				step := func(kHz float64) {
					t.Helper()
					k.run(time.Second, repeat(1, 4), repeat(kHz, 4))
					if err := f.Read(into); err != nil {
						t.Fatal(err)
					}
					if !near(into[:3], int64(kHz), int64(kHz), int64(kHz)) {
						t.Fatalf("%s: the others have %v", name, into)
					}
				}
				step(3e6)
				if !allowed {
					k.refuse = unix.EPERM
				}
				k.offline(3)
				if seen {
					write(t, root, map[string]string{"devices/system/cpu/online": "0-2\n"})
					step(1e6)
					step(1e6)
				}
				k.cpus[3].offline = false
				write(t, root, map[string]string{"devices/system/cpu/online": "0-3\n"})
				step(1.5e6)
				if into[3] != 2_100_000 {
					t.Errorf("%s, allowed %v, seen %v: the gauge has no turn: %v", name, allowed, seen, into)
				}
				step(1.7e6)
				step(1.8e6)
				want := int64(2_100_000)
				if allowed {
					want = 1_800_000
				}
				if !near(into[3:4], want) {
					t.Errorf("%s, allowed %v, seen %v: back with %d, want %d", name, allowed, seen, into[3], want)
				}
				opened := k.opened
				for range 50 {
					step(1e6)
				}
				if k.opened != opened || len(k.events) > 12 {
					t.Errorf("%s, allowed %v: opens %d more in 50 steps; %d are open", name, allowed, k.opened-opened, len(k.events))
				}
				f.Close()
				if len(k.events) != 0 {
					t.Errorf("%d are open after the end", len(k.events))
				}
			}
		}
	}
}

// The counters stand, none can be opened any more, or not all of a group, and then they go on.
func TestFrequencyKeepsWhatMayCountAgain(t *testing.T) {
	k := newFakeCycles(t, 4, 2_000_000)
	k.apart = func(*fakeCycle) {}
	calls := k.calls()
	left := 1 << 20
	calls.open = func(attr *unix.PerfEventAttr, cpu, group int) (int, error) {
		if left--; left < 0 {
			return -1, unix.EMFILE
		}
		return k.open(attr, cpu, group)
	}
	root := write(t, t.TempDir(), fourCPUs)
	f := mustFrequency(t, root, 4, calls)
	into := make([]int64, 4)
	step := func(kHz float64, gauge string, want int64) {
		t.Helper()
		put(t, root, 3, "scaling_cur_freq", gauge)
		k.run(time.Second, repeat(1, 4), repeat(kHz, 4))
		if err := f.Read(into); err != nil || !near(into[3:], want) || len(k.events) != 12 {
			t.Errorf("%v, %v, want %d; %d open", into, err, want, len(k.events))
		}
	}
	step(1e6, "2100000\n", 1e6)
	for range 2 { // the second time the gauge begins anew: what it told in between was not asked for
		left = 2
		k.offline(3)
		k.cpus[3].offline = false
		step(1e6, "2100000\n", 2_100_000)
		step(1e6, "2300000\n", 2_200_000)
		k.back(3)
		step(1e6, "2900000\n", 1e6)
	}
}

// All counters are away for a step, and there is no gauge: that is not the end.
func TestFrequencyWithoutGauge(t *testing.T) {
	k := newFakeCycles(t, 8, 2_000_000)
	root := machine(t, "vm")
	write(t, root, map[string]string{
		"bus/event_source/devices/msr/events/aperf": "event=0x01\n", "bus/event_source/devices/msr/events/mperf": "event=0x02\n",
	})
	f := mustFrequency(t, root, 2, k.calls())
	into := make([]int64, 2)
	for i := range 3 {
		if i == 1 {
			k.offline(0)
			k.offline(1)
			k.cpus[0].offline, k.cpus[1].offline = false, false
		}
		k.run(time.Second, repeat(1, 8), repeat(3e6, 8))
		want := []int64{3e6, 0, 3e6}[i]
		if err := f.Read(into); err != nil || !near(into, want, want) {
			t.Errorf("%v, %v, want %d", into, err, want)
		}
	}
	k.refuse = unix.EPERM
	k.offline(0)
	k.offline(1)
	if err := f.Read(into); err != errFrequencyGone || !near(into, 0, 0) {
		t.Errorf("%v, %v", into, err)
	}
}

func TestDecodeCycles(t *testing.T) {
	for _, tt := range []struct {
		name  string
		words []uint64
		ok    bool
	}{
		{"whole", []uint64{3, 9, 1, 2, 3}, true}, {"taken apart", []uint64{1, 9, 1}, false}, {"two of three", []uint64{2, 9, 1, 2, 3}, false},
		{"short", []uint64{3, 9, 1, 2}, false}, {"long", []uint64{3, 9, 1, 2, 3, 4}, false}, {"nothing", nil, false},
	} {
		var p []byte
		for _, v := range tt.words {
			p = binary.NativeEndian.AppendUint64(p, v)
		}
		now, err := decodeCycles(p)
		if (err == nil) != tt.ok || tt.ok && now != (cycleCounts{9, [numCycles]uint64{1, 2, 3}}) {
			t.Errorf("%s: %+v, %v", tt.name, now, err)
		}
	}
}

// A CPU that was offline at the start is counted from when it comes.
func TestFrequencyLateCPU(t *testing.T) {
	root := machine(t, "server-smt")
	write(t, root, map[string]string{"devices/system/cpu/online": "0-6\n"})
	k := newFakeCycles(t, 8, 2_000_000)
	k.cpus[7].offline = true
	f := mustFrequency(t, root, 8, k.calls())
	into := make([]int64, 8)
	k.cpus[7].offline = false
	write(t, root, map[string]string{"devices/system/cpu/online": "0-7\n"})
	for range 2 {
		k.run(time.Second, repeat(1, 8), repeat(3e6, 8))
		if err := f.Read(into); err != nil {
			t.Fatal(err)
		}
	}
	if !near(into, slices.Repeat([]int64{3e6}, 8)...) {
		t.Error(into)
	}
}

// Some CPUs would be weighed by another measure than others: then the gauge serves all of them.
func TestFrequencyRefused(t *testing.T) {
	for name, after := range map[string]int{"at once": 0, "in the middle of a group": 7, "at the last CPU": 23} {
		k := newFakeCycles(t, 8, 2_000_000)
		calls := k.calls()
		calls.open = func(attr *unix.PerfEventAttr, cpu, group int) (int, error) {
			if k.opened >= after {
				return -1, unix.EMFILE
			}
			return k.open(attr, cpu, group)
		}
		f := mustFrequency(t, machine(t, "server-smt"), 8, calls)
		if f.How != FrequencyGauge || !strings.Contains(f.Why, "too many open files") || len(k.events) != 0 {
			t.Errorf("%s: %s, %q, %d open", name, f.How, f.Why, len(k.events))
		}
		into := make([]int64, 8)
		if err := f.Read(into); err != nil || !near(into, slices.Repeat([]int64{2_100_000}, 8)...) {
			t.Errorf("%s: %v, %v", name, into, err)
		}
	}
}

func TestMeanKHz(t *testing.T) {
	const s = 1_000_000_000
	of := func(enabled, a, m, c uint64) cycleCounts {
		return cycleCounts{enabled: enabled, count: [numCycles]uint64{aperf: a, mperf: m, tsc: c}}
	}
	start := of(5*s, 10*s, 10*s, 20*s)
	for _, tt := range []struct {
		name   string
		now    cycleCounts
		before float64
		want   int64
		rate   float64
	}{
		{"base", of(6*s, 12*s, 12*s, 22*s), 0, 2_000_000, 2e6},
		{"half", of(6*s, 11*s, 12*s, 22*s), 2e6, 1_000_000, 2e6},
		{"TSC went on in suspend", of(6*s, 12*s, 12*s, 24*s), 2e6, 0, 4e6},
		{"TSC slower", of(6*s, 12*s, 12*s, 21*s), 2e6, 0, 1e6},
		{"TSC was reset", of(6*s, 12*s, 12*s, 1), 2e6, 0, 2e6},
		{"APERF was reset", of(6*s, 1, 12*s, 22*s), 2e6, 0, 2e6},
		{"MPERF was reset", of(6*s, 12*s, 1, 22*s), 2e6, 0, 2e6},
		{"idle", of(6*s, 10*s+30_000, 10*s+19_999, 22*s), 2e6, 0, 2e6},
		{"nearly", of(6*s, 10*s+20_000, 10*s+20_000, 22*s), 2e6, 2_000_000, 2e6},
		{"no time", of(5*s+999_999, 12*s, 12*s, 20*s+2_000_000), 2e6, 0, 2e6},
		{"time went back", of(4*s, 12*s, 12*s, 22*s), 2e6, 0, 2e6},
		{"absurd", of(6*s, 1<<62, 12*s, 22*s), 2e6, 0, 2e6},
		{"standing", start, 2e6, 0, 2e6},
	} {
		kHz, rate := meanKHz(start, tt.now, tt.before)
		if kHz != tt.want || rate != tt.rate {
			t.Errorf("%s: %d kHz, rate %g; want %d, %g", tt.name, kHz, rate, tt.want, tt.rate)
		}
	}
}

func TestFindCycles(t *testing.T) {
	good := map[string]string{"type": "9", "events/tsc": "event=0x00", "events/aperf": "event=0x01", "events/mperf": "event=0x02"}
	for _, tt := range []struct{ file, text, want string }{
		{"type", "9", ""}, {"type", "-1", "type"}, {"type", "4294967296", "type"}, {"type", "x", "type"}, {"events/aperf", "event=0x", "aperf"},
		{"events/aperf", "event=1", "aperf"}, {"events/aperf", "01", "aperf"}, {"events/mperf", "event=0x02,edge", "mperf"}, {"events/tsc", "", "tsc"}, {"events/tsc", "event=0x10000000000000000", "tsc"},
	} {
		root := t.TempDir()
		for file, text := range good {
			if file == tt.file {
				text = tt.text
			}
			write(t, root, map[string]string{filepath.Join("bus/event_source/devices/msr", file): text + "\n"})
		}
		p, err := findCycles(root, eventCalls{})
		if tt.want == "" {
			if err != nil || p.kind != 9 || p.config != [numCycles]uint64{1, 2, 0} {
				t.Errorf("%+v, %v", p, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s = %q: %v", tt.file, tt.text, err)
		}
	}
}

// The kernel's own cpu-clock counts the nanoseconds of a CPU, busy or not: in place of all three registers it is a processor that runs at 1 GHz.
func TestFrequencyOnRealKernel(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("need root: to count what a whole CPU does")
	}
	root := write(t, t.TempDir(), map[string]string{
		"bus/event_source/devices/msr/type":         "1\n",
		"bus/event_source/devices/msr/events/aperf": "event=0x0\n",
		"bus/event_source/devices/msr/events/mperf": "event=0x0\n",
		"bus/event_source/devices/msr/events/tsc":   "event=0x0\n",
	})
	topo, _ := ReadTopology("/sys", 64)
	f, err := OpenFrequency(root, topo)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	into := make([]int64, len(topo))
	for range 3 {
		time.Sleep(20 * time.Millisecond)
		if err := f.Read(into); err != nil {
			t.Fatal(err)
		}
		for cpu, kHz := range into {
			if topo[cpu].Online != (kHz != 0) || topo[cpu].Online && (kHz < 995_000 || kHz > 1_005_000) {
				t.Errorf("CPU %d: %d kHz, online %v", cpu, kHz, topo[cpu].Online)
			}
		}
	}
	if n := testing.AllocsPerRun(20, func() { _ = f.Read(into) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzCycles(f *testing.F) {
	good := make([]byte, 0, 8*cyclesWords)
	for _, v := range []uint64{numCycles, 1e9, 2e9, 2e9, 2e9} {
		good = binary.NativeEndian.AppendUint64(good, v)
	}
	f.Add(good, good, 2e6)
	f.Add(good, make([]byte, 3), 0.)
	f.Fuzz(func(t *testing.T, a, b []byte, before float64) {
		was, errA := decodeCycles(a)
		now, errB := decodeCycles(b)
		if errA != nil || errB != nil {
			return
		}
		kHz, rate := meanKHz(was, now, before)
		if kHz < 0 || kHz > maxKHz || rate != rate && before == before {
			t.Fatalf("%d kHz, rate %g", kHz, rate)
		}
	})
}

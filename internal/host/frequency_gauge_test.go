package host

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// put writes into a file in place, as sysfs would show it: who has it open sees it.
func put(t *testing.T, root string, cpu int, file, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(cpuDir(root, cpu), "cpufreq", file), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

var noEvents = eventCalls{open: func(*unix.PerfEventAttr, int, int) (int, error) { return -1, unix.EACCES }}

func TestFrequencyGauge(t *testing.T) {
	root := machine(t, "big-little")
	f := mustFrequency(t, root, 8, noEvents)
	if f.How != FrequencyGauge || f.Why != errNoCycles.Error() {
		t.Errorf("%s: %s", f.How, f.Why)
	}
	into := make([]int64, 8)
	for _, tt := range []struct {
		name, file, text string // of CPU 0, who shares its clock with 1 to 3
		want             int64
	}{
		{"the mean is preferred, and opening read it once", "cpuinfo_avg_freq", "1850000\n", 1_750_000},
		{"half of the step before", "cpuinfo_avg_freq", "1750000\n", 1_800_000},
		{"and then none of it", "cpuinfo_avg_freq", "1750000\n", 1_750_000},
		{"the mean is not told", "cpuinfo_avg_freq", "\n", (1_750_000 + 1_708_000) / 2},
		{"unknown, so the end before alone", "scaling_cur_freq", "<unknown>\n", 1_708_000},
		{"unknown at both ends", "scaling_cur_freq", "0\n", 0},
		{"known again, so this end alone", "scaling_cur_freq", "400000\n", 400_000},
		{"absurd", "scaling_cur_freq", "20000001\n", 400_000},
		{"below zero", "scaling_cur_freq", "-400000\n", 0},
	} {
		put(t, root, 0, tt.file, tt.text)
		if err := f.Read(into); err != nil || !near(into, tt.want, tt.want, tt.want, tt.want, 500_000, 500_000, 500_000, 2_790_000) {
			t.Errorf("%s: %v, %v; want %d", tt.name, into, err, tt.want)
		}
	}
	if n := testing.AllocsPerRun(20, func() { _ = f.Read(into) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The counters may not be opened. The reason is kept, and the gauge serves.
func TestFrequencyGaugeForWantOfPrivilege(t *testing.T) {
	f := mustFrequency(t, machine(t, "amd-boost"), 4, noEvents)
	if f.How != FrequencyGauge || !strings.Contains(f.Why, "CPU 0: permission denied") {
		t.Errorf("%s: %q", f.How, f.Why)
	}
}

func TestNoFrequency(t *testing.T) {
	for _, name := range []string{"vm", "power-smt4"} {
		topo, _ := ReadTopology(machine(t, name), 16)
		if _, err := openFrequency(machine(t, name), topo, noEvents); !errors.Is(err, ErrNoFrequency) || !strings.Contains(err.Error(), "cpufreq") || !strings.Contains(err.Error(), "aperf") {
			t.Errorf("%s: %v", name, err)
		}
	}
	root := machine(t, "amd-boost")
	if err := os.RemoveAll(filepath.Join(root, "devices/system/cpu/cpu0/cpufreq")); err != nil {
		t.Fatal(err)
	}
	topo, _ := ReadTopology(root, 1)
	if _, err := openFrequency(root, topo, noEvents); !errors.Is(err, ErrNoFrequency) || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("refused, and no cpufreq: %v", err)
	}
}

// Files that are there and say nothing are no reason to give up: the driver may, later. Until one does, Read says so.
func TestFrequencyOfGarbage(t *testing.T) {
	root := machine(t, "garbage")
	f := mustFrequency(t, root, 4, noEvents)
	into := []int64{1, 2, 3, 4}
	if err := f.Read(into); !errors.Is(err, errFrequencyGone) || !near(into, 0, 0, 0, 0) {
		t.Errorf("%v, %v", into, err)
	}
	put(t, root, 2, "scaling_cur_freq", "1000000\n")
	if err := f.Read(into); err != nil || !near(into, 0, 0, 1_000_000, 0) {
		t.Errorf("%v, %v", into, err)
	}
}

// Another driver takes over: the files that are open are no more, and others are there by their names. A folder stands for the one that was removed:
// it can be opened and not read.
func TestFrequencyOfAnotherDriver(t *testing.T) {
	root := machine(t, "garbage")
	path := filepath.Join(cpuDir(root, 0), "cpufreq/scaling_cur_freq")
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	check(os.Remove(path))
	check(os.Mkdir(path, 0o755))
	f := mustFrequency(t, root, 4, noEvents)
	into := make([]int64, 4)
	check(os.Remove(path))
	if err := f.Read(into); err == nil {
		t.Error("nothing is there")
	}
	put(t, root, 0, "scaling_cur_freq", "1000000\n")
	if err := f.Read(into); err != nil || !near(into, 1_000_000, 0, 0, 0) {
		t.Errorf("%v, %v", into, err)
	}
}

// A CPU that was never online has no files until it is.
func TestFrequencyGaugeOfLateCPU(t *testing.T) {
	root := write(t, t.TempDir(), map[string]string{"devices/system/cpu/online": "0\n", "devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "1000000\n"})
	f := mustFrequency(t, root, 2, noEvents)
	into := make([]int64, 2)
	write(t, root, map[string]string{"devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "2000000\n"})
	if err := f.Read(into); err != nil || !near(into, 1_000_000, 0) {
		t.Errorf("%v, %v", into, err)
	}
	write(t, root, map[string]string{"devices/system/cpu/online": "0-1\n"})
	if err := f.Read(into); err != nil || !near(into, 1_000_000, 2_000_000) {
		t.Errorf("%v, %v", into, err)
	}
}

// A pipe in place of a file must not hang.
func TestFrequencyPipe(t *testing.T) {
	root := machine(t, "vm")
	dir := filepath.Join(cpuDir(root, 0), "cpufreq")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"scaling_cur_freq", "scaling_min_freq"} {
		if err := unix.Mkfifo(filepath.Join(dir, file), 0o644); err != nil {
			t.Skipf("no pipes here: %v", err)
		}
	}
	f := mustFrequency(t, root, 2, noEvents)
	if err := f.Read(make([]int64, 2)); err == nil {
		t.Error("a pipe told a frequency")
	}
	if _, _, ok := Spread(root, Topology{{Online: true}}); ok {
		t.Error("a pipe told a limit")
	}
}

func FuzzKHz(f *testing.F) {
	f.Add([]byte("2100000\n"))
	f.Add([]byte("<unknown>\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if kHz, ok := parseKHz(text); kHz < 0 || kHz > maxKHz || ok != (kHz > 0) {
			t.Fatalf("%q: %d, %v", text, kHz, ok)
		}
	})
}

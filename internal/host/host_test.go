package host

import (
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"testing"
	"time"
)

func write(t testing.TB, root string, files map[string]string) string {
	t.Helper()
	for name, text := range files {
		p := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestTopology(t *testing.T) {
	root := write(t, t.TempDir(), map[string]string{
		"devices/system/cpu/online":                            "0-1,3\n",
		"devices/system/cpu/cpu0/topology/physical_package_id": "0\n",
		"devices/system/cpu/cpu0/topology/die_id":              "0\n",
		"devices/system/cpu/cpu1/topology/physical_package_id": "0\n",
		"devices/system/cpu/cpu1/topology/die_id":              "1\n",
		"devices/system/cpu/cpu3/topology/physical_package_id": "1\n",
	})
	topo, assumed := ReadTopology(root, 4)
	if assumed {
		t.Error("assumed, though the tree says all")
	}
	if got := topo.Sockets(); !reflect.DeepEqual(got, []int{0, 1}) {
		t.Errorf("sockets %v", got)
	}
	if got := topo.CPUsOf(0, 1); !reflect.DeepEqual(got, []int{1}) {
		t.Errorf("cpus of die 1: %v", got)
	}
	if got := topo.CPUsOf(-1, -1); !reflect.DeepEqual(got, []int{0, 1, 3}) {
		t.Errorf("online cpus: %v", got)
	}
	if topo, assumed = ReadTopology(t.TempDir(), 2); !assumed || len(topo.CPUsOf(0, -1)) != 2 {
		t.Errorf("empty tree: %v, assumed %v", topo, assumed)
	}
}

func TestParseList(t *testing.T) {
	for _, bad := range []string{"", "a", "3-1", "-1", "0-99999999", "1,,2"} {
		if _, err := parseList(bad); err == nil {
			t.Errorf("accepted %q", bad)
		}
	}
}

func TestCgroups(t *testing.T) {
	const v1 = `27 26 0:23 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
28 26 0:24 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
29 26 0:24 /part /elsewhere rw - cgroup cgroup rw,cpu,cpuacct
`
	if c := parseCgroups(v1); !c.V1 || c.Mount != "/sys/fs/cgroup/cpu,cpuacct" || c.CPUAcct != c.Mount {
		t.Errorf("v1: %+v", c)
	}
	if c := parseCgroups(`28 26 0:24 / /sys/fs/c\040group rw - cgroup2 cgroup2 rw,nsdelegate` + "\n"); c.V1 || c.Mount != "/sys/fs/c group" || c.CPUAcct != "" {
		t.Errorf("v2: %+v", c)
	}
	if c := parseCgroups("garbage\n - \n"); c != (Cgroups{}) {
		t.Errorf("garbage: %+v", c)
	}
}

func TestBusyStat(t *testing.T) {
	root := write(t, t.TempDir(), map[string]string{"stat": "cpu  9 9 9 9 9 9 9 9 9 9\ncpu0 1 0 1 100 10 0 0 5 0 0\ncpu2 1 0 1 200 0 0 0 0 0 0\nintr 1 2 3\n"})
	b, err := OpenBusy(root, Cgroups{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	now := 2 * time.Second
	b.now = func() time.Duration { return now }
	first, second := make([]time.Duration, 3), make([]time.Duration, 3)
	if err := b.Read(first); err != nil {
		t.Fatal(err)
	}
	copy(second, first)
	write(t, root, map[string]string{"stat": "cpu0 1 0 1 130 20 0 0 15 0 0\ncpu2 1 0 1 300 0 0 0 0 0 0\n"})
	now += time.Second
	if err := b.Read(second); err != nil {
		t.Fatal(err)
	}
	now += time.Hour
	write(t, root, map[string]string{"stat": "cpu0 1 0 1 130 20 0 0 15 0 0\ncpu1 1 0 1 7 0 0 0 0 0 0\n"})
	third := slices.Clone(second)
	if err := b.Read(third); err != nil {
		t.Fatal(err)
	}
	now += time.Second
	write(t, root, map[string]string{"stat": "cpu0 1 0 1 230 20 0 0 15 0 0\ncpu1 1 0 1 57 0 0 0 0 0 0\ncpu2 1 0 1 310 0 0 0 0 0 0\n"})
	fourth := slices.Clone(third)
	if err := b.Read(fourth); err != nil {
		t.Fatal(err)
	}
	// cpu1 came online, and then idled half a second; cpu2 was away for an hour, and has just come back.
	for i, want := range []time.Duration{0, 500 * time.Millisecond, 0} {
		if got := fourth[i] - third[i]; got != want || third[i]-second[i] != []time.Duration{time.Hour, 0, 0}[i] {
			t.Errorf("cpu%d: busy %v, want %v; %v before", i, got, want, third[i]-second[i])
		}
	}
	// cpu0: 1 s less 300 ms idle, 100 ms iowait, 100 ms steal. cpu2 idled it all. cpu1 is offline.
	for i, want := range []time.Duration{500 * time.Millisecond, 0, 0} {
		if got := second[i] - first[i]; got != want {
			t.Errorf("cpu%d: busy %v, want %v", i, got, want)
		}
	}
}

func TestBusyRefusesGarbage(t *testing.T) {
	into := make([]time.Duration, 2)
	for _, bad := range []string{"", "cpu0 1 0 1 x 0 0 0 0 0\n", "cpu0 1 0 1 -5 0 0 0 0 0\n", "nothing\n", "cpu0 1 2\n"} {
		if err := new(statTimes).parse([]byte(bad), 0, into); err == nil {
			t.Errorf("stat accepted %q", bad)
		}
	}
	for _, bad := range []string{"", "1 two"} {
		if err := parsePerCPU([]byte(bad), into); err == nil {
			t.Errorf("cpuacct accepted %q", bad)
		}
	}
}

// On the machine itself: a spinning goroutine makes the total grow by about what the clock says.
func TestBusyOfThisMachine(t *testing.T) {
	c, err := ReadCgroups("/proc")
	if err != nil {
		t.Fatal(err)
	}
	b, err := OpenBusy("/proc", c)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	before, after := make([]time.Duration, runtime.NumCPU()), make([]time.Duration, runtime.NumCPU())
	if err := b.Read(before); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	for time.Since(start) < 300*time.Millisecond {
	}
	if err := b.Read(after); err != nil {
		t.Fatal(err)
	}
	var busy time.Duration
	for i := range after {
		busy += after[i] - before[i]
	}
	wall := time.Since(start)
	t.Logf("%s: busy %v in %v", b.How, busy, wall)
	// Beside other load the spinner may get only a part of a CPU; it cannot get more than all of them.
	if busy < wall/10 || busy > wall*time.Duration(runtime.NumCPU())+100*time.Millisecond {
		t.Errorf("busy %v in %v on %d cpus", busy, wall, runtime.NumCPU())
	}
}

func FuzzStat(f *testing.F) {
	f.Add([]byte("cpu0 1 0 1 100 10 0 0 5 0 0\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		into := make([]time.Duration, 4)
		var stat statTimes
		for at := range time.Duration(3) {
			_ = stat.parse(text, at*time.Second, into)
		}
		_ = parsePerCPU(text, into)
		for _, v := range into {
			if v < 0 {
				t.Fatalf("%q gives %v", text, into)
			}
		}
	})
}

package host

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/eco2-bpf/eco2-bpf/internal/testtree"
)

// machine writes testdata/NAME.tree under a temporary folder and returns that folder, which stands for /sys.
func machine(t testing.TB, name string) string {
	t.Helper()
	return testtree.Write(t, filepath.Join("testdata", name+".tree"))
}

func efficient(topo Topology) (cpus []int) {
	for i, c := range topo {
		if c.Efficient {
			cpus = append(cpus, i)
		}
	}
	return cpus
}

func TestCores(t *testing.T) {
	for _, tt := range []struct {
		name      string
		cpus      int
		siblings  []int
		threads   []int
		efficient []int
		many      bool
	}{
		{name: "server-smt", cpus: 8, siblings: []int{4, 5, 6, 7, 0, 1, 2, 3}, threads: []int{2, 2, 2, 2, 2, 2, 2, 2}},
		{name: "hybrid", cpus: 10, siblings: []int{1, 0, 3, 2, -1, -1, -1, -1, -1, -1}, threads: []int{2, 2, 2, 2, 1, 1, 1, 1, 1, 1}, efficient: []int{4, 5, 6, 7, 8, 9}},
		{name: "big-little", cpus: 8, threads: []int{1, 1, 1, 1, 1, 1, 1, 1}, efficient: []int{0, 1, 2, 3}},
		{name: "amd-boost", cpus: 4, siblings: []int{1, 0, 3, 2}, threads: []int{2, 2, 2, 2}},
		{name: "power-smt4", cpus: 16, threads: []int{4, 4, 4, 4, 3, 3, 3, 0, 1, 0, 0, 0, 0, 0, 0, 0}, many: true},
		{name: "vm", cpus: 2, threads: []int{1, 1}},
		{name: "garbage", cpus: 4, threads: []int{0, 1, 0, 0}},
	} {
		topo, _ := ReadTopology(machine(t, tt.name), tt.cpus)
		if got := topo.Siblings(); !reflect.DeepEqual(got, tt.siblings) {
			t.Errorf("%s: siblings %v, want %v", tt.name, got, tt.siblings)
		}
		var threads []int
		for _, c := range topo {
			threads = append(threads, c.Threads)
		}
		if !slices.Equal(threads, tt.threads) || topo.ManyThreads() != tt.many {
			t.Errorf("%s: threads %v, want %v; many %v", tt.name, threads, tt.threads, topo.ManyThreads())
		}
		if got := efficient(topo); !slices.Equal(got, tt.efficient) || topo.Hybrid() != (tt.efficient != nil) {
			t.Errorf("%s: efficient %v, want %v; hybrid %v", tt.name, got, tt.efficient, topo.Hybrid())
		}
	}
}

// lists makes a tree of CPUs whose cores are told by these texts; empty: no file.
func lists(t testing.TB, online string, cores ...string) string {
	files := map[string]string{"devices/system/cpu/online": online}
	for i, text := range cores {
		if text != "" {
			files[filepath.Join(cpuDir("", i), "topology/thread_siblings_list")] = text + "\n"
		}
	}
	return write(t, t.TempDir(), files)
}

func TestSiblings(t *testing.T) {
	for _, tt := range []struct {
		name, online string
		cores        []string
		want         []int
		threads      int // of CPU 0
	}{
		{"a pair", "0-1", []string{"0-1", "0-1"}, []int{1, 0}, 2},
		{"one is offline", "0,2-3", []string{"0-1", "0-1", "2-3", "2-3"}, []int{-1, -1, 3, 2}, 1},
		{"one is offline, and says nothing", "0", []string{"0-1", ""}, nil, 1},
		{"of four, two are online", "0,3", []string{"0-3", "", "", "0-3"}, []int{3, -1, -1, 0}, 2},
		{"four", "0-3", []string{"0-3", "0-3", "0-3", "0-3"}, nil, 4},
		{"eight", "0-7", []string{"0-7", "0-7", "0-7", "0-7", "0-7", "0-7", "0-7", "0-7"}, nil, 8},
		{"the other does not agree", "0-1", []string{"0-1", "1"}, nil, 1},
		{"a chain", "0-2", []string{"0-1", "0-2", "1-2"}, nil, 2},
		{"not of itself", "0-1", []string{"1", "0"}, nil, 0},
		{"beyond the machine", "0-1", []string{"0,70", "1"}, nil, 1},
		{"more than there are", "0-1", []string{"0-70", "0-1"}, nil, 0},
		{"without end", "0-1", []string{"0-1" + strings.Repeat(" ", maxSmall), "0-1"}, nil, 0},
		{"not a list", "0-1", []string{"0-1-", "0-1"}, nil, 0},
		{"over and over", "0-1", []string{"0-1,0-1", "0-1"}, nil, 0},
		{"nothing", "0-1", []string{"", ""}, nil, 0},
	} {
		topo, _ := ReadTopology(lists(t, tt.online, tt.cores...), len(tt.cores))
		if got := topo.Siblings(); !reflect.DeepEqual(got, tt.want) || topo[0].Threads != tt.threads {
			t.Errorf("%s: siblings %v, want %v; %d threads, want %d", tt.name, got, tt.want, topo[0].Threads, tt.threads)
		}
	}
}

func TestManyThreads(t *testing.T) {
	for threads, want := range []bool{false, false, false, true, true} {
		if got := (Topology{{Threads: threads}}).ManyThreads(); got != want {
			t.Errorf("%d threads: %v", threads, got)
		}
	}
}

func TestHybrid(t *testing.T) {
	for _, tt := range []struct {
		name      string
		files     map[string]string
		efficient []int
		hybrid    bool
	}{
		{"one kind of core has no PMU", map[string]string{"devices/cpu_core/cpus": "0-3\n"}, nil, false},
		{"fast cores are not told", map[string]string{"devices/cpu_atom/cpus": "2-3\n"}, nil, false},
		{"a core of both kinds", map[string]string{"devices/cpu_core/cpus": "0-2\n", "devices/cpu_atom/cpus": "2-3\n"}, []int{3}, true},
		{"slow ones are offline", map[string]string{"devices/cpu_core/cpus": "0-1\n", "devices/cpu_atom/cpus": "2-3\n", "devices/system/cpu/online": "0-1\n"}, []int{2, 3}, false},
		{"fast ones are offline", map[string]string{"devices/cpu_core/cpus": "0-1\n", "devices/cpu_atom/cpus": "2-3\n", "devices/system/cpu/online": "2-3\n"}, []int{2, 3}, false},
		{"capacities of two kinds", capacities("1024", "1024", "446", "446"), []int{2, 3}, true},
		{"capacities of favored cores", capacities("1024", "1009", "983", "983"), nil, false},
		{"one capacity is not told", capacities("1024", "", "400", "400"), []int{2, 3}, true},
		{"one is absurd", capacities("1024", "2000000", "400", "1024"), []int{2}, true},
	} {
		topo, _ := ReadTopology(write(t, t.TempDir(), tt.files), 4)
		if got := efficient(topo); !slices.Equal(got, tt.efficient) || topo.Hybrid() != tt.hybrid {
			t.Errorf("%s: efficient %v, want %v; hybrid %v, want %v", tt.name, got, tt.efficient, topo.Hybrid(), tt.hybrid)
		}
	}
}

func capacities(texts ...string) map[string]string {
	files := map[string]string{}
	for i, text := range texts {
		if text != "" {
			files[filepath.Join(cpuDir("", i), "cpu_capacity")] = text + "\n"
		}
	}
	return files
}

func FuzzSiblings(f *testing.F) {
	f.Add("0-1", "0-1", "2")
	f.Add("0-2", "0,2", "1-2")
	f.Fuzz(func(t *testing.T, a, b, c string) {
		topo := make(Topology, 3)
		cores := make([]map[int]bool, 3)
		for i, text := range []string{a, b, c} {
			cores[i], _ = parseList(text)
			for cpu := range cores[i] {
				if cpu < 0 || cpu >= maxCPUs {
					t.Fatalf("%q: CPU %d", text, cpu)
				}
			}
		}
		topo.pair(cores)
		for i, cpu := range topo {
			other := cpu.Sibling - 1
			if other < -1 || other == i || other >= len(topo) || other >= 0 && topo[other].Sibling != i+1 || cpu.Threads > len(topo) {
				t.Fatalf("CPU %d of %+v", i, topo)
			}
		}
	})
}

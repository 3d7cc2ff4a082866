package live

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/peers"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/score"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// fake is a peer that tells what it is told to.
type fake struct {
	every  time.Duration
	polls  []seen.Sample
	result peers.Result
}

func (f *fake) Name() string             { return "fake" }
func (f *fake) Words() string            { return "" }
func (f *fake) Every() time.Duration     { return f.every }
func (f *fake) Poll(s seen.Sample)       { f.polls = append(f.polls, s) }
func (f *fake) Slice(seen.Slice)         {}
func (f *fake) Result() peers.Result     { return f.result }
func (f *fake) watch(m *machine)         { m.formulas = append(m.formulas, &watched{Peer: f}) }
func key(pid int, start int64) peers.Key { return peers.Key{PID: pid, Start: start} }

// Each looks when its time has come, at its own machine's counters, and jobs are known by their cgroups.
func TestWatchLook(t *testing.T) {
	proc := t.TempDir()
	for file, text := range map[string]string{"stat": "cpu0 1 2 3 4 5 6 7 8\n", "a": "11\n", "b": "22\n", "c": "33\n",
		"7/stat": "7 (x) S 1 1 1 0 -1 0 0 0 0 0 1 2 0 0 20 0 1 0 100 0 5 0\n", "7/cgroup": "3:cpu:/job\n"} {
		path := filepath.Join(proc, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	file := func(name string) string { return filepath.Join(proc, name) }
	one, two := &machine{Zones: make([]Zone, 2)}, &machine{Zones: make([]Zone, 1)}
	quick, slow, other := &fake{every: time.Second}, &fake{every: 5 * time.Second}, &fake{}
	quick.watch(one)
	slow.watch(one)
	other.watch(two)
	w := watch{reader: &Reader{Procfs: proc, Hierarchy: "cpu", Counters: []string{file("a"), file("b"), file("c")}},
		machines: []*machine{one, two}, jobs: map[peers.Key]int{}}
	groups := map[string]int{"/job": 4}
	at, err := w.look(groups, time.Time{}, true)
	if err != nil {
		t.Fatal(err)
	}
	for _, look := range []struct {
		after time.Duration
		all   bool
		want  []int // looks of each, with the first
	}{
		{time.Second - 1, false, []int{1, 1, 2}},
		{time.Second, false, []int{2, 1, 2}},
		{2 * time.Second, false, []int{3, 1, 3}},
		{5 * time.Second, false, []int{4, 2, 4}},
		{5 * time.Second, true, []int{5, 3, 5}},
	} {
		if _, err := w.look(groups, at.Add(look.after), look.all); err != nil {
			t.Fatal(err)
		}
		if got := []int{len(quick.polls), len(slow.polls), len(other.polls)}; !slices.Equal(got, look.want) {
			t.Errorf("after %v they have looked %d times, want %d", look.after, got, look.want)
		}
	}
	if !slices.Equal(quick.polls[1].Zones, []uint64{11, 22}) || !slices.Equal(other.polls[1].Zones, []uint64{33}) {
		t.Errorf("counters are %d and %d", quick.polls[1].Zones, other.polls[1].Zones)
	}
	if job, ok := w.jobs[key(7, 100)]; job != 4 || !ok || len(w.jobs) != 1 {
		t.Errorf("jobs are %v", w.jobs)
	}
	// Each time that of the process, that of all CPUs and the own counters; the process's cgroup only once.
	if f := one.formulas[0]; f.files != 4*4 || len(f.looks) != 5 || f.spent <= 0 {
		t.Errorf("in %d looks it has read %d files, in %v", len(f.looks), f.files, f.spent)
	}
}

// What a formula tells of a job is what it tells of its processes since its first look.
func TestFormula(t *testing.T) {
	tree, began := handMade()
	m := &machine{Zones: Zones(), Tree: tree}
	load := &Load{process: &process{cmd: &exec.Cmd{Process: &os.Process{Pid: 7}}}, Own: 500 * time.Millisecond, Children: 3}
	e := &bench{jobs: []Job{{Name: "job"}}, loads: []*Load{load}}
	root := e.loads[0].PID()
	e.watch.jobs = map[peers.Key]int{key(root, 1): 0, key(8, 2): 0, key(8, 3): 0}
	of := func(joules float64) peers.Domains { return peers.Domains{"package": joules} }
	before := peers.Result{Joules: map[peers.Key]peers.Domains{key(root, 1): of(100)}, Total: of(1000)}
	after := peers.Result{Total: of(1080),
		Joules: map[peers.Key]peers.Domains{key(root, 1): of(107), key(8, 2): of(11), key(8, 3): of(12), key(9, 3): of(50)}}
	looks := []time.Time{began, began.Add(3 * time.Second)}
	for _, c := range []struct {
		name   string
		scale  float64
		tree   bool
		policy score.Policy
		want   []float64 // of the job, and of what ended of it
		truth  float64
	}{
		{name: "by process", scale: 1, policy: score.Separate, want: []float64{30, 23}, truth: 32},
		{name: "by tree", scale: 1, tree: true, policy: score.Separate, want: []float64{7}, truth: 32},
		{name: "with idle energy", scale: 2.4, policy: score.Busy, want: []float64{72, 55.2}, truth: 72},
	} {
		scaled := peers.Result{Joules: map[peers.Key]peers.Domains{}, ByTree: c.tree, Total: after.Total}
		for k, d := range after.Joules {
			scaled.Joules[k] = of((d["package"]-before.Joules[k]["package"])*c.scale + before.Joules[k]["package"])
		}
		tool := e.formula(m, &watched{Peer: &fake{result: scaled}, before: before, looks: looks})
		var got []float64
		for i, told := range tool.Told {
			got = append(got, math.Round(told.Joules*1e6)/1e6)
			if told.Domain != "package" || told.Ended != (i == 1) {
				t.Errorf("%s: %+v", c.name, told)
			}
		}
		// 20 W for 3 s, and what 3 s of the whole and 2 s of a job that costs 1.6 times as much cost.
		if tool.Policy != c.policy || !slices.Equal(got, c.want) || math.Abs(tool.Told[0].Truth-c.truth) > 1e-9 ||
			tool.Total != 80 || math.Abs(tool.Counted-(60+30+12)) > 1e-6 || tool.Cost.Looks != 1 {
			t.Errorf("%s: %+v, told %g, want %g of %g J by policy %s", c.name, tool, got, c.want, c.truth, c.policy)
		}
	}
}

func TestRatio(t *testing.T) {
	phase := func(cpu, joules float64) Phase {
		return Phase{CPUSeconds: cpu, Report: Report{Laws: []LawReport{{Tools: []Tool{{Name: "x", Told: []Told{
			{Job: "other", Domain: "package", Joules: 99}, {Job: workName, Domain: "package", Ended: true, Joules: 98},
			{Job: workName, Domain: "dram", Joules: joules / 10}, {Job: workName, Domain: "package", Joules: joules}}}}}}}}
	}
	c := CoRun{Phases: []Phase{phase(2, 20), phase(3, 60), phase(2, 10)}}
	for i, want := range []float64{1, 2, 0.5} {
		for _, domain := range []string{"package", "dram"} {
			if got := c.Ratio(i, "x", domain); math.Abs(got-want) > 1e-9 {
				t.Errorf("phase %d: %s: %g, want %g", i, domain, got, want)
			}
		}
	}
	c.Phases[0] = phase(2, 0)
	if got := c.Ratio(1, "x", "package"); !math.IsNaN(got) {
		t.Errorf("against nothing it is %g", got)
	}
	if got := c.Ratio(1, "y", "package"); !math.IsNaN(got) {
		t.Errorf("nobody told %g", got)
	}
}

func TestCovered(t *testing.T) {
	tool := Tool{Told: []Told{{Truth: 5}, {Truth: 5, Ranged: true, Low: 5, High: 5}, {Truth: 4.9, Ranged: true, Low: 5, High: 6},
		{Truth: 6.1, Ranged: true, Low: 5, High: 6}, {Truth: 5.5, Ranged: true, Low: 5, High: 6}}}
	if in, of := tool.Covered(); in != 2 || of != 4 {
		t.Errorf("%d of %d, want 2 of 4", in, of)
	}
}

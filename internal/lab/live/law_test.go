package live

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/score"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

func TestParseUsage(t *testing.T) {
	for _, c := range []struct {
		text string
		want time.Duration
		bad  bool
	}{
		{text: "1234567890\n", want: 1234567890},
		{text: "usage_usec 2500000\nuser_usec 1\nsystem_usec 2\n", want: 2500 * time.Millisecond},
		{text: "usage_usec 7", want: 7 * time.Microsecond},
		{text: "", bad: true},
		{text: "usage_usec \n", bad: true},
		{text: "user_usec 5\n", bad: true},
		{text: "12x45\n", bad: true},
	} {
		if got, err := parseUsage([]byte(c.text)); got != c.want || (err != nil) != c.bad {
			t.Errorf("%q: %v, %v; want %v", c.text, got, err, c.want)
		}
	}
}

// lawOfFiles is a law of two files in place of the kernel's: a whole, and a group in it.
func lawOfFiles(t *testing.T, factor float64) (l Law, whole, group func(time.Duration)) {
	t.Helper()
	dir := t.TempDir()
	file := func(name string) (string, func(time.Duration)) {
		path := filepath.Join(dir, name)
		write := func(d time.Duration) {
			if err := os.WriteFile(path+".new", []byte(strconv.FormatInt(int64(d), 10)+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			b, err := os.ReadFile(path + ".new")
			if err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o644) // in place: the driver has it open
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt(b, 0); err != nil {
				t.Fatal(err)
			}
		}
		write(time.Second) // counts from before the law began
		return path, write
	}
	a, whole := file("whole")
	b, group := file("group")
	return Law{Sysfs: filepath.Join(dir, "sys"), Zones: Zones(), Whole: []string{a}, Groups: []Counted{{b, factor}}}, whole, group
}

// shown is the counter of a zone once the driver has seen so many seconds of the whole and of the group, with the point of that time at the
// latest.
func shown(t *testing.T, tree *Tree, zone int, busy, group time.Duration) (value int64, from, to Point) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if err := tree.Read(); err != nil {
			continue // it has just begun
		}
		if p := tree.Points[len(tree.Points)-1]; p.Busy != busy || p.Groups[0] != group {
			continue
		}
		from = tree.Points[len(tree.Points)-1]
		b, err := os.ReadFile(filepath.Join(tree.dir(zone), "energy_uj"))
		if err != nil {
			t.Fatal(err)
		}
		value, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		for n := len(tree.Points); len(tree.Points) < n+2; time.Sleep(time.Millisecond) { // a counter is written before its point
			if err := tree.Read(); err != nil {
				t.Fatal(err)
			}
		}
		return value, from, tree.Points[len(tree.Points)-1]
	}
	t.Fatalf("the law has not seen %v and %v: %+v", busy, group, tree.Points)
	return 0, from, to
}

func TestTreeFollowsItsLaw(t *testing.T) {
	for _, c := range []struct {
		name         string
		factor       float64
		zone         int
		start        int64
		idle, joules float64 // W, and J for a whole of 3 s of which 2 s are the group's
		fault        string
	}{
		{name: "package, linear", factor: 1, start: 1_000_000_000, idle: 20, joules: 30},
		{name: "dram, linear", factor: 1, zone: 1, start: 2_000_000_000, idle: 1, joules: 1.5},
		{name: "package, a dear group", factor: 1.6, start: 1_000_000_000, idle: 20, joules: 10*1 + 16*2},
		{name: "package, a cheap group", factor: 0.5, start: 1_000_000_000, idle: 20, joules: 10*1 + 5*2},
		{name: "package that wraps", factor: 40, start: 262143328850 - 60_000_000 - 262143328851, idle: 20, joules: 10 + 400*2, fault: faultWrap},
	} {
		t.Run(c.name, func(t *testing.T) {
			l, whole, group := lawOfFiles(t, c.factor)
			l.Fault = c.fault
			tree, err := NewTree(l)
			if err != nil {
				t.Fatal(err)
			}
			defer tree.Close()
			if err := tree.Begin(); err != nil {
				t.Fatal(err)
			}
			group(1*time.Second + 2*time.Second)
			whole(1*time.Second + 3*time.Second)
			value, from, to := shown(t, tree, c.zone, 3*time.Second, 2*time.Second)
			least := c.start + int64((c.joules+c.idle*from.At.Seconds())*1e6) - 1
			most := c.start + int64((c.joules+c.idle*to.At.Seconds())*1e6) + 1
			if value < least || value > most {
				t.Errorf("the counter shows %d, the law says %d to %d", value, least, most)
			}
			var gap time.Duration
			for i := range tree.Points[1:] {
				gap = max(gap, tree.Points[i+1].At-tree.Points[i].At)
			}
			if gap != tree.MaxGap || gap <= 0 {
				t.Errorf("the longest gap is %v, not %v", gap, tree.MaxGap)
			}
		})
	}
}

// A group that is read later than the whole may be ahead of it: the counter never goes back for that.
func TestTreeNeverGoesBack(t *testing.T) {
	l, whole, group := lawOfFiles(t, 0.001)
	tree, err := NewTree(l)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	whole(1*time.Second + 3*time.Second)
	before, _, _ := shown(t, tree, 0, 3*time.Second, 0)
	group(1*time.Second + 3*time.Second) // 30 J less
	after, _, _ := shown(t, tree, 0, 3*time.Second, 3*time.Second)
	if after < before {
		t.Errorf("the counter went back from %d to %d", before, after)
	}
}

func TestTreeHasNoSuchFault(t *testing.T) {
	l, _, _ := lawOfFiles(t, 1)
	l.Fault = "warp"
	if tree, err := NewTree(l); err == nil {
		tree.Close()
		t.Error("it has begun")
	}
}

// A law that has ended is no truth for what came later.
func TestTreeThatEnds(t *testing.T) {
	l, _, _ := lawOfFiles(t, 1)
	tree, err := NewTree(l)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	time.Sleep(100 * time.Millisecond)
	if err := tree.ReadTo(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Error(err)
	}
	tree.Close()
	if err := tree.ReadTo(time.Now()); err == nil {
		t.Error("it tells of a time after its end")
	}
	if err := tree.ReadTo(tree.Points[0].Wall); err != nil {
		t.Error(err)
	}
}

// handMade is a tree with points made by hand: a second each, on which the whole has used 1.5 s and the group 1 s in the first two, then nothing.
func handMade() (*Tree, time.Time) {
	began := time.Unix(1000, 0)
	t := &Tree{Law: Law{Zones: Zones(), Groups: []Counted{{Factor: 1.6}}}}
	for i, p := range []Point{{}, {Busy: 1500 * time.Millisecond, Groups: []time.Duration{time.Second}},
		{Busy: 3 * time.Second, Groups: []time.Duration{2 * time.Second}}, {Busy: 3 * time.Second, Groups: []time.Duration{2 * time.Second}}} {
		if p.Groups == nil {
			p.Groups = make([]time.Duration, 1)
		}
		p.At, p.Wall = time.Duration(i)*time.Second, began.Add(time.Duration(i)*time.Second)
		t.Points = append(t.Points, p)
	}
	return t, began
}

func TestTreeBetween(t *testing.T) {
	tree, began := handMade()
	at := func(d time.Duration) time.Time { return began.Add(d) }
	for _, c := range []struct {
		from, to   time.Duration
		used, busy time.Duration
	}{
		{0, 3 * time.Second, 2 * time.Second, 3 * time.Second},
		{500 * time.Millisecond, 1500 * time.Millisecond, time.Second, 1500 * time.Millisecond},
		{1900 * time.Millisecond, 2500 * time.Millisecond, 100 * time.Millisecond, 150 * time.Millisecond},
		{2 * time.Second, 3 * time.Second, 0, 0},
		{-time.Hour, time.Hour, 2 * time.Second, 3 * time.Second}, // before and after all points nothing is known to be used
	} {
		if used, busy := tree.Used(0, at(c.from), at(c.to)), tree.Busy(at(c.from), at(c.to)); used != c.used || busy != c.busy {
			t.Errorf("%v to %v: %v and %v, want %v and %v", c.from, c.to, used, busy, c.used, c.busy)
		}
	}
	// 20 W for 1 s, and 10 W for 1.5 s, 0.6 of 10 W more for the group's 1 s: as the counter showed it, which is not between two points.
	if got := tree.Microjoules(0, at(1900*time.Millisecond)); got != 20e6+15e6+6e6 {
		t.Errorf("the package had used %d uJ", got)
	}
}

// The truth by each policy, by hand.
func TestTruth(t *testing.T) {
	tree, began := handMade()
	m := &machine{Zones: Zones(), Tree: tree}
	at := func(seconds ...int) (edges []time.Time) {
		for _, s := range seconds {
			edges = append(edges, began.Add(time.Duration(s)*time.Second))
		}
		return edges
	}
	cpus := float64(runtime.NumCPU())
	for _, c := range []struct {
		policy score.Policy
		zone   int
		used   time.Duration
		edges  []time.Time
		want   float64
	}{
		{score.Separate, 0, 2 * time.Second, at(0, 1, 2, 3), 32},
		{score.Separate, 1, 2 * time.Second, at(0, 1, 2, 3), 1.6},
		{score.Separate, 0, time.Second, at(0, 1, 2, 3), 16}, // half of the job's processes
		{score.Capacity, 0, 2 * time.Second, at(0, 3), 32 + 40/cpus},
		{score.Capacity, 0, time.Second, at(0, 3), 16 + 20/cpus},
		{score.Busy, 0, 2 * time.Second, at(0, 1, 2, 3), 32 + 20*2./3 + 20*2./3}, // in the last second nobody ran
		{score.Busy, 0, time.Second, at(0, 1, 2, 3), 16 + (20*2./3+20*2./3)/2},
		{score.Busy, 0, 2 * time.Second, at(0, 3), 32 + 60*2./3},
		{score.Busy, 0, 2 * time.Second, at(0, 2, 3), 32 + 40*2./3},
		{score.Busy, 0, 0, at(2, 3), 0},
	} {
		if got := m.truth(c.policy, 0, c.zone, c.used, c.edges); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s, zone %d, %v of %d windows: %g J, want %g J", c.policy, c.zone, c.used, len(c.edges)-1, got, c.want)
		}
	}
}

// The kernel counts in a group what its processes have used, by whatever hierarchy.
func TestGroupCounts(t *testing.T) {
	able(t, Able())
	const least = 250
	l, err := StartLoad(Storm, Work{Least: least})
	able(t, err)
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	step := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	counted, err := l.Used()
	step(err)
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", l.PID()))
	step(err)
	before, _, err := parseProcess(text) // its start, for the most part before it had joined the group
	step(err)
	step(l.Release())
	step(l.Done())
	step(l.End())
	time.Sleep(10 * time.Millisecond) // its last switch may still be under way
	used, err := l.Used()
	step(err)
	used -= counted
	state := l.cmd.ProcessState // with the children that it waited for
	rusage := state.UserTime() + state.SystemTime() - time.Duration(before.User+before.Sys)*seen.Tick
	t.Logf("%v by the cgroup, %v by rusage, %v its own; %d children", used, rusage, l.Own, l.Children)
	if l.Children != least || used-l.Own < least*StormChild {
		t.Errorf("%d children used %v, want %d of %v each", l.Children, used-l.Own, least, StormChild)
	}
	if ratio := used.Seconds() / rusage.Seconds(); ratio < 0.95 || ratio > 1.05 {
		t.Errorf("the group counts %v, its processes %v", used, rusage)
	}
}

// A cgroup that is removed while a law follows it has used what it had.
func TestTreeOutlivesAGroup(t *testing.T) {
	able(t, Able())
	l, err := StartLoad(Storm, Work{Least: 20})
	able(t, err)
	t.Cleanup(func() { _ = l.Close() }) // its group is gone
	tree, err := NewTree(Law{Sysfs: t.TempDir(), Zones: Zones(), Whole: []string{l.Usage}})
	able(t, err)
	t.Cleanup(tree.Close)
	for _, step := range []func() error{l.Release, l.Done, l.End} {
		able(t, step())
	}
	time.Sleep(10 * time.Millisecond)
	if err := l.Remove(); err != nil {
		t.Fatal(err)
	}
	gone := time.Now()
	time.Sleep(50 * time.Millisecond)
	able(t, tree.Read())
	last := tree.Points[len(tree.Points)-1]
	if before := tree.Last(gone); !last.Wall.After(gone) || last.Busy < 20*StormChild || last.Busy != before.Busy {
		t.Errorf("the law ends with %+v, the group with %+v at %v", last, before, gone)
	}
}

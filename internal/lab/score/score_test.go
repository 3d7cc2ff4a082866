package score

import (
	"math"
	"testing"
	"time"
)

// day has two sockets with idle energy of 60 and 20 J, over 4 s. a runs on socket 0 all the time, b on socket 1 in the first second, c ends.
func day() *Truth {
	t := &Truth{
		Processes: []Process{
			{Key: Key{1, 10}, Root: Key{1, 10}, Comm: "a", CPU: 4 * time.Second, Active: 40},
			{Key: Key{2, 10}, Root: Key{2, 10}, Comm: "b", CPU: time.Second, Active: 8},
			{Key: Key{3, 11}, Root: Key{2, 10}, Comm: "c", CPU: 500 * time.Millisecond, Active: 4, Exited: true},
			{Key: Key{4, 12}, Root: Key{2, 10}, Comm: "tiny", CPU: time.Millisecond, Active: 0.3, Exited: true},
			{Key: Key{5, 12}, Root: Key{2, 10}, Comm: "tiny", CPU: time.Millisecond, Active: 0.3, Exited: true},
			{Key: Key{6, 12}, Root: Key{6, 12}, Comm: "less", CPU: time.Millisecond, Active: 0.2},
		},
		Total: 132.8, Idle: []float64{60, 20}, Wall: 4 * time.Second, CPUs: 4, Times: &Times{},
	}
	for s := 1; s <= 4; s++ {
		t.Times.Add(Key{1, 10}, 0, time.Duration(s)*time.Second, time.Second)
	}
	t.Times.Add(Key{2, 10}, 1, time.Second, time.Second)
	t.Times.Add(Key{3, 11}, 1, 2*time.Second, 500*time.Millisecond)
	return t
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

func TestTruthByPolicy(t *testing.T) {
	for _, c := range []struct {
		policy  Policy
		window  time.Duration
		a, b, c float64
	}{
		{Separate, time.Second, 40, 8, 4},
		{Capacity, time.Second, 40 + 80*4.0/16, 8 + 80*1.0/16, 4 + 80*0.5/16},
		// 20 J of idle energy each second: in the first a and b ran as long, in the second a twice as long as c.
		{Busy, time.Second, 40 + 10 + 20*2.0/3 + 40, 8 + 10, 4 + 20/3.0},
		{Busy, 2 * time.Second, 40 + 40*2/3.5 + 40, 8 + 40*1/3.5, 4 + 40*0.5/3.5},
		// Socket 0 has 15 J each second, which are a's; socket 1 has 5 J, in two of the four seconds somebody's.
		{Sockets, time.Second, 40 + 60, 8 + 5, 4 + 5},
		{Equal, time.Second, 40 + 10 + 10 + 40, 8 + 10, 4 + 10},
	} {
		got := day().Joules(c.policy, c.window)
		if !near(got[Key{1, 10}], c.a) || !near(got[Key{2, 10}], c.b) || !near(got[Key{3, 11}], c.c) {
			t.Errorf("%s, windows of %v: %v %v %v, want %v %v %v", c.policy, c.window, got[Key{1, 10}], got[Key{2, 10}], got[Key{3, 11}], c.a, c.b, c.c)
		}
	}
}

// Idle energy of a machine as a whole is shared over all who ran, whichever socket that was on.
func TestOneIdleForAllSockets(t *testing.T) {
	d := day()
	d.Idle = []float64{80}
	if a, b := d.Joules(Sockets, time.Second), d.Joules(Busy, time.Second); !near(a[Key{1, 10}], b[Key{1, 10}]) {
		t.Errorf("%v by sockets, %v for all", a[Key{1, 10}], b[Key{1, 10}])
	}
}

func TestEntriesAndErrors(t *testing.T) {
	s := Of(day(), &Told{Joules: map[Key]float64{{1, 10}: 44, {2, 10}: 8, {4, 12}: 0.9, {9, 9}: 1}, Rest: 80, Window: time.Second}, Separate)
	want := []Entry{
		{Name: "a", Processes: 1, Truth: 40, Told: 44}, {Name: "b", Processes: 1, Truth: 8, Told: 8},
		{Name: "c", Processes: 1, Truth: 4}, {Name: "tiny", Processes: 2, Truth: 0.6, Told: 0.9},
	}
	if len(s.Entries) != len(want) {
		t.Fatalf("%d entries: %+v", len(s.Entries), s.Entries)
	}
	for i, w := range want {
		if g := s.Entries[i]; g.Name != w.Name || g.Processes != w.Processes || !near(g.Truth, w.Truth) || !near(g.Told, w.Told) {
			t.Errorf("entry %d is %+v, want %+v", i, g, w)
		}
	}
	// Errors are 0.1, 0, 1 and 0.5.
	if !near(s.Median, 0.1) || !near(s.P95, 1) || !near(s.Worst, 1) || !near(s.Mean(), 0.4) {
		t.Errorf("median %v, p95 %v, worst %v, mean %v", s.Median, s.P95, s.Worst, s.Mean())
	}
	if !near(s.Handed, 44+8+0.9+1+80) || !near(s.Of, 132.8) || !near(s.Conservation(), 133.9/132.8-1) {
		t.Errorf("%v handed out of %v: %v", s.Handed, s.Of, s.Conservation())
	}
	if !near(s.ExitedTruth, 4.6) || !near(s.ExitedTold, 0.9) {
		t.Errorf("exited: %v of %v", s.ExitedTold, s.ExitedTruth)
	}
}

// One number that is wild does not say where a tool is nearest to.
func TestMeanIsCapped(t *testing.T) {
	s := Of(day(), &Told{Joules: map[Key]float64{{1, 10}: 4e6, {2, 10}: 8, {3, 11}: 4, {4, 12}: 0.6}}, Separate)
	if !near(s.Mean(), 0.25) {
		t.Errorf("mean %v", s.Mean())
	}
}

// Without an idle number of its own, a tool's numbers should add up to the truth of all processes by its policy.
func TestWhatItShouldAddUpTo(t *testing.T) {
	told := &Told{Joules: map[Key]float64{{1, 10}: 52.8}, NoRest: true, Rest: 1000, Window: time.Second}
	if s := Of(day(), told, Separate); !near(s.Handed, 52.8) || !near(s.Of, 52.8) || !near(s.Conservation(), 0) {
		t.Errorf("%v of %v", s.Handed, s.Of)
	}
	if s := Of(day(), told, Busy); !near(s.Of, 52.8+80) {
		t.Errorf("idle energy that somebody has to have is not in %v", s.Of)
	}
}

// A tree's number is compared with that of all its processes; numbers of processes below a root are in that of the root.
func TestTrees(t *testing.T) {
	s := Of(day(), &Told{Joules: map[Key]float64{{1, 10}: 40, {2, 10}: 12.6, {3, 11}: 4}, NoRest: true, Trees: true, Window: time.Second}, Separate)
	if len(s.Entries) != 2 || !near(s.Entries[1].Truth, 12.6) || s.Entries[1].Name != "b" || !near(s.Worst, 0) {
		t.Errorf("%+v", s.Entries)
	}
	if !near(s.Handed, 52.6) || s.ExitedTruth != 0 {
		t.Errorf("handed %v, exited %v: the tree has not", s.Handed, s.ExitedTruth)
	}
}

func TestCoverage(t *testing.T) {
	s := Of(day(), &Told{Window: time.Second, Ranges: map[Key]Range{
		{1, 10}: {40, 41}, {2, 10}: {4, 8}, {3, 11}: {4.1, 8.2}, {4, 12}: {0.1, 0.3}, {5, 12}: {0, 0.29},
	}}, Separate)
	// Of six rows a, b and one tiny one are inside; c and the other are not, and of the last nothing was told: that and the other are open.
	if want := (Coverage{Rows: 6, Covered: 3, Open: 2, Width: 2, WidthP95: math.Inf(1)}); !alike(s.Coverage, want) {
		t.Errorf("%+v, want %+v", s.Coverage, want)
	}
	if want := (Coverage{Rows: 3, Covered: 2, Width: 2, WidthP95: 2}); !alike(s.Large, want) {
		t.Errorf("of a, b and c %+v, want %+v", s.Large, want)
	}
	if s := Of(day(), &Told{Window: time.Second}, Separate); s.Rows != 0 || !math.IsNaN(s.Width) || !math.IsNaN(s.Large.WidthP95) || !math.IsNaN(s.Inside()) {
		t.Errorf("who tells no ranges has %+v", s.Coverage)
	}
}

func alike(a, b Coverage) bool {
	same := func(x, y float64) bool { return x == y || near(x, y) }
	return a.Rows == b.Rows && a.Covered == b.Covered && a.Open == b.Open && same(a.Width, b.Width) && same(a.WidthP95, b.WidthP95)
}

// A range that holds whatever there may be is no merit: it covers all, and is as wide as it is.
func TestUselessRangesShow(t *testing.T) {
	for _, c := range []struct {
		all  Range
		open int
		wide float64
	}{{Range{0, 1e9}, 6, math.Inf(1)}, {Range{1e-6, 1e9}, 0, 1e15}} {
		told := &Told{Window: time.Second, Ranges: map[Key]Range{}}
		for _, p := range day().Processes {
			told.Ranges[p.Key] = c.all
		}
		s := Of(day(), told, Separate)
		for _, got := range []Coverage{s.Coverage, s.Large} {
			if got.Covered != got.Rows || got.Open != min(c.open, got.Rows) || got.Width < c.wide || got.WidthP95 < c.wide {
				t.Errorf("ranges of %v: %+v", c.all, got)
			}
		}
	}
}

func TestQuantile(t *testing.T) {
	for _, c := range []struct {
		values []float64
		q, is  float64
	}{{[]float64{3, 1, 2}, 0.5, 2}, {[]float64{3, 1, 2, 4}, 0.5, 2}, {[]float64{3, 1, 2}, 0.95, 3}, {[]float64{7}, 0.01, 7}, {[]float64{1, 2}, 0, 1}} {
		if got := Quantile(c.values, c.q); got != c.is {
			t.Errorf("%v of %v: %v, want %v", c.q, c.values, got, c.is)
		}
	}
	if !math.IsNaN(Quantile(nil, 0.5)) {
		t.Error("nothing has a median")
	}
}

// Nothing that a tool says, and no truth, makes numbers that cannot be shown.
func TestHostileNumbers(t *testing.T) {
	empty := &Truth{}
	for _, p := range Policies {
		s := Of(empty, &Told{Joules: map[Key]float64{{1, 1}: 5}}, p)
		if c := s.Conservation(); math.IsNaN(c) || math.IsInf(c, 0) {
			t.Errorf("%s: %v", p, c)
		}
	}
	var times Times
	times.Add(Key{1, 1}, 0, -time.Hour, time.Second)
	times.Add(Key{1, 1}, 0, 1<<62, time.Second)
	times.Add(Key{1, 1}, 0, time.Second, -time.Second)
	if len(times.seconds) != 1 || times.seconds[0][at{Key{1, 1}, 0}] != time.Second {
		t.Errorf("%v", times.seconds)
	}
}

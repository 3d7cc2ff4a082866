package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/live"
)

// TestLawFaults: whatever a counter does, the window says so, the program goes on, and no joules are invented.
func TestLawFaults(t *testing.T) {
	lawNeeds(t)
	if testing.Short() {
		t.Skip("takes 8 s")
	}
	burner := lawStart(t, "steady", time.Minute)
	burner.release(t) // killed at the end
	cases := []*lawFaultCase{
		{fault: "stall", d: 7 * time.Second, marks: []string{"counter has not moved for", "the counter stood still before"}, complete: true},
		{fault: "wrap", d: 6 * time.Second, complete: true},
		{fault: "back", d: 6 * time.Second, marks: []string{"counter reset"}},
		{fault: "ahead", d: 6 * time.Second, marks: []string{"counter step implies"}},
		{fault: "gone", d: 7 * time.Second, marks: []string{"counter unreadable: no such file", "counter is back after"}},
		{fault: "garbage", d: 7 * time.Second, marks: []string{"counter unreadable: not a number", "unreadable before"}, complete: true},
		{fault: "empty", d: 7 * time.Second, marks: []string{"counter unreadable: empty", "unreadable before"}, complete: true},
	}
	for _, c := range cases { // all at once
		c.tree = lawNewTree(t, c.fault)
		c.a = lawRunAttach(t, c.d, "--sysfs", c.tree.sysfs, "--source", "rapl", "--idle-watts", "package-0=20,dram-0=1")
		c.tree.begin(t)
	}
	for _, c := range cases {
		t.Run(c.fault, func(t *testing.T) {
			windows, total := c.a.wait(t)
			lawAddUp(t, windows, total)
			c.tree.read(t)
			if total.Seconds < c.d.Seconds() || len(windows) < int(c.d/time.Second) {
				t.Errorf("it ended after %.3f s and %d windows, not after %v", total.Seconds, len(windows), c.d)
			}
			lawFaultMarks(t, windows, total, c.marks)
			c.tree.hold(t, "total", 0, total.Energy[0].Joules, total.Start, total.End, !c.complete)
			c.tree.hold(t, "total", 1, total.Energy[1].Joules, total.Start, total.End, false)
			if c.fault == "wrap" && c.tree.Microjoules(0, total.End) < live.WrapAfter {
				t.Errorf("the counter has not wrapped after %d uJ", c.tree.Microjoules(0, total.End))
			}
			c.windows(t, windows)
			sum, _ := total.Sum(func(r *live.Row) bool { return r.Cgroup == burner.cgroup })
			// What comes late is nobody's: who runs when it comes has no more than the law gives for its own time.
			got, most := sum.ByDomain["package-0"].Joules(), 10*sum.CPU*1.05
			t.Logf("the burner has %.3f J for %.3f s of CPU time", got, sum.CPU)
			if got > most {
				t.Errorf("the burner has %.3f J, more than %.3f J", got, most)
			}
		})
	}
}

type lawFaultCase struct {
	fault    string
	d        time.Duration
	marks    []string // each is in some window of package-0; none: no window has a mark
	complete bool     // the total has all that was spent
	tree     *lawTree
	a        lawAttach
}

// lawFaultMarks checks that the ill domain has the marks, in a window and in the total, and that the other one has none.
func lawFaultMarks(t *testing.T, windows []live.Snapshot, total live.Snapshot, want []string) {
	t.Helper()
	var marks []string
	marked := 0
	for _, w := range windows {
		marks = append(marks, w.Energy[0].Marks...)
		marked += w.Losses.Marked
		if w.Energy[1].Marks != nil {
			t.Errorf("dram-0 is marked too: %q", w.Energy[1].Marks)
		}
	}
	if len(want) == 0 && marks != nil || marked != total.Losses.Marked {
		t.Errorf("marks %q; windows count %d of them, the total %d", marks, marked, total.Losses.Marked)
	}
	for _, text := range want {
		has := func(m string) bool {
			return strings.Contains(m, text) && strings.HasPrefix(m, "intel-rapl:0/energy_uj: ")
		}
		if !slices.ContainsFunc(marks, has) || !slices.ContainsFunc(total.Energy[0].Marks, has) {
			t.Errorf("no mark with %q: windows have %q, the total %q", text, marks, total.Energy[0].Marks)
		}
	}
}

// windows holds each window against the law: one without a mark has all of its energy, one with a mark nothing invented.
func (c *lawFaultCase) windows(t *testing.T, windows []live.Snapshot) {
	t.Helper()
	from := windows[0].Start // of the energy that a window may have: a counter that comes back brings what it counted meanwhile
	for i, w := range windows {
		marks := w.Energy[0].Marks
		t.Logf("window %d: %.6f J %q", i, w.Energy[0].Joules.Joules(), marks)
		// Here an ordinary file is read to its last value once more when it has gone; sysfs would refuse.
		less := len(marks) > 0 || c.fault == "gone" || c.fault == "stall"
		if !less {
			from = w.Start
		}
		c.tree.hold(t, "window", 0, w.Energy[0].Joules, from, w.End, less)
		if w.Energy[0].Joules > 0 {
			from = w.Start // it may have stood still from somewhere in this window
		}
	}
}

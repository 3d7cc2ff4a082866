package main

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/live"
)

// lawZone is a counter of a tree: its power is idle watts and so many watts for each busy CPU.
type lawZone struct {
	domain     string
	idle, busy float64
}

// lawTree is a sysfs whose energy counters follow a law of the kernel's own count of CPU time.
type lawTree struct {
	*live.Tree
	sysfs string
	zones []lawZone
}

// lawNewTree makes one and drives it until the test ends. fault is as in live.Law.
func lawNewTree(t testing.TB, fault string) *lawTree {
	t.Helper()
	lawNeeds(t)
	return lawTreeOf(t, fault, filepath.Join(lawMount(t, "cpuacct"), "cpuacct.usage"))
}

// lawTreeOf makes one that follows the CPU time that a file tells.
func lawTreeOf(t testing.TB, fault, usage string) *lawTree {
	t.Helper()
	sysfs := t.TempDir()
	tree, err := live.NewTree(live.Law{Sysfs: sysfs, Zones: live.Zones(), Whole: []string{usage}, Fault: fault})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tree.Close)
	l := &lawTree{Tree: tree, sysfs: sysfs}
	for _, z := range tree.Zones {
		l.zones = append(l.zones, lawZone{z.Domain, z.Idle, z.Busy})
	}
	return l
}

// begin starts the clock of faults.
func (tree *lawTree) begin(t testing.TB) {
	t.Helper()
	if err := tree.Begin(); err != nil {
		t.Fatal(err)
	}
}

// read takes in what the law has said so far.
func (tree *lawTree) read(t testing.TB) {
	t.Helper()
	if err := tree.Read(); err != nil {
		t.Fatal(err)
	}
	last := tree.Points[len(tree.Points)-1]
	t.Logf("the law: %.0f updates a second for %v, the longest gap %v; %.2f CPUs were busy", tree.Rate(), last.At, tree.MaxGap, last.Busy.Seconds()/last.At.Seconds())
}

// lawEdge is how long after the stamp of an edge its counters may be read: the program may have to wait for a CPU in between.
const lawEdge = 10 * time.Millisecond

// busyCPUs is the mean number of busy CPUs between two moments.
func (tree *lawTree) busyCPUs(from, to time.Time) float64 {
	return tree.Busy(from, to).Seconds() / to.Sub(from).Seconds()
}

// hold checks a zone's energy between two stamps against the law. less: some of it may be missing, but nothing is invented.
func (tree *lawTree) hold(t testing.TB, what string, zone int, got live.Micro, from, to time.Time, less bool) {
	t.Helper()
	least, most := tree.spent(zone, from, to)
	if less {
		least = 0
	}
	if int64(got) < least || int64(got) > most {
		t.Errorf("%s: %s has %d uJ, the law says %d to %d", what, tree.zones[zone].domain, got, least, most)
	}
}

// spent returns what a zone has used between two stamps, at least and at most.
func (tree *lawTree) spent(zone int, from, to time.Time) (least, most int64) {
	uj := func(at time.Time) int64 { return tree.Microjoules(zone, at) }
	return uj(to.Add(-lawEdge)) - uj(from.Add(lawEdge)), uj(to.Add(lawEdge)) - uj(from.Add(-lawEdge))
}

package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// lawPoint is what the law said at a moment.
type lawPoint struct {
	wall     time.Time
	at, busy time.Duration // since the law began
}

// lawTree is a sysfs whose energy counters follow a law of the kernel's own count of CPU time: see lawDriver.
type lawTree struct {
	lawProcess
	sysfs  string
	zones  []*lawZone
	points []lawPoint // after read
	maxGap time.Duration
}

// lawNewTree makes one and drives it until the test ends. fault is one of lawFaults, or empty.
func lawNewTree(t testing.TB, fault string) *lawTree {
	t.Helper()
	lawNeeds(t)
	return lawTreeOf(t, fault, filepath.Join(lawMount(t, "cpuacct"), "cpuacct.usage"))
}

// lawTreeOf makes one that follows the CPU time that a file tells.
func lawTreeOf(t testing.TB, fault, usage string) *lawTree {
	t.Helper()
	tree := &lawTree{sysfs: t.TempDir()}
	tree.zones = lawZones(tree.sysfs, fault)
	for _, z := range tree.zones {
		if err := os.MkdirAll(z.dir, 0o755); err != nil {
			t.Fatal(err)
		}
		for file, text := range map[string]string{"name": z.name + "\n", "enabled": "1\n", "max_energy_range_uj": fmt.Sprintln(lawRange)} {
			if err := os.WriteFile(filepath.Join(z.dir, file), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	tree.lawProcess = lawSpawn(t, []string{tree.sysfs, usage, fault}, lawHelperEnv+"=driver")
	return tree
}

// begin starts the clock of faults.
func (tree *lawTree) begin(t testing.TB) {
	t.Helper()
	if _, err := tree.gate.WriteString("b"); err != nil {
		t.Fatal(err)
	}
}

// read takes in what the law has said so far.
func (tree *lawTree) read(t testing.TB) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(tree.sysfs, "points"))
	if err != nil {
		t.Fatal(err)
	}
	tree.points, tree.maxGap = tree.points[:0], 0
	word := binary.NativeEndian.Uint64
	for ; len(b) >= lawRecord; b = b[lawRecord:] {
		p := lawPoint{time.Unix(0, int64(word(b))), time.Duration(word(b[8:])), time.Duration(word(b[16:]))}
		if n := len(tree.points); n > 0 {
			tree.maxGap = max(tree.maxGap, p.at-tree.points[n-1].at)
		}
		tree.points = append(tree.points, p)
	}
	last := tree.points[len(tree.points)-1]
	rate := float64(len(tree.points)) / last.at.Seconds()
	t.Logf("the law: %.0f updates a second for %v, the longest gap %v; %.2f CPUs were busy", rate, last.at, tree.maxGap, last.busy.Seconds()/last.at.Seconds())
	if rate < 100 {
		t.Fatalf("the counters were updated %.0f times a second: too rarely for windows of 1 s", rate)
	}
}

// at returns the last point up to a moment.
func (tree *lawTree) at(wall time.Time) lawPoint {
	p := tree.points[0]
	for _, q := range tree.points {
		if q.wall.After(wall) {
			break
		}
		p = q
	}
	return p
}

// uj is what a zone had used at a moment, as its counter showed it.
func (tree *lawTree) uj(zone int, wall time.Time) int64 {
	p := tree.at(wall)
	return tree.zones[zone].uj(p.at, p.busy)
}

// lawEdge is how long after the stamp of an edge its counters may be read: the program may have to wait for a CPU in between.
const lawEdge = 10 * time.Millisecond

// busyCPUs is the mean number of busy CPUs between two moments.
func (tree *lawTree) busyCPUs(from, to time.Time) float64 {
	p, q := tree.at(from), tree.at(to)
	return (q.busy - p.busy).Seconds() / (q.at - p.at).Seconds()
}

// hold checks a zone's energy between two stamps against the law. less: some of it may be missing, but nothing is invented.
func (tree *lawTree) hold(t testing.TB, what string, zone int, got lawMicro, from, to time.Time, less bool) {
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
	return tree.uj(zone, to.Add(-lawEdge)) - tree.uj(zone, from.Add(lawEdge)), tree.uj(zone, to.Add(lawEdge)) - tree.uj(zone, from.Add(-lawEdge))
}

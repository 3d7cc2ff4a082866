package main

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/live"
)

// The law: each busy CPU second costs 10 J of the package and 0.5 J of the memory, whoever uses it, on top of 20 W and 1 W.

func TestLawFloorGiven(t *testing.T) {
	lawAccuracy(t, "package-0=20,dram-0=1", 500*time.Millisecond, 0.02)
}

// The floor is learned from 2 s of quiet. Where something else ran in them, all else is held against the law, and it is tried again.
func TestLawFloorLearned(t *testing.T) {
	lawNeeds(t)
	for try := range 3 {
		quiet := false
		t.Run(fmt.Sprint("try", try), func(t *testing.T) {
			if !testing.Short() {
				lawAwaitQuiet(t)
			}
			quiet = lawAccuracy(t, "auto", 2*time.Second, 0.06)
		})
		if quiet || testing.Short() || t.Failed() {
			return
		}
	}
	t.Skip("need quiet: the machine was busy in the 2 s before each of the loads, when the floor is learned")
}

// lawAccuracy runs a steady burner, a 30 % burner and a fork storm side by side and holds each one's active joules against the law.
// Whatever else runs on the machine is in the law too. It tells whether the machine was quiet before, as far as that matters: else the
// tolerance was not applied.
func lawAccuracy(t *testing.T, idle string, quiet time.Duration, tolerance float64) (wasQuiet bool) {
	if testing.Short() {
		t.Skip("takes 10 s")
	}
	const load = 8 * time.Second
	tree := lawNewTree(t, "")
	steady, duty, storm := lawStart(t, "steady", load), lawStart(t, "duty", load), lawStart(t, "storm", load)
	loads := []*lawLoad{steady, duty, storm}
	a := lawRunAttach(t, 2*time.Minute, "--sysfs", tree.sysfs, "--source", "rapl", "--idle-watts", idle, "--dram", "cpu_time") // as the law goes
	began := time.Now()
	time.Sleep(quiet)
	released := time.Now()
	for _, l := range loads {
		l.release(t)
	}
	for _, l := range loads {
		l.wait(t)
	}
	a.interrupt(t)
	windows, total := a.wait(t)
	lawAddUp(t, windows, total)
	tree.read(t)
	before := tree.busyCPUs(began, released)
	t.Logf("in the %v before the load %.2f CPUs were busy", quiet, before)
	if wasQuiet = idle != "auto" || before <= lawQuiet*float64(runtime.NumCPU()); !wasQuiet {
		tolerance = math.Inf(1) // all else must hold
	}
	for i, z := range tree.zones {
		t.Logf("%s: %d uJ; idle %.3f W, %s", z.domain, total.Energy[i].Joules, total.Idle[i].Watts, total.Idle[i].How)
		tree.hold(t, "total", i, total.Energy[i].Joules, total.Start, total.End, false)
		if total.Energy[i].Marks != nil || total.Energy[i].Method != "measured" {
			t.Errorf("%+v is not measured, or has marks", total.Energy[i])
		}
	}

	for _, l := range loads {
		sum, _ := total.Sum(func(r *live.Row) bool { return r.Cgroup == l.cgroup })
		lawHold(t, tree, l.name, sum, l.used, tolerance)
	}
	children, n := total.Sum(func(r *live.Row) bool { return r.Cgroup == storm.cgroup && r.PID != storm.pid() })
	lawHold(t, tree, "storm's children", children, storm.used-storm.self, tolerance)
	if n != storm.forks || n < lawForks*99/100 {
		t.Errorf("%d rows for %d children of the storm; %d switches missed", n, storm.forks, total.Losses.Missed)
	}
	for _, r := range total.Rows {
		if r.Cgroup == storm.cgroup && r.PID != storm.pid() && (r.PPID != storm.pid() || r.Joules <= 0 || r.Kind != "process") {
			t.Errorf("a child of the storm, %d, has the row %+v", storm.pid(), r)
		}
	}
	nobody, _ := total.Sum(lawKind("unattributed", "overflow"))
	idleRow, _ := total.Sum(lawKind("idle"))
	t.Logf("idle %.3f J in %.3f s; nobody's %.3f J for %.4f s; %d switches missed; %d children", idleRow.Joules.Joules(), total.Seconds,
		nobody.Joules.Joules(), total.Losses.Unseen, total.Losses.Missed, n)
	return wasQuiet
}

// lawHold compares what rows have with the law for a CPU time, domain by domain.
func lawHold(t *testing.T, tree *lawTree, what string, row live.Row, used time.Duration, tolerance float64) {
	t.Helper()
	for _, z := range tree.zones {
		got, want := row.ByDomain[z.domain].Joules(), z.busy*used.Seconds()
		ratio := got / want
		t.Logf("%s: %s: %.4f J / %.4f J = %.5f (CPU time %.5f)", z.domain, what, got, want, ratio, row.CPU/used.Seconds())
		if !(ratio >= 1-tolerance && ratio <= 1+tolerance) {
			t.Errorf("%s: %s has %.4f J, the law says %.4f J: ratio %.5f is not within %g", z.domain, what, got, want, ratio, tolerance)
		}
	}
}

// lawQuiet is the share of the CPUs that may be busy while a machine counts as quiet.
const lawQuiet = 0.2

// lawAwaitQuiet waits for a second of quiet, a while: the test before may have left work behind.
func lawAwaitQuiet(t *testing.T) {
	acct := lawMount(t, "cpuacct")
	if _, err := os.Stat(filepath.Join(acct, "cpuacct.usage")); err != nil {
		t.Fatal(err)
	}
	quiet := 0
	for end := time.Now().Add(15 * time.Second); quiet < 4 && time.Now().Before(end); {
		before, at := lawReadTime(t, acct), time.Now()
		time.Sleep(250 * time.Millisecond)
		if busy := lawReadTime(t, acct) - before; busy.Seconds()/time.Since(at).Seconds() <= lawQuiet*float64(runtime.NumCPU()) {
			quiet++
		} else {
			quiet = 0
		}
	}
}

package main

import (
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// sleepers starts n processes that do nothing, and returns what ends them.
func sleepers(t *testing.T, n int) func() {
	t.Helper()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	// Each waits for somebody to open the other end.
	script := `i=0; while [ $i -lt "$1" ]; do read x <"$2" & i=$((i+1)); done; echo ready; read x <"$2"`
	cmd := exec.Command("sh", "-c", script, "sh", strconv.Itoa(n), fifo)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	lines := startLines(t, cmd)
	stop := sync.OnceFunc(func() {
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
		_ = cmd.Wait()
		// Thousands of orphans keep pid 1 busy for a while: not while the next test measures.
		for end := time.Now().Add(20 * time.Second); unix.Kill(-cmd.Process.Pid, 0) == nil && time.Now().Before(end); {
			time.Sleep(10 * time.Millisecond)
		}
	})
	t.Cleanup(stop)
	if line := <-lines; line != "ready\n" {
		t.Fatalf("sleepers say %q", line)
	}
	stats, err := filepath.Glob("/proc/[1-9]*/stat")
	if err != nil || len(stats) <= n {
		t.Fatalf("%d processes, want %d sleepers: %v", len(stats), n, err)
	}
	return stop
}

// ownCost watches the machine for some windows and returns the median CPU time that one took eco2-bpf, in seconds.
func ownCost(t *testing.T, windows int) float64 {
	t.Helper()
	cmd := eco2(t, "attach", "-o", "json", "-i", "200ms")
	var all []*wireReport
	lines := startLines(t, cmd)
	for line := range lines {
		all = append(all, checkLine(t, line))
		if len(all) == windows+1 {
			rss, peak := statusKB(t, cmd.Process.Pid, "VmRSS"), statusKB(t, cmd.Process.Pid, "VmHWM")
			t.Logf("resident %d kB, at most %d kB", rss, peak)
			if rss > 60<<10 {
				t.Errorf("%d kB are resident, want less than 60 MB", rss)
			}
			if err := cmd.Process.Signal(unix.SIGINT); err != nil {
				t.Fatal(err)
			}
		}
	}
	if code := waitCode(t, cmd); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	windowsAddUp(t, all)
	if rss := all[len(all)-1].Self.RSSBytes; rss == 0 || rss > 60e6 {
		t.Errorf("self.rss_bytes is %d, want less than 60 MB", rss)
	}
	var cost []float64
	for _, w := range all[1:windows] { // the first has the end of the start in it
		cost = append(cost, w.Self.CPUSeconds)
	}
	slices.Sort(cost)
	return cost[len(cost)/2]
}

// TestCostFollowsWhatRuns: user space works for what ran, not for what exists (law 3).
func TestCostFollowsWhatRuns(t *testing.T) {
	e2eNeedKernel(t)
	var cost []float64
	for _, n := range []int{200, 5000} {
		stop := sleepers(t, n)
		cost = append(cost, ownCost(t, 9))
		stop()
	}
	ratio := cost[1] / cost[0]
	t.Logf("CPU time of a window: %.3f ms beside 200 sleeping processes, %.3f ms beside 5,000: ratio %.2f", cost[0]*1e3, cost[1]*1e3, ratio)
	if cost[0] >= 0.005 || cost[1] >= 0.005 {
		t.Error("want less than 5 ms")
	}
	if ratio >= 2 {
		t.Error("want a ratio below 2")
	}
}

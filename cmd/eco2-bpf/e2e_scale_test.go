package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eco2-bpf/eco2-bpf/internal/host"
)

// cLoad builds testdata/load.c under a name and returns its path.
func cLoad(t *testing.T, name string) string {
	t.Helper()
	cc, err := exec.LookPath("cc")
	if err != nil {
		t.Skip("need gcc: to build the loads")
	}
	path := filepath.Join(t.TempDir(), name)
	if out, err := exec.Command(cc, "-O2", "-static", "-Wall", "-o", path, "testdata/load.c").CombinedOutput(); err != nil {
		t.Fatalf("build the load: %v: %s", err, out)
	}
	return path
}

// gated is a load that says "ready", and goes on when told.
type gated struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startGated(t *testing.T, cmd *exec.Cmd) *gated {
	t.Helper()
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	g := &gated{cmd, in, bufio.NewReader(out)}
	t.Cleanup(func() { g.in.Close(); _ = g.cmd.Wait() })
	g.expect(t, "ready")
	return g
}

func (g *gated) expect(t *testing.T, want string) {
	t.Helper()
	if line, err := g.out.ReadString('\n'); err != nil || line != want+"\n" {
		t.Fatalf("the load said %q, %v; not %q", line, err, want)
	}
}

// procScan is what tools do that have no events: each second it reads of every process its times and its cgroup. It returns the CPU
// seconds of a scan, and how many it made.
func procScan(stop <-chan struct{}) (seconds float64, scans int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cpu := func() float64 {
		var ru unix.Rusage
		_ = unix.Getrusage(unix.RUSAGE_THREAD, &ru)
		return float64(ru.Utime.Nano()+ru.Stime.Nano()) / 1e9
	}
	start := cpu()
	for {
		entries, _ := os.ReadDir("/proc")
		for _, e := range entries {
			if _, err := strconv.Atoi(e.Name()); err != nil {
				continue
			}
			for _, name := range []string{"stat", "cgroup"} {
				_, _ = os.ReadFile("/proc/" + e.Name() + "/" + name)
			}
		}
		scans++
		select {
		case <-stop:
			return (cpu() - start) / float64(scans), scans
		case <-time.After(time.Second):
		}
	}
}

// Thousands sleep and hundreds of processes a second live for 1 ms: all of them are counted, by name, and what that costs follows what
// runs. ECO2_BPF_SCALE=full: 20,000 sleepers and as many as the machine can, up to 2,000 a second, for 60 s.
func TestScale(t *testing.T) {
	if testing.Short() {
		t.Skip("short: no thousands of processes")
	}
	e2eNeedKernel(t)
	asleep, rate, seconds := 5000, 500, 6
	if os.Getenv("ECO2_BPF_SCALE") == "full" {
		asleep, rate, seconds = 20000, 2000, 60
	}
	load, short := cLoad(t, "storm"), cLoad(t, "onems")
	startGated(t, exec.Command(cLoad(t, "asleep"), "sleepers", strconv.Itoa(asleep)))

	quiet := jsonLines(t, succeed(t, "attach", "--by", "command", "-o", "json", "-d", "4s").stdout)
	attach := exec.Command(e2eProgram(t), "attach", "--by", "command", "-o", "json") // for longer than eco2 lets it live
	lines := startLines(t, attach)
	var all []string
	all = append(all, <-lines) // it counts from before its first window
	stop, scanned := make(chan struct{}), make(chan [2]float64)
	go func() {
		s, n := procScan(stop)
		scanned <- [2]float64{s, float64(n)}
	}()
	out, err := exec.Command(load, "storm", short, strconv.Itoa(rate), strconv.Itoa(seconds), "1000").Output()
	if err != nil {
		t.Fatal(err)
	}
	close(stop)
	scan := <-scanned
	time.Sleep(100 * time.Millisecond)
	peak := statusKB(t, attach.Process.Pid, "VmHWM")
	_ = attach.Process.Signal(unix.SIGINT)
	for line := range lines {
		all = append(all, line)
	}
	if code := waitCode(t, attach); code != 0 {
		t.Fatalf("attach ended with %d", code)
	}
	reports := jsonLines(t, strings.Join(all, ""))
	total := reports[len(reports)-1]
	var ran, us int64
	if _, err := fmt.Sscan(string(out), &ran, &us); err != nil {
		t.Fatal(err)
	}
	row := total.row(func(r *wireRow) bool { return r.Kind == "group" && r.Comm == "onems" })
	if row == nil {
		t.Fatal("the short processes have no row")
	}
	ratio := row.CPUSeconds / (float64(us) / 1e6)
	t.Logf("%d processes of 1 ms, %.0f a second, beside %d that sleep: %d counted, CPU time / rusage = %.4f", ran, float64(ran)/float64(seconds), asleep, row.Processes, ratio)
	// A process counts once, where it ran first: one that a window's edge cut off from its exec is with the storm's own.
	storm := total.row(func(r *wireRow) bool { return r.Kind == "group" && r.Comm == "storm" })
	if storm == nil || int64(row.Processes+storm.Processes) != ran+1 || storm.Processes > 1+len(reports) {
		t.Errorf("%d of %d processes counted, and %+v", row.Processes, ran, storm)
	}
	// The kernel's last slice of a process is in no rusage.
	if ratio < 0.98 || ratio > 1.02 {
		t.Errorf("their CPU time is %.3f of the kernel's count", ratio)
	}
	lost := total.Losses
	if lost.Missed = 0; lost.Overflow+lost.Events+lost.Breaches+lost.UnknownProcesses+lost.UnknownCgroups > 0 {
		t.Errorf("losses %+v", lost)
	}
	still, busy := perWindow(quiet), perWindow(reports)
	t.Logf("user space per window: %.2f ms with only the sleepers, %.2f ms with %.0f new processes a second (%.1f us each); peak memory %.1f MB",
		1e3*still, 1e3*busy, float64(ran)/float64(seconds), 1e6*(busy-still)/(float64(ran)/float64(seconds)), float64(peak)/1024)
	t.Logf("reading /proc once: %.1f ms (%0.f times); that is %.1f times the window with the storm, %.1f times the one without",
		1e3*scan[0], scan[1], scan[0]/busy, scan[0]/still)
	if scan[0] < 2*still {
		t.Errorf("a window beside sleepers costs %.2f ms, a scan of /proc %.2f ms", 1e3*still, 1e3*scan[0])
	}
}

// perWindow is the CPU time of this program per second, by what it says of itself in windows but the first.
func perWindow(reports []*wireReport) float64 {
	var cpu, seconds float64
	for i, r := range reports {
		if r.Kind == "window" && i > 0 {
			cpu, seconds = cpu+r.Self.CPUSeconds, seconds+r.Seconds
		}
	}
	return cpu / max(seconds, 1e-9)
}

// Of 100 containers of 20 processes each has the CPU time that its cgroup counted.
func TestHundredContainers(t *testing.T) {
	if testing.Short() {
		t.Skip("short: no thousands of processes")
	}
	e2eNeedKernel(t)
	cg, err := host.ReadCgroups("/proc")
	if err != nil || cg.Mount == "" {
		t.Skip("no cgroup hierarchy is mounted here: ", err)
	}
	parent := filepath.Join(cg.Mount, fmt.Sprintf("eco2-test-%d", os.Getpid()), "docker")
	if err := os.MkdirAll(parent, 0o755); err != nil {
		t.Skip("need root: ", err)
	}
	t.Cleanup(func() { _ = os.Remove(filepath.Dir(parent)) })
	t.Cleanup(func() { _ = os.Remove(parent) })
	counted := parent // where the kernel counts: with version 1 it may be a hierarchy of its own
	if cg.V1 {
		counted = filepath.Join(cg.CPUAcct, strings.TrimPrefix(parent, cg.Mount))
		if err := os.MkdirAll(counted, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Remove(filepath.Dir(counted)) })
		t.Cleanup(func() { _ = os.Remove(counted) })
	}
	args := []string{"tenants", "20", "1000"}
	ids := map[string]string{}
	for i := range 100 {
		id := fmt.Sprintf("%064x", 0xabc000+i)
		for _, in := range []string{parent, counted} {
			dir := filepath.Join(in, id)
			if err := os.MkdirAll(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.Remove(dir) })
		}
		args, ids[id] = append(args, filepath.Join(parent, id)+":"+filepath.Join(counted, id)), filepath.Join(counted, id)
	}
	usage := cgroupUsage(cg)
	g := startGated(t, exec.Command(cLoad(t, "load"), args...))
	before := map[string]float64{}
	attach := eco2(t, "attach", "--by", "container", "-o", "json")
	lines := startLines(t, attach)
	all := []string{<-lines}
	for id, dir := range ids {
		before[id] = usage(t, dir)
	}
	if _, err := io.WriteString(g.in, "\n"); err != nil {
		t.Fatal(err)
	}
	g.expect(t, "done")
	time.Sleep(50 * time.Millisecond)
	after := map[string]float64{}
	for id, dir := range ids {
		after[id] = usage(t, dir)
	}
	_ = attach.Process.Signal(unix.SIGINT)
	for line := range lines {
		all = append(all, line)
	}
	reports := jsonLines(t, strings.Join(all, ""))
	total := reports[len(reports)-1]
	// What a kernel does not trace, as some of those here do not trace the switches of a protected process, is nobody's: what a container
	// lacks has to be in that row, and nothing is in a container that is not its own.
	unseen := total.row(func(r *wireRow) bool { return r.Kind == "unattributed" }).CPUSeconds
	worst, seen, right, lacks := 0.0, 0, 0, 0.0
	for _, r := range total.Rows {
		if r.Kind != "group" || ids[r.Group] == "" {
			continue
		}
		seen++
		want := after[r.Group] - before[r.Group]
		off := r.CPUSeconds/want - 1
		worst = max(worst, off, -off)
		lacks += want - r.CPUSeconds
		if math.Abs(off) <= 0.005 {
			right++
		}
		if off > 0.0001 {
			t.Errorf("container %s: %.6f s, its cgroup counted %.6f s", r.Group[58:], r.CPUSeconds, want)
		}
		if r.Processes != 20 {
			t.Errorf("container %s: %d processes", r.Group[58:], r.Processes)
		}
	}
	if seen != 100 || right < 90 || lacks > unseen+0.0001 {
		t.Errorf("%d containers have a row, %d within 0.5 %%, together they lack %.6f s of %.6f s unattributed", seen, right, lacks, unseen)
	}
	t.Logf("100 containers x 20 processes: %d are within 0.5 %% of their cgroup's own count, the worst lacks %.3f %%; %.6f s in all, %.6f s unattributed",
		right, 100*worst, lacks, unseen)
}

// cgroupUsage reads a cgroup's CPU seconds by the kernel's own count.
func cgroupUsage(cg host.Cgroups) func(*testing.T, string) float64 {
	return func(t *testing.T, dir string) float64 {
		t.Helper()
		if !cg.V1 {
			b, err := os.ReadFile(filepath.Join(dir, "cpu.stat"))
			if err != nil {
				t.Fatal(err)
			}
			var us float64
			if _, err := fmt.Sscanf(string(b), "usage_usec %f", &us); err != nil {
				t.Fatal(err)
			}
			return us / 1e6
		}
		b, err := os.ReadFile(filepath.Join(dir, "cpuacct.usage"))
		if err != nil {
			t.Fatal(err)
		}
		ns, err := strconv.ParseFloat(strings.TrimSpace(string(b)), 64)
		if err != nil {
			t.Fatal(err)
		}
		return ns / 1e9
	}
}

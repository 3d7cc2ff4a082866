package calibrate

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eco2-bpf/eco2-bpf/internal/host"
)

// The load is this test binary again, with its CPUs in the environment.
const burnEnv = "ECO2_BPF_BURN"

func TestMain(m *testing.M) {
	list, burn := os.LookupEnv(burnEnv)
	if !burn {
		os.Exit(m.Run())
	}
	var cpus []int
	for s := range strings.SplitSeq(list, ",") {
		cpu, err := strconv.Atoi(s)
		if err != nil {
			panic(err)
		}
		cpus = append(cpus, cpu)
	}
	if err := Burn(os.Stdin, os.Stdout, cpus); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func burner(t *testing.T, cpus []int) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), burnEnv+"="+strings.Trim(strings.ReplaceAll(fmt.Sprint(cpus), " ", ","), "[]"))
	return cmd
}

func allowedCPUs(t *testing.T) []int {
	t.Helper()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		t.Fatal(err)
	}
	var cpus []int
	for i := range 64 * len(set) {
		if set.IsSet(i) {
			cpus = append(cpus, i)
		}
	}
	return cpus
}

// cpuTime is how long a process's threads ran, and how many times, by the kernel's count.
func cpuTime(t *testing.T, pid int) (ran time.Duration, times int) {
	t.Helper()
	files, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(files) == 0 {
		t.Skip("this kernel has no schedstat: there is nothing to hold the load against")
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // a thread that has just ended
		}
		var ns, waited int64
		var n int
		if _, err := fmt.Sscan(string(b), &ns, &waited, &n); err != nil {
			t.Fatal(err)
		}
		ran, times = ran+time.Duration(ns), times+n
	}
	return ran, times
}

// allBusy is how long all of these CPUs were busy, by the kernel's count.
func allBusy(t *testing.T, b *host.Busy, cpus []int) (sum time.Duration) {
	t.Helper()
	busy := make([]time.Duration, slices.Max(cpus)+1)
	if err := b.Read(busy); err != nil {
		t.Fatal(err)
	}
	for _, cpu := range cpus {
		sum += busy[cpu]
	}
	return sum
}

// The load runs no more than it was asked to, and no less unless other work took the CPUs: they are as busy as was asked.
func TestLoadIsWhatWasAskedFor(t *testing.T) {
	cpus := allowedCPUs(t)
	busy, err := host.OpenBusy("/proc", host.Cgroups{})
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	p, err := StartLoad(burner(t, cpus))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	if p.Notes != "" {
		t.Error(p.Notes)
	}
	for i, percent := range []int{0, 100, 30, 60, 0} {
		if err := p.Set(percent); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * period)
		began := time.Now()
		ran0, times0 := cpuTime(t, p.cmd.Process.Pid)
		busy0 := allBusy(t, busy, cpus)
		time.Sleep(20 * period)
		busy1 := allBusy(t, busy, cpus)
		ran1, times1 := cpuTime(t, p.cmd.Process.Pid)
		all := time.Since(began).Seconds() * float64(len(cpus))
		run, share := (ran1-ran0).Seconds()/all, (busy1-busy0).Seconds()/all
		if woken := times1 - times0; i == 0 && woken > 40*len(cpus) { // each sleep wakes several of them
			t.Errorf("at 0 %% its threads ran %d times in %v: the CPUs could not stay asleep", woken, 20*period)
		}
		t.Logf("%3d %%: the load ran %.1f %%, the CPUs were busy %.1f %%", percent, 100*run, 100*share)
		if asked := float64(percent) / 100; run > asked+0.08 || share < asked-0.20 { // a hypervisor may take some
			t.Errorf("at %d %% the load ran %.1f %% of the time, the CPUs were busy %.1f %%", percent, 100*run, 100*share)
		}
	}
}

// Each CPU has a thread of its own, which lets all else go first.
func TestLoadIsPinned(t *testing.T) {
	cpus := allowedCPUs(t)
	p, err := StartLoad(burner(t, cpus))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	var pinned []int
	tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range tasks {
		tid, _ := strconv.Atoi(filepath.Base(dir))
		var set unix.CPUSet
		// The raw call gives 20 less the niceness.
		if nice, err := unix.Getpriority(unix.PRIO_PROCESS, tid); err != nil || 20-nice != 19 {
			continue
		}
		if err := unix.SchedGetaffinity(tid, &set); err != nil || set.Count() != 1 {
			continue
		}
		for _, cpu := range cpus {
			if set.IsSet(cpu) {
				pinned = append(pinned, cpu)
			}
		}
	}
	if slices.Sort(pinned); !slices.Equal(pinned, cpus) {
		t.Errorf("threads on the CPUs %v, want %v", pinned, cpus)
	}
}

func TestLoadOnCPUsThatAreNotThere(t *testing.T) {
	cpus := []int{allowedCPUs(t)[0], 1000}
	if runtime.NumCPU() >= 1000 {
		t.Skip("this machine has all of them")
	}
	p, err := StartLoad(burner(t, cpus))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Stop()
	if !strings.Contains(p.Notes, "1 of 2 CPUs cannot be loaded, such as cpu 1000: ") {
		t.Errorf("notes %q", p.Notes)
	}
}

func TestLoadEnds(t *testing.T) {
	cpus := allowedCPUs(t)
	if _, err := StartLoad(exec.Command("/bin/echo", "steady")); !errors.Is(err, errEnded) || !strings.Contains(err.Error(), "steady") {
		t.Error(err)
	}
	if _, err := StartLoad(exec.Command("/bin/true")); !errors.Is(err, errEnded) {
		t.Error(err)
	}
	if _, err := StartLoad(exec.Command("/nonexistent")); err == nil || !strings.Contains(err.Error(), "start the load") {
		t.Error(err)
	}
	p, err := StartLoad(burner(t, cpus))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Set(50); err != nil {
		t.Error(err)
	}
	if err := p.cmd.Process.Kill(); err != nil {
		t.Error(err)
	}
	<-p.ended
	if err := p.Set(50); !errors.Is(err, errEnded) {
		t.Errorf("a dead load takes %v", err)
	}
	p.Stop()

	// With its parent gone its input ends, and so does it, however busy its CPUs are.
	if p, err = StartLoad(burner(t, cpus)); err != nil {
		t.Fatal(err)
	}
	if err := p.Set(100); err != nil {
		t.Error(err)
	}
	_ = p.in.Close()
	select {
	case <-p.ended:
	case <-time.After(20 * time.Second):
		t.Error("it goes on")
	}
	p.Stop()
	if p, err = StartLoad(burner(t, cpus)); err != nil {
		t.Fatal(err)
	}
	if p.Stop(); unix.Kill(p.cmd.Process.Pid, 0) == nil {
		t.Error("it was stopped, and is there")
	}
	if err := p.Set(50); !errors.Is(err, errEnded) {
		t.Errorf("a stopped load takes %v", err)
	}
}

func TestLoadRefusesNonsense(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	for _, in := range []string{"x\n", "-1\n", "101\n", "\n"} {
		if err := Burn(strings.NewReader(in), new(strings.Builder), nil); err == nil {
			t.Errorf("%q is a load", in)
		}
	}
}

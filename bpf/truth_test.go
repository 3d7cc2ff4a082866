package bpf

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The kernel's own count of CPU time, which comes from the same clock as our slices but not through our programs.

// cgroupMount returns where the hierarchy of a v1 controller is mounted, or v2 for "": "" if it is not.
func cgroupMount(t testing.TB, controller string) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		v1 := f[2] == "cgroup" && slices.Contains(strings.Split(f[3], ","), controller)
		if v1 || controller == "" && f[2] == "cgroup2" {
			return f[1]
		}
	}
	return ""
}

// makeGroup makes a cgroup for the time of the test.
func makeGroup(t testing.TB, mount string) string {
	t.Helper()
	dir, err := os.MkdirTemp(mount, "eco2-bpf-test-")
	if err != nil {
		t.Skip("need cgroups: none can be made: ", err)
	}
	t.Cleanup(func() {
		eventually(t, "remove "+dir, func() error { return unix.Rmdir(dir) })
	})
	return dir
}

// eventually retries what the kernel finishes in its own time.
func eventually(t testing.TB, what string, f func() error) {
	t.Helper()
	var err error
	for range 500 {
		if err = f(); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%s: %v", what, err)
}

// countingGroup is a cgroup that counts the CPU time of its members to the nanosecond (v1) or microsecond (v2).
func countingGroup(t testing.TB) string {
	t.Helper()
	mount := cgroupMount(t, "cpuacct")
	if mount == "" {
		mount = cgroupMount(t, "")
	}
	if mount == "" {
		t.Skip("need cgroups: neither v1 cpuacct nor v2 is mounted")
	}
	return makeGroup(t, mount)
}

// groupTime is exact when no member is running.
func groupTime(t testing.TB, dir string) time.Duration {
	t.Helper()
	d, err := readGroup(dir)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func readGroup(dir string) (time.Duration, error) {
	b, err := os.ReadFile(filepath.Join(dir, "cpuacct.usage"))
	if err == nil {
		n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
		return time.Duration(n), err
	}
	if !errors.Is(err, os.ErrNotExist) {
		return 0, err
	}
	if b, err = os.ReadFile(filepath.Join(dir, "cpu.stat")); err != nil {
		return 0, err
	}
	var us int64
	if _, err := fmt.Sscanf(string(b), "usage_usec %d", &us); err != nil {
		return 0, fmt.Errorf("%s/cpu.stat: %w", dir, err)
	}
	return time.Duration(us) * time.Microsecond, nil
}

// machineTime is the CPU time of all tasks. The v2 root has no such count: its cpu.stat is in ticks.
func machineTime(t testing.TB) time.Duration {
	t.Helper()
	mount := cgroupMount(t, "cpuacct")
	if mount == "" {
		t.Skip("no cpuacct here: v2 has no exact count of the whole machine")
	}
	return groupTime(t, mount)
}

// processTime is a process's CPU time so far, fresh to the last tick of each of its threads.
func processTime(t testing.TB, pid int) time.Duration {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(^int32(pid)<<3|2, &ts); err != nil { // MAKE_PROCESS_CPUCLOCK, CPUCLOCK_SCHED
		t.Fatalf("read the CPU clock of %d: %v", pid, err)
	}
	return time.Duration(ts.Nano())
}

// check compares a sum of ours with the truth.
func check(t testing.TB, what string, got, want time.Duration, tolerance float64, missed uint64) {
	t.Helper()
	checkShort(t, what, got, want, tolerance, missed, hiddenSlice())
}

// hiddenSlice is what can be short without any count on a machine whose kernel shields pid 1 even from root, and with it that thread's
// switches: a slice that a task ran just between two of them. Elsewhere nothing can.
func hiddenSlice() time.Duration {
	if _, err := os.Readlink("/proc/1/exe"); os.Geteuid() == 0 && errors.Is(err, fs.ErrPermission) {
		return missCosts
	}
	return 0
}

// missCosts is what a switch-out that is not traced may drop: a slice of the task that left. Seen: 3 ms on average, up to 9 ms, of
// threads of pid 1 on a kernel that does not trace some of their switch-outs.
const missCosts = 10 * time.Millisecond

// missShare bounds what all of them together may excuse: missed is our own count, and a count that is wrong must not excuse itself.
const missShare = 0.01

// checkMachine is check for sums over all tasks, those whose switch-outs are not traced among them.
func checkMachine(t testing.TB, what string, got, want time.Duration, tolerance float64, missed uint64) {
	t.Helper()
	checkShort(t, what, got, want, tolerance, missed, min(time.Duration(missed)*missCosts, time.Duration(missShare*float64(want))))
}

func checkShort(t testing.TB, what string, got, want time.Duration, tolerance float64, missed uint64, short time.Duration) {
	t.Helper()
	ratio := float64(got) / float64(want)
	least := 1 - tolerance - float64(short)/float64(want)
	t.Logf("%s: %v / %v = %.5f (missed %d)", what, got, want, ratio, missed)
	if !(ratio >= least && ratio <= 1+tolerance) {
		t.Errorf("%s: ratio %.5f is not within %.5f and %.5f", what, ratio, least, 1+tolerance)
	}
}

// cpus returns the first and the last CPU that this process may use; one and the same on a machine with one.
func cpus(t testing.TB) (first, last int) {
	t.Helper()
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		t.Fatal(err)
	}
	first = -1
	for i := range len(set) * 64 {
		if set.IsSet(i) {
			if first < 0 {
				first = i
			}
			last = i
		}
	}
	return first, last
}

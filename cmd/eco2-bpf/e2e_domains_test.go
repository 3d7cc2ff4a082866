package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// e2eHold MIB FILE: holds memory, writes its pid and resident set in KiB as /proc has it, and sleeps until its stdin ends.
func e2eHold(args []string) {
	mib, err := strconv.Atoi(args[0])
	e2eMust(err)
	mem, err := unix.Mmap(-1, 0, mib<<20, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	e2eMust(err)
	for i := 0; i < len(mem); i += 4096 {
		mem[i] = 1
	}
	e2eMust(os.WriteFile(args[1]+".new", fmt.Appendf(nil, "%d %d", os.Getpid(), residentKiB(os.Getpid())), 0o644))
	e2eMust(os.Rename(args[1]+".new", args[1]))
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// residentKiB is VmRSS of /proc/PID/status.
func residentKiB(pid int) (kib int64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	e2eMust(err)
	_, rest, _ := strings.Cut(string(text), "\nVmRSS:")
	_, _ = fmt.Sscan(rest, &kib)
	return kib
}

// memTotalKiB is MemTotal of /proc/meminfo.
func memTotalKiB(t *testing.T) (kib float64) {
	t.Helper()
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut("\n"+string(text), "\nMemTotal:")
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		t.Fatal(err)
	}
	return kib
}

func domainJoules(t testing.TB, r *wireRow, domain string) float64 {
	t.Helper()
	if r == nil || r.ByDomain[domain] == "" {
		return 0
	}
	return float64(micro(t, r.ByDomain[domain])) / 1e6
}

func joulesOfDomain(t testing.TB, r *wireReport, domain string) float64 {
	t.Helper()
	for _, e := range r.Energy {
		if e.Domain == domain {
			return float64(micro(t, e.Joules)) / 1e6
		}
	}
	t.Fatalf("no domain %s in %+v", domain, r.Energy)
	return 0
}

// A process that sleeps all the time has its part of the memory's energy: what it holds of what there is.
func TestSleeperHoldsMemory(t *testing.T) {
	e2eNeedKernel(t)
	file := filepath.Join(t.TempDir(), "held")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	hold := exec.Command(self, "300", file)
	hold.Env = e2eHelper("hold")
	stdin, err := hold.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := hold.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { stdin.Close(); _ = hold.Wait() }()
	eventually(t, "the helper holds its memory", func() error { _, err := os.Stat(file); return err })
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	var kib float64
	if _, err := fmt.Sscan(string(text), &pid, &kib); err != nil || kib < 300<<10 {
		t.Fatalf("%q: %v", text, err)
	}
	o := succeed(t, "attach", "-o", "json", "--source", "estimate", "-i", "300ms", "-d", "1500ms")
	all := jsonLines(t, o.stdout)
	windowsAddUp(t, all)
	total := all[len(all)-1]
	got := domainJoules(t, total.pid(pid), "estimate:ram")
	want := joulesOfDomain(t, total, "estimate:ram") * kib / memTotalKiB(t)
	t.Logf("%.0f KiB for %.2f s: %.6f J of memory, by /proc %.6f J: %.4f", kib, total.Seconds, got, want, got/want)
	if math.Abs(got/want-1) > 0.03 {
		t.Errorf("%.6f J of memory, by its share of what there is %.6f J", got, want)
	}
}

// diskDir is a folder on a disk, and not in memory.
func diskDir(t *testing.T) string {
	t.Helper()
	for _, parent := range []string{os.TempDir(), "/var/tmp", "."} {
		var st unix.Statfs_t
		if unix.Statfs(parent, &st) != nil || st.Type == unix.TMPFS_MAGIC || st.Type == unix.OVERLAYFS_SUPER_MAGIC && parent != "." {
			continue
		}
		dir, err := os.MkdirTemp(parent, "eco2-disk-")
		if err != nil {
			continue
		}
		t.Cleanup(func() { os.RemoveAll(dir) })
		return dir
	}
	t.Skip("no folder here is on a disk")
	return ""
}

// What a command moves to and from disks is its own, and the energy of the disks at work goes by it. Others may write in the same seconds, or
// have written before what the disks take only now: of three tries, one has to be quiet enough to see.
func TestDisksGoToWhoUsesThem(t *testing.T) {
	e2eNeedKernel(t)
	if _, err := os.Stat("/proc/self/io"); err != nil {
		t.Skip("this kernel does not count block I/O by process")
	}
	dir := diskDir(t)
	for try := range 3 {
		unix.Sync()
		part := diskPart(t, filepath.Join(dir, "f"))
		if part > 0.8 {
			return
		}
		t.Logf("try %d: dd has %.3f of what the disks used at work", try+1, part)
	}
	t.Error("dd has never most of what the disks used at work")
}

// diskPart watches dd write, and returns its part of what the disks used beyond idling.
func diskPart(t *testing.T, file string) float64 {
	t.Helper()
	cmd := eco2(t, "attach", "-o", "json", "--source", "estimate", "--domains", "storage", "-i", "500ms", "-d", "3s")
	var out bytes.Buffer
	cmd.Stdout = &out
	talk, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, talk, "carbon: ")
	dd := exec.Command("dd", "if=/dev/zero", "of="+file, "bs=1M", "count=400", "oflag=direct")
	if text, err := dd.CombinedOutput(); err != nil {
		_ = cmd.Process.Kill()
		t.Skipf("dd: %v: %s", err, text)
	}
	if code := waitCode(t, cmd); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	all := jsonLines(t, out.String())
	windowsAddUp(t, all)
	total := all[len(all)-1]
	active := joulesOfDomain(t, total, "estimate:storage")
	for _, r := range total.Rows {
		if r.Kind == "idle" {
			active -= domainJoules(t, &r, "estimate:storage")
		}
	}
	mine := domainJoules(t, total.pid(dd.Process.Pid), "estimate:storage")
	t.Logf("400 MiB written: %.6f J of %.6f J at work", mine, active)
	if active <= 0 || mine > active+1e-6 {
		t.Fatalf("%.6f J of %.6f J; rows %s", mine, active, rowsText(total))
	}
	return mine / active
}

// waitFor reads until a text has come, and goes on reading behind it.
func waitFor(t *testing.T, r io.Reader, text string) {
	t.Helper()
	found := make(chan bool, 1)
	go func() {
		var seen bytes.Buffer
		buf := make([]byte, 4096)
		for told := false; ; {
			n, err := r.Read(buf)
			seen.Write(buf[:n])
			if !told && strings.Contains(seen.String(), text) {
				told = true
				found <- true
			}
			if err != nil {
				if !told {
					found <- false
				}
				return
			}
		}
	}()
	select {
	case ok := <-found:
		if !ok {
			t.Fatalf("it never said %q", text)
		}
	case <-time.After(time.Minute):
		t.Fatalf("it did not say %q in a minute", text)
	}
}

func rowsText(r *wireReport) string {
	var b strings.Builder
	for _, w := range r.Rows {
		text, _ := json.Marshal(w.ByDomain)
		fmt.Fprintf(&b, "\n%s %d %q %s", w.Kind, w.PID, w.Comm, text)
	}
	return b.String()
}

// What --domains and --scope leave; what they refuse is in TestBadFlags.
func TestDomainsFlag(t *testing.T) {
	o := succeed(t, "sources", "-v", "--source", "estimate", "--domains", "cpu")
	if use := after(o.stdout, "in use:"); !strings.Contains(use, "estimate:package-0") || strings.Contains(use, "estimate:ram") {
		t.Error(o)
	}
	o = succeed(t, "sources", "-v", "--source", "estimate", "--scope", "wall")
	use := after(o.stdout, "in use:")
	if !strings.Contains(use, "scope wall") || strings.Contains(use, "estimate:ram") || !strings.Contains(o.stdout, "its joules are in estimate:package-0") {
		t.Error(o)
	}
}

func after(s, sep string) string {
	_, rest, _ := strings.Cut(s, sep)
	return rest
}

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/live"
)

// lawMount returns where a v1 controller's hierarchy is mounted; empty: it is not.
func lawMount(t testing.TB, controller string) string {
	t.Helper()
	b, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if f[2] == "cgroup" && slices.Contains(strings.Split(f[3], ","), controller) {
			return f[1]
		}
	}
	return ""
}

func lawReadTime(t testing.TB, dir string) time.Duration {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, "cpuacct.usage"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(n)
}

// lawNeeds skips where the law cannot be known or the program cannot attach.
func lawNeeds(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("need root: to attach programs and to make cgroups")
	}
	if lawMount(t, "cpuacct") == "" || lawMount(t, "cpu") == "" {
		t.Skip("no cpuacct on this machine: cgroup v2 has no exact CPU time of the whole machine, so there is no law to hold joules against")
	}
}

func lawRmdir(t testing.TB, dir string) {
	var err error
	for range 500 { // a cgroup is busy until its last task is gone for good
		if err = unix.Rmdir(dir); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("remove %s: %v", dir, err)
}

// lawForks is how many children the storm has at least.
const lawForks = 1000

// lawLoad is a load in a cgroup of its own, by which its rows are known and its CPU time is read.
type lawLoad struct {
	load   *live.Load
	name   string
	cgroup string // as rows name it
	before time.Duration
	used   time.Duration // by the cgroup's own count, since it was let go
	self   time.Duration // of that: its first process's
	forks  int
}

// lawStart starts a load, which then waits at its gate.
func lawStart(t testing.TB, name string, d time.Duration) *lawLoad {
	t.Helper()
	lawNeeds(t)
	load, err := live.StartLoad(name, live.Work{For: d, Least: lawForks})
	lawAble(t, err)
	t.Cleanup(func() {
		if err := load.Close(); err != nil {
			t.Error(err)
		}
	})
	return &lawLoad{load: load, name: name, cgroup: load.Path}
}

func (l *lawLoad) pid() int { return l.load.PID() }

// count reads the CPU time of its cgroup.
func (l *lawLoad) count(t testing.TB) time.Duration {
	t.Helper()
	used, err := l.load.Used()
	if err != nil {
		t.Fatal(err)
	}
	return used
}

func (l *lawLoad) release(t testing.TB) {
	t.Helper()
	l.before = l.count(t)
	if err := l.load.Release(); err != nil {
		t.Fatal(err)
	}
}

// wait waits for the load's end and takes its CPU time.
func (l *lawLoad) wait(t testing.TB) {
	t.Helper()
	if err := l.load.Done(); err != nil {
		t.Fatal(err)
	}
	if err := l.load.End(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(10 * time.Millisecond) // its last switch may still be under way when it has been waited for
	l.used, l.self, l.forks = l.count(t)-l.before, l.load.Own, l.load.Children
	t.Logf("%-6s used %v by its cgroup since it was let go, of that %v its first process", l.name, l.used, l.self)
}

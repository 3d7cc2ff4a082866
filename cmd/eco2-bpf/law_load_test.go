package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
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

// lawProcess is one of the helpers.
type lawProcess struct {
	cmd   *exec.Cmd
	gate  *os.File
	lines *bufio.Reader
}

// lawSpawn starts a helper and returns when it says that it is ready.
func lawSpawn(t testing.TB, args []string, env ...string) lawProcess {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	in, gate, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	lines, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := lawProcess{cmd: exec.Command(self, args...), gate: gate, lines: bufio.NewReader(lines)}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.Stderr = in, out, os.Stderr
	err = p.cmd.Start()
	in.Close()
	out.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if p.cmd.ProcessState == nil {
			_ = p.cmd.Process.Kill() // it may just have ended
			_ = p.cmd.Wait()
		}
		gate.Close()
		lines.Close()
	})
	if line, err := p.lines.ReadString('\n'); line != "ready\n" {
		t.Fatalf("helper %s says %q: %v", env[0], line, err)
	}
	return p
}

// lawLoad is a load in a cgroup of its own, by which its rows are known and its CPU time is read.
type lawLoad struct {
	lawProcess
	name   string
	cgroup string // as rows name it
	acct   string
	before time.Duration
	used   time.Duration // by the cgroup's own count
	ended  time.Time
	self   time.Duration // of the storm: without its children
	forks  int
}

// lawStart starts a load, which then waits at its gate.
func lawStart(t testing.TB, name string, d time.Duration) *lawLoad {
	t.Helper()
	lawNeeds(t)
	var dirs []string
	for _, controller := range []string{"cpu", "cpuacct"} {
		dir, err := os.MkdirTemp(lawMount(t, controller), "eco2-bpf-law-")
		if err != nil {
			t.Skip("need cgroups: ", err)
		}
		t.Cleanup(func() { lawRmdir(t, dir) })
		dirs = append(dirs, dir)
	}
	if _, err := os.Stat(filepath.Join(dirs[0], "cpuacct.usage")); err == nil { // mounted together
		dirs[1] = dirs[0]
	}
	l := &lawLoad{lawProcess: lawSpawn(t, []string{d.String()}, lawHelperEnv+"="+name, lawGroupsEnv+"="+strings.Join(dirs, ":")),
		name: name, cgroup: "/" + filepath.Base(dirs[0]), acct: dirs[1]}
	return l
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

func (l *lawLoad) pid() int { return l.cmd.Process.Pid }

func (l *lawLoad) release(t testing.TB) {
	t.Helper()
	l.before = lawReadTime(t, l.acct)
	if _, err := l.gate.WriteString("g"); err != nil {
		t.Fatal(err)
	}
}

// wait waits for the load's end and takes its CPU time.
func (l *lawLoad) wait(t testing.TB) {
	t.Helper()
	if l.name == "storm" {
		var ns int64
		if _, err := fmt.Fscan(l.lines, &ns, &l.forks); err != nil {
			t.Fatalf("load %s: %v", l.name, err)
		}
		l.self = time.Duration(ns)
	}
	if err := l.cmd.Wait(); err != nil {
		t.Fatalf("load %s: %v", l.name, err)
	}
	time.Sleep(10 * time.Millisecond) // its last switch may still be under way when it has been waited for
	l.ended, l.used = time.Now(), lawReadTime(t, l.acct)-l.before
	rusage := l.cmd.ProcessState.UserTime() + l.cmd.ProcessState.SystemTime()
	t.Logf("%-6s used %v by its cgroup since it was let go, %v by rusage with its start", l.name, l.used, rusage)
}

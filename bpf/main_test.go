package bpf

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The loads are this test binary again, with the name of one of helpers in the environment.
const (
	helperEnv = "ECO2_BPF_TEST_HELPER"
	groupsEnv = "ECO2_BPF_TEST_CGROUPS" // directories to join first
	cpuEnv    = "ECO2_BPF_TEST_CPU"     // where to pin the main thread
	noGateEnv = "ECO2_BPF_TEST_NO_GATE" // run at once
)

func init() {
	if os.Getenv(helperEnv) != "" {
		runtime.LockOSThread() // keeps the main goroutine on the main thread, the leader of the thread group
	}
}

func TestMain(m *testing.M) {
	name := os.Getenv(helperEnv)
	if name == "" {
		os.Exit(m.Run())
	}
	for _, dir := range filepath.SplitList(os.Getenv(groupsEnv)) {
		must(os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("0"), 0))
	}
	if cpu := os.Getenv(cpuEnv); cpu != "" {
		var set unix.CPUSet
		set.Set(atoi(cpu))
		must(unix.SchedSetaffinity(0, &set))
	}
	helpers[name](os.Args[1:])
	os.Exit(0)
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "helper", os.Getenv(helperEnv)+":", err)
		os.Exit(1)
	}
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	must(err)
	return n
}

// gate waits until the test lets a helper go: what it used before (its start, the way into its cgroup) is then another window's.
func gate() {
	if os.Getenv(noGateEnv) != "" {
		return
	}
	fmt.Println("ready")
	var b [1]byte
	if n, _ := os.Stdin.Read(b[:]); n == 0 {
		os.Exit(1)
	}
}

// load is a running helper.
type load struct {
	cmd   *exec.Cmd
	gate  *os.File
	lines *bufio.Reader
	done  chan struct{} // closed when it has been waited for
}

// start starts a helper and returns when it waits at its gate. Each kind of env is made by pinned and joined.
func start(t testing.TB, env []string, name string, args ...string) *load {
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
	l := &load{cmd: exec.Command(self, args...), gate: gate, lines: bufio.NewReader(lines), done: make(chan struct{})}
	l.cmd.Env = append(append(os.Environ(), helperEnv+"="+name), env...)
	l.cmd.Stdin, l.cmd.Stdout, l.cmd.Stderr = in, out, os.Stderr
	err = l.cmd.Start()
	in.Close()
	out.Close()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = l.cmd.Wait() // the state says it all
		close(l.done)
	}()
	t.Cleanup(func() {
		_ = l.cmd.Process.Kill() // most have ended
		<-l.done
		gate.Close()
		lines.Close()
	})
	line := l.line(t)
	if why, ok := strings.CutPrefix(line, "need "); ok {
		t.Skip("need ", why)
	}
	if line != "ready" {
		t.Fatalf("helper %s says %q", name, line)
	}
	return l
}

func pinned(cpu int) []string        { return []string{cpuEnv + "=" + strconv.Itoa(cpu)} }
func joined(dirs ...string) []string { return []string{groupsEnv + "=" + strings.Join(dirs, ":")} }

func (l *load) pid() int { return l.cmd.Process.Pid }

func (l *load) line(t testing.TB) string {
	t.Helper()
	s, err := l.lines.ReadString('\n')
	if err != nil {
		t.Fatalf("helper %v said nothing: %v", l.cmd.Args[1:], err)
	}
	return strings.TrimSuffix(s, "\n")
}

// release opens the gate.
func (l *load) release(t testing.TB) *load {
	t.Helper()
	if _, err := l.gate.WriteString("g"); err != nil {
		t.Fatal(err)
	}
	return l
}

// used waits for the end and returns the CPU time of the helper and of all descendants that were waited for, by the kernel's count.
func (l *load) used(t testing.TB) time.Duration {
	t.Helper()
	<-l.done
	if !l.cmd.ProcessState.Success() {
		t.Fatalf("helper %v: %v", l.cmd.Args[1:], l.cmd.ProcessState)
	}
	return l.cmd.ProcessState.UserTime() + l.cmd.ProcessState.SystemTime()
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/bpf"
)

// e2eLimit is when a command counts as hung.
const e2eLimit = 60 * time.Second

// e2eBuild builds the program once, in a directory that goes away with this process.
var e2eBuild = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "eco2-bpf-e2e-")
	if err != nil {
		return "", err
	}
	if err := os.Chmod(dir, 0o755); err != nil { // one test runs it as nobody
		return "", err
	}
	// However this process ends, the write end of the pipe is closed then; not before, as no finalizer knows of it.
	var hold [2]int
	if err := syscall.Pipe2(hold[:], syscall.O_CLOEXEC); err != nil {
		return "", err
	}
	clean := exec.Command("/bin/sh", "-c", `cat >/dev/null; rm -rf "$1"`, "sh", dir)
	clean.Stdin, clean.SysProcAttr = os.NewFile(uintptr(hold[0]), "hold"), &syscall.SysProcAttr{Setsid: true}
	if err := clean.Start(); err != nil {
		return "", err
	}
	path := filepath.Join(dir, "eco2-bpf")
	return path, e2eGoBuild(path)
})

func e2eGoBuild(path string, env ...string) error {
	build := exec.Command("go", "build", "-buildvcs=false", "-o", path, ".")
	build.Env = append(os.Environ(), env...)
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w: %s", err, out)
	}
	return nil
}

// e2eProgram returns the program's path.
func e2eProgram(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: the program itself is not under the race detector")
	}
	path, err := e2eBuild()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("need go: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// e2eNeedKernel skips where the programs cannot be loaded.
func e2eNeedKernel(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("need root: to load programs")
	}
	if _, err := os.Stat(bpf.DefaultBTF); err != nil {
		t.Skip("need btf: ", err)
	}
}

func init() {
	// Under nohup the tests' own commands would start with SIGHUP ignored, too.
	if signal.Ignored(syscall.SIGHUP) {
		signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	}
}

// eco2 is the program with arguments, not started. It has a session of its own, so no terminal of whoever runs the tests.
func eco2(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	path := e2eProgram(t)
	ctx, cancel := context.WithTimeout(context.Background(), e2eLimit)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.WaitDelay = time.Second // for descendants that keep its output open
	return cmd
}

// outcome is how a command ended. code is 128 + n where signal n ended it.
type outcome struct {
	code           int
	stdout, stderr string
}

func (o outcome) String() string {
	return fmt.Sprintf("exit code %d\nstdout:\n%s\nstderr:\n%s", o.code, o.stdout, o.stderr)
}

// finish runs a command to its end.
func finish(t testing.TB, cmd *exec.Cmd) outcome {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &stdout
	}
	if cmd.Stderr == nil {
		cmd.Stderr = &stderr
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	code := waitCode(t, cmd)
	return outcome{code, stdout.String(), stderr.String()}
}

func waitCode(t testing.TB, cmd *exec.Cmd) int {
	t.Helper()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v: %v", cmd.Args, err)
	}
	st, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ok && st.Signaled() {
		return 128 + int(st.Signal())
	}
	return cmd.ProcessState.ExitCode()
}

// succeed runs the program and fails the test unless it exits with 0.
func succeed(t testing.TB, args ...string) outcome {
	t.Helper()
	o := finish(t, eco2(t, args...))
	if o.code != 0 {
		t.Fatalf("eco2-bpf %s: %v", strings.Join(args, " "), o)
	}
	return o
}

// eventually repeats a look until it succeeds.
func eventually(t testing.TB, what string, look func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if err = look(); err == nil {
			return
		}
	}
	t.Fatalf("%s: %v", what, err)
}

package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestRunPassesExitCodesThrough(t *testing.T) {
	e2eNeedKernel(t)
	for script, want := range map[string]int{
		"exit 0": 0, "exit 7": 7, "exit 255": 255, "kill -9 $$": 137, "kill -TERM $$": 143, "kill -USR2 $$": 128 + int(unix.SIGUSR2),
	} {
		o := finish(t, eco2(t, "run", "-o", "json", "--", "sh", "-c", script))
		if o.code != want || o.stdout != "" {
			t.Errorf("%s: want exit code %d: %v", script, want, o)
		}
		onlyTotal(t, o.stderr)
	}
}

// TestRunPassesSignals: the command learns of a signal that eco2-bpf got, and has the last word on the exit code.
func TestRunPassesSignals(t *testing.T) {
	e2eNeedKernel(t)
	for i, sig := range []unix.Signal{unix.SIGTERM, unix.SIGINT, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2} {
		name := strings.TrimPrefix(unix.SignalName(sig), "SIG")
		want := 40 + i
		script := "trap 'exit " + strconv.Itoa(want) + "' " + name + "; echo ready; while :; do sleep 0.02; done"
		cmd := eco2(t, "run", "-o", "json", "--", "sh", "-c", script)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		ready := firstLine(t, cmd)
		if ready != "ready\n" {
			t.Fatalf("%q", ready)
		}
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if got := waitCode(t, cmd); got != want {
			t.Errorf("SIG%s: exit code %d, want %d", name, got, want)
		}
		onlyTotal(t, stderr.String())
	}
}

// firstLine starts a command and returns the first line of its stdout. The rest of it is read and dropped.
func firstLine(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	lines := startLines(t, cmd)
	line := <-lines
	go func() {
		for range lines {
		}
	}()
	return line
}

func TestRunLeavesStdioToTheCommand(t *testing.T) {
	e2eNeedKernel(t)
	data := make([]byte, 1<<20)
	for i := range data {
		data[i] = byte(rand.IntN(256))
	}
	cmd := eco2(t, "run", "cat")
	cmd.Stdin = bytes.NewReader(data)
	o := finish(t, cmd)
	if o.code != 0 || o.stdout != string(data) {
		t.Errorf("cat gave %d bytes of %d, exit code %d", len(o.stdout), len(data), o.code)
	}
	if !strings.Contains(o.stderr, "\ntotal  ") || !strings.Contains(o.stderr, "1 process seen") {
		t.Errorf("no report on stderr: %s", o.stderr)
	}

	file := filepath.Join(t.TempDir(), "report")
	o = finish(t, eco2(t, "run", "-f", file, "--", "sh", "-c", "echo out; echo err >&2"))
	report, err := os.ReadFile(file)
	if err != nil || o.code != 0 || o.stdout != "out\n" {
		t.Error(err, o)
	}
	if !strings.HasPrefix(string(report), "total  ") || strings.Contains(string(report), "\x1b") {
		t.Errorf("the report is %s", report)
	}
	rest := strings.Replace("\n"+o.stderr, "\nerr\n", "\n", 1)
	for line := range strings.Lines(strings.TrimPrefix(rest, "\n")) {
		if !strings.HasPrefix(line, "eco2-bpf: ") {
			t.Errorf("stderr has more than talk: %q", line)
		}
	}

	// What follows the command is the command's, with and without --.
	for _, args := range [][]string{{"run", "echo"}, {"run", "--", "echo"}} {
		if o := succeed(t, append(args, "-o", "json", "--windows", "--help")...); o.stdout != "-o json --windows --help\n" {
			t.Error(o)
		}
	}
}

func TestRunShowsWindowsWhenAsked(t *testing.T) {
	e2eNeedKernel(t)
	o := succeed(t, "run", "--windows", "-i", "100ms", "-o", "json", "--", "sleep", "0.35")
	all := jsonLines(t, o.stderr)
	if len(all) < 3 {
		t.Fatalf("%d lines: %v", len(all), o)
	}
	windowsAddUp(t, all)
}

// TestRunOutlivesItsReader: nobody reads the windows any more; the command still ends in peace, and its code counts.
func TestRunOutlivesItsReader(t *testing.T) {
	e2eNeedKernel(t)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	done := filepath.Join(t.TempDir(), "done")
	cmd := eco2(t, "run", "--windows", "-i", "100ms", "-o", "json", "--", "sh", "-c", "sleep 0.4; touch "+done+"; exit 7")
	cmd.Stderr = w
	if o := finish(t, cmd); o.code != 7 {
		t.Errorf("exit code %d, want the command's 7", o.code)
	}
	if _, err := os.Stat(done); err != nil {
		t.Error("eco2-bpf ended before its command: ", err)
	}
}

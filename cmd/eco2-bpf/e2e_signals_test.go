package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestRunKeepsIgnoredSignals: the command of a run under nohup is spared the hangup, and in a script's background the SIGINT.
func TestRunKeepsIgnoredSignals(t *testing.T) {
	e2eNeedKernel(t)
	for _, name := range []string{"HUP", "INT"} {
		cmd := eco2(t, "run", "-o", "json", "--", "sh", "-c", "echo ready; sleep 0.3; echo survived")
		cmd.Args = append([]string{"sh", "-c", "trap '' " + name + `; exec "$@"`, "sh", cmd.Path}, cmd.Args[1:]...)
		cmd.Path, _ = exec.LookPath("sh")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		lines := startLines(t, cmd)
		<-lines
		if err := unix.Kill(-cmd.Process.Pid, unix.SignalNum("SIG"+name)); err != nil {
			t.Fatal(err)
		}
		if line := <-lines; line != "survived\n" {
			t.Errorf("SIG%s: the command said %q", name, line)
		}
		if code := waitCode(t, cmd); code != 0 {
			t.Errorf("SIG%s: exit code %d: %s", name, code, stderr.String())
		}
	}
}

// TestOutputThatCannotBeWritten is a failure, for every command.
func TestOutputThatCannotBeWritten(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("no /dev/full: ", err)
	}
	defer full.Close()
	for _, args := range [][]string{{"doctor"}, {"sources"}, {"regions"}, {"version"}, {"help"}, {"attach", "--help"}, {"attach", "-d", "100ms"}} {
		if args[0] == "doctor" || len(args) > 2 {
			e2eNeedKernel(t)
		}
		cmd := eco2(t, args...)
		cmd.Stdout = full
		if o := finish(t, cmd); o.code != 1 || !strings.Contains(o.stderr, "write the output") {
			t.Errorf("%v: %v", args, o)
		}
	}
}

// TestRunFindsCommandsAsShellsDo: a PATH with the current directory is the user's own choice.
func TestRunFindsCommandsAsShellsDo(t *testing.T) {
	e2eNeedKernel(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "here"), []byte("#!/bin/sh\necho found\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := eco2(t, "run", "here")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "PATH=.:"+os.Getenv("PATH"))
	if o := finish(t, cmd); o.code != 0 || o.stdout != "found\n" {
		t.Error(o)
	}
}

package main

import (
	"errors"
	"os"
	"os/exec"
	"testing"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/live"
)

// The program is this test binary again: the environment says so. That the laws and the loads are, too, is internal/lab/live's.
const (
	lawHelperEnv = "ECO2_BPF_LAW_HELPER"
	lawProgram   = "eco2-bpf"
)

func init() {
	if os.Getenv(lawHelperEnv) != lawProgram {
		return
	}
	// Not in this goroutine: while packages are initialised it is locked to its thread.
	code := make(chan int)
	go func() { code <- mainWithExitCode(os.Args[1:]) }()
	os.Exit(<-code)
}

// lawCommand is the program, without arguments.
func lawCommand(t testing.TB) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), lawHelperEnv+"="+lawProgram)
	return cmd
}

// lawAble ends the test at an error, and skips where this machine is no laboratory.
func lawAble(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, live.ErrUnable) {
		t.Skip(err) // it begins with what is needed
	}
	if err != nil {
		t.Fatal(err)
	}
}

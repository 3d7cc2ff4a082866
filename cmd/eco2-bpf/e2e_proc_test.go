package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

func procFile(pid int, name string) string { return filepath.Join("/proc", strconv.Itoa(pid), name) }

// processHas looks for a kind of file among those that a process has open.
func processHas(pid int, what string) error {
	fds, err := os.ReadDir(procFile(pid, "fd"))
	if err != nil {
		return err
	}
	for _, fd := range fds {
		if to, err := os.Readlink(procFile(pid, "fd/"+fd.Name())); err == nil && strings.Contains(to, what) {
			return nil
		}
	}
	return fmt.Errorf("process %d has no %s open", pid, what)
}

// statusKB reads a size of /proc/PID/status.
func statusKB(t testing.TB, pid int, field string) int {
	t.Helper()
	b, err := os.ReadFile(procFile(pid, "status"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(b, []byte(field+":"))
	var kb int
	if _, err := fmt.Sscan(string(rest), &kb); err != nil {
		t.Fatal(field, ": ", err)
	}
	return kb
}

// waitSleeping waits until no thread of a process runs, for a while.
func waitSleeping(t testing.TB, pid int) {
	t.Helper()
	for quiet := 0; quiet < 10; {
		time.Sleep(10 * time.Millisecond)
		tasks, err := os.ReadDir(procFile(pid, "task"))
		if err != nil {
			t.Fatal(err)
		}
		quiet++
		for _, task := range tasks {
			b, err := os.ReadFile(procFile(pid, "task/"+task.Name()+"/stat"))
			if err == nil && !bytes.Contains(b, []byte(") S ")) {
				quiet = 0
			} else if err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Fatal(err)
			}
		}
	}
}

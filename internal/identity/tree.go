package identity

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
)

// ErrNoProcess says that a pid is not a process.
var ErrNoProcess = errors.New("no such process")

// Self is this process's id as PROCFS has it: that of the pid namespace that it was mounted in. 0: it does not say, as a tree of
// ordinary files.
func Self(procfs string) int {
	to, err := os.Readlink(filepath.Join(procfs, "self"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(to)
	if err != nil {
		return 0
	}
	return pid
}

// CheckProcess tells whether PROCFS has a process of that id. A thread id is not a process.
func CheckProcess(procfs string, pid int) error {
	tgid, err := statusField(procfs, pid, "Tgid:")
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("process %d: %w", pid, ErrNoProcess)
	case err == nil && tgid != pid:
		return fmt.Errorf("process %d: %w: it is a thread of process %d", pid, ErrNoProcess, tgid)
	}
	return err
}

// WalkTree calls add for each pid and each of their descendants that exists now, once. It looks until it finds no more, so a child that
// is forked meanwhile is found too, or is the business of whoever watches forks from the moment its parent was added.
func WalkTree(procfs string, pids []int, add func(pid, root int) error) error {
	roots := map[int]int{}
	for i, pid := range pids {
		if err := CheckProcess(procfs, pid); err != nil {
			return err
		}
		roots[pid] = i + 1
		if err := add(pid, i+1); err != nil {
			return err
		}
	}
	for again := true; again; {
		again = false
		entries, err := os.ReadDir(procfs)
		if err != nil {
			return fmt.Errorf("list processes: %w", err)
		}
		for _, ent := range entries {
			pid, err := strconv.Atoi(ent.Name())
			if err != nil || roots[pid] != 0 {
				continue
			}
			ppid, err := statusField(procfs, pid, "PPid:")
			if err != nil || roots[ppid] == 0 {
				continue // vanished, or unreadable, or not of the tree
			}
			roots[pid], again = roots[ppid], true
			if err := add(pid, roots[pid]); err != nil {
				return err
			}
		}
	}
	return nil
}

// statusField reads a number of PROCFS/PID/status. The name in it is escaped by the kernel, so a line is a line.
func statusField(procfs string, pid int, field string) (int, error) {
	b, err := os.ReadFile(filepath.Join(procfs, strconv.Itoa(pid), "status"))
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(b) {
		if rest, ok := bytes.CutPrefix(line, []byte(field)); ok {
			return strconv.Atoi(string(bytes.TrimSpace(rest)))
		}
	}
	return 0, fmt.Errorf("%s of process %d: not in its status", field, pid)
}

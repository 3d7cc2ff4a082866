package privilege

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// thread is what the kernel says of one thread: capabilities and no_new_privs are each thread's own.
type thread struct {
	id                                                   string
	inheritable, permitted, effective, bounding, ambient uint64
	noNewPrivs                                           bool
}

// readThreads reads all threads below a task directory.
func readThreads(dir string) ([]thread, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var threads []thread
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name(), "status"))
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // it has just ended
		}
		if err != nil {
			return nil, err
		}
		t, err := parseStatus(text)
		if err != nil {
			return nil, fmt.Errorf("status of thread %s: %w", e.Name(), err)
		}
		t.id = e.Name()
		threads = append(threads, t)
	}
	return threads, nil
}

func parseStatus(text []byte) (thread, error) {
	var t thread
	masks := map[string]*uint64{
		"CapInh": &t.inheritable, "CapPrm": &t.permitted, "CapEff": &t.effective, "CapBnd": &t.bounding, "CapAmb": &t.ambient,
	}
	left := len(masks) + 1
	for line := range bytes.Lines(text) {
		name, value, _ := bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		if string(name) == "NoNewPrivs" {
			t.noNewPrivs = string(value) == "1"
			left--
		}
		if mask := masks[string(name)]; mask != nil {
			v, err := strconv.ParseUint(string(value), 16, 64)
			if err != nil {
				return t, fmt.Errorf("%s: %w", name, err)
			}
			*mask = v
			left--
		}
	}
	if left != 0 {
		return t, errors.New("a line of capabilities or no_new_privs is missing")
	}
	return t, nil
}

// check holds every thread against what was to be kept.
func check(threads []thread, keep []Cap) error {
	var allowed uint64
	for _, c := range keep {
		allowed |= 1 << c
	}
	for _, t := range threads {
		if more := (t.permitted | t.effective) &^ allowed; more != 0 || t.inheritable|t.ambient != 0 || !t.noNewPrivs {
			return fmt.Errorf("thread %s kept privileges: permitted %#x, inheritable %#x, ambient %#x, no_new_privs %v",
				t.id, t.permitted, t.inheritable, t.ambient, t.noNewPrivs)
		}
	}
	return nil
}

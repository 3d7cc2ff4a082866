package testdocker

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Place is where a runtime can be tried: a directory and a cgroup of which nothing stays after the test.
type Place struct {
	Root  string // stands for the host's; it has an empty run
	Group string // path of a cgroup, in all hierarchies: /eco2-test-PID-N. It is not made

	t      testing.TB
	groups []string // cgroups to remove
	shared []string // those outside of Root to remove
}

// outside is what dockerd, the shims of containerd and Podman make, whatever their options say.
var outside = []string{"/etc/docker", "/etc/docker/key.json", "/run/docker", "/run/docker/plugins", "/run/containerd", "/run/containerd/s",
	"/run/runc"}

var places atomic.Int32

// NewPlace makes a place, and has it removed when all that was registered later with the test has cleaned up.
func NewPlace(t testing.TB) *Place {
	t.Helper()
	// Not t.TempDir: the name of the test would make sockets' paths too long.
	root, err := os.MkdirTemp("", "eco2-test-")
	if err != nil {
		t.Fatal(err)
	}
	p := &Place{Root: root, Group: fmt.Sprintf("/eco2-test-%d-%d", os.Getpid(), places.Add(1)), t: t}
	p.Own(p.Group)
	for _, dir := range outside {
		if _, err := os.Stat(dir); err != nil {
			p.shared = append(p.shared, dir)
		}
	}
	t.Cleanup(p.remove)
	if err := os.Mkdir(filepath.Join(root, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	return p
}

// remove leaves nothing behind: no process, mount, cgroup or file.
func (p *Place) remove() {
	p.killRest()
	p.unmount()
	p.removeCgroups()
	if err := os.RemoveAll(p.Root); err != nil {
		p.t.Error(err)
	}
	for _, dir := range slices.Backward(p.shared) {
		_ = os.Remove(dir) // unless someone else uses it by now
	}
}

// killRest ends containerd and its shims and the like where their master could not: they name this directory.
func (p *Place) killRest() {
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range lines {
		line, err := os.ReadFile(file)
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err == nil && pid != os.Getpid() && bytes.Contains(line, []byte(p.Root+"/")) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

func (p *Place) unmount() {
	info, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		p.t.Error(err)
	}
	for _, line := range slices.Backward(strings.Split(string(info), "\n")) {
		if f := strings.Fields(line); len(f) > 4 && strings.HasPrefix(f[4], p.Root+"/") {
			if err := unix.Unmount(f[4], unix.MNT_DETACH); err != nil {
				p.t.Errorf("unmount %s: %v", f[4], err)
			}
		}
	}
}

// hierarchies returns where the cgroup hierarchies are mounted.
func hierarchies() (mounts []string) {
	table, _ := os.ReadFile("/proc/self/mounts")
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); len(f) > 2 && (f[2] == "cgroup" || f[2] == "cgroup2") {
			mounts = append(mounts, f[1])
		}
	}
	return mounts
}

// Own notes the cgroups on the way to parent that are not there yet, to remove them at the end.
func (p *Place) Own(parent string) {
	for i, c := range parent + "/" {
		if c != '/' || i == 0 || slices.Contains(p.groups, parent[:i]) {
			continue
		}
		exists := func(mount string) bool {
			_, err := os.Stat(mount + parent[:i])
			return err == nil
		}
		if !slices.ContainsFunc(hierarchies(), exists) {
			p.groups = append(p.groups, parent[:i])
		}
	}
}

// removeCgroups retries: a cgroup stays busy until its last process is reaped.
func (p *Place) removeCgroups() {
	for _, group := range slices.Backward(p.groups) {
		for _, mount := range hierarchies() {
			var err error
			for range 100 {
				if err = syscall.Rmdir(mount + group); err == nil || errors.Is(err, fs.ErrNotExist) {
					err = nil
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
			if err != nil {
				p.t.Errorf("remove cgroup %s%s: %v", mount, group, err)
			}
		}
	}
}

package live

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eco2-bpf/eco2-bpf/internal/host"
)

// ErrUnable says that this machine cannot tell the truth, or that nobody here may ask it. What the error begins with is what it takes.
var ErrUnable = errors.New("no laboratory here")

// Able is nil where a law can be known; otherwise it is ErrUnable.
func Able() error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("need root: to attach programs and to make cgroups: %w", ErrUnable)
	}
	if _, err := os.Stat("/sys/kernel/btf/vmlinux"); err != nil {
		return fmt.Errorf("need btf: %w: %w", err, ErrUnable)
	}
	_, err := hierarchies()
	return err
}

// hierarchies finds those that count CPU time and tell tasks apart.
func hierarchies() (host.Cgroups, error) {
	c, err := host.ReadCgroups("/proc")
	switch {
	case err != nil:
		return c, err
	case c.Mount == "" || c.V1 && c.CPUAcct == "":
		return c, fmt.Errorf("no cgroup hierarchy here counts the CPU time of the whole machine: %w", ErrUnable)
	}
	return c, nil
}

// Group is a cgroup whose CPU time the kernel counts.
type Group struct {
	Path string // as rows name it
	// Usage is the file of the kernel's count: cpuacct.usage of v1, cpu.stat of v2.
	Usage string
	dirs  []string
}

// NewGroup makes one at the root of each hierarchy that it needs.
func NewGroup() (*Group, error) {
	c, err := hierarchies()
	if err != nil {
		return nil, err
	}
	mounts := []string{c.Mount}
	if c.V1 && c.CPUAcct != c.Mount {
		mounts = append(mounts, c.CPUAcct)
	}
	g := &Group{}
	for _, mount := range mounts {
		dir, err := os.MkdirTemp(mount, "lab-of-eco2-bpf-")
		if err != nil {
			return nil, errors.Join(fmt.Errorf("need cgroups: %w: %w", err, ErrUnable), g.Remove())
		}
		g.dirs = append(g.dirs, dir)
	}
	g.Path = "/" + filepath.Base(g.dirs[0])
	g.Usage = filepath.Join(g.dirs[len(g.dirs)-1], usageFile(c))
	return g, nil
}

func usageFile(c host.Cgroups) string {
	if c.V1 {
		return "cpuacct.usage"
	}
	return "cpu.stat"
}

// WholeUsage is the files whose sum is the machine's CPU time. The root of v2 counts by ticks, so there it is the sum of the cgroups below it
// as they are now: what runs in the root itself, kernel threads above all, is in no law.
func WholeUsage() ([]string, error) {
	c, err := hierarchies()
	if err != nil {
		return nil, err
	}
	if c.V1 {
		return []string{filepath.Join(c.CPUAcct, usageFile(c))}, nil
	}
	return filepath.Glob(filepath.Join(c.Mount, "*", usageFile(c)))
}

// Join moves a process into the group.
func (g *Group) Join(pid int) error {
	for _, dir := range g.dirs {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil {
			return fmt.Errorf("move process %d to a cgroup: %w", pid, err)
		}
	}
	return nil
}

// Used is the kernel's count so far.
func (g *Group) Used() (time.Duration, error) {
	b, err := os.ReadFile(g.Usage)
	if err != nil {
		return 0, err
	}
	return parseUsage(b)
}

// parseUsage takes the text of cpuacct.usage, or of cpu.stat.
func parseUsage(b []byte) (time.Duration, error) {
	unit := time.Nanosecond
	if rest, ok := bytes.CutPrefix(b, []byte("usage_usec ")); ok {
		b, _, _ = bytes.Cut(rest, []byte("\n"))
		unit = time.Microsecond
	}
	n, err := strconv.ParseInt(string(bytes.TrimSpace(b)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("read a cgroup's CPU time: %w", err)
	}
	return time.Duration(n) * unit, nil
}

// Remove removes the group: it is busy until its last task is gone for good.
func (g *Group) Remove() error {
	var all error
	for _, dir := range g.dirs {
		var err error
		for range 500 {
			if err = unix.Rmdir(dir); err == nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if err != nil {
			all = errors.Join(all, fmt.Errorf("remove %s: %w", dir, err))
		}
	}
	g.dirs = nil
	return all
}

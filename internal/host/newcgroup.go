package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// NewCgroup is a cgroup that was made for one command: below this process's own, so that whatever limits that has hold on.
type NewCgroup struct {
	Dir string
	ID  uint64 // kernfs id
	// Strayed is set by Start where this process's own thread could not leave the cgroup again: its work there is the command's, too.
	Strayed error
	own     string // this process's directory
	v1      bool
}

// MakeCgroup makes one. Errors: no hierarchy is mounted, or it is not this user's to change.
func MakeCgroup(procfs string, cg Cgroups) (*NewCgroup, error) {
	if cg.Mount == "" {
		return nil, errors.New("make a cgroup: no hierarchy is mounted; mount -t cgroup2 none /sys/fs/cgroup, or go without --cgroup-new")
	}
	b, err := os.ReadFile(filepath.Join(procfs, "self/cgroup"))
	if err != nil {
		return nil, fmt.Errorf("make a cgroup: %w", err)
	}
	own := filepath.Join(cg.Mount, ownCgroup(string(b), cg.Hierarchy))
	n := &NewCgroup{own: own, v1: cg.V1}
	if n.Dir, err = os.MkdirTemp(own, "eco2-bpf-"); err != nil {
		return nil, fmt.Errorf("make a cgroup: %w; it takes root, or a subtree that is delegated to this user: go without --cgroup-new", err)
	}
	st, err := os.Stat(n.Dir)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make a cgroup: %w", err), os.Remove(n.Dir))
	}
	n.ID = st.Sys().(*syscall.Stat_t).Ino
	return n, nil
}

// ownCgroup finds this process's path in a hierarchy, see cgroups(7).
func ownCgroup(cgroup string, hierarchy int) string {
	for line := range strings.Lines(cgroup) {
		f := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(f) == 3 && f[0] == strconv.Itoa(hierarchy) {
			return f[2]
		}
	}
	return "/"
}

// Start starts the command inside, from its first instruction on.
func (n *NewCgroup) Start(cmd *exec.Cmd) error {
	if !n.v1 {
		dir, err := os.Open(n.Dir)
		if err != nil {
			return fmt.Errorf("open the command's cgroup: %w", err)
		}
		defer dir.Close()
		if cmd.SysProcAttr == nil {
			cmd.SysProcAttr = &syscall.SysProcAttr{}
		}
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(dir.Fd())
		return cmd.Start()
	}
	// Version 1 moves threads one by one: this one forks inside, and comes back.
	runtime.LockOSThread()
	tid := []byte(strconv.Itoa(unix.Gettid()))
	if err := os.WriteFile(filepath.Join(n.Dir, "tasks"), tid, 0); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter the command's cgroup: %w", err)
	}
	err := cmd.Start()
	if back := os.WriteFile(filepath.Join(n.own, "tasks"), tid, 0); back != nil {
		n.Strayed = fmt.Errorf("leave the command's cgroup: %w", back) // the thread stays locked: no other work of ours runs on it
		return err
	}
	runtime.UnlockOSThread()
	return err
}

// RemoveCgroup removes a directory of MakeCgroup, and cgroups that the command left in there empty. An error says what still is.
func RemoveCgroup(dir string) error {
	if entries, err := os.ReadDir(dir); err == nil {
		for _, e := range entries {
			if e.IsDir() {
				_ = RemoveCgroup(filepath.Join(dir, e.Name())) // the one above tells
			}
		}
	}
	err := unix.Rmdir(dir)
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, unix.EBUSY), errors.Is(err, unix.ENOTEMPTY):
		return fmt.Errorf("the command's cgroup still has processes or cgroups: later, rmdir %s", dir)
	}
	return fmt.Errorf("remove the command's cgroup: %w", err)
}

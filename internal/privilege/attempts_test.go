package privilege

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// attempts are made the same way whatever is held.
func (r *report) attempts(dir string, child int) {
	file := func(name string) string { return filepath.Join(dir, name) }
	_, err := os.ReadFile(file("read/file"))
	r.try("read a named file", err)
	_, err = os.ReadFile(file("other"))
	r.try("read another file", err)
	_, err = os.OpenFile(file("read/file"), os.O_WRONLY, 0)
	r.try("write", err)
	r.try("create", os.WriteFile(file("read/new"), nil, 0o600))
	r.try("remove", os.Remove(file("read/file")))
	r.try("rename", os.Rename(file("read/file"), file("read/renamed")))
	r.try("chmod", os.Chmod(file("read/file"), 0o777))
	r.try("chown", os.Chown(file("read/file"), 1, 1))
	r.try("mount", unix.Mount("none", dir, "tmpfs", 0, ""))
	r.try("load a module", unix.InitModule([]byte{0}, ""))
	r.try("setuid", syscall.Setresuid(1, 1, 1))
	r.try("execute", exec.Command("/proc/self/exe").Run())
	r.try("trace", unix.PtraceAttach(child))
	r.try("make a user namespace", unix.Unshare(unix.CLONE_NEWUSER))
	_, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	r.try("make a network socket", err)
	c, err := net.Dial("unix", file("socket"))
	r.try("connect to a unix socket", err)
	if err == nil {
		c.Close()
	}
	_, err = os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", child))
	r.try("read a command line", err)
	r.try("ask whether a process exists", unix.Kill(child, 0))
	r.try("signal a process", unix.Kill(child, unix.SIGCONT))
	p, err := os.FindProcess(child)
	if err == nil {
		err = p.Signal(unix.SIGCONT)
	}
	r.try("signal a process by its pidfd", err)
}

package privilege

import (
	"encoding/binary"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

var helpers = map[string]func(*report, []string){
	"root": func(r *report, args []string) {
		dir, child := args[0], atoi(args[1])
		mount, err := os.Open(args[2])
		r.try("open the hierarchy", err)
		r.drop(Needs{
			Caps: []Cap{DACReadSearch}, Read: []string{"/proc", args[2], filepath.Join(dir, "read")},
			Sockets: []string{dir}, Signals: len(args) > 3,
		})
		r.attempts(dir, child)
		fd, err := unix.OpenByHandleAt(int(mount.Fd()), kernfsHandle(args[2]), unix.O_PATH)
		r.try("open a cgroup by its id", err)
		if err == nil {
			_, err = os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
			r.try("name it", err)
		}
	},
	"as is": func(r *report, args []string) {
		r.drop(Needs{Caps: []Cap{BPF, DACReadSearch}, Read: append([]string{"/proc"}, args...)})
	},
}

func atoi(s string) int {
	n, _ := strconv.Atoi(s)
	return n
}

func kernfsHandle(dir string) unix.FileHandle {
	var st unix.Stat_t
	_ = unix.Stat(dir, &st) // a handle of nothing fails by itself
	return unix.NewFileHandle(0xfe, binary.NativeEndian.AppendUint64(nil, st.Ino))
}

// asRoot runs the helper as root beside a child, with a tree of files and a socket.
func asRoot(t *testing.T, more ...string) report {
	needRoot(t)
	dir := t.TempDir()
	for _, name := range []string{"read/file", "other"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("text"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(filepath.Join(dir, "read/file"), 65534, 65534); err != nil { // CAP_DAC_READ_SEARCH reads it, nothing writes it
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "socket"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = child.Process.Kill()
		_ = child.Wait()
	})
	return run(t, helperCommand(t, "root", append([]string{dir, strconv.Itoa(child.Process.Pid), hierarchy(t)}, more...)...))
}

// hierarchy is where cgroups are mounted.
func hierarchy(t *testing.T) string {
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/cpu"} {
		var st unix.Statfs_t
		if unix.Statfs(dir, &st) == nil && (st.Type == unix.CGROUP2_SUPER_MAGIC || st.Type == unix.CGROUP_SUPER_MAGIC) {
			return dir
		}
	}
	t.Skip("need cgroups: no hierarchy is mounted below /sys/fs/cgroup")
	return ""
}

func (r *report) wants(t *testing.T, ok bool, whats ...string) {
	t.Helper()
	for _, what := range whats {
		if did := r.Did[what]; did == "" || (did == "ok") != ok {
			t.Errorf("%s: %q, want success %v; held: %v, notes %q", what, did, ok, r.Held, r.Held.Notes)
		}
	}
}

func (r *report) everyThread(t *testing.T, want map[string]string) {
	t.Helper()
	if len(r.Threads) < 8 {
		t.Errorf("%d threads, want 8 or more", len(r.Threads))
	}
	for _, th := range r.Threads {
		for name, value := range want {
			if th[name] != value {
				t.Errorf("thread %s has %s %s, want %s", th["Pid"], name, th[name], value)
			}
		}
	}
}

func TestRootDrops(t *testing.T) {
	r := asRoot(t)
	mask, none := fmt.Sprintf("%016x", 1<<DACReadSearch), strings.Repeat("0", 16)
	r.everyThread(t, map[string]string{"CapEff": mask, "CapPrm": mask, "CapInh": none, "CapBnd": none, "CapAmb": none, "NoNewPrivs": "1"})
	if !slices.Equal(r.Held.Caps, []string{"CAP_DAC_READ_SEARCH"}) || len(r.Held.Regainable) != 0 || !r.Held.NoNewPrivs || r.Held.UID != 0 {
		t.Errorf("held: %+v", r.Held)
	}
	r.wants(t, true, "read a named file", "connect to a unix socket", "read a command line", "ask whether a process exists",
		"open a cgroup by its id", "name it")
	r.wants(t, false, "write", "chown", "mount", "load a module", "setuid", "trace")
	for _, fence := range r.Held.Fences {
		kind, _, _ := strings.Cut(fence, " ")
		switch kind {
		case "landlock":
			r.wants(t, false, "read another file", "create", "remove", "rename", "execute")
		case "seccomp":
			r.everyThread(t, map[string]string{"Seccomp": "2"})
			r.wants(t, false, "create", "remove", "rename", "chmod", "execute", "make a user namespace", "make a network socket",
				"signal a process", "signal a process by its pidfd")
		}
	}
	if len(r.Held.Fences)+len(r.Held.Notes) != 2 {
		t.Errorf("each fence is up or there is a note: %q, %q", r.Held.Fences, r.Held.Notes)
	}
}

func TestSignalsStay(t *testing.T) {
	r := asRoot(t, "signals")
	r.wants(t, true, "signal a process", "signal a process by its pidfd")
	r.wants(t, false, "write", "execute", "mount")
}

package identity

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/eco2-bpf/eco2-bpf/internal/host"
)

func TestUsers(t *testing.T) {
	p := filepath.Join(t.TempDir(), "passwd")
	if err := os.WriteFile(p, []byte("root:x:0:0:root:/root:/bin/sh\ntoor:x:0:0::/:/bin/sh\n\nbroken\nneg:x:-1:0::/:\nann:x:1000:1000::/:\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	u := ReadUsers(p)
	for id, want := range map[uint32]string{0: "root", 1000: "ann", 4294967295: "4294967295", 7: "7"} {
		if got := u.Name(id); got != want {
			t.Errorf("uid %d is %q, want %q", id, got, want)
		}
	}
	if got := ReadUsers(filepath.Join(t.TempDir(), "none")).Name(5); got != "5" {
		t.Errorf("without a passwd file uid 5 is %q", got)
	}
}

// A directory of any file system stands in for the hierarchy where cgroups cannot be made: then the walk finds it.
func TestCgroupPathByWalk(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "system.slice", "a\nb.service")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	st, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := OpenCgroups(root)
	defer c.Close()
	c.open = func(int, unix.FileHandle, int) (int, error) { return -1, unix.EPERM } // as without CAP_DAC_READ_SEARCH
	id := st.Sys().(*syscall.Stat_t).Ino
	if got := c.Path(id); got != "/system.slice/a\nb.service" {
		t.Errorf("path %q", got)
	}
	late := filepath.Join(root, "late")
	if err := os.Mkdir(late, 0o755); err != nil {
		t.Fatal(err)
	}
	if st, err = os.Stat(late); err != nil {
		t.Fatal(err)
	}
	id = st.Sys().(*syscall.Stat_t).Ino
	if got := c.Path(id); got == "/late" || c.Unknown() != 1 {
		t.Errorf("it walked again at once: %q", got)
	}
	c.Settle()
	if got := c.Path(id); got != "/late" || c.Unknown() != 0 {
		t.Errorf("not found by a later walk: %q", got)
	}
}

func TestCgroupPathOfThisMachine(t *testing.T) {
	cg, err := host.ReadCgroups("/proc")
	if err != nil || cg.Mount == "" {
		t.Skip("no cgroup hierarchy is mounted here: ", err)
	}
	dir := filepath.Join(cg.Mount, "eco2-identity-test", "inner")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Skip("need root: ", err)
	}
	defer func() {
		_ = os.Remove(dir)
		_ = os.Remove(filepath.Dir(dir))
	}()
	st, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := OpenCgroups(cg.Mount)
	defer c.Close()
	id := st.Sys().(*syscall.Stat_t).Ino
	if got := c.Path(id); got != "/eco2-identity-test/inner" {
		t.Errorf("path of cgroup %d is %q", id, got)
	}
	rootSt, err := os.Stat(cg.Mount)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Path(rootSt.Sys().(*syscall.Stat_t).Ino); got != "/" {
		t.Errorf("root is %q", got)
	}
	if got := c.Path(1 << 60); got != "cgroup:1152921504606846976" || c.Unknown() != 1 {
		t.Errorf("a cgroup that never was is %q, unknown %d", got, c.Unknown())
	}
	if err := os.Remove(dir); err != nil {
		t.Fatal(err)
	}
	if got := c.Path(id); got != "/eco2-identity-test/inner" {
		t.Errorf("a removed cgroup lost its name: %q", got)
	}
}

func TestNoHierarchy(t *testing.T) {
	c := OpenCgroups("")
	defer c.Close()
	if got := c.Path(42); got != "cgroup:42" {
		t.Errorf("without a hierarchy: %q", got)
	}
}

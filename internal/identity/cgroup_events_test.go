package identity

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// cgroupTree has a directory stand in for the hierarchy, of which the kernel opens nothing by its id.
func cgroupTree(t *testing.T, dirs ...string) (c *Cgroups, id func(dir string) uint64) {
	t.Helper()
	root := t.TempDir()
	for _, d := range dirs {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	c = OpenCgroups(root)
	t.Cleanup(func() { _ = c.Close() })
	c.open = func(int, unix.FileHandle, int) (int, error) { return -1, unix.EPERM }
	return c, func(dir string) uint64 {
		t.Helper()
		st, err := os.Stat(filepath.Join(root, dir))
		if err != nil {
			t.Fatal(err)
		}
		return st.Sys().(*syscall.Stat_t).Ino
	}
}

func TestMadeIsKnown(t *testing.T) {
	c := OpenCgroups("")
	cg := c.Made(7, "/system.slice/a.service")
	if cg.ID != 7 || cg.Path != "/system.slice/a.service" || cg.Tenant.Unit != "a.service" || c.Of(7) != cg || c.Unknown() != 0 {
		t.Errorf("%+v", cg)
	}
	c.Gone(7)
	if got := c.Path(7); got != "/system.slice/a.service" {
		t.Errorf("what was removed lost its name: %q", got)
	}
	c.Gone(8) // never heard of
	if cg := c.Made(7, "/again"); cg.Path != "/again" || cg.Tenant.Unit != "" || len(c.gone) != 0 {
		t.Errorf("made again: %+v, gone %v", cg, c.gone)
	}
	if cg := c.Made(9, ""); cg.Path != "cgroup:9" || cg.Tenant.Owner != -1 || c.Unknown() != 1 {
		t.Errorf("of a path that is too long: %+v", cg)
	}
	if cg := c.Made(9, "/late"); cg.Path != "/late" {
		t.Errorf("%+v", cg)
	}
}

// A path that the event cannot tell is looked for.
func TestMadeWithoutAPath(t *testing.T) {
	c, id := cgroupTree(t, "a/b")
	if cg := c.Made(id("a/b"), ""); cg.Path != "/a/b" {
		t.Errorf("%+v", cg)
	}
}

func TestMovedTakesThoseBelowAlong(t *testing.T) {
	c, id := cgroupTree(t, "new/in/deep", "newer")
	a, in, deep, other := id("new"), id("new/in"), id("new/in/deep"), id("newer")
	c.Made(a, "/old")
	c.Made(in, "/old/in")
	c.Made(deep, "/old/in/deep")
	c.Made(other, "/older") // not below it
	c.Moved(a, "/new")
	for id, want := range map[uint64]string{a: "/new", in: "/new/in", deep: "/new/in/deep", other: "/older"} {
		if got := c.Path(id); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	c.Moved(99, "/unheard")
	if got := c.Path(99); got != "/unheard" {
		t.Errorf("%q", got)
	}
}

func TestGoneMakeRoomFirst(t *testing.T) {
	c := OpenCgroups("")
	for i := range uint64(cgroupCacheMax) {
		c.Made(i+1, fmt.Sprint("/c", i+1))
	}
	for i := range uint64(1000) {
		c.Gone(i + 1)
	}
	c.Made(100000, "/one more")
	if n := len(c.known); n != cgroupCacheMax-1000+1 || len(c.gone) != 0 {
		t.Fatalf("%d known, %d of them gone", n, len(c.gone))
	}
	for _, id := range []uint64{1001, cgroupCacheMax, 100000} {
		if c.known[id] == nil {
			t.Errorf("%d lives, and was forgotten", id)
		}
	}
	if c.known[1] != nil || c.known[1000] != nil {
		t.Error("there is no room for those that are gone")
	}
	for i := range uint64(1000) {
		c.Made(200000+i, "/more")
		if n := len(c.known); n > cgroupCacheMax {
			t.Fatalf("%d known", n)
		}
	}
}

// Those that cannot be named take room too.
func TestUnknownAreBounded(t *testing.T) {
	c := OpenCgroups("")
	for i := range uint64(cgroupCacheMax + 1000) {
		c.Of(i + 1)
	}
	if n := len(c.known); n > cgroupCacheMax {
		t.Errorf("%d known", n)
	}
	if n := c.Unknown(); n != cgroupCacheMax+1000 {
		t.Errorf("%d unknown", n)
	}
}

func TestWalk(t *testing.T) {
	c, id := cgroupTree(t, "system.slice/a.service", "b (deleted)/in")
	c.Made(1<<60, "/elsewhere")
	var paths []string
	for _, cg := range c.Walk() {
		paths = append(paths, cg.Path)
	}
	slices.Sort(paths)
	want := []string{"/", "/b (deleted)", "/b (deleted)/in", "/elsewhere", "/system.slice", "/system.slice/a.service"}
	if !slices.Equal(paths, want) {
		t.Errorf("%q, want %q", paths, want)
	}
	a := id("system.slice/a.service")
	if err := os.Remove(filepath.Join(c.root, "system.slice/a.service")); err != nil {
		t.Fatal(err)
	}
	if cg := c.Of(a); cg.Path != "/system.slice/a.service" || cg.Tenant.Unit != "a.service" || c.Unknown() != 0 {
		t.Errorf("%+v", cg)
	}
	if got := OpenCgroups("").Walk(); len(got) != 0 {
		t.Errorf("of no hierarchy: %v", got)
	}
}

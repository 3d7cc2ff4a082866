package testdocker

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The daemon of an inner test runs one container to its end and leaves another one running: nothing of either stays.
func TestDaemon(t *testing.T) {
	var d *Daemon
	t.Run("inner", func(t *testing.T) {
		load := Load(t)
		begin := time.Now()
		d = Start(t)
		t.Logf("dockerd started in %v", time.Since(begin).Round(time.Millisecond))
		d.Import("eco2-test:1", map[string]string{"/load": load})
		begin = time.Now()
		id := d.Run(Spec{Image: "eco2-test:1", Name: "ends", Command: []string{"/load", "spin", "1ms"}, CgroupParent: "/eco2-test-other/x"})
		t.Logf("container started in %v", time.Since(begin).Round(time.Millisecond))
		if code := d.Wait(id); code != 0 {
			t.Errorf("exit code %d", code)
		}
		if got := d.Logs(id); got != "spin 1ms\n" {
			t.Errorf("it wrote %q", got)
		}
		d.Remove(id)
		id = d.Run(Spec{Image: "eco2-test:1", Name: "stays", Command: []string{"/load", "sleep", "1m"}})
		cgroup, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", d.Pid(id)))
		if err != nil || !strings.Contains(string(cgroup), d.Parent+"/"+id) {
			t.Errorf("cgroup: %v\n%s", err, cgroup)
		}
	})
	if d == nil {
		t.SkipNow() // the inner one said why
	}
	if _, err := os.Stat(d.Root); err == nil {
		t.Errorf("%s stayed", d.Root)
	}
	for _, mount := range hierarchies() {
		for _, group := range []string{d.Group, "/eco2-test-other"} {
			if _, err := os.Stat(mount + group); err == nil {
				t.Errorf("cgroup %s stayed in %s", group, mount)
			}
		}
	}
	if mounts, err := os.ReadFile("/proc/self/mountinfo"); err != nil || bytes.Contains(mounts, []byte(d.Root)) {
		t.Errorf("mounts stayed: %v\n%s", err, mounts)
	}
	lines, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range lines {
		if b, err := os.ReadFile(file); err == nil && bytes.Contains(b, []byte(d.Root)) {
			t.Errorf("a process stayed: %s: %q", file, b)
		}
	}
}

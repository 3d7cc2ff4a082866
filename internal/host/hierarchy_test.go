package host

import "testing"

func TestParseHierarchy(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		want       int
	}{
		{"v2 only", "0::/init.scope\n", 0},
		{"v1", "3:memory:/a\n2:cpu:/a\n1:cpuset:/a\n", 2},
		{"co-mounted", "12:pids:/\n4:cpu,cpuacct:/user.slice\n3:cpuset:/\n", 4},
		{"the other way round", "7:cpuacct,cpu:/\n", 7},
		{"hybrid", "5:cpu,cpuacct:/a\n1:name=systemd:/a\n0::/a\n", 5},
		{"hybrid, the controller on v2", "1:name=systemd:/a\n0::/a\n", 0},
		{"named like it", "2:name=cpu:/\n1:cpuset,cpuacct:/\n0::/\n", 0},
		{"its path looks like one", "3:cpuset:/x:cpu:/\n2:cpu:/a:b\n", 2},
		{"no line's end", "9:cpu:/", 9},
		{"no number", "x:cpu:/\n6:cpu:/\n", 6},
		{"garbage", "cpu\n:cpu\n\n", 0},
		{"empty", "", 0},
	} {
		if got := parseHierarchy(tt.text); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}

// The number is read with the mount, and only on v1.
func TestHierarchyOfCgroups(t *testing.T) {
	const v1 = "27 26 0:23 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct\n"
	const v2 = "28 26 0:24 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
	const numbers = "4:cpu,cpuacct:/x\n0::/\n"
	c, err := ReadCgroups(write(t, t.TempDir(), map[string]string{"self/mountinfo": v1 + v2, "self/cgroup": numbers}))
	if err != nil || !c.V1 || c.Hierarchy != 4 || c.Mount != "/sys/fs/cgroup/cpu" {
		t.Errorf("v1: %+v, %v", c, err)
	}
	c, err = ReadCgroups(write(t, t.TempDir(), map[string]string{"self/mountinfo": v2, "self/cgroup": numbers}))
	if err != nil || c.V1 || c.Hierarchy != 0 || c.Mount != "/sys/fs/cgroup" {
		t.Errorf("v2: %+v, %v", c, err)
	}
	if _, err = ReadCgroups(write(t, t.TempDir(), map[string]string{"self/mountinfo": v1})); err == nil {
		t.Error("v1 without self/cgroup is no error")
	}
}

func TestPIDMax(t *testing.T) {
	for text, want := range map[string]int{"32768\n": 32768, "4194304": 4194304, "": 0, "-1\n": 0, "many\n": 0} {
		if got := PIDMax(write(t, t.TempDir(), map[string]string{"sys/kernel/pid_max": text})); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
	if got := PIDMax(t.TempDir()); got != 0 {
		t.Errorf("of no file: %d", got)
	}
}

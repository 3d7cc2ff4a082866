package host

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// group is a cgroup of a fixture, by what the kernel shows in it.
type group struct {
	path  string
	files map[string]string
}

// v2 is one whose parent hands the cpu controller on: "WEIGHT MAX", then what else differs.
func v2(path, weight, limit string, differs ...string) group {
	g := group{path, map[string]string{
		"cgroup.events": "populated 1\nfrozen 0\n", "cgroup.subtree_control": "", "cgroup.threads": "",
		"cpu.weight": weight + "\n", "cpu.max": limit + "\n", "cpu.idle": "0\n", "cpu.weight.nice": "0\n",
	}}
	return g.with(differs...)
}

// plain is one that has no cpu controller.
func plain(path string, differs ...string) group {
	return group{path, map[string]string{"cgroup.events": "populated 1\nfrozen 0\n", "cgroup.subtree_control": "memory pids\n"}}.with(differs...)
}

// v1 is one of the cpu hierarchy, with tasks in it or not.
func v1(path, shares, quota, tasks string, differs ...string) group {
	g := group{path, map[string]string{
		"tasks": tasks, "cgroup.procs": tasks, "cpu.shares": shares + "\n", "cpu.cfs_quota_us": quota + "\n", "cpu.cfs_period_us": "100000\n",
	}}
	return g.with(differs...)
}

// with changes files: "NAME CONTENT"; "NAME" alone takes it away, "NAME/" makes it a directory.
func (g group) with(differs ...string) group {
	for _, d := range differs {
		if name, text, ok := strings.Cut(d, " "); ok {
			g.files[name] = text + "\n"
		} else if delete(g.files, strings.TrimSuffix(name, "/")); strings.HasSuffix(name, "/") {
			g.files[name+"not a file"] = ""
		}
	}
	return g
}

const (
	handsOn = "cgroup.subtree_control cpuset cpu io memory"
	empty   = "cgroup.events populated 0"
)

// plant writes a hierarchy and opens it as that of a machine with 4 CPUs.
func plant(t *testing.T, isV1 bool, root string, groups []group) *Reservations {
	t.Helper()
	dir := t.TempDir()
	files := map[string]string{"cgroup.procs": "2\n3\n", "tasks": "2\n3\n", "cgroup.threads": "2\n3\n", "cgroup.subtree_control": root}
	write(t, dir, files)
	for _, g := range groups {
		if err := os.MkdirAll(filepath.Join(dir, g.path), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, g.path), g.files)
	}
	r, err := OpenReservations(Cgroups{V1: isV1, Mount: dir}, 4)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// byPath reads what is reserved, with paths in place of ids.
func byPath(t *testing.T, r *Reservations, mount string) (map[string]int64, error) {
	t.Helper()
	all, err := r.Read(nil)
	ids := map[uint64]string{}
	walkErr := filepath.WalkDir(mount, func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			var st syscall.Stat_t
			if err := syscall.Lstat(path, &st); err == nil {
				ids[st.Ino], _ = filepath.Rel(mount, path)
			}
		}
		return nil
	})
	if walkErr != nil {
		t.Fatal(walkErr)
	}
	parts, sum := map[string]int64{}, int64(0)
	for _, one := range all {
		if ids[one.Cgroup] == "" || parts[ids[one.Cgroup]] != 0 || one.Parts <= 0 {
			t.Errorf("%+v: not a cgroup's, or its second, or none", one)
		}
		parts[ids[one.Cgroup]] = one.Parts
		sum += one.Parts
	}
	if sum > ReservedAll {
		t.Errorf("%d parts of %d", sum, ReservedAll)
	}
	return parts, err
}

func mountOf(t *testing.T, r *Reservations) string {
	t.Helper()
	dir, err := os.Readlink(fmt.Sprint("/proc/self/fd/", r.root))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// The numbers are done by hand from the tables in the comments.
func TestReservations(t *testing.T) {
	const pod = "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod"
	for _, tt := range []struct {
		name   string
		v1     bool
		root   string
		groups []group
		want   map[string]float64 // of 1
		odd    string             // in the error
	}{
		{
			// A node of 4 CPUs. Requests: guaranteed 1 CPU (and at most that), burstable 500m (at most 2) and 250m, best effort none.
			name: "kubernetes, v2", root: "cpuset cpu io memory\n", groups: []group{
				v2("init.scope", "100", "max 100000"),
				v2("system.slice", "100", "max 100000"),
				plain("system.slice/kubelet.service"),
				v2("user.slice", "100", "max 100000", empty),
				v2("kubepods.slice", "157", "max 100000", handsOn),
				v2("kubepods.slice/kubepods-poda.slice", "39", "100000 100000", handsOn),
				v2("kubepods.slice/kubepods-poda.slice/cri-containerd-1.scope", "39", "100000 100000"),
				v2("kubepods.slice/kubepods-poda.slice/cri-containerd-2.scope", "1", "max 100000"), // pause
				v2("kubepods.slice/kubepods-burstable.slice", "30", "max 100000", handsOn),
				v2(pod+"b.slice", "20", "200000 100000", handsOn),
				v2(pod+"b.slice/cri-containerd-3.scope", "20", "200000 100000"),
				v2(pod+"c.slice", "10", "max 100000", handsOn),
				v2(pod+"c.slice/cri-containerd-4.scope", "10", "max 100000"),
				v2("kubepods.slice/kubepods-besteffort.slice", "1", "max 100000", handsOn),
				v2("kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podd.slice", "1", "max 100000", handsOn),
				v2("kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podd.slice/cri-containerd-5.scope", "1", "max 100000"),
			},
			want: map[string]float64{ // 357 on the first level, 70 in kubepods, 30 in burstable
				"init.scope": 100. / 357, "system.slice": 100. / 357,
				// 157/357 x 39/70 is 0.245: the request is below the limit of 1 CPU of 4
				"kubepods.slice/kubepods-poda.slice/cri-containerd-1.scope":                                      157. / 357 * 39 / 70 * 39 / 40,
				"kubepods.slice/kubepods-poda.slice/cri-containerd-2.scope":                                      157. / 357 * 39 / 70 * 1 / 40,
				pod + "b.slice/cri-containerd-3.scope":                                                           157. / 357 * 30 / 70 * 20 / 30,
				pod + "c.slice/cri-containerd-4.scope":                                                           157. / 357 * 30 / 70 * 10 / 30,
				"kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-podd.slice/cri-containerd-5.scope": 157. / 357 * 1 / 70,
			},
		}, {
			// cgroupfs driver: shares are 1,024 a CPU. The pod's own cgroup is empty; its limit of 500m binds the two containers together.
			name: "kubernetes, v1", v1: true, groups: []group{
				v1("system.slice", "1024", "-1", "77\n"),
				v1("kubepods", "3072", "-1", ""),
				v1("kubepods/poda", "2048", "50000", ""),
				v1("kubepods/poda/1", "1536", "-1", "100\n101\n"),
				v1("kubepods/poda/2", "512", "10000", "102\n"),
				v1("kubepods/burstable", "1024", "-1", ""),
				v1("kubepods/burstable/podb", "1024", "-1", ""),
				v1("kubepods/burstable/podb/3", "1024", "-1", "103\n"),
				v1("kubepods/besteffort", "2", "-1", ""),
				v1("kubepods/besteffort/podc", "2", "-1", ""), // no task: its weight is nobody's
			},
			want: map[string]float64{ // poda: 3/4 x 2/3 is 1/2, its limit leaves 0.5 of 4 CPUs
				"system.slice": 1. / 4, "kubepods/poda/1": 0.125 * 3 / 4, "kubepods/poda/2": 0.1 / 4, "kubepods/burstable/podb/3": 3. / 4 / 3,
			},
		}, {
			name: "systemd, v2: only some slices hand the controller on", root: "cpu memory pids\n", groups: []group{
				v2("init.scope", "100", "max 100000"),
				v2("system.slice", "300", "max 100000", handsOn),
				v2("system.slice/web.service", "500", "max 100000"),
				v2("system.slice/batch.service", "100", "max 100000", "cpu.idle 1"),
				v2("system.slice/off.service", "10000", "max 100000", empty),
				v2("user.slice", "100", "100000 100000", "cgroup.subtree_control memory pids"),
				plain("user.slice/user-1000.slice"),
				plain("user.slice/user-1000.slice/session-1.scope"),
			},
			want: map[string]float64{
				"init.scope": 1. / 5, "user.slice": 1. / 5, "system.slice/web.service": 3. / 5 * 5120 / 5123, "system.slice/batch.service": 3. / 5 * 3 / 5123,
			},
		}, {
			name: "nobody hands the controller on", root: "memory pids cpuset\n", groups: []group{plain("system.slice"), plain("user.slice")},
		}, {
			name: "v1 where all are in the root", v1: true, groups: []group{v1("docker", "1024", "-1", "")},
		}, {
			name: "one alone, however small", root: "cpu\n", groups: []group{v2("a", "1", "max 100000")}, want: map[string]float64{"a": 1},
		}, {
			name: "nested quotas", root: "cpu\n", groups: []group{
				v2("a", "300", "200000 100000", handsOn), // 3/4, cut to 2 of 4 CPUs
				v2("a/b", "100", "120000 100000", handsOn),
				v2("a/b/c", "100", "max 100000"),
				v2("a/b/d", "100", "10000 50000"), // 0.2 CPUs
				v2("a/e", "100", "300000 100000"), // more than there is for it
				v2("f", "100", "500000 100000"),   // more CPUs than there are
			},
			want: map[string]float64{"a/b/c": 0.25 / 2, "a/b/d": 0.05, "a/e": 0.25, "f": 0.25},
		}, {
			name: "tasks beside cgroups, v1", v1: true, groups: []group{
				v1("a", "1024", "40000", "5\n6\n7\n"), // all of it, cut to 0.1
				v1("a/b", "3072", "-1", "8\n"),
				v1("a/gone", "3072", "-1", ""),
			},
			want: map[string]float64{"a": 0.1 / 4, "a/b": 0.1 * 3 / 4},
		}, {
			name: "tasks beside cgroups, threaded v2", root: "cpu\n", groups: []group{
				v2("a", "100", "max 100000", handsOn, "cgroup.threads 5\n6", "cgroup.type threaded"),
				v2("a/b", "300", "max 100000"),
			},
			want: map[string]float64{"a": 0.25, "a/b": 0.75},
		}, {
			name: "an old kernel", root: "cpu\n", groups: []group{
				v2("a", "100", "max 100000", "cpu.idle", "cpu.max"), v2("b", "100", "max 100000"), v2("c", "0", "max 100000", "cpu.idle"),
			},
			want: map[string]float64{"a": 1024. / 2051, "b": 1024. / 2051, "c": 3. / 2051},
		}, {
			name: "an old kernel, v1", v1: true, groups: []group{
				v1("a", "512", "-1", "1\n", "cpu.cfs_quota_us", "cpu.cfs_period_us"), v1("b", "512", "-1", "2\n"),
			},
			want: map[string]float64{"a": 0.5, "b": 0.5},
		}, {
			name: "vanishing", root: "cpu\n", groups: []group{
				v2("a", "100", "max 100000"), v2("b", "100", "max 100000", "cgroup.events"), v2("c", "100", "max 100000", "cpu.weight"),
				v2("d", "100", "max 100000", handsOn), v2("d/e", "100", "max 100000", empty), // its last process ended between two reads
			},
			want: map[string]float64{"a": 0.5, "d": 0.5},
		}, {
			name: "vanishing, v1", v1: true, groups: []group{
				v1("a", "1024", "-1", "1\n"), v1("b", "1024", "-1", "2\n", "cpu.shares"), v1("c", "1024", "-1", "", "tasks"),
			},
			want: map[string]float64{"a": 1},
		}, {
			name: "odd weights are as nobody had set any", root: "cpu\n", groups: []group{
				v2("a", "100", "max 100000"), v2("b", "-5", "max 100000"), v2("c", "99999999999999999999", "max 100000"), v2("d", "", "max 100000"),
				v2("e", "10001", "max 100000"),
			},
			want: map[string]float64{"a": 1. / 5, "b": 1. / 5, "c": 1. / 5, "d": 1. / 5, "e": 1. / 5}, odd: "4 times odd",
		}, {
			name: "odd limits are none", root: "cpu\n", groups: []group{
				v2("a", "100", "100000 0"), v2("b", "100", "-7 100000"), v2("c", "100", "\x00"), v2("d", "100", "100000 100000 100000"),
				v2("e", "100", "50000 1000001"), v2("f", "100", "x 100000"), v2("g", "100", "100000"), v2("h", "100", "100000 x"),
			},
			want: map[string]float64{"a": 1. / 8, "b": 1. / 8, "c": 1. / 8, "d": 1. / 8, "e": 1. / 8, "f": 1. / 8, "g": 1. / 8, "h": 1. / 8},
			odd:  "8 times odd",
		}, {
			name: "odd about who is there", root: "cpu\n", groups: []group{
				v2("a", "100", "max 100000"), v2("b", "100", "max 100000", "cgroup.events frozen 0"), v2("c", "100", "max 100000", "cgroup.events "),
			},
			want: map[string]float64{"a": 1}, odd: "2 times odd",
		}, {
			name: "a limit of nothing", root: "cpu\n", groups: []group{v2("a", "100", "0 100000"), v2("b", "100", "9223372036854775807 1")},
			want: map[string]float64{"b": 0.5},
		}, {
			name: "odd numbers of v1", v1: true, groups: []group{
				v1("a", "1", "-1", "1\n"), v1("b", "1024", "-2", "1\n"), v1("c", "1024", "1000", "1\n", "cpu.cfs_period_us -1"), v1("d", "x", "-1", "1\n"),
			},
			want: map[string]float64{"a": 0.25, "b": 0.25, "c": 0.25, "d": 0.25}, odd: "4 times odd",
		}, {
			name: "files that cannot be read stop nothing", root: "cpu\n", groups: []group{
				v2("a", "500", "max 100000", "cpu.weight/", handsOn), v2("a/b", "100", "max 100000", "cpu.max/"), v2("a/c", "300", "max 100000", "cpu.idle/"),
				v2("d", "100", "max 100000", "cgroup.subtree_control/"), v2("d/e", "100", "max 100000"), v2("f", "100", "max 100000", "cgroup.events/"),
			},
			want: map[string]float64{"a/b": 0.5 / 4, "a/c": 0.5 * 3 / 4, "d": 0.5}, odd: `5 times odd, first: cgroup "`,
		}, {
			name: "files that cannot be read stop nothing, v1", v1: true, groups: []group{
				v1("a", "512", "-1", "1\n", "cpu.shares/"), v1("a/b", "3072", "-1", "1\n", "cpu.cfs_quota_us/"), v1("c", "1024", "-1", "", "tasks/"),
				v1("c/d", "1024", "5", "1\n", "cpu.cfs_period_us/"),
			},
			want: map[string]float64{"a": 0.5 / 4, "a/b": 0.5 * 3 / 4, "c/d": 0.5}, odd: "4 times odd",
		}, {
			name: "names", root: "cpu\n", groups: []group{
				v2("a\nb 9", "100", "max 100000"), v2("\x1b[31m", "100", "max 100000"), v2("... ", "100", "max 100000"),
				v2("\xff", "100", "max 100000", "cpu.max 1"),
			},
			want: map[string]float64{"a\nb 9": 0.25, "\x1b[31m": 0.25, "... ": 0.25, "\xff": 0.25}, odd: `cgroup "\xff"`,
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := plant(t, tt.v1, tt.root, tt.groups)
			got, err := byPath(t, r, mountOf(t, r))
			if (err != nil) != (tt.odd != "") || err != nil && !strings.Contains(err.Error(), tt.odd) {
				t.Errorf("error %v, want %q", err, tt.odd)
			}
			for _, path := range slices.Sorted(maps.Keys(tt.want)) {
				if want := tt.want[path] * ReservedAll; float64(got[path]) > want+1e-6 || float64(got[path]) < want-1.001 {
					t.Errorf("%q: %d, want %.3f", path, got[path], want)
				}
				delete(got, path)
			}
			if len(got) > 0 {
				t.Errorf("also %v", got)
			}
		})
	}
}

package host

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// hierarchy is a cgroup that a test has on the kernel's own hierarchy, for its groups.
type hierarchy struct {
	t     *testing.T
	c     Cgroups
	dir   string
	truth string // directory whose cgroups count their CPU time
}

func newHierarchy(t *testing.T) *hierarchy {
	t.Helper()
	c, err := ReadCgroups("/proc")
	if err != nil {
		t.Fatal(err)
	}
	switch handed, err := os.ReadFile(filepath.Join(c.Mount, "cgroup.controllers")); {
	case os.Geteuid() != 0:
		t.Skip("need root: to make cgroups")
	case c.Mount == "":
		t.Skip("need cgroups: no hierarchy is mounted")
	case c.V1 && c.CPUAcct == "":
		t.Skip("no cpuacct on this machine: v1 has no other count of a cgroup's CPU time")
	case !c.V1 && (err != nil || !slices.Contains(strings.Fields(string(handed)), "cpu")):
		t.Skip("no cpu controller in the hierarchy of v2 here")
	}
	h := &hierarchy{t: t, c: c, dir: filepath.Join(c.Mount, fmt.Sprint("eco2-bpf-test-", os.Getpid()))}
	h.truth = h.dir
	if c.V1 {
		h.truth = filepath.Join(c.CPUAcct, filepath.Base(h.dir))
	} else {
		h.put(c.Mount, "cgroup.subtree_control", "+cpu")
	}
	h.make("")
	return h
}

// make makes a group, below one that hands the controller on.
func (h *hierarchy) make(group string) {
	h.t.Helper()
	for _, dir := range []string{filepath.Join(h.dir, group), filepath.Join(h.truth, group)} {
		if err := os.Mkdir(dir, 0o755); err != nil && !os.IsExist(err) {
			if group == "" {
				h.t.Skip("need cgroups: none can be made: ", err)
			}
			h.t.Fatal(err)
		}
		h.t.Cleanup(func() {
			for range 500 {
				if RemoveCgroup(dir) == nil {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
			h.t.Errorf("%s cannot be removed", dir)
		})
	}
}

func (h *hierarchy) put(dir, file, text string) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0); err != nil {
		h.t.Fatal(err)
	}
}

// set makes a group of a weight as v2 counts them, and a quota per 100,000 CPUs x the machine's, 0: none.
func (h *hierarchy) set(group string, weight, quota int, handsOn bool) {
	h.t.Helper()
	h.make(group)
	dir := filepath.Join(h.dir, group)
	quota *= runtime.NumCPU()
	if h.c.V1 {
		h.put(dir, "cpu.shares", fmt.Sprint(weight*1024/100))
		if quota > 0 {
			h.put(dir, "cpu.cfs_period_us", "100000")
			h.put(dir, "cpu.cfs_quota_us", fmt.Sprint(quota))
		}
		return
	}
	h.put(dir, "cpu.weight", fmt.Sprint(weight))
	if quota > 0 {
		h.put(dir, "cpu.max", fmt.Sprint(quota, " 100000"))
	}
	if handsOn {
		h.put(dir, "cgroup.subtree_control", "+cpu")
	}
}

// run starts a shell in a group that runs the script there. It ends with the test, or with a minute of CPU time.
func (h *hierarchy) run(group, script string) (pid int) {
	h.t.Helper()
	files := []string{filepath.Join(h.dir, group, "cgroup.procs")}
	if h.c.V1 && h.truth != h.dir {
		files = append(files, filepath.Join(h.truth, group, "cgroup.procs"))
	}
	if kind, _ := os.ReadFile(filepath.Join(h.dir, group, "cgroup.type")); string(kind) == "threaded\n" {
		files = []string{filepath.Join(h.dir, filepath.Dir(group), "cgroup.procs"), filepath.Join(h.dir, group, "cgroup.threads")}
	}
	enter := `ulimit -t 60; for f; do echo $$ >"$f" || exit 1; done; echo in; `
	cmd := exec.Command("/bin/sh", append([]string{"-c", enter + script, "sh"}, files...)...)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	if in, err := io.ReadAll(io.LimitReader(out, 3)); string(in) != "in\n" {
		h.t.Fatalf("%s: a shell did not get in: %q, %v", group, in, err)
	}
	return cmd.Process.Pid
}

// burnOnOneCPU has a task of each group burn, all on the same CPU: there the kernel's shares do not hang on where it places them. A test that
// is run by nice(1) hands that on, and beside a cgroup a task counts by it.
func (h *hierarchy) burnOnOneCPU(groups ...string) {
	h.t.Helper()
	var may, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &may); err != nil {
		h.t.Fatal(err)
	}
	for cpu := 0; one.Count() == 0; cpu++ {
		if may.IsSet(cpu) {
			one.Set(cpu)
		}
	}
	for _, g := range groups {
		pid := h.run(g, burn)
		if err := errors.Join(unix.SchedSetaffinity(pid, &one), unix.Setpriority(unix.PRIO_PROCESS, pid, 0)); err != nil {
			h.t.Fatal(err)
		}
	}
}

const burn = "while :; do :; done"

// used is what the kernel counts of a group and all below it.
func (h *hierarchy) used(group string) time.Duration {
	h.t.Helper()
	if h.c.V1 {
		text, err := os.ReadFile(filepath.Join(h.truth, group, "cpuacct.usage"))
		n, bad := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		if err != nil || bad != nil {
			h.t.Fatal(err, bad)
		}
		return time.Duration(n)
	}
	text, err := os.ReadFile(filepath.Join(h.truth, group, "cpu.stat"))
	var us int64
	if _, bad := fmt.Sscanf(string(text), "usage_usec %d", &us); err != nil || bad != nil {
		h.t.Fatal(err, bad)
	}
	return time.Duration(us) * time.Microsecond
}

// read is what the groups of this test have reserved, by their names.
func (h *hierarchy) read() map[string]int64 {
	h.t.Helper()
	r, err := OpenReservations(h.c, runtime.NumCPU())
	if err != nil {
		h.t.Skip("no view of the machine's cgroups: ", err)
	}
	defer r.Close()
	all, err := byPath(h.t, r, h.c.Mount)
	if err != nil {
		h.t.Error(err)
	}
	groups := map[string]int64{}
	for path, parts := range all {
		if rel, err := filepath.Rel(h.dir, filepath.Join(h.c.Mount, path)); err == nil && !strings.HasPrefix(rel, "..") {
			groups[rel] = parts
		}
	}
	return groups
}

// agree lets the kernel give a group, with all below it, that much CPU time. Of that the groups below must have had what they have reserved
// of what all there have, within those odds.
func (h *hierarchy) agree(of string, total time.Duration, within float64, groups ...string) {
	t := h.t
	t.Helper()
	reserved := map[string]int64{}
	for path, p := range h.read() {
		for _, g := range append(groups, of) {
			if g == "" || path == g || strings.HasPrefix(path, g+"/") {
				reserved[g] += p
			}
		}
	}
	before, given := map[string]time.Duration{}, map[string]time.Duration{}
	for _, g := range append(groups, of) {
		before[g] = h.used(g)
	}
	for tries := 0; given[of] < total; tries++ {
		if tries == 3000 {
			t.Fatalf("only %v of CPU time for %q", given[of], of)
		}
		time.Sleep(50 * time.Millisecond)
		for g, b := range before {
			given[g] = h.used(g) - b
		}
	}
	for _, g := range groups {
		is, says := float64(given[g])/float64(given[of]), float64(reserved[g])/float64(reserved[of])
		odds := is / (1 - is) / (says / (1 - says))
		t.Logf("%s: %v of %v: %.3f; reserved %d of %d: %.3f; odds %.2f", g, given[g], given[of], is, reserved[g], reserved[of], says, odds)
		if !(odds < within && odds > 1/within) {
			t.Errorf("%s was given %.3f, and has reserved %.3f", g, is, says)
		}
	}
}

// Where all want all that there is, each gets what it has reserved.
func TestReservationsAreWhatTheKernelGives(t *testing.T) {
	h := newHierarchy(t)
	h.set("", 100, 0, true)
	h.set("a", 100, 0, false)
	h.set("b", 400, 0, true)
	h.set("b/c", 100, 0, false)
	h.set("b/d", 300, 0, false)
	h.set("empty", 1000, 0, true)
	h.set("empty/too", 100, 0, false)
	h.burnOnOneCPU("a", "b/c", "b/d")
	h.agree("", 2500*time.Millisecond, 1.4, "a", "b/c", "b/d")
}

// Quotas cap where weights would give more, for all below them together.
func TestReservationsAreWhatTheKernelCaps(t *testing.T) {
	h := newHierarchy(t)
	h.set("", 2500, 0, true)       // so that other load leaves them what their quotas allow
	h.set("less", 100, 5000, true) // a twentieth of the machine
	h.set("less/one", 100, 0, false)
	h.set("less/two", 300, 0, false)
	h.set("more", 100, 15000, false)
	for range runtime.NumCPU() {
		for _, g := range []string{"less/one", "less/two", "more"} {
			h.run(g, burn)
		}
	}
	h.agree("", time.Second, 1.4, "less", "more")
}

// Tasks beside cgroups: v2 has them in threaded subtrees only.
func TestReservationsOfTasksBesideCgroups(t *testing.T) {
	h := newHierarchy(t)
	h.set("", 100, 0, true)
	h.set("a", 100, 0, false)
	for group, weight := range map[string]int{"a/b": 300, "a/empty": 1000} {
		if h.make(group); !h.c.V1 {
			h.put(filepath.Join(h.dir, group), "cgroup.type", "threaded")
			h.put(filepath.Join(h.dir, "a"), "cgroup.subtree_control", "+cpu")
		}
		h.set(group, weight, 0, false)
	}
	h.burnOnOneCPU("a", "a/b")
	h.agree("a", time.Second, 1.2, "a/b")
}

// What the kernel lets be set is read as it is meant.
func TestReservationsOfAllSettings(t *testing.T) {
	h := newHierarchy(t)
	h.set("", 100, 0, true)
	for _, g := range []string{"a", "b", "idle"} {
		h.set(g, 100, 0, false)
		h.run(g, "exec sleep 1000")
	}
	for _, tt := range []struct {
		group, v1, v1Text, v2, v2Text string
		a, b                          float64 // weights, where the default is 1
		idle                          float64
	}{
		{"a", "cpu.shares", "1024", "cpu.weight", "100", 1, 1, 1},
		{"a", "cpu.shares", "262144", "cpu.weight", "10000", 256, 1, 1},
		{"a", "cpu.shares", "2", "cpu.weight", "1", 2. / 1024, 1, 1},
		{"a", "cpu.shares", "1024", "cpu.weight", "100", 1, 1, 1},
		{"b", "cpu.shares", "3072", "cpu.weight.nice", "-5", 1, 3, 1}, // a nice of -5 weighs 3,121
		{"b", "cpu.shares", "1024", "cpu.weight", "100", 1, 1, 1},
		{"idle", "cpu.idle", "1", "cpu.idle", "1", 1, 1, 3. / 1024},
	} {
		file, text, a := tt.v2, tt.v2Text, tt.a
		if h.c.V1 {
			file, text = tt.v1, tt.v1Text
		} else if a == 256 || a < 1 {
			a = map[bool]float64{true: 100, false: 0.01}[a > 1]
		}
		dir := filepath.Join(h.dir, tt.group)
		if _, err := os.Stat(filepath.Join(dir, file)); err != nil && file == "cpu.idle" {
			continue // before Linux 5.15
		}
		h.put(dir, file, text)
		got := h.read()
		all := a + tt.b + tt.idle
		for g, want := range map[string]float64{"a": a / all, "b": tt.b / all, "idle": tt.idle / all} {
			if is := float64(got[g]) / float64(sumOf(got)); is < want*0.97-2e-5 || is > want*1.03+2e-5 {
				t.Errorf("%s = %s of %s: %s has reserved %.5f of %v, want %.5f", file, text, tt.group, g, is, got, want)
			}
		}
	}
}

// What shows only a part of the machine, as a cgroup namespace does, cannot say what is reserved of all.
func TestReservationsOfAPart(t *testing.T) {
	h := newHierarchy(t)
	if r, err := OpenReservations(Cgroups{V1: h.c.V1, Mount: h.dir}, 1); err == nil || !strings.Contains(err.Error(), "only a part of the machine") {
		t.Errorf("%v, %v", r, err)
	}
}

// Cgroups come, go and change while they are looked at.
func TestReservationsWhileCgroupsComeAndGo(t *testing.T) {
	h := newHierarchy(t)
	h.set("", 100, 0, true)
	h.set("stays", 100, 0, false)
	h.run("stays", "exec sleep 1000")
	stop, stopped := make(chan bool), make(chan bool)
	defer func() { close(stop); <-stopped }()
	go func() {
		defer close(stopped)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			dir := filepath.Join(h.dir, fmt.Sprint("comes", i%7))
			if os.Mkdir(dir, 0o755) == nil {
				_ = os.Mkdir(filepath.Join(dir, "in"), 0o755)
				_ = os.Remove(filepath.Join(dir, "in"))
				_ = os.Remove(dir)
			}
		}
	}()
	for range 100 {
		if got := h.read(); got["stays"] == 0 || len(got) != 1 {
			t.Fatalf("%v", got)
		}
	}
}

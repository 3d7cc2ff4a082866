package main

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eco2-bpf/eco2-bpf/powermodel"
)

// calibrateModel reads a model that calibrate wrote.
func calibrateModel(t *testing.T, path string) powermodel.Calibration {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c, err := powermodel.ReadCalibration(f)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := f.Stat(); err != nil || st.Size() > 16<<10 {
		t.Errorf("%v bytes, %v", st.Size(), err)
	}
	return c
}

// calibrateMachine is a machine of its own within this one: a cgroup whose CPU time is all that its procfs knows, and moves its counters. Of
// what else runs here it sees nothing, and it has nearly all of the CPUs when it wants them.
type calibrateMachine struct {
	*lawTree
	procfs string
	groups []string // directories of the cgroup
}

func calibrateNewMachine(t *testing.T) *calibrateMachine {
	t.Helper()
	lawNeeds(t)
	m := &calibrateMachine{procfs: t.TempDir()}
	usage := ""
	for _, controller := range []string{"cpuacct", "cpu"} {
		dir, err := os.MkdirTemp(lawMount(t, controller), "eco2-bpf-calibrate-")
		if err != nil {
			t.Skip("need cgroups: ", err)
		}
		t.Cleanup(func() { lawRmdir(t, dir) })
		m.groups = append(m.groups, dir)
		if usage == "" {
			usage = dir
		}
	}
	if err := os.WriteFile(filepath.Join(m.groups[1], "cpu.shares"), []byte("262144"), 0); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(m.procfs, "self/ns"), 0o755); err != nil {
		t.Fatal(err)
	}
	mount := fmt.Sprintf("33 31 0:30 / %s rw,relatime - cgroup cgroup rw,cpuacct\n", usage)
	if err := os.WriteFile(filepath.Join(m.procfs, "self/mountinfo"), []byte(mount), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"self/ns/cgroup": "cgroup:[4026531835]", "cpuinfo": "/proc/cpuinfo"} {
		if err := os.Symlink(target, filepath.Join(m.procfs, name)); err != nil {
			t.Fatal(err)
		}
	}
	m.lawTree = lawTreeOf(t, "", filepath.Join(usage, "cpuacct.usage"))
	return m
}

// run runs the program in the cgroup.
func (m *calibrateMachine) run(t *testing.T, args ...string) outcome {
	t.Helper()
	cmd := eco2(t, append(args, "--sysfs", m.sysfs, "--procfs", m.procfs)...)
	script := ""
	for _, dir := range m.groups {
		script += "echo 0 >" + dir + "/cgroup.procs; "
	}
	cmd.Args = append([]string{"sh", "-c", script + `exec "$@"`, "sh", cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
	return finish(t, cmd)
}

// The model of a machine whose counters follow a law is the law.
func TestCalibrateFindsTheLaw(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 8 s")
	}
	tree := calibrateNewMachine(t)
	dir := t.TempDir()
	file, plot := filepath.Join(dir, "model.json"), filepath.Join(dir, "plot.svg")
	if err := os.WriteFile(file, bytes.Repeat([]byte("old "), 10_000), 0o644); err != nil { // it is replaced, all of it
		t.Fatal(err)
	}
	o := tree.run(t, "calibrate", "-f", file, "--plot", plot, "--steps", "0,50,100,50,0", "--hold", "1500ms")
	if o.code != 0 {
		t.Fatal(o)
	}
	tree.read(t)
	for _, want := range []string{`package-0: scope package, \d+ CPUs, measured by powercap; \d+ windows`, `dram-0: scope dram`, ` ASKED +BUSY +WATTS`, `idle \d+\.\d+ W`, `dram-0, W by busy share`} {
		if !regexp.MustCompile(want).MatchString(o.stdout) {
			t.Errorf("does not say %q: %v", want, o)
		}
	}
	if !strings.Contains(o.stderr, fmt.Sprintf("loads all %d CPUs for 7.5s: 5 loads of 1.5s; Ctrl-C", runtime.NumCPU())) {
		t.Errorf("does not say what it does: %s", o.stderr)
	}
	t.Log(o.stdout)
	c := calibrateModel(t, file)
	if len(c.Domains) != 2 || c.CPU.Threads != runtime.NumCPU() || c.Ladder.BusySource != "cpuacct" || time.Since(c.Created) > time.Minute {
		t.Fatalf("%+v", c)
	}
	for i, d := range c.Domains {
		z := tree.zones[i]
		if d.Name != z.domain || d.Threads != runtime.NumCPU() || d.Method != "measured" {
			t.Errorf("%+v", d)
		}
		for k, w := range d.Watts {
			law := z.idle + z.busy*float64(d.Threads)*float64(k)/10
			limit := 0.03
			if k == 0 || k == 10 {
				limit = 0.02
			}
			if math.Abs(w/law-1) > limit {
				t.Errorf("%s at %d %%: %.3f W, the law says %.3f W", d.Name, 10*k, w, law)
			}
		}
	}
	if svg, err := os.ReadFile(plot); err != nil || !bytes.HasPrefix(svg, []byte("<svg ")) {
		t.Errorf("the plot: %v, %.40q", err, svg)
	}
}

// However it is ended, the load ends with it, and no file is changed; nor left, unless it was killed.
func TestCalibrateInterrupted(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: the program itself is not under the race detector")
	}
	tree := calibrateTree(t, 0o644)
	dir := t.TempDir()
	old := filepath.Join(dir, "old.json")
	for i, sig := range []unix.Signal{unix.SIGINT, unix.SIGKILL, unix.SIGINT} {
		made := filepath.Join(dir, fmt.Sprint(i, ".svg"))
		if err := os.WriteFile(old, []byte("old"), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := eco2(t, "calibrate", "--sysfs", tree, "-f", old, "--plot", made)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var loads []int
		eventually(t, "the load", func() error {
			loads = calibrateLoads(t, cmd.Process.Pid)
			if len(loads) != 1 {
				return fmt.Errorf("%d processes", len(loads))
			}
			return nil
		})
		if i == 2 { // in the first rung, not while the load gets ready
			time.Sleep(500 * time.Millisecond)
		}
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		code := waitCode(t, cmd)
		if sig == unix.SIGINT && (code != 1 || !strings.Contains(stderr.String(), "interrupted: nothing is written")) {
			t.Errorf("exit code %d: %s", code, &stderr)
		}
		eventually(t, "the load's end", func() error {
			if err := unix.Kill(loads[0], 0); !errors.Is(err, unix.ESRCH) && !calibrateZombie(loads[0]) {
				return fmt.Errorf("process %d is there", loads[0])
			}
			return nil
		})
		if b, err := os.ReadFile(old); err != nil || string(b) != "old" {
			t.Errorf("%v: the file has %q, %v", sig, b, err)
		}
		if _, err := os.Stat(made); sig == unix.SIGINT && !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a file was left: %v", err)
		}
	}
}

// calibrateLoads lists the children of a process that are its load.
func calibrateLoads(t *testing.T, pid int) (pids []int) {
	t.Helper()
	tasks, err := filepath.Glob(procFile(pid, "task/*/children"))
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		b, _ := os.ReadFile(task) // a thread may have ended
		for _, f := range strings.Fields(string(b)) {
			child, err := strconv.Atoi(f)
			if err != nil {
				t.Fatal(err)
			}
			if line, _ := os.ReadFile(procFile(child, "cmdline")); strings.Contains(string(line), "calibrate\x00load") {
				pids = append(pids, child)
			}
		}
	}
	return pids
}

// calibrateZombie tells that a process has ended, and nobody has asked for its end yet: it may not be our child.
func calibrateZombie(pid int) bool {
	b, _ := os.ReadFile(procFile(pid, "stat"))
	_, rest, _ := strings.Cut(string(b), ") ")
	return strings.HasPrefix(rest, "Z")
}

// calibrateTree is a sysfs with a counter that stands still.
func calibrateTree(t *testing.T, mode os.FileMode) string {
	t.Helper()
	sysfs, err := os.MkdirTemp("", "eco2-bpf-calibrate-") // a test's own directory is for its user alone
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(sysfs) })
	zone := filepath.Join(sysfs, "class/powercap/intel-rapl:0")
	if err := os.MkdirAll(zone, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(sysfs, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string]string{"name": "package-0\n", "enabled": "1\n", "max_energy_range_uj": "262143328850\n", "energy_uj": "5\n"} {
		if err := os.WriteFile(filepath.Join(zone, file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(zone, "energy_uj"), mode); err != nil {
		t.Fatal(err)
	}
	return sysfs
}

// Where there is no counter, or none that may be read, it says so before it loads anything, and makes no file.
func TestCalibrateWithoutCounters(t *testing.T) {
	file := filepath.Join(t.TempDir(), "model.json")
	const carry = "run it on bare metal with energy counters, and carry the file over to guests of the same CPU with --model"
	oneLine(t, finish(t, eco2(t, "calibrate", "--sysfs", t.TempDir(), "-f", file)), 3, "counters are needed", "no powercap zones", carry)
	oneLine(t, finish(t, eco2(t, "calibrate", "--source", "estimate", "-f", file)), 3, "counters are needed", carry)
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file was made: %v", err)
	}
	if os.Geteuid() != 0 {
		t.Skip("need root: to become nobody")
	}
	cmd := eco2(t, "calibrate", "--sysfs", calibrateTree(t, 0o400), "-f", "/dev/null")
	cmd.Dir = "/"
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
	oneLine(t, finish(t, cmd), 3, "counters are needed", "permission denied", "run as root")
}

// A counter that stands still is no reading: nothing is made of it.
func TestCalibrateStuckCounter(t *testing.T) {
	file := filepath.Join(t.TempDir(), "model.json")
	o := finish(t, eco2(t, "calibrate", "--sysfs", calibrateTree(t, 0o644), "-f", file, "--steps", "0,100,0", "--hold", "1s"))
	if o.code != 1 || o.stdout != "" || !strings.Contains(o.stderr, "of its energy and busy time: intel-rapl:0") || !strings.Contains(o.stderr, "counter has not moved") {
		t.Error(o)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file was made: %v", err)
	}
}

func TestCalibrateBadFlags(t *testing.T) {
	dir := t.TempDir()
	tree := calibrateTree(t, 0o644)
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"", 2, "no model file|calibrate -f FILE"},
		{"-f m x", 2, `unexpected argument "x"|--help`},
		{"-f m --steps 0,50", 2, "--steps|from 3 to"},
		{"-f m --steps 0,50,120", 2, "--steps|120 %"},
		{"-f m --steps 20,50,100", 2, "--steps|at most 10"},
		{"-f m --steps a", 2, "--steps|--help"},
		{"-f m --hold 10ms", 2, "--hold|10ms|at least 1s"},
		{"-f m --hold x", 2, "--hold|--help"},
		{"-f m --plot ./m", 2, "-f and --plot: both are m"},
		{"-f m --source solar", 2, `--source "solar"`},
		{"-f m --sysfs /nonexistent", 2, "--sysfs|/nonexistent"},
		{"load", 2, "load is calibrate's own"},
		{"-f " + dir + "/none/m --sysfs " + tree, 1, "output file|none/m|no such file|with -f"},
		{"-f " + dir + "/m --sysfs " + tree + " --plot " + dir, 1, "output file|is a directory|with --plot"},
		{"-f " + dir + "/m --sysfs " + tree + " --procfs " + dir, 1, "the CPU cannot be told|cpuinfo|--procfs"},
	} {
		t.Run(strings.ReplaceAll(c.args, "/", "_"), func(t *testing.T) {
			oneLine(t, finish(t, eco2(t, append([]string{"calibrate"}, strings.Fields(c.args)...)...)), c.code, append(strings.Split(c.want, "|"), "eco2-bpf: calibrate: ")...)
		})
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("files were left: %v, %v", left, err)
	}
}

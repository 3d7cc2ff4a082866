package main

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// oneLine checks how a refusal looks: nothing on stdout, and one line on stderr that says all of want.
func oneLine(t *testing.T, o outcome, code int, want ...string) {
	t.Helper()
	if o.code != code || o.stdout != "" || strings.Count(o.stderr, "\n") != 1 || !strings.HasPrefix(o.stderr, "eco2-bpf: ") ||
		!strings.HasSuffix(o.stderr, "\n") {
		t.Errorf("want exit code %d and one line on stderr: %v", code, o)
	}
	for _, w := range want {
		if !strings.Contains(o.stderr, w) {
			t.Errorf("does not say %q: %s", w, o.stderr)
		}
	}
}

// Flags that attach and run refuse alike, each with what the line must say: what is wrong, and what to do.
var badFlags = []struct{ flags, want string }{
	{"--nosuch", "unknown flag: --nosuch|--help"},
	{"--interval 0", "--interval 0s|at least 100ms"},
	{"--interval -1s", "--interval -1s|at least 100ms"},
	{"-i 2562047h", "--interval 2562047h0m0s|at most 8760h"},
	{"-i 50ms", "--interval 50ms|at least 100ms"},
	{"--interval garbage", `"garbage"|--interval|--help`},
	{"-i 9999999999h", `"9999999999h"|--help`},
	{"--region Frnace", "--region|Frnace|nearest|FR (France)|eco2-bpf regions"},
	{"--region=", "--region|eco2-bpf regions"},
	{"--region JE", "JE|--factor|--region FR"},
	{"--region FR --factor 30", "--factor|--region|one of them"},
	{"--factor -3", "--factor|-3|such as 300"},
	{"--factor NaN", "--factor|NaN|such as 300"},
	{"--factor +Inf", "--factor|Inf|such as 300"},
	{"--factor x", `"x"|--factor|--help`},
	{"--pue 0.5", "--pue|0.5|from 1 to 100"},
	{"--pue NaN", "--pue|NaN|from 1 to 100"},
	{"--by nothing", `--by|"nothing"|process, thread, command, user, cgroup, container, pod, unit, job, tree`},
	{"-o xml", `-o|"xml"|table, json`},
	{"--idle none", `--idle|"none"|separate, active, equal, reservation`},
	{"--weights speed", `--weights|"speed"|frequency[=EXPONENT]`},
	{"--weights smt=2", "--weights smt=2|from 0.001 to 1|0.6"},
	{"--weights auto,smt", "--weights|give auto alone"},
	{"--dram magic", `--dram|"magic"|auto, resident_set_cpu_time`},
	{"--explain=,", "--explain|a PID|idle, unattributed"},
	{"--idle-watts nonsense", `--idle-watts|"nonsense"|auto|package-0=20`},
	{"--idle-watts package-0=-1", "--idle-watts|package-0=-1|package-0=20"},
	{"--idle-watts package-0=NaN", "--idle-watts|package-0=NaN|package-0=20"},
	{"--idle-watts a=1,a=2", "--idle-watts|a stands twice"},
	{"--idle-watts=", "--idle-watts|package-0=20"},
	{"--source nonsense", `--source|"nonsense"|auto, rapl, powercap, perf, hwmon, battery, estimate`},
	{"--domains nonsense", `--domains|"nonsense"|cpu, gpu, ram, storage`},
	{"--domains cpu,nonsense", `--domains|"nonsense"|cpu, gpu, ram, storage`},
	{"--domains cpu,all", "--domains|cpu,all|all alone"},
	{"--domains=", "--domains|auto, all"},
	{"--scope nonsense", `--scope|"nonsense"|server, wall, package`},
	{"--model /nonexistent", "--model|/nonexistent|no such"},
	{"--model /etc/passwd", "--model|/etc/passwd|eco2-bpf calibrate"},
	{"--model /etc/passwd --scope wall", "--scope and --model|one of them"},
	{"--sysfs /nonexistent", "--sysfs|/nonexistent|no such|/sys"},
	{"--procfs /nonexistent", "--procfs|/nonexistent|no such|/proc"},
	{"--sysfs /etc/passwd", "--sysfs|/etc/passwd|not a directory"},
	{"-n -1", "--top -1|0 for all"},
	{"--memory x", `--memory "x"|64M`},
	{"--memory 1", "--memory 1|need at least"},
}

func TestBadFlags(t *testing.T) {
	for _, c := range badFlags {
		t.Run(strings.ReplaceAll(c.flags, "/", "_"), func(t *testing.T) {
			want := strings.Split(c.want, "|")
			args := strings.Fields(c.flags)
			oneLine(t, finish(t, eco2(t, append([]string{"attach"}, args...)...)), 2, append(want, "eco2-bpf: attach: ")...)
			ran := filepath.Join(t.TempDir(), "ran")
			run := append(append([]string{"run"}, args...), "--", "touch", ran)
			oneLine(t, finish(t, eco2(t, run...)), 2, append(want, "eco2-bpf: run: ")...)
			if _, err := os.Stat(ran); err == nil {
				t.Error("the command ran")
			}
		})
	}
}

func TestBadCommandLines(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"nosuch", `unknown command "nosuch"|eco2-bpf help`},
		{"\x1b[2J", `unknown command|x1b|eco2-bpf help`},
		{"attach x", `attach|unexpected argument "x"|--help`},
		{"attach -d -1s", "--duration -1s|above zero|10s"},
		{"attach -d 0", "--duration 0s|above zero|10s"},
		{"attach -d soon", `"soon"|--duration|--help`},
		{"attach --pod [", `--pod "["|cannot read the pattern`},
		{"attach --container=", `--container ""|cannot read the pattern`},
		{"run --pod x -- true", "unknown flag|--help"},
		{"attach -p 0", "--pid 0|ps -e"},
		{"attach -p -5", "--pid -5|ps -e"},
		{"attach -p abc", `"abc"|--pid|--help`},
		{"attach -p 99999999999999999999", "--pid|--help"},
		{"run", "no command|run [flags] -- CMD"},
		{"run --", "no command|run [flags] -- CMD"},
		{"run -d 3s -- true", "unknown shorthand flag|--help"},
		{"sources x", `unexpected argument "x"|--help`},
		{"attach -f /tmp/same --record /tmp/same", "-f and --record|both are"},
		{"attach -f /dev/null --replay /dev/null", "-f and --replay|both are"},
		{"sources --source solar", `--source|"solar"|auto, rapl, powercap`},
		{"doctor x", `unexpected argument "x"|--help`},
		{"doctor --sysfs /nonexistent", "--sysfs|/nonexistent"},
		{"version x", `unexpected argument "x"|--help`},
		{"regions Atlantis", "Atlantis|eco2-bpf regions"},
	} {
		t.Run(strings.ReplaceAll(c.args, "/", "_"), func(t *testing.T) {
			oneLine(t, finish(t, eco2(t, strings.Fields(c.args)...)), 2, strings.Split(c.want, "|")...)
		})
	}
}

// A bare eco2-bpf shows the commands: on stderr, as nothing was asked for.
func TestNoCommand(t *testing.T) {
	if o := finish(t, eco2(t)); o.code != 2 || o.stdout != "" || !strings.HasPrefix(o.stderr, "usage: eco2-bpf COMMAND") {
		t.Error(o)
	}
}

func TestBadProcess(t *testing.T) {
	gone := 1 << 22 // no pid reaches it
	for ; !errors.Is(unix.Kill(gone, 0), unix.ESRCH); gone-- {
		t.Log("a process has the id", gone)
	}
	oneLine(t, finish(t, eco2(t, "attach", "-p", strconv.Itoa(gone))), 1, "process "+strconv.Itoa(gone), "no such process", "ps -e")

	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil || len(tasks) < 2 {
		t.Fatal("this process has no threads: ", err)
	}
	self := strconv.Itoa(os.Getpid())
	for _, task := range tasks {
		if tid := task.Name(); tid != self {
			oneLine(t, finish(t, eco2(t, "attach", "-p", tid)), 1, "process "+tid, "a thread of process "+self)
			break
		}
	}
}

func TestNoCounter(t *testing.T) {
	for _, command := range []string{"attach", "run", "sources"} {
		args := []string{command, "--source", "rapl", "--sysfs", t.TempDir()}
		if command == "run" {
			args = append(args, "true")
		}
		o := finish(t, eco2(t, args...))
		if command == "sources" { // prints every reason before it gives up
			o.stdout = ""
		}
		oneLine(t, o, 1, "no powercap zones", "modprobe intel_rapl_msr", "--source estimate")
	}
}

func TestBadWithKernel(t *testing.T) {
	e2eNeedKernel(t)
	oneLine(t, finish(t, eco2(t, "attach", "-d", "1s", "--idle-watts", "nosuch=3")), 2, "--idle-watts", `"nosuch"`, "there is")
	oneLine(t, finish(t, eco2(t, "attach", "-d", "1s", "--user", "nosuchuser")), 2, `--user "nosuchuser"`, "no such user", "give the id")
	missing := filepath.Join(t.TempDir(), "none", "out")
	oneLine(t, finish(t, eco2(t, "attach", "-d", "1s", "-f", missing)), 1, "output file", missing, "no such file", "another place with -f")
	oneLine(t, finish(t, eco2(t, "run", "-f", missing, "true")), 1, "output file", missing, "no such file")
}

func TestNotRunnable(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct {
		command string
		code    int
		want    string
	}{
		{"eco2-no-such-command", 127, "not found|PATH"},
		{filepath.Join(dir, "nosuch"), 127, "not found|PATH"},
		{file("plain", "#!/bin/sh\n", 0o644), 126, "cannot be executed|permission denied|chmod +x"},
		{dir, 126, "cannot be executed|is a directory"},
	} {
		oneLine(t, finish(t, eco2(t, "run", c.command)), c.code, append(strings.Split(c.want, "|"), c.command)...)
	}
	t.Run("format", func(t *testing.T) {
		e2eNeedKernel(t)
		oneLine(t, finish(t, eco2(t, "run", file("bad", "garbage", 0o755))), 126, "exec format error", "#!/bin/sh")
		oneLine(t, finish(t, eco2(t, "run", file("lost", "#!/nonexistent\n", 0o755))), 126, "start the command", "no such file", "interpreter")
	})
}

func TestNoBTF(t *testing.T) {
	for _, args := range [][]string{{"attach"}, {"run", "true"}, {"doctor"}} {
		cmd := eco2(t, args...)
		cmd.Env = append(os.Environ(), "ECO2_BPF_BTF=/nonexistent")
		o := finish(t, cmd)
		if args[0] == "doctor" { // its findings are what it is asked for
			o.stdout, o.stderr = "", "eco2-bpf: "+strings.ReplaceAll(o.stdout, "\n", " ")+"\n"
		}
		oneLine(t, o, 3, "BTF", "/nonexistent", "Linux 5.10", "CONFIG_DEBUG_INFO_BTF")
	}
}

func TestNotRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("need root: to become nobody")
	}
	e2eNeedKernel(t)
	for _, args := range [][]string{{"attach"}, {"run", "true"}, {"doctor"}} {
		cmd := eco2(t, args...)
		cmd.Dir = "/"
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: 65534, Gid: 65534}
		o := finish(t, cmd)
		if args[0] == "doctor" {
			o.stdout, o.stderr = "", "eco2-bpf: "+strings.ReplaceAll(o.stdout, "\n", " ")+"\n"
		}
		oneLine(t, o, 3, "run as root")
	}
}

package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// startLines starts a command and sends each line of its stdout; the channel is closed at the end of it.
func startLines(t testing.TB, cmd *exec.Cmd) <-chan string {
	t.Helper()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 10000)
	go func() {
		defer close(lines)
		for r := bufio.NewReader(stdout); ; {
			line, err := r.ReadString('\n')
			if line != "" {
				lines <- line
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() { _ = cmd.Process.Kill() }) // where the test gave up
	return lines
}

// windowsAddUp checks that an output is windows and then one total, which is their sum.
func windowsAddUp(t testing.TB, all []*wireReport) {
	t.Helper()
	if len(all) == 0 {
		t.Fatal("no output")
	}
	total := all[len(all)-1]
	sum, seconds, began := map[string]int64{}, 0.0, total.Start
	for i, w := range all[:len(all)-1] {
		if w.Kind != "window" {
			t.Errorf("line %d is a %s", i+1, w.Kind)
		}
		if !w.Start.Equal(began) {
			t.Errorf("window %d begins at %v, the one before ended at %v", i+1, w.Start, began)
		}
		began, seconds = w.End, seconds+w.Seconds
		for _, e := range w.Energy {
			sum[e.Domain] += micro(t, e.Joules)
		}
	}
	if total.Kind != "total" || !total.End.Equal(began) || seconds < total.Seconds-1e-6 || seconds > total.Seconds+1e-6 {
		t.Errorf("%s of %v s ends at %v; the windows are %v s and end at %v", total.Kind, total.Seconds, total.End, seconds, began)
	}
	for _, e := range total.Energy {
		if sum[e.Domain] != micro(t, e.Joules) {
			t.Errorf("%s: windows add up to %d uJ, the total is %v J", e.Domain, sum[e.Domain], e.Joules)
		}
	}
}

func TestAttachJSON(t *testing.T) {
	e2eNeedKernel(t)
	o := succeed(t, "attach", "-o", "json", "-i", "200ms", "-d", "900ms", "--region", "FR", "--pue", "1.5")
	all := jsonLines(t, o.stdout)
	windowsAddUp(t, all)
	if n := len(all); n < 3 || n > 6 {
		t.Errorf("%d lines in 900 ms", n)
	}
	total := all[len(all)-1]
	if total.Seconds < 0.9 || total.Intensity.PUE != 1.5 {
		t.Errorf("total of %v s, PUE %v", total.Seconds, total.Intensity.PUE)
	}
	own := total.row(func(r *wireRow) bool { return r.Kind == "process" && r.Comm == "eco2-bpf" })
	if own == nil || own.Switches == 0 || own.PPID != os.Getpid() {
		t.Errorf("no honest row for eco2-bpf itself: %+v", own)
	}
}

func TestAttachGroups(t *testing.T) {
	e2eNeedKernel(t)
	for by, match := range map[string]func(*wireRow) bool{
		"command": func(r *wireRow) bool { return r.Comm == "eco2-bpf" },
		"user":    func(r *wireRow) bool { return r.User == "root" },
		"cgroup":  func(r *wireRow) bool { return strings.HasPrefix(r.Cgroup, "/") },
	} {
		o := succeed(t, "attach", "-o", "json", "--by", by, "-d", "300ms", "-i", "100ms")
		all := jsonLines(t, o.stdout)
		windowsAddUp(t, all)
		if r := all[len(all)-1].row(match); r == nil || r.Kind != "group" {
			t.Errorf("--by %s: no such group: %s", by, o.stdout)
		}
	}
}

// TestAttachEnds: a signal (Ctrl-C, kill, a terminal that goes away) ends it at once, in the middle of a window, with totals and exit code 0.
func TestAttachEnds(t *testing.T) {
	e2eNeedKernel(t)
	for _, sig := range []unix.Signal{unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT} {
		cmd := eco2(t, "attach", "-o", "json", "-i", "1h")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		lines := startLines(t, cmd)
		started := func() error { return processHas(cmd.Process.Pid, "bpf-prog") }
		eventually(t, "loading", started)
		// Loaded is not yet listening: with programs attached, it announces, and then waits for signals.
		waitSleeping(t, cmd.Process.Pid)
		if err := cmd.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		for line := range lines {
			out.WriteString(line)
		}
		if code := waitCode(t, cmd); code != 0 {
			t.Errorf("%v: exit code %d: %s", sig, code, stderr.String())
		}
		if all := jsonLines(t, out.String()); len(all) != 2 {
			t.Errorf("%v: %d lines, want one window and one total", sig, len(all))
		} else {
			windowsAddUp(t, all)
		}
	}
}

var joulesInText = regexp.MustCompile(`0\.[0-9]{6}`)

// TestAttachTable: not on a terminal, one block for each window and the totals, nothing that moves a cursor.
func TestAttachTable(t *testing.T) {
	e2eNeedKernel(t)
	file := filepath.Join(t.TempDir(), "out")
	o := succeed(t, "attach", "-i", "100ms", "-d", "350ms", "-n", "2", "-f", file)
	b, err := os.ReadFile(file)
	if err != nil || o.stdout != "" {
		t.Fatal(err, o)
	}
	blocks := strings.Split(strings.TrimSuffix(string(b), "\n\n"), "\n\n")
	if n := len(blocks); n < 3 || n > 5 {
		t.Errorf("%d blocks of 350 ms", n)
	}
	for i, block := range blocks {
		head, others := "window ", ""
		if i == len(blocks)-1 {
			head, others = "total  ", "(others: "
		}
		if !strings.HasPrefix(block, head) || !joulesInText.MatchString(block) || strings.Count(block, "(idle)") != 1 {
			t.Errorf("block %d of %d: %s", i+1, len(blocks), block)
		}
		for _, want := range []string{"PID", "JOULES", "gCO2e", "carbon", "g/kWh", others} {
			if !strings.Contains(block, want) {
				t.Errorf("block %d lacks %q: %s", i+1, want, block)
			}
		}
	}
	if strings.ContainsFunc(string(b), func(r rune) bool { return r < ' ' && r != '\n' }) {
		t.Errorf("control characters: %q", b)
	}
}

// TestAttachBrokenPipe: who reads may stop reading at any time.
func TestAttachBrokenPipe(t *testing.T) {
	e2eNeedKernel(t)
	for _, format := range []string{"json", "table"} {
		cmd := eco2(t, "attach", "-o", format, "-i", "100ms")
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stdout = w
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		w.Close()
		if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
			t.Error(err)
		}
		r.Close()
		code := waitCode(t, cmd)
		t.Logf("%s: exit code %d", format, code)
		if code != 1 && code != 128+int(unix.SIGPIPE) || strings.Contains(stderr.String(), "goroutine") {
			t.Errorf("exit code %d: %s", code, stderr.String())
		}
	}
}

// TestAttachToProcess: a chosen process and its children get rows, the rest is one.
func TestAttachToProcess(t *testing.T) {
	e2eNeedKernel(t)
	load := exec.Command("sh", "-c", "while :; do /bin/true; done")
	if err := load.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = load.Process.Kill()
		_ = load.Wait()
	}()
	o := succeed(t, "attach", "-o", "json", "-i", "100ms", "-d", "500ms", "-p", strconv.Itoa(load.Process.Pid))
	all := jsonLines(t, o.stdout)
	windowsAddUp(t, all)
	total := all[len(all)-1]
	if total.pid(load.Process.Pid) == nil {
		t.Errorf("no row for the process: %s", o.stdout)
	}
	for _, r := range total.Rows {
		if r.Kind == "process" && r.PID != load.Process.Pid && r.PPID != load.Process.Pid {
			t.Errorf("a stranger has a row: %+v", r)
		}
	}
	if total.ProcessesSeen < 3 || total.row(func(r *wireRow) bool { return r.Kind == "others" }) == nil {
		t.Errorf("%d processes seen: %s", total.ProcessesSeen, o.stdout)
	}
}

// TestAttachToTree: descendants that exist already are followed as well as those to come.
func TestAttachToTree(t *testing.T) {
	e2eNeedKernel(t)
	load := exec.Command("sh", "-c", `(while :; do :; done) & a=$!; sh -c '(while :; do :; done) & echo $!; wait' & echo $a; wait`)
	load.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	lines := startLines(t, load)
	defer func() {
		_ = unix.Kill(-load.Process.Pid, unix.SIGKILL)
		_ = load.Wait()
	}()
	var pids []int
	for range 2 {
		pid, err := strconv.Atoi(strings.TrimSpace(<-lines))
		if err != nil {
			t.Fatal(err)
		}
		pids = append(pids, pid)
	}
	o := succeed(t, "attach", "-o", "json", "-d", "500ms", "-p", strconv.Itoa(load.Process.Pid))
	all := jsonLines(t, o.stdout)
	total := all[len(all)-1]
	for _, pid := range pids {
		if r := total.pid(pid); r == nil || r.CPUSeconds < 0.05 {
			t.Errorf("descendant %d: row %+v", pid, r)
		}
	}
	if total.ProcessesSeen < 2 {
		t.Errorf("%d processes seen", total.ProcessesSeen)
	}
}

// TestInPIDNamespace: in a container processes know each other by other ids than the kernel does. run finds its command all the same;
// attach -p, which would follow somebody else, says so.
func TestInPIDNamespace(t *testing.T) {
	e2eNeedKernel(t)
	if _, err := exec.LookPath("unshare"); err != nil {
		t.Skip("need unshare: ", err)
	}
	inside := func(args ...string) outcome {
		cmd := eco2(t, args...)
		cmd.Args = append([]string{"unshare", "--pid", "--fork", "--mount-proc", cmd.Path}, args...)
		cmd.Path, _ = exec.LookPath("unshare")
		return finish(t, cmd)
	}
	o := inside("run", "-o", "json", "--", "sh", "-c", "/bin/true; /bin/true; exit 7")
	if total := onlyTotal(t, o.stderr); o.code != 7 || total.ProcessesSeen != 3 {
		t.Errorf("%d processes seen, want 3: %v", total.ProcessesSeen, o)
	}
	oneLine(t, inside("attach", "-d", "1s", "-p", "1"), 3, "another pid namespace", "--pid=host")
	oneLine(t, inside("attach", "-d", "1s", "-p", "4000000"), 1, "another pid namespace", "--pid=host")
	if o := inside("doctor"); !strings.Contains(o.stdout, "another pid namespace") {
		t.Error(o)
	}
	if o := inside("attach", "-d", "300ms", "-o", "json"); o.code != 0 {
		t.Error(o)
	}
}

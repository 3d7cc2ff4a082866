package main

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// used reads what a helper wrote about itself.
func used(t *testing.T, file string) (pid int, seconds float64) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Sscan(string(b), &pid, &seconds); err != nil {
		t.Fatal(err)
	}
	return pid, seconds / 1e6
}

// near fails unless a CPU time is right to within 2 % and the 5 ms that a helper uses after it has looked.
func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	t.Logf("%s: %.6f s, by rusage %.6f s", what, got, want)
	if got < want*0.98-0.001 || got > want*1.02+0.005 {
		t.Errorf("%s: %.6f s, want %.6f s", what, got, want)
	}
}

// helperPath quotes this test binary for a shell.
func helperPath(t *testing.T) string {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return "'" + self + "'"
}

// TestRunFollowsDaemons: a descendant that has left its session and whose parents are gone still belongs to the command; a process
// that burns beside it does not.
func TestRunFollowsDaemons(t *testing.T) {
	e2eNeedKernel(t)
	if _, err := exec.LookPath("setsid"); err != nil {
		t.Skip("need setsid: ", err)
	}
	file := filepath.Join(t.TempDir(), "used")
	outside := exec.Command("sh", "-c", "while :; do :; done")
	if err := outside.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = outside.Process.Kill()
		_ = outside.Wait()
	}()
	script := fmt.Sprintf(`(setsid %s 300ms %s >/dev/null 2>&1 &); while ! [ -e %[2]s ]; do sleep 0.02; done; sleep 0.1`, helperPath(t), file)
	cmd := eco2(t, "run", "-o", "json", "--", "sh", "-c", script)
	cmd.Env = e2eHelper("spin")
	o := finish(t, cmd)
	if o.code != 0 {
		t.Fatal(o)
	}
	total := onlyTotal(t, o.stderr)
	pid, seconds := used(t, file)
	daemon := total.pid(pid)
	if daemon == nil {
		t.Fatalf("no row for the daemon, process %d: %s", pid, o.stderr)
	}
	near(t, "the daemon", daemon.CPUSeconds, seconds)
	if r := total.pid(outside.Process.Pid); r != nil {
		t.Errorf("a process outside has a row: %+v", r)
	}
	if others := total.row(func(r *wireRow) bool { return r.Kind == "others" }); others == nil || others.CPUSeconds < 0.05 {
		t.Errorf("the burner outside is not among the others: %+v", others)
	}
}

// TestRunCountsAcrossExec: the shell becomes another program and stays one process, with the new name.
func TestRunCountsAcrossExec(t *testing.T) {
	e2eNeedKernel(t)
	file := filepath.Join(t.TempDir(), "used")
	burn := "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; "
	cmd := eco2(t, "run", "-o", "json", "--", "sh", "-c", burn+"exec "+helperPath(t)+" 200ms "+file)
	cmd.Env = e2eHelper("spin")
	o := finish(t, cmd)
	if o.code != 0 {
		t.Fatal(o)
	}
	total := onlyTotal(t, o.stderr)
	pid, seconds := used(t, file)
	r := total.pid(pid)
	if r == nil || total.ProcessesSeen != 1 {
		t.Fatalf("%d processes seen, row %+v: %s", total.ProcessesSeen, r, o.stderr)
	}
	near(t, "before and after exec", r.CPUSeconds, seconds)
	if self, _ := os.Executable(); !strings.HasPrefix(filepath.Base(self), r.Comm) {
		t.Errorf("its name is %q", r.Comm)
	}
}

// exactly takes one look, which must be right however many switch-outs the kernel did not show.
func exactly(t *testing.T, look func() (*wireReport, error)) {
	t.Helper()
	if r, err := look(); err != nil {
		t.Errorf("%v (%d switches missed)", err, r.Losses.Missed)
	}
}

func TestRunCountsProcessesExactly(t *testing.T) {
	e2eNeedKernel(t)
	for _, c := range []struct {
		script string
		want   int
	}{
		{":", 1},
		{"i=0; while [ $i -lt 200 ]; do /bin/true; i=$((i+1)); done", 201},
		{"i=0; while [ $i -lt 200 ]; do ( : ); i=$((i+1)); done", 201}, // forks that never exec
		{"i=0; while [ $i -lt 50 ]; do ( : ) & i=$((i+1)); done; wait", 51},
		{"i=0; while [ $i -lt 50 ]; do : | : | :; i=$((i+1)); done; wait", 151},
	} {
		exactly(t, func() (*wireReport, error) {
			total := onlyTotal(t, succeed(t, "run", "-o", "json", "--", "sh", "-c", c.script).stderr)
			rows := 0
			for _, r := range total.Rows {
				if r.Kind == "process" {
					rows++
				}
			}
			if total.ProcessesSeen != c.want || rows != c.want {
				return total, fmt.Errorf("%s: %d processes seen, %d rows, want %d", c.script, total.ProcessesSeen, rows, c.want)
			}
			return total, nil
		})
	}
}

// TestRunShortLives: 5,000 processes of about a millisecond, by one shell, against what the kernel says their parents waited for.
func TestRunShortLives(t *testing.T) {
	e2eNeedKernel(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "used")
	exactly(t, func() (*wireReport, error) {
		cmd := eco2(t, "run", "-o", "json", "--", self, "i=0; while [ $i -lt 5000 ]; do /bin/true; i=$((i+1)); done", file)
		cmd.Env = e2eHelper("shell")
		o := finish(t, cmd)
		if o.code != 0 {
			t.Fatal(o)
		}
		total := onlyTotal(t, o.stderr)
		_, want := used(t, file)
		got := total.processSeconds()
		t.Logf("%.6f s in %d processes, by rusage %.6f s: ratio %.5f; %d switches missed, self %.3f s in %.1f s", got, total.ProcessesSeen,
			want, got/want, total.Losses.Missed, total.Self.CPUSeconds, total.Seconds)
		switch {
		case total.Losses.Overflow+total.Losses.Unfollowed != 0:
			return total, fmt.Errorf("losses: %+v", total.Losses)
		case math.Abs(got/want-1) > 0.002:
			return total, fmt.Errorf("ratio %.5f is not within 0.998 to 1.002", got/want)
		case total.ProcessesSeen != 5002:
			return total, fmt.Errorf("%d processes seen, want 5,000, their shell and its parent", total.ProcessesSeen)
		}
		return total, nil
	})
}

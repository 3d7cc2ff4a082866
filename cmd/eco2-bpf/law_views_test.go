package main

import (
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/live"
)

// TestLawViews looks at one load in many ways at once: each of them adds up.
func TestLawViews(t *testing.T) {
	lawNeeds(t)
	tree := lawNewTree(t, "")
	load := 4 * time.Second
	steady, duty, storm := lawStart(t, "steady", load), lawStart(t, "duty", load), lawStart(t, "storm", load)
	loads := []*lawLoad{steady, duty, storm}
	type view struct {
		name  string
		args  []string
		check func(t *testing.T, s *live.Snapshot)
		a     lawAttach
	}
	idlePays := func(t *testing.T, s *live.Snapshot) { // 20 W and 1 W, but for what the counters' steps leave open
		idle, n := s.Sum(lawKind("idle"))
		if want := 21e6 * s.Seconds; n != 1 || float64(idle.Joules) > want+20 || s.Seconds > 0.9 && float64(idle.Joules) < want*0.95 {
			t.Errorf("idle has %d uJ in %d rows, not %.0f", idle.Joules, n, want)
		}
	}
	othersPay := func(t *testing.T, s *live.Snapshot) {
		if idle, n := s.Sum(lawKind("idle")); n != 1 || idle.Joules != 0 {
			t.Errorf("idle has %d uJ in %d rows while others pay for it", idle.Joules, n)
		}
	}
	kinds := func(want ...string) func(*testing.T, *live.Snapshot) {
		return func(t *testing.T, s *live.Snapshot) {
			for _, r := range s.Rows {
				if !slices.Contains(want, r.Kind) {
					t.Errorf("%s: a row is a %s: %+v", s.Kind, r.Kind, r)
				}
			}
		}
	}
	both := func(a, b func(*testing.T, *live.Snapshot)) func(*testing.T, *live.Snapshot) {
		return func(t *testing.T, s *live.Snapshot) { a(t, s); b(t, s) }
	}
	groups := kinds("group", "kernel", "overflow", "unattributed", "idle")
	views := []*view{
		{name: "process", check: both(idlePays, kinds("process", "kernel", "overflow", "unattributed", "idle"))},
		{name: "user", args: []string{"--by", "user", "--idle", "active"}, check: both(othersPay, groups)},
		{name: "cgroup", args: []string{"--by", "cgroup", "--idle", "equal"}, check: both(othersPay, groups)},
		{name: "command", args: []string{"--by", "command"}, check: both(idlePays, groups)},
		{name: "active", args: []string{"--idle", "active"}, check: othersPay},
		{name: "equal", args: []string{"--idle", "equal"}, check: othersPay},
		{name: "top", args: []string{"-n", "3"}, check: lawTopThree},
		{name: "top group", args: []string{"-n", "1", "--by", "cgroup"}, check: lawTopGroup},
	}
	for _, v := range views {
		v.a = lawRunAttach(t, time.Minute, append([]string{"--sysfs", tree.sysfs, "--source", "rapl", "--idle-watts", "package-0=20,dram-0=1"}, v.args...)...)
	}
	for _, l := range loads {
		l.release(t)
	}
	for _, l := range loads {
		l.wait(t)
	}
	for _, v := range views {
		v.a.interrupt(t)
	}
	tree.read(t)
	for _, v := range views {
		t.Run(v.name, func(t *testing.T) {
			windows, total := v.a.wait(t)
			for i := range windows {
				v.check(t, &windows[i])
			}
			v.check(t, &total)
			if v.name == "top" || v.name == "top group" {
				lawEnergyAddsUp(t, windows, total)
				return
			}
			lawAddUp(t, windows, total)
			if v.name == "process" || v.name == "cgroup" {
				for _, l := range loads {
					got, _ := total.Sum(func(r *live.Row) bool { return r.Cgroup == l.cgroup })
					if ratio := got.CPU / l.used.Seconds(); ratio < 0.98 || ratio > 1.02 {
						t.Errorf("%s has %.4f s of CPU time, the kernel says %v", l.name, got.CPU, l.used)
					}
				}
			}
		})
	}
}

// lawTopThree is what -n 3 leaves: three accounts, the rest in one row, and the rows that are no account.
func lawTopThree(t *testing.T, s *live.Snapshot) {
	accounts, n := s.Sum(lawKind("process", "kernel"))
	others, o := s.Sum(lawKind("others"))
	if n > 3 || o > 1 || n == 3 && o == 0 {
		t.Errorf("%s: %d accounts with %d uJ and %d rows of others with %d uJ", s.Kind, n, accounts.Joules, o, others.Joules)
	}
	if s.Kind == "total" && (o != 1 || others.Joules <= accounts.Joules/10) {
		t.Errorf("%s: the storm is not in the %d rows of others: %d uJ", s.Kind, o, others.Joules)
	}
}

func lawTopGroup(t *testing.T, s *live.Snapshot) {
	_, n := s.Sum(lawKind("group", "kernel"))
	_, o := s.Sum(lawKind("others"))
	if n > 1 || o > 1 {
		t.Errorf("%s: %d groups, %d rows of others", s.Kind, n, o)
	}
}

// TestLawSelection follows two of the loads: they have their rows, with their descendants, and all else is one row.
func TestLawSelection(t *testing.T) {
	lawNeeds(t)
	tree := lawNewTree(t, "")
	load := 4 * time.Second
	steady, duty, storm := lawStart(t, "steady", load), lawStart(t, "duty", load), lawStart(t, "storm", load)
	loads := []*lawLoad{steady, duty, storm}
	a := lawRunAttach(t, time.Minute, "--sysfs", tree.sysfs, "--source", "rapl", "--idle-watts", "package-0=20,dram-0=1", "--dram", "cpu_time",
		"-p", strconv.Itoa(storm.pid()), "-p", strconv.Itoa(duty.pid()))
	for _, l := range loads {
		l.release(t)
	}
	for _, l := range loads {
		l.wait(t)
	}
	a.interrupt(t)
	windows, total := a.wait(t)
	lawAddUp(t, windows, total)
	tree.read(t)
	for _, s := range append(windows, total) {
		others := 0
		for _, r := range s.Rows {
			mine := r.PID == duty.pid() || r.PID == storm.pid() || r.PPID == storm.pid()
			switch {
			case r.Kind == "others":
				others++
			case r.Kind == "process" && mine, slices.Contains([]string{"overflow", "unattributed", "idle"}, r.Kind):
			default:
				t.Errorf("%s: row %+v", s.Kind, r)
			}
		}
		if others > 1 || s.Kind == "total" && others != 1 {
			t.Errorf("%s: %d rows of others", s.Kind, others)
		}
	}
	for _, l := range []*lawLoad{duty, storm} {
		sum, _ := total.Sum(func(r *live.Row) bool { return r.Cgroup == l.cgroup })
		lawHold(t, tree, l.name, sum, l.used, 0.02)
	}
	others, _ := total.Sum(lawKind("others"))
	if least := 10.5 * steady.used.Seconds() * 0.98; others.Joules.Joules() < least {
		t.Errorf("others have %.3f J, less than the steady burner's %.3f J", others.Joules.Joules(), least)
	}
}

// TestLawEstimate: without a counter the joules are called estimated, with their range, and add up as well.
func TestLawEstimate(t *testing.T) {
	lawNeeds(t)
	rows := lawRunAttach(t, 2*time.Second, "--source", "estimate", "--domains", "cpu")
	a := lawRunAttach(t, 2*time.Second, "--source", "estimate")
	w, sum := rows.wait(t)
	lawAddUp(t, w, sum)
	windows, total := a.wait(t)
	lawEnergyAddsUp(t, windows, total) // windows do not list those who only hold some memory
	for _, s := range append(windows, total) {
		if len(s.Energy) == 0 {
			t.Errorf("%s: no energy", s.Kind)
		}
		for _, e := range s.Energy {
			if e.Method != "estimated" || !strings.HasPrefix(e.Domain, "estimate:") || e.Joules <= 0 || e.Low >= e.Joules || e.High <= e.Joules {
				t.Errorf("%s: energy %+v", s.Kind, e)
			}
		}
	}
	if text := string(a.Talk()); !strings.Contains(text, "ESTIMATE") {
		t.Errorf("it does not say that it estimates: %q", text)
	}
}

package engine

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/internal/snapshot"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

func TestEachSocketPaysForItsOwn(t *testing.T) {
	_, total, _ := watch(t, newMachine(second{
		use:    []bpf.Usage{use(10, 0, 500, "a"), use(11, 1, 1000, "b"), use(12, 0, 250, "c"), use(12, 1, 0, "c")},
		energy: []units.Microjoules{5_000_000, 2_000_000, 12_000_000},
	}), Config{})
	for pid, want := range map[int]units.Microjoules{10: 2_000_000 + 666_666, 11: 10_000_000, 12: 1_000_000 + 333_334} {
		if got := find(total, snapshot.Process, pid).Joules; got < want-1 || got > want+1 {
			t.Errorf("process %d: %v J, want %v J", pid, got, want)
		}
	}
	if got := find(total, snapshot.Idle, 0).Joules; got != 5_000_000 {
		t.Errorf("idle: %v J, want what --idle-watts gives", got)
	}
	if total.ProcessesSeen != 3 {
		t.Errorf("%d processes seen", total.ProcessesSeen)
	}
	if r := find(total, snapshot.Process, 10); !r.Start.Equal(time.Unix(1010, 0)) || r.User != "1000" || r.Cgroup != "cgroup:7" {
		t.Errorf("identity %+v", r)
	}
}

func TestWhatWasMissedInflatesNobody(t *testing.T) {
	_, total, _ := watch(t, newMachine(second{
		use: []bpf.Usage{use(10, 0, 500, "a")}, busy: []time.Duration{time.Second, 0}, missed: 9,
		energy: []units.Microjoules{12_000_000, 1_000_000, 2_000_000},
	}), Config{})
	if got := find(total, snapshot.Process, 10).Joules; got != 5_000_000 {
		t.Errorf("half of the busy time got %v J of 10 J", got)
	}
	if got := find(total, snapshot.Unattributed, 0); got.Joules != 5_000_000 || got.CPUSeconds != 0.5 {
		t.Errorf("unattributed: %+v", got)
	}
	if total.Losses.Missed != 9 || !total.Losses.Any() {
		t.Errorf("losses %+v", total.Losses)
	}
}

func TestOverflowIsARow(t *testing.T) {
	_, total, _ := watch(t, newMachine(second{
		use: []bpf.Usage{use(10, 0, 500, "a")}, overflow: []time.Duration{500 * time.Millisecond, 0},
		energy: []units.Microjoules{12_000_000, 1_000_000, 2_000_000},
	}), Config{})
	if got := find(total, snapshot.Overflow, 0); got.Joules != 5_000_000 || got.CPUSeconds != 0.5 {
		t.Errorf("overflow: %+v", got)
	}
}

func TestThreadWithoutLeaderJoinsItsProcess(t *testing.T) {
	orphan := use(10, 1, 100, "thread")
	orphan.Start = 0
	stranger := use(99, 1, 100, "x")
	stranger.Start = 0
	_, total, _ := watch(t, newMachine(second{use: []bpf.Usage{orphan, use(10, 0, 100, "a"), stranger}}), Config{})
	if r := find(total, snapshot.Process, 10); r.CPUSeconds != 0.2 || r.Comm != "a" {
		t.Errorf("process 10: %+v", r)
	}
	if r := find(total, snapshot.Process, 99); r.CPUSeconds != 0.1 || !r.Start.IsZero() {
		t.Errorf("a process of which only such a thread was seen: %+v", r)
	}
	if total.ProcessesSeen != 2 {
		t.Errorf("%d processes seen", total.ProcessesSeen)
	}
}

func TestNewestNameWins(t *testing.T) {
	before, after := use(10, 1, 1, "sh"), use(10, 0, 1, "true")
	after.Execs = 1
	for _, order := range [][]bpf.Usage{{before, after}, {after, before}} {
		_, total, _ := watch(t, newMachine(second{use: order}), Config{})
		if r := find(total, snapshot.Process, 10); r.Comm != "true" || total.ProcessesSeen != 1 {
			t.Errorf("after exec it is called %q", r.Comm)
		}
	}
}

func TestMoveBetweenCgroupsSplitsTheRow(t *testing.T) {
	moved := use(10, 0, 300, "a")
	moved.Cgroup = 8
	_, total, _ := watch(t, newMachine(second{use: []bpf.Usage{use(10, 0, 100, "a"), moved}}), Config{})
	if n := len(total.Rows); n != 4 || total.ProcessesSeen != 1 {
		t.Errorf("%d rows, %d processes: want two rows of one process beside idle and unattributed", n, total.ProcessesSeen)
	}
}

func TestSelectionLeavesTheRestInOneRow(t *testing.T) {
	mine := use(10, 0, 100, "a")
	mine.Root = 1
	thread := use(2, 0, 50, "kworker")
	thread.Kernel = true
	windows, total, _ := watch(t, newMachine(
		second{use: []bpf.Usage{mine, use(11, 0, 100, "b"), thread}, energy: []units.Microjoules{5_000_000, 1_000_000, 2_000_000}},
		second{use: []bpf.Usage{use(10, 1, 100, "a"), use(11, 1, 100, "b")}}, // its second slot was filled when no longer followed
	), Config{Selected: true})
	if r := find(total, snapshot.Others, 0); r.CPUSeconds != 0.25 || r.Processes != 2 {
		t.Errorf("others: %+v", r)
	}
	if r := find(windows[1], snapshot.Process, 10); r.CPUSeconds != 0.1 {
		t.Errorf("a process once selected is no longer: %+v", windows[1].Rows)
	}
	if total.ProcessesSeen != 1 {
		t.Errorf("%d processes of the selection seen", total.ProcessesSeen)
	}
}

func TestGroups(t *testing.T) {
	thread := use(2, 0, 100, "kworker")
	thread.Kernel = true
	script := second{use: []bpf.Usage{use(10, 0, 100, "a"), use(11, 1, 100, "a"), use(12, 0, 100, "b"), thread},
		energy: []units.Microjoules{5_000_000, 1_000_000, 9_000_000}}
	script.use[2].UID = 5
	for by, want := range map[string]map[string]int{ByCommand: {"a": 2, "b": 1}, ByUser: {"1000": 2, "5": 1}, ByCgroup: {"cgroup:7": 3}} {
		_, total, _ := watch(t, newMachine(script), Config{By: by})
		got := map[string]int{}
		for _, r := range total.Rows {
			switch {
			case r.Kind == snapshot.Group && by == ByCommand:
				got[r.Comm] = r.Processes
			case r.Kind == snapshot.Group && by == ByUser:
				got[r.User] = r.Processes
			case r.Kind == snapshot.Group:
				got[r.Cgroup] = r.Processes
			case r.Kind == snapshot.Kernel && r.CPUSeconds != 0.1:
				t.Errorf("by %s: kernel threads %+v", by, r)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("by %s: %v, want %v", by, got, want)
		}
	}
}

func TestTopFoldsTheRest(t *testing.T) {
	s := second{energy: []units.Microjoules{50_000_000, 1_000_000, 9_000_000}}
	for i := range 20 {
		s.use = append(s.use, use(uint32(10+i), 0, 10+i, "p"))
	}
	windows, total, _ := watch(t, newMachine(s, s), Config{Top: 5})
	for _, snap := range append(windows, total) {
		if n := len(snap.Rows); n != 5+3 {
			t.Errorf("%s: %d rows", snap.Kind, n)
		}
		if snap.Rows[0].PID != 29 || find(snap, snapshot.Others, 0).Processes != 15 || snap.ProcessesSeen != 20 {
			t.Errorf("%s: top is %+v", snap.Kind, snap.Rows[0])
		}
	}
}

func TestTotalsMemoryIsBounded(t *testing.T) {
	var script []second
	for i := range 40 {
		s := second{energy: []units.Microjoules{50_000_000, 1_000_000, 9_000_000}}
		for j := range 1000 {
			s.use = append(s.use, use(uint32(1000+1000*i+j), 0, 1, "p"))
		}
		script = append(script, s)
	}
	_, total, e := watch(t, newMachine(script...), Config{})
	if len(total.Rows) > maxRows+3 || total.Losses.FoldedRows == 0 {
		t.Errorf("%d rows, %d folded", len(total.Rows), total.Losses.FoldedRows)
	}
	if total.ProcessesSeen != 40000 || find(total, snapshot.Others, 0).Processes != int(total.Losses.FoldedRows) {
		t.Errorf("%d processes seen, %d in others", total.ProcessesSeen, find(total, snapshot.Others, 0).Processes)
	}
	e.procs.alive = func(tgid uint32) bool { return tgid%10 == 0 }
	alive := 0
	for p := range e.procs.seen {
		if p.tgid%10 == 0 {
			alive++
		}
	}
	e.procs.sweepAt = 0
	e.procs.sweep()
	if n := len(e.procs.seen); n != alive || n >= 4000 || len(e.procs.starts) != n {
		t.Errorf("%d processes remembered, %d of them alive", n, alive)
	}
}

func TestMarkedWindowIsSaidAndNotLearnedFrom(t *testing.T) {
	windows, total, _ := watch(t, newMachine(
		second{use: []bpf.Usage{use(10, 0, 500, "a")}, energy: []units.Microjoules{5_000_000, 1, 2}},
		second{use: []bpf.Usage{use(10, 0, 500, "a")}, mark: "counter reset"},
	), Config{})
	if len(windows[0].Energy[0].Marks) != 0 || fmt.Sprint(windows[1].Energy[0].Marks) != "[counter reset]" {
		t.Errorf("marks %v, %v", windows[0].Energy[0].Marks, windows[1].Energy[0].Marks)
	}
	if total.Losses.MarkedDomains != 3 || fmt.Sprint(total.Energy[0].Marks) != "[counter reset]" {
		t.Errorf("total: %+v %v", total.Losses, total.Energy[0].Marks)
	}
}

func TestWithoutBusyTimeTheSeenTimeIsTheDenominator(t *testing.T) {
	s := second{use: []bpf.Usage{use(10, 0, 500, "a")}, energy: []units.Microjoules{12_000_000, 0, 0}, busy: []time.Duration{time.Second, 0}}
	blind := s
	blind.noBusy = true
	windows, total, _ := watch(t, newMachine(blind, s, s), Config{})
	for i, want := range []units.Microjoules{10_000_000, 10_000_000, 5_000_000} { // the second has no start to count from
		if got := find(windows[i], snapshot.Process, 10).Joules; got != want {
			t.Errorf("window %d: %v J, want %v J", i, got, want)
		}
	}
	if total.Losses.BusyUnread != 1 {
		t.Errorf("losses %+v", total.Losses)
	}
}

func TestUnknownDomainInIdleWatts(t *testing.T) {
	m := newMachine()
	_, err := New(Config{IdleWatts: map[string]units.Watts{"package-9": 1}}, Parts{Collector: m, Source: m, Busy: busyOf{m}})
	var config *ConfigError
	if !errors.As(err, &config) {
		t.Fatalf("accepted: %v", err)
	}
}

func TestCarbonIsJoulesTimesFactor(t *testing.T) {
	_, total, _ := watch(t, newMachine(second{use: []bpf.Usage{use(10, 0, 500, "a")}, energy: []units.Microjoules{3_600_000_000_000, 0, 0}}), Config{})
	var sum float64
	for _, r := range total.Rows {
		sum += float64(r.CO2e)
	}
	if want := total.Intensity.GPerKWh; sum < want*0.999999999 || sum > want*1.000000001 {
		t.Errorf("1 kWh is %v g, want %v", sum, want)
	}
}

package engine

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/internal/snapshot"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
	"github.com/eco2-bpf/eco2-bpf/powermodel"
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
	after.Execs, after.UID = 1, 7
	for _, order := range [][]bpf.Usage{{before, after}, {after, before}} {
		_, total, _ := watch(t, newMachine(second{use: order}), Config{})
		if r := find(total, snapshot.Process, 10); r.Comm != "true" || r.UID != 7 || total.ProcessesSeen != 1 {
			t.Errorf("after exec (of su, say) it is called %q and is user %d's", r.Comm, r.UID)
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
	e.procs.exists = func(tgid uint32) bool { return tgid%10 == 0 }
	alive := 0
	for p := range e.procs.seen {
		if p.tgid%10 == 0 {
			alive++
		}
	}
	e.procs.sweepAt = 0
	e.procs.sweep()
	if n := len(e.procs.seen); n < alive+900 { // of a thousand that ran in the last step, one in ten is alive
		t.Errorf("%d processes remembered, %d of them alive: a last slice of the others may be under way", n, alive)
	}
	e.procs.step += 2
	e.procs.sweepAt = 0
	e.procs.sweep()
	if n := len(e.procs.seen); n != alive || n >= 4000 || len(e.procs.starts) != n {
		t.Errorf("%d processes remembered, %d of them alive", n, alive)
	}
}

func TestMarkedWindowIsSaid(t *testing.T) {
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

// The energy of marked windows is incomplete, or not only theirs: no floor is learned from it.
func TestMarkedWindowsTeachNothing(t *testing.T) {
	var script []second
	for range 10 {
		script = append(script, second{energy: []units.Microjoules{2_000_000, 1_000_000, 3_000_000}},
			second{use: []bpf.Usage{use(10, 0, 1000, "a")}, energy: []units.Microjoules{12_000_000, 1_000_000, 3_000_000}})
		for range 4 {
			script = append(script, second{energy: []units.Microjoules{200_000_000, 1_000_000, 3_000_000}, mark: "covers 100 s"})
		}
	}
	windows, _, _ := watch(t, newMachine(script...), Config{IdleWatts: map[string]units.Watts{}})
	if f := windows[len(windows)-1].Idle[0]; f.How != powermodel.FloorLearned || f.Watts < 1.9 || f.Watts > 2.1 {
		t.Errorf("the floor is %+v, want 2 W", f)
	}
}

// A counter that was unreadable for two windows brings their joules with the third: those who run then get no more than theirs.
func TestLateEnergyIsNobodys(t *testing.T) {
	busy := []bpf.Usage{use(10, 0, 1000, "a")}
	windows, _, _ := watch(t, newMachine(
		second{use: busy, energy: []units.Microjoules{12_000_000, 1_000_000, 2_000_000}},
		second{use: []bpf.Usage{use(11, 0, 1000, "b")}, energy: []units.Microjoules{0, 0, 0}, mark: "unreadable", span: 0},
		second{use: []bpf.Usage{use(11, 0, 1000, "b")}, energy: []units.Microjoules{0, 0, 0}, mark: "unreadable", span: 0},
		second{use: busy, energy: []units.Microjoules{36_000_000, 3_000_000, 6_000_000}, mark: "covers 3 s", span: 3 * time.Second},
	), Config{})
	first, last := windows[0], windows[3]
	a, b := find(first, snapshot.Process, 10).Joules, find(last, snapshot.Process, 10).Joules
	if a != 10_000_000 || b < a-3 || b > a+3 { // a microjoule a domain
		t.Errorf("%v J in an ordinary window, %v J in one with late energy", a, b)
	}
	if idle := find(last, snapshot.Idle, 0).Joules; idle < 5_000_000-3 || idle > 5_000_000+3 {
		t.Errorf("idle %v J", idle)
	}
	if late := find(last, snapshot.Unattributed, 0).Joules; late < 30_000_000-3 || late > 30_000_000+3 {
		t.Errorf("unattributed %v J", late)
	}
}

// The idle power of a total is that of all its time, so that its idle row is idle power x time; a window that cannot be read has none.
func TestIdlePowerOfATotal(t *testing.T) {
	var script []second
	for i := range 12 {
		s := second{energy: []units.Microjoules{10_000_000, 1_000_000, 2_000_000}}
		if i%2 == 1 {
			s = second{use: []bpf.Usage{use(10, 0, 1000, "a")}, energy: []units.Microjoules{30_000_000, 1_000_000, 2_000_000}}
		}
		script = append(script, s)
	}
	_, total, _ := watch(t, newMachine(script...), Config{IdleWatts: map[string]units.Watts{"dram-0": 0, "package-1": 0}})
	row, idle := find(total, snapshot.Idle, 0).ByDomain[0].Per(12*time.Second), total.Idle[0]
	if idle.How != powermodel.FloorLearned || float64(idle.Watts/row) < 0.999 || float64(idle.Watts/row) > 1.001 || idle.Low > idle.Watts || idle.High < idle.Watts {
		t.Errorf("idle %+v, the row has %v W", idle, row)
	}
	_, total, _ = watch(t, newMachine(append(script, second{mark: "unreadable"})...), Config{IdleWatts: map[string]units.Watts{"dram-0": 0, "package-1": 0}})
	if after := total.Idle[0]; after.How != powermodel.FloorLearned || float64(after.Watts/idle.Watts) < 0.999 || float64(after.Watts/idle.Watts) > 1.001 {
		t.Errorf("after a reading that failed idle is %+v, before %+v", after, idle)
	}
}

func TestGivenIdlePowerIsNotRounded(t *testing.T) {
	var m idleMean
	for _, ms := range []time.Duration{100, 200, 300, 700} {
		m.add(powermodel.FloorEstimate{Watts: 20, Low: 20, High: 20, How: powermodel.FloorGiven}, ms*time.Millisecond, false)
	}
	if m.value != 20 || m.low != 20 || m.high != 20 {
		t.Errorf("20 W became %+v", m)
	}
}

// A window of several steps adds them up.
func TestWindowOfSeveralSteps(t *testing.T) {
	step := second{use: []bpf.Usage{use(10, 0, 500, "a")}, energy: []units.Microjoules{7_000_000, 1_000_000, 2_000_000}}
	windows, total, _ := watch(t, newMachine(step, step, step, step), Config{Interval: 2 * time.Second})
	if len(windows) != 2 {
		t.Fatalf("%d windows", len(windows))
	}
	for _, w := range windows {
		if r := find(w, snapshot.Process, 10); r.Joules != 10_000_000 || r.CPUSeconds != 1 || w.ProcessesSeen != 1 || w.Seconds != 2 {
			t.Errorf("%+v", r)
		}
	}
	if r := find(total, snapshot.Process, 10); r.Joules != 20_000_000 {
		t.Errorf("total: %+v", r)
	}
}

// A step that cannot be right is nobody's, counted as a breach, and what is shown still adds up.
func TestBreachIsNobodys(t *testing.T) {
	m := newMachine(
		second{use: []bpf.Usage{use(10, 0, 500, "a")}, energy: []units.Microjoules{7_000_000, 1_000_000, 2_000_000}},
		second{use: []bpf.Usage{use(10, 0, -500, "a"), use(11, 1, 700, "b")}, busy: []time.Duration{0, 700 * time.Millisecond},
			energy: []units.Microjoules{7_000_000, 1_000_000, 2_000_000}},
	)
	m.breaches = 1
	windows, total, _ := watch(t, m, Config{})
	if w := windows[1]; find(w, snapshot.Unattributed, 0).Joules != 10_000_000 || find(w, snapshot.Unattributed, 0).CPUSeconds < 0.7 {
		t.Errorf("%+v", w.Rows)
	}
	if total.Losses.Breaches != 1 || !total.Losses.Any() {
		t.Errorf("losses %+v", total.Losses)
	}
}

// What is shown is checked, not only the ledger: rows that were lost on the way are a breach.
func TestBreachInWhatIsShown(t *testing.T) {
	_, _, e := watch(t, newMachine(second{use: []bpf.Usage{use(10, 0, 500, "a")}, energy: []units.Microjoules{7_000_000, 1, 2}}), Config{})
	for key := range e.total.rows {
		if key.kind == snapshot.Process {
			delete(e.total.rows, key)
		}
	}
	if s := e.Total(); s.Losses.Breaches != 1 {
		t.Errorf("a lost row shows as %+v", s.Losses)
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

package engine

import (
	"context"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/attribution"
	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/intensity"
	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/host"
	"github.com/eco2-bpf/eco2-bpf/internal/identity"
	"github.com/eco2-bpf/eco2-bpf/internal/snapshot"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// withScope makes package-0 a domain of another scope, in whose energy alone the script is interested.
func withScope(d energy.Domain, script ...second) *machine {
	m := newMachine(script...)
	d.Name, d.Socket, d.Die, d.Method, d.Source = "package-0", -1, -1, energy.Estimated, "estimate"
	m.doms[0] = d
	return m
}

func task(tgid uint32, start time.Duration, gib int64) bpf.Task {
	return bpf.Task{Usage: bpf.Usage{Account: bpf.Account{TGID: tgid, Start: start, Cgroup: 7}, Comm: "t"}, Resident: gib << 30}
}

func joulesOf(s *snapshot.Snapshot, kind string, pid int) units.Microjoules {
	if r := find(s, kind, pid); len(r.ByDomain) > 0 {
		return r.ByDomain[0]
	}
	return 0
}

func expect(t *testing.T, s *snapshot.Snapshot, want map[int]units.Microjoules, idle, unattributed units.Microjoules) {
	t.Helper()
	for pid, e := range want {
		if got := joulesOf(s, snapshot.Process, pid); got != e {
			t.Errorf("window of %s: process %d: %v J, want %v", s.Start, pid, got, e)
		}
	}
	if got := joulesOf(s, snapshot.Idle, 0); got != idle {
		t.Errorf("idle: %v J, want %v", got, idle)
	}
	if got := joulesOf(s, snapshot.Unattributed, 0); got != unattributed {
		t.Errorf("unattributed: %v J, want %v", got, unattributed)
	}
}

// Of 10 GiB and a second: process 11 holds 2 and has never run, 12 holds 1 since half of it, 13 ended after a quarter with 4.
func memoryScript() second {
	now := time.Hour + time.Second
	gone := task(13, time.Minute, 4)
	gone.Exited = now - 750*time.Millisecond
	return second{
		use: []bpf.Usage{use(20, 0, 900, "burner")}, energy: []units.Microjoules{10e6},
		tasks: []bpf.Task{task(11, time.Minute, 2), task(12, now-500*time.Millisecond, 1), gone},
	}
}

func TestMemoryGoesByResidentSetAndTime(t *testing.T) {
	m := withScope(energy.Domain{Scope: energy.ScopeRAM}, memoryScript(), second{energy: []units.Microjoules{10e6}, tasks: []bpf.Task{task(11, time.Minute, 2), task(14, time.Hour+1500*time.Millisecond, 1)}})
	windows, total, _ := watch(t, m, Config{IdleWatts: map[string]units.Watts{}})
	expect(t, windows[0], map[int]units.Microjoules{11: 2e6, 12: 500_000, 13: 1e6, 20: 0}, 6_500_000, 0)
	expect(t, windows[1], map[int]units.Microjoules{11: 2e6, 12: 0, 13: 0, 14: 500_000}, 7_500_000, 0)
	if got := windows[0].Idle[0]; got.How != "unused" || got.Watts != 6.5 {
		t.Errorf("idle power %+v", got)
	}
	if e := windows[0].Energy[0]; e.Split != "resident_set" {
		t.Errorf("split %q", e.Split)
	}
	if total.ProcessesSeen != 1 {
		t.Errorf("%d processes ran, they say", total.ProcessesSeen)
	}
	// Nobody's memory is everybody's: by what they hold, whoever ran.
	m = withScope(energy.Domain{Scope: energy.ScopeRAM}, memoryScript())
	m.script[0].energy[0] = 7e6
	windows, _, _ = watch(t, m, Config{IdleWatts: map[string]units.Watts{}, Idle: attribution.Active})
	expect(t, windows[0], map[int]units.Microjoules{11: 4e6, 12: 1e6, 13: 2e6, 20: 0}, 0, 0)
}

// Pages that are shared count with each process: they may hold more than there is, and then there is nothing unused.
func TestMemoryHeldTwice(t *testing.T) {
	m := withScope(energy.Domain{Scope: energy.ScopeRAM}, second{energy: []units.Microjoules{10e6}, tasks: []bpf.Task{task(11, 0, 8), task(12, 0, 8)}})
	windows, _, _ := watch(t, m, Config{IdleWatts: map[string]units.Watts{}})
	expect(t, windows[0], map[int]units.Microjoules{11: 5e6, 12: 5e6}, 0, 0)
}

// What is written goes to who wrote it when the disks write it, though the process is gone by then.
func TestDisksGoByBytes(t *testing.T) {
	const mib = 1 << 20
	reader, writer := task(11, time.Minute, 0), task(12, time.Minute, 0)
	reader.Read, writer.Written, writer.Exited = 15*mib, 10*mib, time.Hour+500*time.Millisecond
	small := task(14, time.Minute, 0)
	small.Read = 4096
	e := []units.Microjoules{4e6}
	m := withScope(energy.Domain{Scope: energy.ScopeStorage},
		second{energy: e, tasks: []bpf.Task{reader, writer}, written: 5 * mib},
		second{energy: e, written: 3 * mib},
		second{energy: e, written: 4 * mib}, // and as much again that the file system adds
		second{energy: e, written: 1 * mib},
		second{energy: e, tasks: []bpf.Task{small}, written: 1 << 30}, // of nobody here: a mirror is rebuilt
	)
	m.energy[0].Written = 100 * mib // before the baseline
	windows, total, _ := watch(t, m, Config{IdleWatts: map[string]units.Watts{"package-0": 2}})
	expect(t, windows[0], map[int]units.Microjoules{11: 1_500_000, 12: 500_000}, 2e6, 0)
	expect(t, windows[1], map[int]units.Microjoules{12: 2e6}, 2e6, 0)
	expect(t, windows[2], map[int]units.Microjoules{12: 2e6}, 2e6, 0)
	expect(t, windows[3], map[int]units.Microjoules{12: 0}, 2e6, 2e6)
	if got := joulesOf(windows[4], snapshot.Process, 14); got > 10 {
		t.Errorf("who moved 4 KiB beside a GiB of nobody's has %v J of 2", got)
	}
	expect(t, total, map[int]units.Microjoules{11: 1_500_000, 12: 4_500_000}, 10e6, 4e6-joulesOf(total, snapshot.Process, 14))
	if e := total.Energy[0]; e.Split != "block_io_bytes" {
		t.Errorf("split %q", e.Split)
	}
}

// A write that never reached a disk, of a file that is gone, does not take others' joules for ever.
func TestWritesThatNeverComeAreForgotten(t *testing.T) {
	const gib = 1 << 30
	first, second1 := task(11, time.Minute, 0), task(12, time.Minute, 0)
	first.Written, second1.Written = 10*gib, gib
	e := []units.Microjoules{4e6}
	script := []second{{energy: e, tasks: []bpf.Task{first}}}
	for range 62 {
		script = append(script, second{energy: e})
	}
	script = append(script, second{energy: e, tasks: []bpf.Task{second1}, written: gib})
	windows, _, _ := watch(t, withScope(energy.Domain{Scope: energy.ScopeStorage}, script...), Config{IdleWatts: map[string]units.Watts{"package-0": 2}})
	expect(t, windows[len(windows)-1], map[int]units.Microjoules{11: 0, 12: 2e6}, 2e6, 0)
}

// While the machine sleeps nobody pays for memory: neither those who slept with it nor those who came after.
func TestMemoryAcrossASuspend(t *testing.T) {
	m := withScope(energy.Domain{Scope: energy.ScopeRAM}, second{energy: []units.Microjoules{10e6}, slept: time.Hour,
		tasks: []bpf.Task{task(11, time.Minute, 2), task(12, 2*time.Hour+500*time.Millisecond, 4)}})
	windows, _, _ := watch(t, m, Config{IdleWatts: map[string]units.Watts{}})
	expect(t, windows[0], map[int]units.Microjoules{11: 2e6, 12: 2e6}, 6e6, 0)
	if w := windows[0]; w.Energy[0].CoversSeconds != 1 || w.Idle[0].Watts != 6 {
		t.Errorf("%+v %+v", w.Energy[0], w.Idle[0])
	}
}

// Of which thread a GPU's work is nobody tells: it is the process's, not that of one of them.
func TestGPUByThread(t *testing.T) {
	a, b := use(11, 0, 500, "train"), use(11, 0, 1, "helper")
	a.TID, b.TID = 11, 12
	m := withScope(energy.Domain{Scope: energy.ScopeGPU, Shared: true},
		second{use: []bpf.Usage{a, b}, energy: []units.Microjoules{100e6}, shares: []energy.Share{{Domain: 0, PID: 11, Busy: time.Second}}})
	windows, _, _ := watch(t, m, Config{By: ByThread, IdleWatts: map[string]units.Watts{"package-0": 20}})
	for _, r := range windows[0].Rows {
		if r.PID == 11 && (r.TID == 0) != (r.ByDomain[0] == 80e6) {
			t.Errorf("%+v", r)
		}
	}
}

// What came late is of earlier steps by time, its idle part too.
func TestLateJoulesKeepTheirIdlePart(t *testing.T) {
	b := energy.Sample{Energy: 100e6, Low: 90e6, High: 120e6, Idle: 50e6, IdleLow: 40e6, IdleHigh: 60e6, Span: 10 * time.Second, Mark: "covers 10 s"}
	s := between(&energy.Sample{}, &b, time.Second)
	if s.earlier != 90e6 || s.idle != 5e6 || s.idleLow != 4e6 || s.idleHigh != 6e6 || s.covers != time.Second {
		t.Errorf("%+v", s)
	}
}

// A power that the user gives is of the time that the energy is of, and so are the watts that are shown.
func TestGivenIdleOfMemory(t *testing.T) {
	m := withScope(energy.Domain{Scope: energy.ScopeRAM}, second{}, second{}, second{energy: []units.Microjoules{30e6}})
	var last *snapshot.Snapshot
	first := newCrowd(t, m, Config{IdleWatts: map[string]units.Watts{"package-0": 4, "dram-0": 0, "package-1": 0}}, func(s *snapshot.Snapshot) { last = s })
	if got := joulesOf(last, snapshot.Idle, 0); got != 12e6 || last.Energy[0].CoversSeconds != 3 || last.Idle[0].Watts != 4 {
		t.Errorf("4 W for 3 s: idle %v J; %+v %+v", got, last.Energy[0], last.Idle[0])
	}
	if first.Energy[0].CoversSeconds != 0 || first.Energy[1].CoversSeconds != 1 {
		t.Errorf("without a look it covers %+v", first.Energy)
	}
}

// newCrowd runs a machine of so many processes that of three windows only the last looks at them; it returns the first.
func newCrowd(t *testing.T, m *machine, cfg Config, each func(*snapshot.Snapshot)) (first *snapshot.Snapshot) {
	t.Helper()
	cfg.By, cfg.Interval, cfg.PUE, cfg.Factor = ByProcess, time.Second, 1, intensity.World("test")
	e, err := New(cfg, Parts{
		Collector: crowd{machine: m, looks: new(int)}, Source: m, Busy: busyOf{m}, Topology: host.Topology{{Online: true}, {Online: true, Socket: 1}},
		Cgroups: identity.OpenCgroups(""), Users: identity.ReadUsers("/nonexistent"), Now: m.clock, SinceBoot: func() time.Duration { return m.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	err = e.Run(context.Background(), 3*time.Second, func(s *snapshot.Snapshot) error {
		if first == nil {
			first = s
		}
		each(s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return first
}

// A GPU's energy goes by device time; what no process claims is nobody's. One that uses it without having run has a row too.
func TestGPUGoesByDeviceTime(t *testing.T) {
	sec := time.Second
	m := withScope(energy.Domain{Scope: energy.ScopeGPU, Shared: true},
		second{use: []bpf.Usage{use(11, 0, 500, "train"), use(20, 0, 400, "other")}, energy: []units.Microjoules{100e6},
			shares: []energy.Share{{Domain: 0, PID: 11, Busy: sec / 2}, {Domain: 0, PID: 99, Busy: sec / 4}, {Domain: 0, Busy: sec / 4}, {Domain: 7, PID: 11, Busy: sec}, {PID: 11, Busy: -sec}}},
		second{energy: []units.Microjoules{60e6}, shares: []energy.Share{{Domain: 0, PID: 11, Busy: sec / 2}}},
		second{energy: []units.Microjoules{60e6}},
	)
	windows, total, _ := watch(t, m, Config{IdleWatts: map[string]units.Watts{"package-0": 20}})
	expect(t, windows[0], map[int]units.Microjoules{11: 40e6, 99: 20e6, 20: 0}, 20e6, 20e6)
	expect(t, windows[1], map[int]units.Microjoules{11: 40e6}, 20e6, 0)
	expect(t, windows[2], nil, 20e6, 40e6)
	if r := find(total, snapshot.Process, 11); r.ByDomain[0] != 80e6 || r.Comm != "train" {
		t.Errorf("total of 11: %+v", r)
	}
	if e := total.Energy[0]; e.Split != "device_time" {
		t.Errorf("split %q", e.Split)
	}
}

// A GPU of which nothing tells who uses it: all of its energy is nobody's, and is not called idle either.
func TestGPUOfNobody(t *testing.T) {
	m := withScope(energy.Domain{Scope: energy.ScopeGPU}, second{use: []bpf.Usage{use(11, 0, 500, "a")}, energy: []units.Microjoules{100e6}})
	windows, _, _ := watch(t, m, Config{IdleWatts: map[string]units.Watts{}})
	expect(t, windows[0], map[int]units.Microjoules{11: 0}, 0, 100e6)
}

// A GPU's floor is learned from its load, as a package's is: after quiet windows it is known.
func TestGPUFloorIsLearned(t *testing.T) {
	var script []second
	for i := range 60 {
		load := time.Duration(i%4) * time.Second / 4
		script = append(script, second{
			energy: []units.Microjoules{units.Microjoules(60e6 + 200e6*load.Seconds())},
			shares: []energy.Share{{Domain: 0, PID: 11, Busy: load}},
		})
	}
	windows, _, _ := watch(t, withScope(energy.Domain{Scope: energy.ScopeGPU, Shared: true}, script...), Config{IdleWatts: map[string]units.Watts{}})
	last := windows[len(windows)-1].Idle[0]
	if last.How != "learned" || last.Watts < 59 || last.Watts > 61 {
		t.Errorf("idle power %+v, want 60 W learned", last)
	}
}

// An estimate tells its own idle part, with its bounds.
func TestOwnIdle(t *testing.T) {
	m := withScope(energy.Domain{Scope: energy.ScopeStorage, OwnIdle: true}, second{energy: []units.Microjoules{5e6}})
	windows, _, _ := watch(t, m, Config{IdleWatts: map[string]units.Watts{}})
	if got := windows[0].Idle[0]; got.How != "model" || got.Watts != 0 {
		t.Errorf("idle power %+v", got)
	}
	expect(t, windows[0], nil, 0, 5e6)
}

// A window lists those who ran and those who hold much; the total has everybody.
func TestSleepersAreOneRow(t *testing.T) {
	second := second{use: []bpf.Usage{use(20, 0, 900, "burner")}, energy: []units.Microjoules{10e6}, tasks: []bpf.Task{task(11, 0, 2)}}
	for pid := uint32(100); pid < 200; pid++ {
		small := task(pid, 0, 0)
		small.Resident = 1 << 20
		second.tasks = append(second.tasks, small)
	}
	windows, total, _ := watch(t, withScope(energy.Domain{Scope: energy.ScopeRAM}, second), Config{IdleWatts: map[string]units.Watts{}})
	if n := len(windows[0].Rows); n != 5 || find(windows[0], snapshot.Process, 11).PID != 11 || find(windows[0], snapshot.Process, 20).PID != 20 {
		t.Errorf("%d rows: %+v", n, windows[0].Rows)
	}
	if got, want := joulesOf(windows[0], snapshot.Others, 0), units.Microjoules(97_656); got < want-1 || got > want+1 {
		t.Errorf("others have %v J, want %v", got, want)
	}
	if n := len(total.Rows); n != 2+100+2 || joulesOf(total, snapshot.Process, 150) == 0 {
		t.Errorf("%d rows in the total", n)
	}
}

// After a look comes a pause by how many processes there are; none is made for domains that do not ask for it, and one when it is asked for.
func TestWhenToLook(t *testing.T) {
	l := &looks{domains: []energy.Domain{{Scope: energy.ScopeRAM}}}
	if !l.due(time.Hour, false) || l.due(time.Hour-1, false) || !l.due(time.Hour-1, true) {
		t.Error("the first edge, one before the next, and one that is asked for")
	}
	if _, err := l.read(time.Hour, crowd{machine: newMachine(), looks: new(int)}, nil); err != nil {
		t.Fatal(err)
	}
	if l.due(time.Hour+7*time.Second, false) || !l.due(time.Hour+9*time.Second, false) {
		t.Errorf("a look at 10,000 processes: the next one is due in %v", l.next-time.Hour)
	}
	never := &looks{domains: []energy.Domain{{Scope: energy.ScopePackage}}}
	if never.due(time.Hour, false) || never.due(2*time.Hour, true) {
		t.Error("a look that no domain asks for")
	}
}

// The last window has what memory and disks used since the last look, though none is due.
func TestTheEndLooks(t *testing.T) {
	m := withScope(energy.Domain{Scope: energy.ScopeRAM}, second{}, second{}, second{}, second{})
	c := crowd{machine: m, looks: new(int)}
	cfg := Config{By: ByProcess, Interval: time.Second, PUE: 1, Factor: intensity.World("test"), IdleWatts: map[string]units.Watts{"dram-0": 0, "package-1": 0}}
	e, err := New(cfg, Parts{
		Collector: c, Source: m, Busy: busyOf{m}, Topology: host.Topology{{Online: true}, {Online: true}}, Cgroups: identity.OpenCgroups(""),
		Users: identity.ReadUsers("/nonexistent"), Now: m.clock, SinceBoot: func() time.Duration { return m.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Rebase(); err != nil {
		t.Fatal(err)
	}
	if err := e.Run(context.Background(), 3*time.Second, func(*snapshot.Snapshot) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if *c.looks != 3 { // both baselines and the end
		t.Errorf("%d looks at 10,000 processes in 3 s", *c.looks)
	}
}

// crowd is a machine of 10,000 processes.
type crowd struct {
	*machine
	looks *int
}

func (c crowd) Look(into []bpf.Task) ([]bpf.Task, error) {
	*c.looks++
	for pid := range uint32(10_000) {
		into = append(into, task(pid+1000, 0, 0))
	}
	return into, nil
}

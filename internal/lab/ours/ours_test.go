package ours

import (
	"math"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/attribution"
	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/engine"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/score"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/sim"
	"github.com/eco2-bpf/eco2-bpf/internal/snapshot"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

const (
	ms   = time.Millisecond
	boot = time.Hour
	full = 262_143_328_850 // where a counter begins again
)

// small has two sockets of a core with two threads, a counter for each and for its memory, and psys.
func small() seen.Machine {
	return seen.Machine{
		CPUs: []seen.CPU{{Sibling: 1}, {Sibling: 0}, {Socket: 1, Sibling: 3}, {Socket: 1, Sibling: 2}},
		Zones: []seen.Zone{
			{Name: "package-0", Parent: -1, Range: full}, {Name: "dram", Parent: 0, Range: full}, {Name: "core", Parent: 0, Range: full},
			{Name: "package-1", Parent: -1, Socket: 1, Range: full}, {Name: "psys", Parent: -1, Socket: -1, Range: full},
		},
		MemoryBytes: 1 << 30,
	}
}

// script feeds a Meter edges of 250 ms. Each quarter of a second package-0 uses 3 J, package-1 2 J and the memory 1 J; a has 100 ms of CPU 0, b 50 ms of
// CPU 1 beside it, and c 200 ms of CPU 2. Counters begin near their end.
type script struct {
	at    time.Duration
	zones []uint64
	busy  []time.Duration
}

func (s *script) edge(m *Meter) {
	e := sim.Edge{At: s.at, Boot: boot + s.at, Missed: uint64(s.at / Every)}
	if s.zones == nil {
		s.zones, s.busy = []uint64{full - 1_000_000, full - 2_000_000, 5, full - 2_500_000, 5}, make([]time.Duration, 4)
	} else {
		for i, j := range []uint64{3_000_000, 1_000_000, 0, 2_000_000, 7_000_000} {
			s.zones[i] = (s.zones[i] + j) % full
		}
		use := func(pid, cpu int, t, beside time.Duration) {
			e.Uses = append(e.Uses, sim.Use{PID: pid, Parent: 1, Start: boot - time.Duration(pid)*time.Second, Comm: "p", CPU: cpu,
				Time: t, Beside: beside, Switches: 1, Resident: 1 << 20})
			s.busy[cpu] += t
		}
		use(1, 0, 100*ms, 50*ms)
		use(2, 1, 50*ms, 50*ms)
		use(3, 2, 200*ms, 0)
		e.KHz = []int64{2_000_000, 2_000_000, 1_000_000, 0}
	}
	e.Zones, e.Busy = append([]uint64{}, s.zones...), append([]time.Duration{}, s.busy...)
	m.Edge(e)
	s.at += Every
}

func play(t *testing.T, o Options, edges int) Result {
	t.Helper()
	o.Machine, o.Dir = small(), t.TempDir()
	m, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	var s script
	for range edges {
		s.edge(m)
	}
	r, err := m.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func keyOfPID(pid int) score.Key { return score.KeyOf(pid, boot-time.Duration(pid)*time.Second) }

// given is 4 W of idle power for each package: 1 J each quarter of a second.
var given = map[string]units.Watts{"package-0": 4, "package-1": 4, "dram-0": 4}

func TestEngineGetsWhatTheRunGives(t *testing.T) {
	for name, c := range map[string]struct {
		opts          Options
		a, b, c, idle units.Microjoules // of packages, in a quarter of a second
	}{
		"as it comes":    {Options{IdleWatts: given}, 1_333_333, 666_667, 1_000_000, 2_000_000},
		"idle shared":    {Options{IdleWatts: given, Idle: attribution.Active}, 2_000_000, 1_000_000, 2_000_000, 0},
		"SMT is weighed": {Options{IdleWatts: given, Weights: attribution.Weights{SMT: 0.5}}, 1_500_000, 500_000, 1_000_000, 2_000_000},
	} {
		const quarters = 80
		r := play(t, c.opts, quarters+1)
		k := r.Kinds["package"]
		if r.Losses.Missed != quarters {
			t.Errorf("%s: %d missed slices", name, r.Losses.Missed)
		}
		if r.Off != 0 || r.Losses.Breaches+r.Losses.MarkedDomains+r.Losses.BusyUnread > 0 {
			t.Errorf("%s: rows are %d uJ off, losses %+v", name, r.Off, r.Losses)
		}
		// Three counters wrapped; core and psys hold the same joules and count for nothing.
		if k.Energy != quarters*5_000_000 || r.Kinds["dram"].Energy != quarters*1_000_000 || len(r.Kinds) != 2 {
			t.Errorf("%s: %d uJ of packages, %d of memory, %d kinds", name, k.Energy, r.Kinds["dram"].Energy, len(r.Kinds))
		}
		for pid, want := range map[int]units.Microjoules{1: c.a, 2: c.b, 3: c.c} {
			if got := k.Processes[keyOfPID(pid)]; math.Abs(float64(got-quarters*want)) > quarters {
				t.Errorf("%s: process %d has %d uJ, want %d", name, pid, got, quarters*want)
			}
			b := k.Ranges[keyOfPID(pid)]
			if got := k.Processes[keyOfPID(pid)].Joules(); b.Low > got || b.High < got || b.High == 0 {
				t.Errorf("%s: process %d has %v J in %v", name, pid, got, b)
			}
		}
		if math.Abs(float64(k.Idle-quarters*c.idle)) > quarters {
			t.Errorf("%s: idle %d uJ, want %d", name, k.Idle, quarters*c.idle)
		}
		told := k.Told()
		sum := told.Rest
		for _, j := range told.Joules {
			sum += j
		}
		if math.Abs(sum-quarters*5) > 1e-6 {
			t.Errorf("%s: told %v J", name, sum)
		}
	}
}

// After the time that floors are learned in, four edges make a step, as in the program's own loop, and nothing is lost by that.
func TestStepsAreSecondsLater(t *testing.T) {
	r := play(t, Options{IdleWatts: given}, 81)
	if r.Steps != 1+40+10 || r.Usages != 80*3 {
		t.Errorf("%d steps with %d usages in 20 s", r.Steps, r.Usages)
	}
}

// The frequency of a step is that of its edges, by how busy they were.
func TestMeanFrequency(t *testing.T) {
	e := newEdges(nil, nil, 4, false)
	busy := make([]time.Duration, 4)
	for i := range 5 {
		edge := sim.Edge{At: time.Duration(i) * Every, KHz: []int64{2_000_000, 0, 1_000_000, 0}}
		if i > 0 {
			busy[0] += 100 * ms
			busy[2] += 100 * ms
		}
		if i == 4 {
			edge.KHz = []int64{2_000_000, 0, 3_500_000, 800_000}
			busy[2] += 100 * ms
		}
		edge.Busy = append([]time.Duration{}, busy...)
		e.gather(&edge)
	}
	// CPU 2: 300 ms at 1 GHz and 200 ms at 3.5 GHz; CPU 3 was not busy, and its frequency is all that is known of it.
	want := []int64{2_000_000, 0, 2_000_000, 800_000}
	for cpu, w := range want {
		if got := e.pending.KHz[cpu]; got < w-10 || got > w+10 {
			t.Errorf("CPU %d: %d kHz, want %d", cpu, got, w)
		}
	}
}

func TestErrorsDoNotHang(t *testing.T) {
	m, err := New(Options{Machine: small(), Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Finish(); err == nil {
		t.Error("a run without an edge is no error")
	}
	if m, err = New(Options{Machine: small(), Dir: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		m.Edge(sim.Edge{Zones: []uint64{1}})
	}
	if _, err := m.Finish(); err == nil {
		t.Error("counters that are missing are no error")
	}
	if m, err = New(Options{Machine: small(), Dir: t.TempDir(), IdleWatts: map[string]units.Watts{"package-9": 1}}); err != nil {
		t.Fatal(err)
	}
	var s script
	for range 3 {
		s.edge(m)
	}
	if _, err := m.Finish(); err == nil {
		t.Error("an engine that does not start is no error")
	}
	if _, err := New(Options{Machine: seen.Machine{Zones: []seen.Zone{{Name: "dram", Parent: 0}}}, Dir: t.TempDir()}); err == nil {
		t.Error("a zone within itself is no error")
	}
}

func TestCards(t *testing.T) {
	c := newCards(2)
	into := make([]energy.Sample, 2)
	at := func(when time.Duration, mj uint64, util ...float64) []energy.Share {
		g := []seen.GPU{{EnergyMilliJoules: 5000 + mj}, {EnergyMilliJoules: mj}}
		for i, u := range util {
			g[0].Processes = append(g[0].Processes, seen.GPUProcess{PID: 10 + i, SMUtil: u})
		}
		c.add(g, when)
		c.Read(energy.Edge{Time: when}, into)
		return c.Shares(nil)
	}
	if s := at(time.Second, 0, 50); len(s) != 0 || into[0].Energy != 0 {
		t.Errorf("the first read gives %v and %d uJ", s, into[0].Energy)
	}
	s := at(2*time.Second, 250, 25, 0, 50)
	if len(s) != 2 || s[0].PID != 10 || s[0].Busy != 250*ms || s[1].PID != 12 || s[1].Busy != 500*ms {
		t.Errorf("%+v", s)
	}
	if into[0].Energy != 250_000 || into[1].Energy != 250_000 {
		t.Errorf("%d and %d uJ", into[0].Energy, into[1].Energy)
	}
	if s := at(3*time.Second, 250); len(s) != 0 {
		t.Errorf("nobody worked, and yet %v", s)
	}
}

// Memory that is split by who holds it is told of those that live, and of those that ran and have ended.
func TestTasks(t *testing.T) {
	e := newEdges(nil, nil, 4, true)
	start := boot - time.Second
	e.gather(&sim.Edge{At: Every, Boot: boot, Uses: []sim.Use{{PID: 7, Start: start, Resident: 3}, {PID: 8, Start: start, Resident: 4}},
		Processes: []seen.Process{{PID: 7, Start: int64(start / seen.Tick), Resident: 5}, {PID: 9, Start: 1, Resident: 6}}})
	e.gather(&sim.Edge{At: 2 * Every, Boot: boot + Every, Uses: []sim.Use{{PID: 7, Start: start, Resident: 3}},
		Processes: []seen.Process{{PID: 9, Start: 1, Resident: 6}}})
	got := map[uint32][2]int64{}
	for _, task := range e.pending.Tasks {
		if _, twice := got[task.TGID]; twice {
			t.Errorf("process %d is told of twice", task.TGID)
		}
		got[task.TGID] = [2]int64{task.Resident, int64(task.Exited)}
		if task.TGID != 9 && task.Start != start {
			t.Errorf("process %d began %v", task.TGID, task.Start)
		}
	}
	want := map[uint32][2]int64{7: {3, int64(boot + Every)}, 8: {4, int64(boot)}, 9: {6, 0}}
	for pid, w := range want {
		if got[pid] != w {
			t.Errorf("process %d holds, and ended at, %v; want %v", pid, got[pid], w)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%v", got)
	}
}

// slow is a source that takes as long as it is told to.
type slow struct {
	takes []time.Duration
	asked []time.Duration
}

func (s *slow) Domains() []energy.Domain { return []energy.Domain{{Name: "package-0"}} }
func (s *slow) Close() error             { return nil }
func (s *slow) Read(e energy.Edge, into []energy.Sample) {
	into[0].At = e.Time + s.takes[len(s.asked)]
	s.asked = append(s.asked, e.Time)
}

// A reader adds the time that passes in it to that of the run, which stands still then: for no reader time may go back.
func TestReadersTimeNeverGoesBack(t *testing.T) {
	src := &slow{takes: []time.Duration{0, 900 * ms, 0, 0}}
	e := newEdges(src, nil, 1, false)
	done := make(chan struct{})
	go func() {
		defer close(done)
		var into engine.Edge
		for e.Next(&into) == nil {
		}
	}()
	for i := range src.takes {
		e.give(&sim.Edge{At: time.Duration(i) * Every}, done)
	}
	e.end()
	<-done
	for i := 1; i < len(src.asked); i++ {
		if before := src.asked[i-1] + src.takes[i-1]; src.asked[i] < before {
			t.Errorf("read %d begins at %v, and that before ended at %v", i, src.asked[i], before)
		}
	}
}

// What a window says of a process is in the sums. Of ranges the total's are taken, unless it has folded a part of the process.
func TestWindowsAndTotal(t *testing.T) {
	row := func(pid int, e, low, high units.Microjoules) snapshot.Row {
		return snapshot.Row{Kind: snapshot.Process, PID: pid, Joules: e, Low: low, High: high,
			ByDomain: []units.Microjoules{e}, Ranges: []snapshot.Range{{Low: low, High: high}}}
	}
	special := func(kind string, e units.Microjoules) snapshot.Row {
		return snapshot.Row{Kind: kind, ByDomain: []units.Microjoules{e}, Ranges: make([]snapshot.Range, 1)}
	}
	shot := func(e units.Microjoules, rows ...snapshot.Row) *snapshot.Snapshot {
		return &snapshot.Snapshot{Energy: []snapshot.Energy{{Domain: "package-0", Joules: e}}, Rows: rows}
	}
	var r Result
	r.window(shot(17e6, row(1, 4e6, 2e6, 6e6), row(2, 3e6, 1e6, 5e6),
		special(snapshot.Idle, 5e6), special(snapshot.Interrupts, 2e6), special(snapshot.Unattributed, 3e6)))
	if r.Off != 0 {
		t.Fatalf("%d uJ off", r.Off)
	}
	r.window(shot(8e6, row(1, 4e6, 2e6, 6e6), row(2, 3e6, 1e6, 5e6)))
	r.total(shot(25e6, row(1, 8e6, 7e6, 9e6), row(2, 3e6, 2e6, 4e6), special(snapshot.Others, 3e6)))
	k := r.Kinds["package"]
	one, two := score.Key{PID: 1}, score.Key{PID: 2}
	if r.Off != 1e6 || k.Processes[one] != 8e6 || k.Processes[two] != 6e6 || k.Energy != 25e6 {
		t.Errorf("off %d, %+v", r.Off, k)
	}
	if k.Idle != 5e6 || k.Interrupts != 2e6 || k.Unattributed != 3e6 || k.Told().Rest != 10 {
		t.Errorf("%+v", k)
	}
	if r.Rows.Ranges[one] != k.Ranges[one] || r.Rows.Ranges[two] != k.Ranges[two] {
		t.Errorf("of a domain %v, of rows with that domain alone %v", k.Ranges, r.Rows.Ranges)
	}
	if k.Ranges[one] != (score.Range{Low: 7, High: 9}) || k.Ranges[two] != (score.Range{Low: 2, High: 10}) {
		t.Errorf("%v", k.Ranges)
	}
}

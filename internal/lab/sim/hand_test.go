package sim

import (
	"math"
	"testing"
	"time"
)

// near tells whether two numbers are the same, but for the rounding of sums.
func near(got, want, part float64) bool {
	return math.Abs(got-want) <= part*math.Max(math.Abs(want), 1e-3)
}

// job of a process that works without a pause on one CPU.
func pin(comm string, cpu int, at, work time.Duration, activity float64) Job {
	return Job{Comm: comm, At: at, Load: Load{Work: work, Activity: activity, CPUs: []int{cpu}}}
}

// TestByHand compares a machine of one core with what one gets with a pencil. At 2 GHz, 1 V and 1.5 nF an activity of 1 is 3 W; leakage is
// 0.5 W while the core works, the package uses 10 W and 2 W more while a CPU works, and two threads use 1.2 times what one uses.
func TestByHand(t *testing.T) {
	m := MachineSpec{Sockets: 1, FloorWatts: 10, WakeWatts: 2, SMTGain: 0.2, CStates: true, DRAMWatts: 1, MissJoules: 10e-9, BoardWatts: 4,
		CoreZone: true,
		Cores:    []Cores{{Count: 1, Threads: 2, Nanofarads: 1.5, Leak: 0.5, MinKHz: 2_000_000, BaseKHz: 2_000_000, MaxKHz: 2_000_000, HighVolts: 1}}}
	a := pin("a", 0, 0, 3*time.Second, 1)
	a.Load.Misses = 1e8
	got := Scenario{Duration: 4 * time.Second, Machine: m, Jobs: []Job{a, pin("b", 1, time.Second, time.Second, 0.5)}}.Run(Observer{})
	alone := 3.0 + 0.5          // W of the core
	beside := 3*0.6 + 0.5*2.0/3 // of two thirds of the activity
	other := 3*0.6*0.5 + 0.5/3
	core := 2*alone + beside
	for _, c := range []struct {
		what      string
		got, want float64
	}{
		{"a, package", got.Processes[0].Joules[0], core + 2*2 + 1},
		{"a, core", got.Processes[0].Joules[1], core},
		{"a, dram", got.Processes[0].Joules[2], 3 * 1e8 * 10e-9},
		{"a, psys", got.Processes[0].Joules[3], core + 5 + 3},
		{"b, package", got.Processes[1].Joules[0], other + 1},
		{"b, core", got.Processes[1].Joules[1], other},
		{"b, dram", got.Processes[1].Joules[2], 0},
		{"idle package", got.Idle[0], 4 * 10},
		{"idle core", got.Idle[1], 0},
		{"idle dram", got.Idle[2], 4},
		{"idle psys", got.Idle[3], 4 * 15},
		{"package", got.Total[0], 40 + core + 5 + other + 1},
		{"core", got.Total[1], core + other},
		{"dram", got.Total[2], 4 + 3},
		{"psys", got.Total[3], 60 + core + 5 + other + 1 + 3},
		{"a, CPU seconds", got.Processes[0].CPU.Seconds(), 3},
		{"a, beside", got.Processes[0].Beside.Seconds(), 1},
		{"b, CPU seconds", got.Processes[1].CPU.Seconds(), 1},
		{"b, beside", got.Processes[1].Beside.Seconds(), 1},
		{"a, end", got.Processes[0].Ended.Seconds(), 3},
	} {
		if !near(c.got, c.want, 1e-9) {
			t.Errorf("%s: %v, want %v", c.what, c.got, c.want)
		}
	}
}

// TestAwake: without C-states what a core leaks at its lowest voltage is idle, and only what it leaks more is of who works.
func TestAwake(t *testing.T) {
	m := MachineSpec{Sockets: 1, FloorWatts: 10, Cores: []Cores{
		{Count: 2, Threads: 1, Nanofarads: 1, Leak: 2, MinKHz: 1_000_000, BaseKHz: 3_000_000, MaxKHz: 3_000_000, LowVolts: 0.5, HighVolts: 1}}}
	got := Scenario{Duration: 10 * time.Second, Machine: m, Jobs: []Job{pin("a", 0, 0, 8*time.Second, 1)}}.Run(Observer{})
	if want := 10 * (10 + 2*2*0.25); !near(got.Idle[0], want, 1e-9) {
		t.Errorf("idle %v J, want %v", got.Idle[0], want)
	}
	// At 3 GHz: 3 W, and 2 W of leakage less 0.5 W. The governor needs some 10 ms to get there, from 0.25 W at 1 GHz.
	if full := 8 * (3 + 1.5); got.Processes[0].Joules[0] > full || got.Processes[0].Joules[0] < full-0.05*4.5 {
		t.Errorf("a used %v J, want hardly less than %v", got.Processes[0].Joules[0], full)
	}
}

// TestKinds: an efficiency core uses what its own kind does. A job of half the time uses half.
func TestKinds(t *testing.T) {
	one := func(nano float64, efficient bool) Cores {
		return Cores{Count: 1, Threads: 1, Efficient: efficient, Nanofarads: nano, MinKHz: 1_000_000, BaseKHz: 1_000_000, MaxKHz: 1_000_000, HighVolts: 2}
	}
	m := MachineSpec{Sockets: 1, CStates: true, Cores: []Cores{one(1, false), one(0.25, true)}}
	killed := pin("killed", 1, 0, 0, 1).between(5*time.Second, 8*time.Second)
	got := run(m, 10*time.Second, pin("fast", 0, 0, 4*time.Second, 1), pin("slow", 1, 0, 2*time.Second, 1), killed)
	for i, want := range []float64{4 * 4, 2, 3} {
		if p := got.Processes[i]; !near(p.Joules[0], want, 1e-9) || !p.Exited {
			t.Errorf("%s used %v J, want %v", p.Comm, p.Joules[0], want)
		}
	}
}

// TestVoltage: power rises faster than frequency where voltage follows it.
func TestVoltage(t *testing.T) {
	c := Cores{Nanofarads: 2, MinKHz: 1_000_000, MaxKHz: 3_000_000, BaseKHz: 2_000_000, LowVolts: 0.6, HighVolts: 1}
	for _, step := range []struct {
		kHz   int64
		watts float64
	}{{1_000_000, 2 * 1 * 0.36}, {2_000_000, 2 * 2 * 0.64}, {3_000_000, 2 * 3 * 1}} {
		if got := c.switching(step.kHz); !near(got, step.watts, 1e-9) {
			t.Errorf("%d kHz: %v W, want %v", step.kHz, got, step.watts)
		}
	}
	for working, want := range []int64{3_000_000, 3_000_000, 2_700_000, 2_400_000, 2_000_000} {
		if got := c.highest(working, 4); got != want {
			t.Errorf("%d of 4 cores: %d kHz, want %d", working, got, want)
		}
	}
}

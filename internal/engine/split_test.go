package engine

import (
	"math"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/attribution"
	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/host"
	"github.com/eco2-bpf/eco2-bpf/internal/snapshot"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// oneSocket has both CPUs on a socket, with a floor of nothing.
func oneSocket(script ...second) (*machine, Config, func(*Parts)) {
	m := newMachine(script...)
	m.doms = m.doms[:1]
	return m, Config{IdleWatts: map[string]units.Watts{"package-0": 0}}, func(p *Parts) {
		p.Topology = host.Topology{{Online: true, Sibling: 2}, {Online: true, Sibling: 1, Efficient: true}}
	}
}

type frequencies []int64

func (f frequencies) Read(into []int64) error {
	copy(into, f)
	return nil
}

type interrupts struct {
	m     *machine
	every time.Duration
}

func (i interrupts) Interrupts(into []time.Duration) error {
	for cpu := range into {
		into[cpu] = time.Duration(i.m.at) * i.every
	}
	return nil
}

func beside(u bpf.Usage, ms int) bpf.Usage {
	u.Beside = time.Duration(ms) * time.Millisecond
	return u
}

func TestWeightsByHand(t *testing.T) {
	step := second{use: []bpf.Usage{beside(use(1, 0, 1000, "alone"), 600), beside(use(2, 1, 600, "beside"), 600)}, energy: []units.Microjoules{10_000_000}}
	for name, c := range map[string]struct {
		weights attribution.Weights
		kHz     []int64
		want    [2]float64 // what each weighs
	}{
		"none":                       {want: [2]float64{1000, 600}},
		"smt":                        {weights: attribution.Weights{SMT: 0.5}, want: [2]float64{700, 300}},
		"frequency":                  {weights: attribution.Weights{Frequency: 2}, kHz: []int64{3_000_000, 1_500_000}, want: [2]float64{1000, 150}},
		"a frequency is not known":   {weights: attribution.Weights{Frequency: 2}, kHz: []int64{0, 1_500_000}, want: [2]float64{1000, 600}},
		"hybrid":                     {weights: attribution.Weights{Hybrid: 0.25}, want: [2]float64{1000, 150}},
		"all":                        {weights: attribution.Weights{Frequency: 1, SMT: 0.5, Hybrid: 0.5}, kHz: []int64{2, 1}, want: [2]float64{700, 75}},
		"a frequency that is absurd": {weights: attribution.Weights{Frequency: 4}, kHz: []int64{math.MaxInt64, 1}, want: [2]float64{1000, 0.6}},
	} {
		m, cfg, topo := oneSocket(step, step)
		cfg.Weights = c.weights
		_, total, _ := watch(t, m, cfg, topo, func(p *Parts) {
			if c.kHz != nil {
				p.Frequency = frequencies(c.kHz)
			}
		})
		for i, pid := range []int{1, 2} {
			got, want := find(total, snapshot.Process, pid).Joules.Joules(), 20*c.want[i]/(c.want[0]+c.want[1])
			if math.Abs(got-want) > 5e-6 {
				t.Errorf("%s: process %d has %f J, want %f", name, pid, got, want)
			}
		}
		if n := len(total.Weights); (n > 0) != c.weights.Any() {
			t.Errorf("%s: the snapshot tells of %d weights", name, n)
		}
	}
}

// Time that nobody was seen to use keeps its part, whatever the rest weighs.
func TestWeightsDoNotChangeWhatIsUnattributed(t *testing.T) {
	step := second{use: []bpf.Usage{use(1, 0, 400, "a"), use(2, 1, 400, "b")}, busy: []time.Duration{500 * time.Millisecond, 500 * time.Millisecond}, energy: []units.Microjoules{10_000_000}}
	for _, w := range []attribution.Weights{{}, {Hybrid: 0.1}} {
		m, cfg, topo := oneSocket(step)
		cfg.Weights = w
		_, total, _ := watch(t, m, cfg, topo)
		if got := find(total, snapshot.Unattributed, 0).Joules.Joules(); math.Abs(got-2) > 1e-5 {
			t.Errorf("%+v: %f J are unattributed, want 2", w, got)
		}
	}
}

// Interrupts have a row where the kernel counts them apart; its count of tasks does not hold them then, its count of idle time does.
func TestInterruptsHaveARow(t *testing.T) {
	for source, busy := range map[string]int{busyOfTasks: 900, "stat": 950} {
		step := second{use: []bpf.Usage{use(1, 0, 900, "a"), use(2, 1, 900, "b")}, energy: []units.Microjoules{19_000_000}}
		step.busy = []time.Duration{time.Duration(busy) * time.Millisecond, time.Duration(busy) * time.Millisecond}
		m, cfg, topo := oneSocket(step, step)
		_, total, _ := watch(t, m, cfg, topo, func(p *Parts) {
			p.BusySource, p.Interrupts = source, interrupts{m, 50 * time.Millisecond}
		})
		r := find(total, snapshot.Interrupts, 0)
		if r.CPUSeconds != 0.2 || math.Abs(r.Joules.Joules()-2) > 1e-5 || r.Processes != 0 {
			t.Errorf("%s: %f s and %v J of interrupts (%d processes), want 0.2 s and 2 J", source, r.CPUSeconds, r.Joules, r.Processes)
		}
		if un := find(total, snapshot.Unattributed, 0); un.Joules != 0 {
			t.Errorf("%s: %v J are unattributed", source, un.Joules)
		}
	}
}

// What cgroups have reserved they pay for, whether they run or not; the rest stays idle.
func TestReservationsPayForIdleEnergy(t *testing.T) {
	step := second{use: []bpf.Usage{use(1, 0, 500, "a")}, energy: []units.Microjoules{11_000_000}}
	for by, want := range map[string]map[string]float64{
		ByProcess: {snapshot.Process: 1, snapshot.Reserved: 7, snapshot.Idle: 3},
		ByCgroup:  {snapshot.Group: 8, snapshot.Idle: 3},
		ByUser:    {snapshot.Group: 1, snapshot.Reserved: 7, snapshot.Idle: 3},
	} {
		m, cfg, topo := oneSocket(step)
		cfg.By, cfg.Idle, cfg.IdleWatts = by, attribution.Reservation, map[string]units.Watts{"package-0": 10}
		_, total, _ := watch(t, m, cfg, topo, func(p *Parts) {
			p.Reserved = func(into []Reservation) []Reservation {
				return append(into, Reservation{7, 500_000}, Reservation{8, 200_000}, Reservation{9, 0})
			}
		})
		got := map[string]float64{}
		for _, r := range total.Rows {
			if got[r.Kind] += r.Joules.Joules(); r.Joules == 0 {
				delete(got, r.Kind)
			}
		}
		for kind, j := range want {
			if math.Abs(got[kind]-j) > 1e-5 {
				t.Errorf("by %s: %f J of %s, want %f", by, got[kind], kind, j)
			}
			delete(got, kind)
		}
		if len(got) > 0 {
			t.Errorf("by %s: %v beside", by, got)
		}
	}
}

// Nothing that a machine says of reservations breaks the law.
func TestAbsurdReservations(t *testing.T) {
	step := second{use: []bpf.Usage{use(1, 0, 500, "a")}, energy: []units.Microjoules{11_000_000}}
	m, cfg, topo := oneSocket(step)
	cfg.Idle, cfg.IdleWatts = attribution.Reservation, map[string]units.Watts{"package-0": 10}
	watch(t, m, cfg, topo, func(p *Parts) {
		p.Reserved = func(into []Reservation) []Reservation {
			return append(into, Reservation{7, math.MaxInt64}, Reservation{7, 500_000}, Reservation{9, -5}, Reservation{0, math.MaxInt64})
		}
	})
}

func resident(u bpf.Usage, mib int64) bpf.Usage {
	u.Resident = mib << 20
	return u
}

// The memory behind a package: by the memory of those that run times their time, of all that hold some, by what missed the caches, or by time.
func TestDRAMSplits(t *testing.T) {
	step := second{
		use: []bpf.Usage{resident(use(1, 0, 500, "large"), 300), resident(use(2, 1, 500, "small"), 100)}, energy: []units.Microjoules{8_000_000},
		tasks: []bpf.Task{holds(1, 300), holds(2, 100), holds(3, 400)},
	}
	step.use[0].Counted, step.use[1].Counted = 1000, 7000
	for split, want := range map[string][3]float64{
		"": {5.07180, 2.92820, 0}, splitResidentTime: {5.07180, 2.92820, 0}, splitResident: {3, 1, 4}, splitMisses: {1, 7, 0}, splitCPUTime: {4, 4, 0},
	} {
		m, cfg, topo := oneSocket(step)
		m.doms[0].Scope = energy.ScopeDRAM
		_, total, _ := watch(t, m, cfg, topo, func(p *Parts) { p.DRAM = split })
		for i, pid := range []int{1, 2, 3} {
			if got := find(total, snapshot.Process, pid).Joules.Joules(); math.Abs(got-want[i]) > 1e-4 {
				t.Errorf("%q: process %d has %f J, want %f", split, pid, got, want[i])
			}
		}
		if s := total.Energy[0].Split; split != "" && s != split {
			t.Errorf("%q: the snapshot says %q", split, s)
		}
	}
}

func holds(tgid uint32, mib int64) bpf.Task {
	return bpf.Task{Usage: bpf.Usage{Account: bpf.Account{TGID: tgid, Start: time.Duration(tgid) * time.Second, Cgroup: 7}}, Resident: mib << 20}
}

// An explanation is complete: whoever does its sums again gets the row.
func TestExplanationsAddUp(t *testing.T) {
	var script []second
	for i := range 5 {
		script = append(script, second{
			use:  []bpf.Usage{use(1, 0, 100*(i+1), "a"), use(1, 1, 50, "a"), use(2, 1, 333, "b"), use(3, 0, 1, "c")},
			busy: []time.Duration{time.Duration(100*(i+1)+1) * time.Millisecond, 400 * time.Millisecond}, energy: []units.Microjoules{7_654_321, 1_234_567, 9_876_543},
		})
	}
	for _, policy := range []attribution.IdlePolicy{attribution.Separate, attribution.Active, attribution.Equal} {
		_, total, e := watch(t, newMachine(script...), Config{Idle: policy, Explain: []string{"1", "b", "idle", "unattributed", "nobody", "99"}})
		if len(total.Explained) != 4 {
			t.Fatalf("%v: %d rows are explained, want 4", policy, len(total.Explained))
		}
		if none := e.Unexplained(total); len(none) != 2 || none[0] != "nobody" || none[1] != "99" {
			t.Errorf("%v: unexplained are %v", policy, none)
		}
		for _, x := range total.Explained {
			row, sum := &total.Rows[x.Row], units.Microjoules(0)
			for d, dom := range x.Domains {
				sum += dom.IdlePart + dom.ActivePart
				if dom.IdlePart+dom.ActivePart != row.ByDomain[d] || dom.Low != row.Ranges[d].Low || dom.High != row.Ranges[d].High {
					t.Errorf("%v: %s %s: %+v of %+v", policy, row.Kind, dom.Domain, dom, row)
				}
				if dom.Energy != dom.Idle+dom.Earlier+dom.Active || dom.Energy != total.Energy[d].Joules {
					t.Errorf("%v: %s: parts of %s do not add up: %+v", policy, row.Kind, dom.Domain, dom)
				}
				s := dom.Biggest
				if want := float64(s.Shared) * float64(s.Weight) / float64(s.AllWeights); s.AllWeights > 0 && math.Abs(float64(s.Part)-want) > 1.001 {
					t.Errorf("%v: %s %s: %d of %d x %d / %d", policy, row.Kind, dom.Domain, s.Part, s.Shared, s.Weight, s.AllWeights)
				}
				if s.Energy != 7_654_321 && s.Energy != 1_234_567 && s.Energy != 9_876_543 || s.Seconds != 1 {
					t.Errorf("%v: a step of %v J in %f s", policy, s.Energy, s.Seconds)
				}
				for _, c := range dom.Causes {
					if c.Low < dom.Low && c.Low+1 < dom.Low || c.Text == "" {
						t.Errorf("%v: %s %s: %s alone gives %v, all give %v", policy, row.Kind, dom.Domain, c.Name, c.Low, dom.Low)
					}
				}
			}
			if sum != row.Joules || x.Joules != row.Joules {
				t.Errorf("%v: %s: %v of %v J are explained", policy, row.Kind, sum, row.Joules)
			}
		}
	}
}

// Who is to be explained stays a row, however small.
func TestExplainedRowsAreKept(t *testing.T) {
	step := second{use: []bpf.Usage{use(1, 0, 500, "a"), use(2, 0, 300, "b"), use(3, 0, 1, "c")}, energy: []units.Microjoules{5_000_000, 1, 1}}
	_, total, _ := watch(t, newMachine(step), Config{Top: 1, Explain: []string{"3"}})
	if len(total.Explained) != 1 || total.Rows[total.Explained[0].Row].PID != 3 {
		t.Errorf("%d explained", len(total.Explained))
	}
}

package engine

import (
	"fmt"
	"math"
	"os"
	"strings"
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
				return append(into, Reservation{Cgroup: 7, Parts: 500_000}, Reservation{Cgroup: 8, Parts: 200_000}, Reservation{Cgroup: 9, Parts: 0})
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
			return append(into, Reservation{Cgroup: 7, Parts: math.MaxInt64}, Reservation{Cgroup: 7, Parts: 500_000}, Reservation{Cgroup: 9, Parts: -5}, Reservation{Cgroup: 0, Parts: math.MaxInt64})
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
	script[3].mark, script[3].span = "counter unreadable", 4*time.Second // three quarters of it are of before
	reserve := func(p *Parts) {
		p.Reserved = func(into []Reservation) []Reservation { return append(into, Reservation{Cgroup: 7, Parts: 300_000}) }
	}
	for p := range attribution.IdlePolicies {
		policy := attribution.IdlePolicy(p)
		_, total, e := watch(t, newMachine(script...), Config{Idle: policy, Explain: []string{"1", "b", "(idle)", "unattributed", "nobody", "99"}}, reserve)
		if len(total.Explained) != 4 {
			t.Fatalf("%v: %d rows are explained, want 4", policy, len(total.Explained))
		}
		if none := e.Unexplained(total); len(none) != 2 || none[0] != "nobody" || none[1] != "99" {
			t.Errorf("%v: unexplained are %v", policy, none)
		}
		for _, x := range total.Explained {
			row, sum := &total.Rows[x.Row], units.Microjoules(0)
			for d, dom := range x.Domains {
				part := dom.IdlePart + dom.ActivePart
				if row.Kind == snapshot.Unattributed {
					part += dom.Earlier
				}
				sum += part
				if part != row.ByDomain[d] || dom.ActivePart > dom.Active+dom.Idle || dom.Low != row.Ranges[d].Low || dom.High != row.Ranges[d].High {
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

// What was not counted, because no table had room or the counter could not be read, is nobody's: it does not go to those who were.
func TestUncountedTimeIsNobodys(t *testing.T) {
	step := second{use: []bpf.Usage{use(1, 0, 250, "counted"), use(2, 1, 250, "not")}, overflow: []time.Duration{500 * time.Millisecond, 0}, energy: []units.Microjoules{8_000_000}}
	step.use[0].Counted, step.uncount = 1000, 1
	m, cfg, topo := oneSocket(step)
	m.doms[0].Scope = energy.ScopeDRAM
	_, total, _ := watch(t, m, cfg, topo, func(p *Parts) { p.DRAM = splitMisses })
	if got := find(total, snapshot.Process, 1).Joules.Joules(); math.Abs(got-2) > 1e-5 {
		t.Errorf("who was counted has %f J for a quarter of the time, want 2", got)
	}
	if got := find(total, snapshot.Unattributed, 0).Joules.Joules(); math.Abs(got-6) > 1e-5 {
		t.Errorf("%f J are unattributed, want 6", got)
	}
}

// Time that no table had room for weighs as the others' does.
func TestOverflowWeighsAsTheOthers(t *testing.T) {
	step := second{use: []bpf.Usage{beside(use(1, 0, 500, "a"), 500)}, overflow: []time.Duration{500 * time.Millisecond, 0}, energy: []units.Microjoules{8_000_000}}
	m, cfg, topo := oneSocket(step)
	cfg.Weights = attribution.Weights{SMT: 0.25}
	_, total, _ := watch(t, m, cfg, topo)
	if got := find(total, snapshot.Process, 1).Joules.Joules(); math.Abs(got-4) > 1e-5 {
		t.Errorf("%f J for half of the time, want 4", got)
	}
}

// Memory's energy that waits for a look keeps its mark, and none of it is taken for energy of before the steps that it is of.
func TestHeldEnergyKeepsItsMark(t *testing.T) {
	m, cfg, _ := oneSocket()
	m.doms[0].Scope = energy.ScopeDRAM
	parts := Parts{DRAM: splitResident}
	e := &Engine{cur: Edge{Samples: []energy.Sample{{}}}, prev: Edge{Samples: []energy.Sample{{}}}, cfg: cfg, parts: parts, domains: m.doms, splits: []string{splitResident}, heldMark: make([]string, 1), sinceLook: make([]time.Duration, 1)}
	at := func(looked bool, j units.Microjoules, mark string) energy.Sample {
		e.cur = Edge{Looked: looked, Samples: []energy.Sample{{Energy: j, Mark: mark}}}
		e.hold(0, nil)
		e.prev = e.cur
		return e.cur.Samples[0]
	}
	e.sinceLook[0] = 7
	for _, e.cur.Looked = range []bool{true, false} {
		if e.hold(0, []time.Duration{1})[0] != 7 {
			t.Errorf("looked %t: held energy is not of the busy time since the last look", e.cur.Looked)
		}
	}
	e.prev = Edge{Samples: []energy.Sample{{}}}
	if s := at(false, 10, ""); s.Energy != 0 || s.Mark != "" {
		t.Errorf("%+v was not held", s)
	}
	if s := at(false, 20, "gone"); s.Energy != 0 || s.Mark != "" {
		t.Errorf("%+v was not held", s)
	}
	if s := at(true, 30, ""); s.Energy != 30 || s.Mark != "gone" {
		t.Errorf("%+v came with the look, want 30 uJ and a mark", s)
	}
	if s := at(true, 40, ""); s.Mark != "" {
		t.Errorf("the mark stays: %+v", s)
	}
}

// However many rows there are, who is to be explained keeps its own.
func TestExplainedRowsAreNotFolded(t *testing.T) {
	many := func(from int) (s second) {
		for i := range maxRows + 1000 {
			s.use = append(s.use, bpf.Usage{Account: bpf.Account{TGID: uint32(from + i), Start: 1}, Time: 10 * time.Microsecond, Comm: "x"})
		}
		s.energy = []units.Microjoules{1e6, 0, 0}
		return s
	}
	first := many(100)
	first.use[7].Comm = "asked"
	first.use[7].Time = time.Microsecond
	_, total, e := watch(t, newMachine(first, many(1_000_000)), Config{Explain: []string{"asked"}})
	if none := e.Unexplained(total); len(none) > 0 || total.Losses.FoldedRows == 0 {
		t.Errorf("unexplained %v, %d rows folded", none, total.Losses.FoldedRows)
	}
}

// Bounds of hostile recordings end somewhere.
func TestBoundsAreCapped(t *testing.T) {
	row := func(high units.Microjoules) *accRow {
		return &accRow{joules: []units.Microjoules{1}, low: []units.Microjoules{1}, high: []units.Microjoules{high}}
	}
	sum := row(math.MaxInt64 / 4)
	for range 100 {
		sum.join(row(math.MaxInt64 / 4))
	}
	if sum.high[0] < math.MaxInt64/4 || sum.low[0] > sum.joules[0] {
		t.Errorf("%d to %d", sum.low[0], sum.high[0])
	}
}

// docs/attribution.md says what the program does unasked.
func TestDocumentedFactors(t *testing.T) {
	text, err := os.ReadFile("../../docs/attribution.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		fmt.Sprintf("A = %g |", attribution.DefaultFrequency), fmt.Sprintf("sysfs | F = %g |", attribution.DefaultHybrid), fmt.Sprintf("context switch | F = %g |", attribution.DefaultSMT),
		fmt.Sprintf("odds of %d for the instructions", oddsWork), fmt.Sprintf("%.2f for SMT, %g for hybrid cores, %d for frequency; %g each", 1/attribution.DefaultSMT, 1/attribution.DefaultHybrid, oddsFrequency, oddsWeighed),
		fmt.Sprintf("up to %d times that (%d, where", oddsBrief, oddsBriefWeighed), fmt.Sprintf("Estimated memory %d, measured memory %d unless", oddsMemory, oddsUsed), fmt.Sprintf("all else %d", oddsOther),
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("nothing is said of %q", want)
		}
	}
}

// A CPU that hardly worked, whose frequency is not told, is taken to run as the others do.
func TestUnknownFrequenciesAreTheMean(t *testing.T) {
	w := newWeighing(attribution.Weights{Frequency: 1}, make(host.Topology, 4))
	w.begin([]int64{4_000_000, 2_000_000, 0})
	if w.factor[0] != 1 || w.factor[1] != 0.5 || w.factor[2] != 0.75 || w.factor[3] != 0.75 {
		t.Errorf("%v", w.factor)
	}
	if w.begin(nil); w.factor[0] != 1 || w.factor[1] != 1 {
		t.Errorf("%v, and no frequency is known", w.factor)
	}
}

// The kernel's count of tasks leaves out interrupts that have a time of their own: what it has beyond both is missed.
func TestInterruptsAreBesideTheTasksCount(t *testing.T) {
	step := second{use: []bpf.Usage{use(1, 0, 800, "a")}, busy: []time.Duration{900 * time.Millisecond, 0}, energy: []units.Microjoules{9_500_000}}
	m, cfg, topo := oneSocket(step)
	_, total, _ := watch(t, m, cfg, topo, func(p *Parts) { p.BusySource, p.Interrupts = busyOfTasks, interrupts{m, 25 * time.Millisecond} })
	if got := find(total, snapshot.Unattributed, 0).Joules.Joules(); math.Abs(got-1) > 1e-4 { // 100 of 950 ms
		t.Errorf("%f J are unattributed, want 1", got)
	}
}

// Reservations are of one policy.
func TestNoReservedRowsUnasked(t *testing.T) {
	m, cfg, topo := oneSocket(second{use: []bpf.Usage{use(1, 0, 500, "a")}, energy: []units.Microjoules{1e6}})
	_, total, _ := watch(t, m, cfg, topo, func(p *Parts) {
		p.Reserved = func(into []Reservation) []Reservation { return append(into, Reservation{Cgroup: 7, Parts: 500_000}) }
	})
	for _, r := range total.Rows {
		if r.Kind == snapshot.Reserved {
			t.Errorf("%+v", r)
		}
	}
}

func TestOdds(t *testing.T) {
	both := differences{siblings: true, frequencies: true}
	for _, c := range []struct {
		machine differences
		weights attribution.Weights
		want    float64 // logarithms that are added as squares
		brief   float64
	}{
		{differences{}, attribution.Weights{}, math.Log(oddsWork), oddsBriefWeighed},
		{both, attribution.Weights{}, math.Sqrt(math.Pow(math.Log(2), 2) + math.Pow(math.Log(1/0.6), 2) + math.Pow(math.Log(2), 2)), oddsBrief},
		{both, attribution.Weights{SMT: 0.5}, math.Sqrt(math.Pow(math.Log(2), 2) + math.Pow(math.Log(1.15), 2) + math.Pow(math.Log(2), 2)), oddsBrief},
		{both, attribution.Weights{Frequency: 1}, math.Sqrt(math.Pow(math.Log(2), 2) + math.Pow(math.Log(1/0.6), 2) + math.Pow(math.Log(1.15), 2)), oddsBriefWeighed},
	} {
		for _, method := range []string{energy.Measured, energy.Estimated} {
			e := &Engine{cfg: Config{Weights: c.weights}, machine: c.machine, splits: []string{splitCPUTime}, domains: []energy.Domain{{Method: method}}, floors: make([]floor, 1)}
			r := e.rangeOf(0, &domainStep{energy: 10, low: 10, high: 10, covers: time.Second}, 0)
			if math.Abs(math.Log(r.Odds)-c.want) > 1e-9 || r.Brief != c.brief || r.Together != (method == energy.Estimated) {
				t.Errorf("%+v, weighed by %+v, %s: %+v", c.machine, c.weights, method, r)
			}
		}
	}
}

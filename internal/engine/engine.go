// Package engine is the loop: drain the kernel's tables, read the energy, attribute it, name the accounts, price them in carbon,
// and publish a Snapshot.
package engine

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eco2-bpf/eco2-bpf/attribution"
	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/intensity"
	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/host"
	"github.com/eco2-bpf/eco2-bpf/internal/identity"
	"github.com/eco2-bpf/eco2-bpf/internal/identity/container"
	"github.com/eco2-bpf/eco2-bpf/internal/snapshot"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
	"github.com/eco2-bpf/eco2-bpf/powermodel"
)

// Collector is where CPU time comes from: bpf.Collector, or a test's own.
type Collector interface {
	Drain(into []bpf.Usage) ([]bpf.Usage, error)
	Overflow() []time.Duration
	Losses() bpf.Losses
	CPUs() int
}

// BusyReader is the kernel's own busy time by CPU, cumulative: host.Busy, or a test's own.
type BusyReader interface {
	Read(into []time.Duration) error
}

// Names tells containers' names as they become known, and never blocks but in Wait: container.Resolver.
type Names interface {
	Ask(container.Key)
	Get(container.Key) (container.Info, bool)
	Wait(time.Duration)
}

// Config is what the user chose.
type Config struct {
	Interval  time.Duration // of a window
	By        string
	Top       int // rows of accounts a snapshot keeps; 0: all
	Idle      attribution.IdlePolicy
	IdleWatts map[string]units.Watts // by domain: floors that the user gives; others are learned
	Selected  bool                   // only followed accounts get rows, the rest is one row: others
	Select    Selection              // likewise
	Weights   attribution.Weights    // what a second of CPU time counts for
	Explain   []string               // rows whose joules are to be explained: a process id, or a name as views show it
	Within    uint64                 // id of a cgroup: who is in it, or below it, counts as followed
	Factor    intensity.Factor
	PUE       float64
}

// Parts are what an Engine is made of. Engine closes none of them.
type Parts struct {
	Edges      Edges // nil: of this machine, by Collector, Source and Busy
	Collector  Collector
	Source     energy.Source
	Busy       BusyReader
	BusySource string
	// Interrupts tells, as of Busy's last Read, the time in interrupts by CPU; nil: the kernel does not take it off the tasks that it interrupts.
	Interrupts interface {
		Interrupts(into []time.Duration) error
	}
	// Frequency tells each CPU's mean frequency since it was read last, in kHz, 0 where it is not known; nil: nobody asked.
	Frequency interface{ Read(into []int64) error }
	// FrequencyHow says where it is read; OneFrequency that no CPU can run at another than the next.
	FrequencyHow string
	OneFrequency bool
	Reserved     func(into []Reservation) []Reservation // appends; nil: nobody asked
	Tick         time.Duration                          // of the scheduler; 0: not known
	// DRAM is how the active part of memory behind a package is split; empty: by the resident set of those that run.
	DRAM       string
	Topology   host.Topology
	Host       host.Host
	Model      powermodel.Model
	Users      *identity.Users
	Cgroups    *identity.Cgroups
	Processes  *identity.Processes                                        // nil: nothing is known of processes but what the accounts carry
	Program    func(identity.ProcessKey) (exe, args string, argsSize int) // of a process that nothing told of; nil: nobody can be asked
	Containers Names                                                      // nil: containers keep their ids
	BootTime   time.Time
	Now        func() time.Duration   // monotonic; default host.Monotonic
	SinceBoot  func() time.Duration   // suspend included; default host.SinceBoot
	Exists     func(tgid uint32) bool // default: the kernel is asked; false for one that exists may only count it twice, after a while
}

// Engine turns drains into snapshots. Its methods are for one goroutine.
type Engine struct {
	cfg     Config
	parts   Parts
	domains []energy.Domain
	splits  []string // by domain
	machine differences
	edges   Edges
	places  places
	floors  []floor

	prev, cur Edge
	steps     []domainStep         // of this step, by domain
	input     []attribution.Domain // likewise
	ledger    attribution.Ledger
	reconcile attribution.Reconciler
	accounts  accounts
	holdings  holdings
	weighing  weighing
	sinceLook []time.Duration // busy time by place
	heldMark  []string        // by domain: of energy that is held back until the next look
	groups    groups
	procs     processes

	window, total *accumulator
}

// clocks sets the machine's own where there are no others.
func (p *Parts) clocks() {
	if p.Now == nil {
		p.Now = host.Monotonic
	}
	if p.SinceBoot == nil {
		p.SinceBoot = host.SinceBoot
	}
}

// New checks the configuration against the parts and takes the baseline: what was used before it returns is nobody's.
func New(cfg Config, parts Parts) (*Engine, error) {
	parts.clocks()
	if parts.Exists == nil {
		parts.Exists = processExists
	}
	if err := cfg.Select.Check(); err != nil {
		return nil, err
	}
	if err := cfg.Select.checkUsers(parts.Users); err != nil {
		return nil, err
	}
	e := &Engine{cfg: cfg, parts: parts, edges: parts.Edges}
	if e.edges == nil {
		e.edges = Live(&e.parts)
	}
	e.domains = e.edges.Domains()
	e.places = newPlaces(parts.Topology, e.domains)
	e.sinceLook, e.heldMark = make([]time.Duration, e.places.n), make([]string, len(e.domains))
	e.machine, e.weighing = parts.differences(), newWeighing(cfg.Weights, parts.Topology)
	for i := range e.domains {
		e.splits = append(e.splits, splitOf(&e.domains[i], parts.DRAM))
	}
	var err error
	if e.floors, err = newFloors(e.domains, e.splits, cfg.IdleWatts, parts); err != nil {
		return nil, err
	}
	e.procs.init(parts.Exists)
	return e, e.Rebase()
}

// Rebase takes the baseline anew, and forgets what was used before.
func (e *Engine) Rebase() error {
	e.prev.Looked = true
	if err := e.edges.Next(&e.prev); err != nil {
		return err
	}
	e.holdings.start(&e.prev, e.domains)
	e.window, e.total = e.newAccumulator(), e.newAccumulator()
	e.window.windowNo, e.total.isTotal = 1, true
	return nil
}

// ConfigError says what of the user's configuration does not fit this machine.
type ConfigError struct{ Text string }

func (e *ConfigError) Error() string { return e.Text }

// floor is what is known of a domain's idle power.
type floor struct {
	learns *powermodel.Floor // of a measured domain, or what the user gave; nil: the domain's own samples tell
	last   powermodel.FloorEstimate
}

// How an idle power is known that is not learned: by the estimate's own model; as the part of the memory that no process holds.
const (
	idleModel  = "model"
	idleUnused = "unused"
)

func newFloors(domains []energy.Domain, splits []string, given map[string]units.Watts, parts Parts) ([]floor, error) {
	floors := make([]floor, len(domains))
	var names []string
	used := 0
	for i := range domains {
		d := &domains[i]
		names = append(names, d.Name)
		w, ok := given[d.Name]
		switch split := splits[i]; {
		case ok:
			floors[i].learns = powermodel.FixedFloor(w)
			used++
		case d.OwnIdle || d.Scope == energy.ScopeRAM:
		case split == splitNobody: // without a load there is nothing to learn from
			floors[i].learns = powermodel.FixedFloor(0)
		case split == splitDevice:
			floors[i].learns = powermodel.NewFloor(1, powermodel.GPU())
		case d.Scope == energy.ScopeDRAM:
			floors[i].learns = powermodel.NewFloor(len(parts.Topology.CPUsOf(d.Socket, d.Die)), powermodel.DRAM())
		default:
			floors[i].learns = powermodel.NewFloor(len(parts.Topology.CPUsOf(d.Socket, d.Die)), parts.Model.As(powermodel.ScopePackage))
		}
	}
	if used < len(given) {
		for name := range given {
			if !slices.Contains(names, name) {
				return nil, &ConfigError{fmt.Sprintf("--idle-watts: no energy domain is called %q here; there is %s", name, strings.Join(names, ", "))}
			}
		}
	}
	return floors, nil
}

// idle returns the idle part of a domain's energy in a step, having learned from it.
func (f *floor) idle(e units.Microjoules, busy, wall time.Duration, marked bool) units.Microjoules {
	if !marked { // the energy of a marked window is incomplete
		f.learns.Observe(e, busy, wall)
	}
	f.last = f.learns.Idle(e, busy, wall)
	return min(max(f.last.Energy, 0), e)
}

// own takes an idle part that is known without learning.
func (f *floor) own(idle, low, high, e units.Microjoules, wall time.Duration, how string) units.Microjoules {
	idle = min(max(0, idle), e)
	f.last = powermodel.FloorEstimate{Watts: idle.Per(wall), Low: low.Per(wall), High: high.Per(wall), How: how, Energy: idle}
	return idle
}

// idleMean is the mean of a domain's floor over the steps of an accumulator, by their length.
type idleMean struct {
	value, low, high units.Watts
	seconds          float64
	how              map[string]float64 // seconds, by how the floor was found
}

// add takes a step's floor. That of a marked step says nothing, its energy being incomplete, and is not asked for once there is another.
func (m *idleMean) add(f powermodel.FloorEstimate, wall time.Duration, marked bool) {
	w := wall.Seconds()
	if marked {
		w *= 1e-9
	}
	if m.how == nil {
		m.how = map[string]float64{}
	}
	m.how[f.How] += w
	if m.seconds += w; m.seconds <= 0 {
		return
	}
	part := units.Watts(w / m.seconds) // a running mean, so that a floor that stays is not rounded away from itself
	m.value += (f.Watts - m.value) * part
	m.low += (f.Low - m.low) * part
	m.high += (f.High - m.high) * part
}

// mostly is how it was found most of the time.
func (m *idleMean) mostly() (most string) {
	for how, t := range m.how {
		if was := m.how[most]; t > was || t == was && how < most {
			most = how
		}
	}
	return most
}

func (e *Engine) idlePowers(a *accumulator) []snapshot.IdlePower {
	out := make([]snapshot.IdlePower, len(e.domains))
	for i, d := range e.domains {
		m := &a.idle[i]
		out[i] = snapshot.IdlePower{Domain: d.Name, Watts: m.value, Low: m.low, High: m.high, How: m.mostly()}
	}
	return out
}

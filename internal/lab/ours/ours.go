// Package ours measures a simulated machine with this program's own engine and its own reader of counters, as attach would measure a real
// one: nothing of what they do is done again here.
package ours

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eco2-bpf/eco2-bpf/attribution"
	"github.com/eco2-bpf/eco2-bpf/intensity"
	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/engine"
	"github.com/eco2-bpf/eco2-bpf/internal/host"
	"github.com/eco2-bpf/eco2-bpf/internal/identity"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/sim"
	"github.com/eco2-bpf/eco2-bpf/internal/snapshot"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
	"github.com/eco2-bpf/eco2-bpf/powermodel"
)

// Every is how often a Meter wants an edge: attach takes one each so much time while it learns a floor, for at most learnFor.
const (
	Every    = 250 * time.Millisecond
	learnFor = 10 * time.Second
	interval = time.Second          // of a window
	tick     = 4 * time.Millisecond // of the scheduler: how old the time of who runs may be
)

// Options say what to measure, and how.
type Options struct {
	Machine seen.Machine
	GPUs    int
	Weights attribution.Weights
	DRAM    string // how the active part of memory is split, as engine.Parts has it
	Idle    attribution.IdlePolicy
	// IdleWatts are by domain what was measured before; others are learned.
	IdleWatts map[string]units.Watts
	// OneFrequency: no CPU can run at another frequency than the next.
	OneFrequency bool
	Dir          string // where the tree of counters is made; "": the system's folder for such things
}

// Meter is an engine that is fed by a run. Its methods are for one goroutine.
type Meter struct {
	opts   Options
	tree   *tree
	source energy.Source
	cards  *cards
	edges  *edges
	done   chan struct{}
	result Result
	err    error // of the run's side
	failed error // of the engine's, once done is closed
}

// New starts a Meter. The first edge is the baseline: nothing that is used before it counts.
func New(o Options) (*Meter, error) {
	t, err := newTree(o.Dir, o.Machine.Zones)
	if err != nil {
		return nil, fmt.Errorf("make a tree of counters: %w", err)
	}
	return &Meter{opts: o, tree: t, done: make(chan struct{})}, nil
}

// Edge takes what there is at a moment of the run, and returns once the engine has booked it. Errors come with Finish.
func (m *Meter) Edge(e sim.Edge) {
	if m.err != nil {
		return
	}
	if err := m.tree.set(e.Zones); err != nil {
		m.err = fmt.Errorf("show counters: %w", err)
		return
	}
	if m.edges == nil {
		if m.err = m.start(); m.err != nil {
			return
		}
	}
	m.edges.give(&e, m.done)
}

func (m *Meter) start() error {
	// A counter that shows nothing yet would be taken for one that goes back, so the reader is opened only here.
	src, _, err := energy.OpenPowercap(m.tree.root)
	if err != nil {
		return fmt.Errorf("open counters: %w", err)
	}
	m.source = src
	if m.opts.GPUs > 0 {
		m.cards = newCards(m.opts.GPUs)
		m.source = energy.Join(src, m.cards)
	}
	m.edges = newEdges(m.source, m.cards, len(m.opts.Machine.CPUs), engine.Looks(m.source.Domains(), m.opts.DRAM))
	go m.run()
	return nil
}

// Finish ends the run and returns what the engine says of it.
func (m *Meter) Finish() (Result, error) {
	if m.edges != nil {
		m.edges.end()
		<-m.done
		m.err = errors.Join(m.err, m.failed)
	} else if m.err == nil {
		m.err = errors.New("measure a run: it has no edge")
	}
	if m.source != nil {
		m.err = errors.Join(m.err, m.source.Close())
	}
	m.err = errors.Join(m.err, m.tree.close())
	return m.result, m.err
}

// run is the engine's goroutine.
func (m *Meter) run() {
	defer close(m.done)
	runtime.LockOSThread() // its CPU time is that of the thread
	defer runtime.UnlockOSThread()
	e, err := engine.New(m.config(), m.parts())
	if err != nil {
		m.failed = err
		return
	}
	began, counting := ThreadTime(), time.Duration(0)
	err = e.Replay(context.Background(), func(s *snapshot.Snapshot) error {
		from := ThreadTime()
		m.result.window(s)
		counting += ThreadTime() - from
		return nil
	})
	m.result.CPU = ThreadTime() - began - counting
	m.result.total(e.Total())
	m.result.Steps, m.result.Usages = m.edges.steps, m.edges.usages
	m.failed = err
}

func (m *Meter) config() engine.Config {
	return engine.Config{
		By: engine.ByProcess, Interval: interval, Idle: m.opts.Idle, IdleWatts: m.opts.IdleWatts, Weights: m.opts.Weights,
		PUE: 1, Factor: intensity.World("laboratory"),
	}
}

func (m *Meter) parts() engine.Parts {
	var topo host.Topology
	sockets := 0
	for _, c := range m.opts.Machine.CPUs {
		topo = append(topo, host.CPU{Online: true, Socket: c.Socket, Sibling: c.Sibling + 1, Efficient: c.Efficient})
		sockets = max(sockets, c.Socket+1)
	}
	return engine.Parts{
		// As cpuacct does, the run's count of busy time leaves out interrupts that have a time of their own.
		Edges: m.edges, BusySource: "cpuacct", FrequencyHow: "laboratory", OneFrequency: m.opts.OneFrequency, Tick: tick, DRAM: m.opts.DRAM, Topology: topo,
		Host:  host.Host{Name: "laboratory", CPUs: len(topo), Sockets: sockets, MemoryBytes: m.opts.Machine.MemoryBytes},
		Model: powermodel.Resolve(powermodel.CPU{}), Users: identity.ReadUsers(""), Cgroups: identity.OpenCgroups(""),
		BootTime: bootTime, Exists: func(uint32) bool { return false },
	}
}

// bootTime is the wall clock at the simulated machine's boot.
var bootTime = time.Unix(1_700_000_000, 0)

// ThreadTime is the CPU time of this thread, to which a goroutine must be locked: other work on the machine does not change it.
func ThreadTime() time.Duration {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t) != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// kindOf is the kind of energy that a domain or zone is of: package, dram, gpu, ...
func kindOf(domain string) string {
	kind, _, _ := strings.Cut(domain, "-")
	return kind
}

package main

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/eco2-bpf/eco2-bpf/attribution"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/ours"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/peers"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/score"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/sim"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// How long it takes from the look at who ran to the look at the counters: a stat file takes some 12 us to read, the kernel's tables none.
const (
	pollSkew = 2 * time.Millisecond
	ourSkew  = 300 * time.Microsecond
)

// trial is a scenario that is run under all tools.
type trial struct {
	sim.Scenario
	machine seen.Machine
	meters  map[string]*ours.Meter // by ourNames
	peers   []*peer
	times   score.Times
	counted counters
}

// run runs a scenario under all tools.
func run(s *sim.Scenario) (*Report, error) {
	runtime.LockOSThread() // times are of this thread
	defer runtime.UnlockOSThread()
	t := &trial{Scenario: prepared(*s), meters: map[string]*ours.Meter{}}
	t.machine = t.Machine.Seen()
	t.counted.zones = t.machine.Zones
	base := baseWatts(&t.Scenario)
	for name, opts := range ourTools(t.machine, base) {
		opts.Machine, opts.GPUs, opts.OneFrequency = t.machine, len(t.Machine.GPUs), oneFrequency(&t.Machine)
		meter, err := ours.New(opts)
		if err != nil {
			for _, m := range t.meters {
				_, _ = m.Finish() // that it has no run is no news
			}
			return nil, fmt.Errorf("%s: %s: %w", t.Name, name, err)
		}
		t.meters[name] = meter
	}
	o := sim.Observer{Slice: t.slice, Edges: sim.Edges{Every: ours.Every, Skew: ourSkew, Do: t.edge}}
	t.peers = polls(&o, peers.All(t.machine, peers.Options{BaseWatts: base}), t.Duration)
	for _, p := range t.peers {
		p.zones, p.wraps = t.machine.Zones, t.Name == wrapping
	}
	truth := t.Run(o)
	return t.report(&truth)
}

func (t *trial) slice(s seen.Slice) {
	for _, p := range t.peers {
		p.Slice(s)
	}
}

func (t *trial) edge(e sim.Edge) {
	t.counted.add(e.Zones, e.GPUs)
	for _, m := range t.meters {
		m.Edge(e)
	}
	for i := range e.Uses {
		u := &e.Uses[i]
		t.times.Add(score.KeyOf(u.PID, u.Start), t.machine.CPUs[u.CPU].Socket, e.At, u.Time)
	}
}

// report scores what all have told.
func (t *trial) report(truth *sim.Truth) (*Report, error) {
	r := &Report{Name: t.Name, Words: t.Words, Machine: t.Machine.Name, Seconds: t.Duration.Seconds(), Wraps: truth.Wraps, Linear: linear(&t.Scenario)}
	for _, p := range truth.Processes {
		if p.Kernel || p.CPU == 0 {
			continue
		}
		r.Processes++
		if p.Exited {
			r.Exited++
		}
	}
	truths := map[string]*score.Truth{}
	for kind, of := range map[string][]string{packages: {packages}, memory: {memory}, cards: {cards}, platform: {platform}, wholeRows: {packages, memory, cards}} {
		if of := truthOf(truth, of, t.Duration, len(t.machine.CPUs)); of != nil {
			of.Times = &t.times
			truths[kind] = of
		}
	}
	r.Joules = truths[packages].Total
	for d, name := range truth.Domains {
		if strings.HasPrefix(name, packages) {
			r.InterruptsTruth += truth.Interrupts[d]
		}
	}
	var errs []error
	for _, name := range ourNames {
		result, err := t.meters[name].Finish()
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %s: %w", t.Name, name, err))
			continue
		}
		r.Off += result.Off + t.counted.off(result.Kinds)
		r.Breaches += result.Losses.Breaches
		r.addOurs(name, &result, truths)
	}
	for _, p := range t.peers {
		r.addPeer(p, truths)
	}
	return r, errors.Join(errs...)
}

// ourTools are the ways that our own engine is run.
func ourTools(m seen.Machine, baseWatts []float64) map[string]ours.Options {
	idle := map[string]units.Watts{}
	for i, z := range m.Zones {
		switch name, _, _ := strings.Cut(z.Name, "-"); name {
		case packages:
			idle[z.Name] = units.Watts(baseWatts[i])
		case memory:
			idle[fmt.Sprintf("%s-%d", memory, z.Socket)] = units.Watts(baseWatts[i])
		}
	}
	all := attribution.Weights{Frequency: attribution.DefaultFrequency, SMT: attribution.DefaultSMT, Hybrid: attribution.DefaultHybrid}
	return map[string]ours.Options{
		ourTool:     {},
		ourGiven:    {IdleWatts: idle},
		ourWeighted: {IdleWatts: idle, DRAM: "cache_misses", Weights: all},
		ourShared:   {Idle: attribution.Active},
	}
}

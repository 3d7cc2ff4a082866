package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/eco2-bpf/eco2-bpf/attribution"
	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/engine"
	"github.com/eco2-bpf/eco2-bpf/internal/host"
)

// The event that --dram cache_misses goes by: misses of the last level of caches, as the kernel's generic event has them.
var cacheMisses = bpf.Counter{Type: unix.PERF_TYPE_HARDWARE, Config: unix.PERF_COUNT_HW_CACHE_MISSES}

// splitBy opens what energy is split by beside CPU time, and tells the programs what to count. What --weights auto cannot have here is left
// out, and said; what was asked for by name and cannot be had is an error.
func (s *session) splitBy(f *measureFlags, m *machine, o *bpf.Options) error {
	p := &s.parts
	p.DRAM = f.dram
	p.Tick = host.Tick()
	low, high, told := host.Spread(f.sysfs, m.topo)
	p.OneFrequency = told && low == high
	for _, w := range []struct {
		weight *float64
		name   string
		open   func() error
	}{
		{&f.weights.SMT, "smt", func() error { return siblings(m.topo, o) }},
		{&f.weights.Hybrid, "hybrid", func() error { return hybrid(m.topo) }},
		{&f.weights.Frequency, "frequency", func() error { return s.frequencies(f, m) }},
	} {
		if *w.weight == 0 {
			continue
		}
		err := w.open()
		switch {
		case err != nil && !f.weighAuto:
			return &bpf.UnavailableError{What: "--weights " + w.name, Err: err, Next: "leave it out, or let --weights auto choose"}
		case err != nil:
			*w.weight = 0
			s.reasons = append(s.reasons, energy.Reason{Source: "weights", Text: fmt.Sprintf("%s is not weighed: %v", w.name, err)})
		}
	}
	measured := slices.ContainsFunc(p.Source.Domains(), func(d energy.Domain) bool { return d.Scope == energy.ScopeDRAM })
	switch {
	case f.dram == "":
	case !measured:
		s.reasons = append(s.reasons, energy.Reason{Source: "dram", Text: "--dram is of no use: there is no counter of memory behind a package here"})
	case f.dram == dramMisses:
		o.Counter = &cacheMisses
	}
	return nil
}

func siblings(topo host.Topology, o *bpf.Options) error {
	switch o.Siblings = topo.Siblings(); {
	case o.Siblings != nil:
		return nil
	case topo.ManyThreads():
		return errors.New("cores have more than two threads here, which cannot be told apart")
	}
	return errors.New("no core has two threads here, or the kernel does not say which")
}

func hybrid(topo host.Topology) error {
	if !topo.Hybrid() {
		return errors.New("all cores are of one kind here, or the kernel does not say which are not")
	}
	return nil
}

func (s *session) frequencies(f *measureFlags, m *machine) error {
	freq, err := host.OpenFrequency(f.sysfs, m.topo)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, freq.Close)
	s.parts.Frequency, s.parts.FrequencyHow = freq, freq.How
	if freq.Why != "" {
		s.reasons = append(s.reasons, energy.Reason{Source: "weights", Text: "frequencies are read by " + freq.How + ": " + freq.Why})
	}
	return nil
}

// reservations has what cgroups reserve read, for the policy that shares by it.
func (s *session) reservations(cg host.Cgroups, cpus int) error {
	r, err := host.OpenReservations(cg, cpus)
	if err != nil {
		return fmt.Errorf("--idle %s: %w", attribution.Reservation, err)
	}
	s.closers = append(s.closers, r.Close)
	var told string
	var all []engine.Reservation
	s.parts.Reserved = func(into []engine.Reservation) []engine.Reservation {
		all, err = r.Read(all)
		if err != nil && err.Error() != told { // what could be read counts
			told = err.Error()
			say("--idle %s: %v", attribution.Reservation, err)
		}
		return append(into, all...)
	}
	s.reserved = r
	return nil
}

// listen has reservations read anew when cgroups come and go.
func (s *session) listen(handle func(*bpf.Event)) func(*bpf.Event) {
	if s.reserved == nil {
		return handle
	}
	return func(e *bpf.Event) {
		if e.Kind == bpf.CgroupMade || e.Kind == bpf.CgroupMoved || e.Kind == bpf.CgroupGone {
			s.reserved.Changed()
		}
		handle(e)
	}
}

// doctorSplit says what energy can be split by here beside CPU time.
func doctorSplit(m *machineFlags, mach *machine) {
	if counts, why := bpf.CountsInterrupts(); counts {
		finding("ok", "interrupts", "the kernel counts their time apart: they have a row of their own", "")
	} else {
		finding("note", "interrupts", why+"; they have no row of their own", "")
	}
	var o bpf.Options
	s := session{}
	defer s.close()
	for _, w := range []struct {
		name, how string
		err       error
	}{
		{"smt", "the programs count time beside a busy sibling when asked", siblings(mach.topo, &o)},
		{"hybrid", "the kernel says which cores are efficiency cores", hybrid(mach.topo)},
		{"frequency", "", s.frequencies(&measureFlags{machineFlags: *m}, mach)},
	} {
		if w.err != nil {
			finding("note", "weights", fmt.Sprintf("%s cannot be weighed: %v", w.name, w.err), "")
			continue
		}
		finding("ok", "weights", cmp.Or(w.how, "frequencies are read by "+s.parts.FrequencyHow)+": --weights "+w.name, "")
	}
}

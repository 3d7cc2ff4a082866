package engine

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eco2-bpf/eco2-bpf/attribution"
	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// domainStep is one domain's energy in one step.
type domainStep struct {
	energy, low, high units.Microjoules
	earlier           units.Microjoules // of energy: used before this step began
	idle              units.Microjoules // of energy, where the source tells it; and its bounds
	idleLow, idleHigh units.Microjoules
	covers            time.Duration // time that energy, less what is earlier, was used in
	mark              string
}

// advance does one step: reads the edge and books what was used since the last one into window and total.
func (e *Engine) advance() error {
	if err := e.edges.Next(&e.cur); err != nil {
		return err
	}
	e.weighing.begin(e.cur.KHz)
	e.accounts.merge(&e.places, &e.procs, &e.cur, &e.weighing)
	e.accounts.levelOverflow(e.places.n)
	e.accounts.addInterrupts(&e.places, &e.prev, &e.cur)
	if e.cfg.Idle == attribution.Reservation {
		e.accounts.addReserved(&e.places, e.cur.Reserved)
	}
	e.holdings.reset(len(e.domains))
	e.holdings.gather(&e.accounts, &e.places, &e.cur, e.domains)
	e.identify()
	wall := e.cur.At - e.prev.At
	den := e.denominators()

	for p, t := range den.busy {
		e.sinceLook[p] += t
	}

	e.steps, e.input = resize(e.steps[:0], len(e.domains)), resize(e.input[:0], len(e.domains))
	domains := e.steps
	in := attribution.Input{
		Policy: e.cfg.Idle, Rows: len(e.accounts.rows), Places: e.places.n, Time: e.accounts.weighed, Shared: e.accounts.shared,
		Reserved: e.accounts.reserved, All: ReservedAll, Busy: den.weighed, Domains: e.input,
	}
	for d := range e.domains {
		busy := e.hold(d, den.busy)
		covers := wall
		if byLook(e.splits[d]) { // of the steps since the last look, too
			covers = e.holdings.span
		}
		domains[d] = between(&e.prev.Samples[d], &e.cur.Samples[d], covers)
		s := &domains[d]
		s.idle = e.idle(d, s, busy)
		in.Domains[d] = attribution.Domain{Energy: s.energy, Earlier: s.earlier, Places: e.places.domains[d], Idle: s.idle, Range: e.rangeOf(d, s, s.idle)}
		in.Domains[d].Weights, in.Domains[d].Unclaimed = e.weightsOf(d, &den)
	}
	if e.cur.Looked {
		clear(e.sinceLook)
	}
	err := e.ledger.Apply(&in)
	if err == nil {
		err = e.ledger.Check(in.Domains)
	}
	if err != nil {
		den.unseen = e.giveUp(&in, den.busy)
	}
	e.group(domains)
	for _, acc := range []*accumulator{e.window, e.total} {
		acc.book(e, domains, wall, den.unseen, err != nil)
	}
	e.prev, e.cur = e.cur, e.prev
	e.procs.sweep()
	if e.parts.Processes != nil {
		e.parts.Processes.Step()
	}
	return nil
}

// idle is the idle part of a domain's energy in a step.
func (e *Engine) idle(d int, s *domainStep, busy []time.Duration) units.Microjoules {
	used, f, split := s.energy-s.earlier, &e.floors[d], e.splits[d]
	switch {
	case f.learns == nil && e.domains[d].Scope == energy.ScopeRAM:
		unused := e.holdings.unused(used, e.parts.Host.MemoryBytes)
		return f.own(unused, part(unused, s.low, s.energy), part(unused, s.high, s.energy), used, s.covers, idleUnused)
	case f.learns == nil:
		return f.own(s.idle, s.idleLow, s.idleHigh, used, s.covers, idleModel)
	case split == splitDevice:
		return f.idle(used, e.holdings.busy[d], s.covers, s.mark != "")
	}
	return f.idle(used, e.places.sum(d, busy), s.covers, s.mark != "")
}

// part is e times a/b.
func part(e, a, b units.Microjoules) units.Microjoules {
	if b <= 0 {
		return e
	}
	return units.Microjoules(min(float64(e)*(float64(a)/float64(b)), mostJoules))
}

// giveUp books a step that broke the law, which is a bug: all of its energy, and all busy time, is nobody's, so that no wrong row is
// shown. It returns that time.
func (e *Engine) giveUp(in *attribution.Input, busy []time.Duration) (unseen time.Duration) {
	e.accounts.rows = e.accounts.rows[:0]
	none := attribution.Input{Places: in.Places, Busy: make([]time.Duration, in.Places), Domains: in.Domains}
	for d := range none.Domains {
		none.Domains[d] = attribution.Domain{Energy: in.Domains[d].Energy}
	}
	_ = e.ledger.Apply(&none) // checked above: only sizes and signs can be refused, and energy is never negative
	for _, t := range busy {
		unseen += max(0, t)
	}
	return unseen
}

// lateSlack is how much longer than the step a counter's reading may cover before part of it counts as earlier.
const lateSlack = 10 * time.Millisecond

// between is what one domain used between two samples; never negative. Where the energy covers more than the step, because it could not
// be read before, only the step's part of it, by time, is charged to those who ran in it: the others may be gone.
func between(a, b *energy.Sample, wall time.Duration) domainStep {
	used := max(0, b.Energy-a.Energy)
	s := domainStep{
		energy: used, low: min(used, max(0, b.Low-a.Low)), high: max(used, b.High-a.High), mark: b.Mark, covers: wall,
		idle: max(0, b.Idle-a.Idle), idleLow: max(0, b.IdleLow-a.IdleLow), idleHigh: max(0, b.IdleHigh-a.IdleHigh),
	}
	if b.Mark != "" && b.Span > wall+lateSlack {
		now := float64(wall) / float64(b.Span)
		s.earlier = used - min(used, units.Microjoules(float64(used)*now))
		for _, e := range []*units.Microjoules{&s.idle, &s.idleLow, &s.idleHigh} {
			*e = units.Microjoules(float64(*e) * now)
		}
	}
	s.idle = min(s.idle, used-s.earlier)
	s.idleLow, s.idleHigh = min(s.idle, s.idleLow), max(s.idle, s.idleHigh)
	return s
}

// processExists asks without touching /proc: signal 0 is delivered to nobody.
func processExists(tgid uint32) bool {
	err := unix.Kill(int(tgid), 0)
	return !errors.Is(err, unix.ESRCH)
}

package engine

import (
	"time"

	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/host"
)

// Edge is the machine between two steps: all that is read there. Usages, Overflow, Tasks and Shares are of the step that ends here, the
// rest is cumulative.
type Edge struct {
	At       time.Duration // monotonic
	Boot     time.Duration // since boot, suspend included: on the clock of bpf.Account.Start
	Took     time.Duration // from the first table to the last counter
	Wall     time.Time
	Usages   []bpf.Usage
	Overflow []time.Duration // by CPU
	Looked   bool            // Tasks were read; else they are to be had at a later edge, for all steps until then. Set before Next: they are asked for
	Tasks    []bpf.Task
	Busy     []time.Duration // by CPU: the kernel's own count; CPUs that it does not list keep their value
	BusyGood bool            // Busy was read
	// Interrupts is by CPU: time in interrupts, cumulative, where the kernel takes it off the tasks that it interrupts; nil: it does not.
	Interrupts []time.Duration
	// KHz is by CPU: its mean frequency while it was busy in the step that ends here; 0: not known; nil: nobody asked.
	KHz      []int64
	Reserved []Reservation   // as it is now; nil: nobody asked
	Samples  []energy.Sample // by domain
	Shares   []energy.Share
	Losses   bpf.Losses
}

// Reservation is the part of the machine that a cgroup has reserved. What nobody has is idle.
type Reservation = host.Reservation

// ReservedAll is the whole machine.
const ReservedAll = host.ReservedAll

// Edges gives one Edge after another: of this machine as time goes by, or of a recording.
type Edges interface {
	CPUs() int // that there can be
	Domains() []energy.Domain
	// Next fills the edge, whose slices are used again. At the end of a recording it returns io.EOF.
	Next(*Edge) error
}

// live reads edges from this machine. The first is a baseline: its Usages and Tasks are of nobody's concern.
type live struct {
	parts *Parts
	busy  []time.Duration
	look  looks

	interrupts []time.Duration
}

// Live gives edges of this machine, by the Collector, Source and Busy of parts.
func Live(parts *Parts) Edges {
	parts.clocks()
	n := parts.Collector.CPUs()
	return &live{
		parts: parts, busy: make([]time.Duration, n), interrupts: make([]time.Duration, n), look: looks{domains: parts.Source.Domains(), dram: parts.DRAM},
	}
}

func (l *live) CPUs() int                { return l.parts.Collector.CPUs() }
func (l *live) Domains() []energy.Domain { return l.parts.Source.Domains() }

// Next reads first the tables, then the energy, stamped by one clock.
func (l *live) Next(e *Edge) error {
	began := time.Now()
	var err error
	if e.Usages, err = l.parts.Collector.Drain(e.Usages[:0]); err != nil {
		return err
	}
	e.Overflow = append(e.Overflow[:0], l.parts.Collector.Overflow()...)
	e.At, e.Boot, e.Wall = l.parts.Now(), l.parts.SinceBoot(), time.Now()
	e.BusyGood = l.parts.Busy.Read(l.busy) == nil
	e.Busy = append(e.Busy[:0], l.busy...)
	e.Interrupts = e.Interrupts[:0]
	if r := l.parts.Interrupts; r != nil {
		_ = r.Interrupts(l.interrupts) // what cannot be read now comes with a later step
		e.Interrupts = append(e.Interrupts, l.interrupts...)
	}
	e.Looked = l.look.due(e.At, e.Looked)
	edge := energy.Edge{Time: e.At, Look: e.Looked}
	if e.BusyGood {
		edge.Busy = e.Busy
	}
	for len(e.Samples) < len(l.look.domains) {
		e.Samples = append(e.Samples, energy.Sample{})
	}
	l.parts.Source.Read(edge, e.Samples)
	e.Shares = e.Shares[:0]
	if s, ok := l.parts.Source.(energy.Sharer); ok {
		e.Shares = s.Shares(e.Shares)
	}
	e.Took = time.Since(began)
	l.readMore(e)
	// Last: it takes a while where there are many, and tells what moves slowly.
	if e.Tasks = e.Tasks[:0]; e.Looked {
		if e.Tasks, err = l.look.read(e.At, l.parts.Collector, e.Tasks); err != nil {
			return err
		}
	}
	e.Losses = l.parts.Collector.Losses()
	return nil
}

// readMore reads what only some ask for, behind the counters, as it moves slowly. What cannot be read is as if nobody had asked.
func (l *live) readMore(e *Edge) {
	n := len(l.busy)
	e.KHz, e.Reserved = e.KHz[:0], e.Reserved[:0]
	if r := l.parts.Frequency; r != nil {
		e.KHz = resize(e.KHz, n)
		if r.Read(e.KHz) != nil {
			e.KHz = e.KHz[:0]
		}
	}
	if l.parts.Reserved != nil {
		e.Reserved = l.parts.Reserved(e.Reserved)
	}
}

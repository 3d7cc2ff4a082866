package ours

import (
	"io"
	"time"

	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/engine"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/score"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/sim"
)

// edges gives an engine, which asks, the edges of a run, which tells: whoever gives one waits until the engine asks for the next.
type edges struct {
	source energy.Source
	cards  *cards
	cpus   int
	look   bool

	turn    chan bool // to the engine: true: there is an edge
	asked   chan struct{}
	pending engine.Edge // gathers what the engine is not shown yet
	busyKHz []float64   // by CPU: frequency x busy time since shown
	busyFor []time.Duration
	before  []time.Duration // Busy of the last edge of the run
	starts  map[score.Key]time.Duration
	cgroups map[string]uint64

	late time.Duration // how far the readers' clock is before that of the run

	steps, usages int
}

func newEdges(source energy.Source, cards *cards, cpus int, look bool) *edges {
	return &edges{
		source: source, cards: cards, cpus: cpus, look: look, turn: make(chan bool), asked: make(chan struct{}),
		busyKHz: make([]float64, cpus), busyFor: make([]time.Duration, cpus), before: make([]time.Duration, cpus),
		starts: map[score.Key]time.Duration{}, cgroups: map[string]uint64{},
	}
}

func (e *edges) CPUs() int                { return e.cpus }
func (e *edges) Domains() []energy.Domain { return e.source.Domains() }

// give shows an edge, or keeps it for the next one; done is closed when nobody will ask any more.
func (e *edges) give(s *sim.Edge, done <-chan struct{}) {
	e.gather(s)
	if s.At > learnFor && s.At%interval != 0 {
		return
	}
	select {
	case <-done:
		return
	case e.turn <- true:
	}
	select { // the next Next, or the end
	case <-done:
	case <-e.asked:
	}
	e.pending.Usages, e.pending.Tasks = e.pending.Usages[:0], e.pending.Tasks[:0]
	clear(e.busyKHz)
	clear(e.busyFor)
}

// end tells the engine that there is no more. What was gathered since the last edge shown is lost: whoever wants all of a run lets it end
// with a window.
func (e *edges) end() { close(e.turn) }

// Next is the engine's side.
func (e *edges) Next(into *engine.Edge) error {
	if e.steps > 0 {
		e.asked <- struct{}{}
	}
	if !<-e.turn {
		return io.EOF
	}
	e.steps++
	p := &e.pending
	into.At, into.Boot, into.Wall, into.BusyGood = p.At, p.Boot, bootTime.Add(p.Boot), true
	into.Usages, into.Tasks = append(into.Usages[:0], p.Usages...), append(into.Tasks[:0], p.Tasks...)
	into.Busy, into.KHz = append(into.Busy[:0], p.Busy...), append(into.KHz[:0], p.KHz...)
	into.Interrupts = nil
	if p.Interrupts != nil {
		into.Interrupts = append(into.Interrupts, p.Interrupts...)
	}
	into.Looked = e.look
	into.Losses = p.Losses
	e.usages += len(p.Usages)
	for len(into.Samples) < len(e.source.Domains()) {
		into.Samples = append(into.Samples, energy.Sample{})
	}
	e.source.Read(energy.Edge{Time: p.At + e.late, Busy: p.Busy, Look: e.look}, into.Samples)
	for i := range into.Samples { // a reader adds the time that has passed in it, and time must not go back at the next edge
		e.late = max(e.late, into.Samples[i].At-p.At)
	}
	into.Shares = into.Shares[:0]
	if s, ok := e.source.(energy.Sharer); ok {
		into.Shares = s.Shares(into.Shares)
	}
	return nil
}

// gather adds what happened since the edge before.
func (e *edges) gather(s *sim.Edge) {
	p := &e.pending
	p.At, p.Boot = s.At, s.Boot
	p.Losses.Missed = s.Missed
	for i := range s.Uses {
		p.Usages = append(p.Usages, e.usage(&s.Uses[i]))
	}
	p.Interrupts = s.Interrupts
	if s.KHz != nil {
		p.KHz = append(p.KHz[:0], make([]int64, e.cpus)...)
	}
	for cpu := range min(e.cpus, len(s.Busy)) {
		busy := max(0, s.Busy[cpu]-e.before[cpu])
		e.before[cpu] = s.Busy[cpu]
		if cpu >= len(s.KHz) || s.KHz[cpu] <= 0 {
			continue
		}
		busy = max(busy, 1) // a frequency that was seen counts, if only where there is no other
		e.busyKHz[cpu] += float64(s.KHz[cpu]) * float64(busy)
		e.busyFor[cpu] += busy
	}
	for cpu := range p.KHz {
		if e.busyFor[cpu] > 0 {
			p.KHz[cpu] = int64(e.busyKHz[cpu]/float64(e.busyFor[cpu]) + 0.5)
		}
	}
	p.Busy = s.Busy
	if e.look {
		e.tasks(s)
	}
	if e.cards != nil {
		e.cards.add(s.GPUs, s.At)
	}
}

func (e *edges) usage(u *sim.Use) bpf.Usage {
	e.starts[score.KeyOf(u.PID, u.Start)] = u.Start
	return bpf.Usage{
		Account: bpf.Account{TGID: uint32(u.PID), Start: u.Start, Cgroup: e.cgroup(u.Cgroup)}, CPU: u.CPU, Time: u.Time, Beside: u.Beside,
		Counted: u.Misses, Resident: u.Resident, Switches: u.Switches, Comm: u.Comm, PPID: uint32(u.Parent), Kernel: u.Kernel,
	}
}

// cgroup is the id of a cgroup; the root has 1.
func (e *edges) cgroup(path string) uint64 {
	id, ok := e.cgroups[path]
	if !ok {
		id = uint64(len(e.cgroups)) + 1
		e.cgroups[path] = id
	}
	return id
}

// tasks are those that live, and those that ran and do not.
func (e *edges) tasks(s *sim.Edge) {
	p := &e.pending
	ended := p.Tasks[:0:0]
	for i := range p.Tasks { // of edges that were not shown
		if p.Tasks[i].Exited != 0 {
			ended = append(ended, p.Tasks[i])
		}
	}
	p.Tasks = append(p.Tasks[:0], ended...)
	lives := make(map[score.Key]bool, len(s.Processes))
	for i := range s.Processes {
		q := &s.Processes[i]
		k := score.Key{PID: q.PID, Start: q.Start}
		lives[k] = true
		start, ran := e.starts[k]
		if !ran {
			start = time.Duration(q.Start) * seen.Tick
		}
		p.Tasks = append(p.Tasks, bpf.Task{Resident: q.Resident, Usage: bpf.Usage{
			Account: bpf.Account{TGID: uint32(q.PID), Start: start, Cgroup: e.cgroup(q.Cgroup)}, Comm: q.Comm, PPID: uint32(q.PPID), Kernel: q.Kernel}})
	}
	told := map[score.Key]bool{}
	for i := range ended {
		told[score.KeyOf(int(ended[i].TGID), ended[i].Start)] = true
	}
	for i := range s.Uses {
		u := &s.Uses[i]
		k := score.KeyOf(u.PID, u.Start)
		if lives[k] || told[k] {
			continue
		}
		told[k] = true
		t := bpf.Task{Usage: e.usage(u), Resident: u.Resident, Exited: s.Boot}
		t.Time, t.Beside, t.Counted, t.Switches, t.CPU, t.Usage.Resident = 0, 0, 0, 0, 0, 0
		p.Tasks = append(p.Tasks, t)
	}
}

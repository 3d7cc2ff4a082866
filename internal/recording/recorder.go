package recording

import (
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/engine"
	"github.com/eco2-bpf/eco2-bpf/internal/identity"
	"github.com/eco2-bpf/eco2-bpf/internal/identity/container"
	"github.com/eco2-bpf/eco2-bpf/powermodel"
)

// Recorder passes the edges of a machine on to an engine, and writes each that passes, with who its accounts are. It is for the
// engine's goroutine.
type Recorder struct {
	edges engine.Edges
	parts *engine.Parts
	w     *writer
	on    bool
	err   error // the first of writing

	program    func(identity.ProcessKey) (exe, args string, argsSize int)
	asked      map[identity.ProcessKey]answer // in this step
	written    map[identity.ProcessKey]identity.Told
	ended      [2][]identity.ProcessKey // of written: whom a reader forgets after the next step, and after this one
	dead       []identity.ProcessKey    // of those that this step has written: who had exited
	exiting    []identity.ProcessKey
	lineage    []identity.Told
	cgroups    map[uint64]*identity.Cgroup
	containers map[container.Key]*container.Info // an empty one: no name was known yet
	nameless   map[container.Key]struct{}
}

type answer struct {
	exe, args string
	argsSize  int
}

// Record begins a recording and puts itself between the machine and the engine that parts are for. Nothing but the header is written
// before Start.
func Record(parts *engine.Parts, h Header, to io.Writer) (*Recorder, error) {
	if parts.Edges == nil {
		parts.Edges = engine.Live(parts)
	}
	h.CPUs, h.Domains = parts.Edges.CPUs(), parts.Edges.Domains()
	h.Host, h.Topology, h.BootTime, h.BusySource = parts.Host, parts.Topology, parts.BootTime.Round(0), parts.BusySource
	h.Model = parts.Model.As(powermodel.ScopePackage) // what floors begin with; once read, it is of this scope alone
	h.OneFrequency, h.Tick, h.DRAM, h.Reserved = parts.OneFrequency, parts.Tick, parts.DRAM, parts.Reserved != nil
	if parts.Frequency != nil {
		h.Frequency = parts.FrequencyHow
	}
	if parts.Users != nil {
		h.Users = parts.Users.All()
	}
	w, err := newWriter(to, &h)
	if err != nil {
		return nil, fmt.Errorf("begin the recording: %w", err)
	}
	r := &Recorder{
		edges: parts.Edges, w: w, asked: map[identity.ProcessKey]answer{}, written: map[identity.ProcessKey]identity.Told{},
		cgroups: map[uint64]*identity.Cgroup{}, containers: map[container.Key]*container.Info{}, nameless: map[container.Key]struct{}{},
	}
	if r.program = parts.Program; r.program != nil {
		parts.Program = r.ask
	}
	copied := *parts
	r.parts, parts.Edges = &copied, r
	return r, nil
}

// Start has the next edge written as the baseline, and all after it.
func (r *Recorder) Start() { r.on = true }

// CPUs are those of the machine.
func (r *Recorder) CPUs() int { return r.edges.CPUs() }

// Domains are those of the machine.
func (r *Recorder) Domains() []energy.Domain { return r.edges.Domains() }

// Next passes an edge on. Errors are the machine's: one of writing ends the recording, not the measurement; see Err.
func (r *Recorder) Next(e *engine.Edge) error {
	if err := r.edges.Next(e); err != nil || !r.on {
		return err
	}
	if r.err == nil {
		r.err = r.write(e)
	}
	return nil
}

// Err is why the recording ended before its time; nil: it goes on.
func (r *Recorder) Err() error {
	if r.err != nil {
		return fmt.Errorf("write the recording: %w", r.err)
	}
	return nil
}

func (r *Recorder) write(e *engine.Edge) error {
	if r.w.edges == 0 { // what came before the baseline is nobody's
		base := *e
		base.Usages, base.Tasks, base.Shares, base.Overflow = nil, nil, nil, nil
		return r.w.edge(&base)
	}
	clear(r.asked)
	for _, k := range r.ended[1] {
		delete(r.written, k)
	}
	r.ended[0], r.ended[1] = r.ended[1][:0], r.ended[0]
	if len(r.cgroups) >= chapterCgroups || len(r.containers) >= chapterContainers || len(r.w.who) >= chapterWho {
		clear(r.cgroups)
		clear(r.containers)
		if len(r.nameless) >= chapterContainers {
			clear(r.nameless)
		}
		if err := r.w.chapter(); err != nil {
			return err
		}
	}
	for i := range e.Usages {
		if err := r.who(&e.Usages[i]); err != nil {
			return err
		}
	}
	for i := range e.Tasks {
		if err := r.who(&e.Tasks[i].Usage); err != nil {
			return err
		}
	}
	for k := range r.nameless {
		if err := r.container(k); err != nil {
			return err
		}
	}
	if err := r.exits(); err != nil {
		return err
	}
	return r.w.edge(e)
}

// who writes what is known of an account and is not written yet.
func (r *Recorder) who(u *bpf.Usage) error {
	if err := r.cgroup(u.Cgroup); err != nil {
		return err
	}
	if r.parts.Processes == nil {
		return nil
	}
	k := identity.ProcessKey{TGID: u.TGID, Start: u.Start}
	if p, _ := r.parts.Processes.Get(k); p == nil {
		r.meet(k, u)
	}
	return r.process(k)
}

// meet looks for a process that nothing told of, as the engine would after the edge was written.
func (r *Recorder) meet(k identity.ProcessKey, u *bpf.Usage) {
	if u.Kernel || u.TGID == 0 || u.Start == 0 || r.program == nil || r.parts.Processes.Full() {
		return
	}
	if exe, args, size := r.ask(k); exe != "" || args != "" {
		r.parts.Processes.Found(k, identity.ProcessKey{TGID: u.PPID}, u.Comm)
		r.parts.Processes.Tell(k, exe, args, size)
	}
}

// process writes a process, and those above it that were not written, from the top.
func (r *Recorder) process(k identity.ProcessKey) error {
	r.lineage = r.lineage[:0]
	visit := func(t identity.Told) bool {
		if was, ok := r.written[t.Key]; ok && (len(r.lineage) > 0 || same(&was, &t)) {
			return false
		}
		r.lineage = append(r.lineage, t)
		return true
	}
	r.parts.Processes.Lineage(k, visit)
	for i := len(r.lineage) - 1; i >= 0; i-- {
		t := r.lineage[i]
		if err := r.w.process(&t); err != nil {
			return err
		}
		was, ok := r.written[t.Key]
		if t.Exited && !ok {
			r.dead = append(r.dead, t.Key)
		}
		t.Exited = was.Exited // that its end was written
		r.written[t.Key] = t
	}
	return nil
}

// same tells that nothing but the end of a process is new.
func same(a, b *identity.Told) bool {
	was := *a
	was.Exited = b.Exited
	return was == *b
}

// ask has each process that nothing told of looked for once in a step, by the engine or before it.
func (r *Recorder) ask(k identity.ProcessKey) (exe, args string, argsSize int) {
	if a, ok := r.asked[k]; ok {
		return a.exe, a.args, a.argsSize
	}
	exe, args, argsSize = r.program(k)
	r.asked[k] = answer{exe, args, argsSize}
	return exe, args, argsSize
}

// exits writes who has exited, so that a reader's Processes forgets them when those of this machine do.
func (r *Recorder) exits() error {
	if r.parts.Processes == nil {
		return nil
	}
	var now int
	r.exiting, now = r.parts.Processes.Exiting(r.exiting[:0])
	for i, k := range r.exiting {
		when := uint64(exitNow)
		if i < len(r.exiting)-now {
			when = exitBefore
		}
		if err := r.exit(k, when); err != nil {
			return err
		}
	}
	for _, k := range r.dead {
		if err := r.exit(k, exitForgotten); err != nil {
			return err
		}
	}
	r.dead = r.dead[:0]
	return nil
}

// exit writes the end of a process that was written, once, and remembers to forget it when a reader does.
func (r *Recorder) exit(k identity.ProcessKey, when uint64) error {
	t, ok := r.written[k]
	if !ok || t.Exited {
		return nil
	}
	t.Exited = true
	r.written[k] = t
	switch when {
	case exitNow:
		r.ended[0] = append(r.ended[0], k)
	case exitBefore:
		r.ended[1] = append(r.ended[1], k)
	case exitForgotten:
		delete(r.written, k)
	}
	return r.w.exit(k, when)
}

// cgroup writes the path of one that has another than when it was written, and the container that it is of.
func (r *Recorder) cgroup(id uint64) error {
	cg := r.parts.Cgroups.Of(id)
	was := r.cgroups[id]
	if was != cg {
		r.cgroups[id] = cg
		if strings.HasPrefix(cg.Path, "/") && (was == nil || was.Path != cg.Path) { // else it could not be found
			if err := r.w.cgroup(id, cg.Path); err != nil {
				return err
			}
		}
	}
	k := keyOf(cg)
	if r.parts.Containers == nil || k.ID == "" && k.PodUID == "" {
		return nil
	}
	return r.container(k)
}

// keyOf names the container that a cgroup is of.
func keyOf(cg *identity.Cgroup) container.Key {
	t := &cg.Tenant
	return container.Key{Runtime: t.Runtime, ID: t.Container, PodUID: t.PodUID}
}

// container writes a container's names when they have become known, or have changed. It has them looked for.
func (r *Recorder) container(k container.Key) error {
	in, ok := r.parts.Containers.Get(k)
	was := r.containers[k]
	switch {
	case !ok:
		if r.parts.Containers.Ask(k); was == nil {
			r.containers[k], r.nameless[k] = &container.Info{}, struct{}{}
		}
		return nil
	case was != nil && sameInfo(was, &in):
		return nil
	}
	delete(r.nameless, k)
	r.containers[k] = &in
	return r.w.container(k, &in)
}

func sameInfo(a, b *container.Info) bool {
	return a.Name == b.Name && a.Image == b.Image && a.Pod == b.Pod && a.Namespace == b.Namespace && a.PodContainer == b.PodContainer &&
		a.Source == b.Source && maps.Equal(a.Labels, b.Labels)
}

// namesWait is how long the end waits for containers' names that are still being looked up.
const namesWait = 2 * time.Second

// Close writes the names that have become known since the last edge, and the end. It does not close what it writes to.
func (r *Recorder) Close() error {
	if r.err != nil {
		return r.Err()
	}
	if r.on && r.w.edges > 0 {
		r.err = r.last()
	}
	if r.err == nil {
		r.err = r.w.s.finish(r.w.edges)
	}
	if r.err != nil {
		return fmt.Errorf("end the recording: %w", r.err)
	}
	return nil
}

func (r *Recorder) last() error {
	r.parts.Cgroups.Settle()
	if r.parts.Containers != nil && len(r.nameless) > 0 {
		r.parts.Containers.Wait(namesWait)
	}
	for id := range r.cgroups {
		if err := r.cgroup(id); err != nil {
			return err
		}
	}
	if r.parts.Processes == nil {
		return nil
	}
	for k := range r.written {
		if err := r.process(k); err != nil {
			return err
		}
	}
	return nil
}

// Written is how many windows were recorded, and how many bytes have been written.
func (r *Recorder) Written() (windows uint64, bytes int64) {
	return max(1, r.w.edges) - 1, r.w.s.written
}

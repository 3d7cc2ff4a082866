package recording

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/engine"
	"github.com/eco2-bpf/eco2-bpf/internal/identity"
	"github.com/eco2-bpf/eco2-bpf/internal/identity/container"
)

// When records are written: what is not, is lost with a process that is killed.
const (
	flushEvery = 5 * time.Second
	flushBytes = 1 << 20
)

// state is what an edge is told from: the one before. Writer and reader keep the same.
type state struct {
	at, boot, wall int64
	busy           []int64 // by CPU
	samples        []sample
	losses         [8]int64
	uncounted      int64
	resident       []int64 // by who, of tasks
	ran            []int64 // by who: resident, of usages
	interrupts     []int64 // by CPU; likewise
	khz            []int64
	reserved       []engine.Reservation
}

type sample struct{ at, energy, low, high, idle, idleLow, idleHigh, written int64 }

func newState(cpus, domains int) state {
	return state{busy: make([]int64, cpus), samples: make([]sample, domains), interrupts: make([]int64, cpus), khz: make([]int64, cpus)}
}

// writer turns edges and identities into records.
type writer struct {
	s       *stream
	e       encoder
	prev    state
	who     map[bpf.Usage]int // without what key leaves out
	edges   uint64
	flushed time.Duration
}

func newWriter(w io.Writer, h *Header) (*writer, error) {
	text, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	if _, err := decodeHeader(text); err != nil { // nobody could read it
		return nil, err
	}
	s, err := newStream(w, text)
	if err != nil {
		return nil, err
	}
	return &writer{s: s, prev: newState(h.CPUs, len(h.Domains)), who: map[bpf.Usage]int{}}, nil
}

func (w *writer) record(kind byte) error {
	err := w.s.record(kind, w.e.b)
	w.e.b = w.e.b[:0]
	return err
}

// chapter begins another one: the table of who is empty.
func (w *writer) chapter() error {
	clear(w.who)
	w.prev.resident, w.prev.ran = w.prev.resident[:0], w.prev.ran[:0]
	return w.record(recordChapter)
}

var errTooMany = errors.New("more accounts, tasks, shares or reservations in one step than a recording holds")

// edge writes one with all that it refers to, and what was held back if it is time.
func (w *writer) edge(e *engine.Edge) error {
	if len(e.Usages) > maxUsages || len(e.Tasks) > maxUsages || len(e.Shares) > maxUsages || len(e.Reserved) > maxReserved {
		return fmt.Errorf("write an edge of %d accounts and %d tasks: %w", len(e.Usages), len(e.Tasks), errTooMany)
	}
	if len(e.Samples) != len(w.prev.samples) {
		return fmt.Errorf("write an edge: %d samples of %d domains", len(e.Samples), len(w.prev.samples))
	}
	for i := range e.Usages {
		if err := w.meet(&e.Usages[i]); err != nil {
			return err
		}
	}
	for i := range e.Tasks {
		if err := w.meet(&e.Tasks[i].Usage); err != nil {
			return err
		}
	}
	if len(w.who) > maxWho {
		return fmt.Errorf("write an edge of %d accounts and %d tasks: %w", len(e.Usages), len(e.Tasks), errTooMany)
	}
	w.encode(e)
	if err := w.record(recordEdge); err != nil {
		return err
	}
	w.edges++
	if w.s.held < flushBytes && e.At-w.flushed < flushEvery && w.edges > 1 {
		return nil
	}
	w.flushed = e.At
	return w.s.flush()
}

// key is a usage without what differs from one to the next.
func key(u *bpf.Usage) bpf.Usage {
	k := *u
	k.CPU, k.Time, k.Switches, k.Beside, k.Counted, k.Resident = 0, 0, 0, 0, 0, 0
	return k
}

// meet gives a place in the table of who to one that has none.
func (w *writer) meet(u *bpf.Usage) error {
	k := key(u)
	if _, ok := w.who[k]; ok {
		return nil
	}
	w.who[k] = len(w.who)
	w.prev.resident, w.prev.ran = append(w.prev.resident, 0), append(w.prev.ran, 0)
	e := &w.e
	e.uint(uint64(k.TGID))
	e.uint(uint64(k.TID))
	e.uint(uint64(max(0, k.Start)))
	e.uint(k.Cgroup)
	e.uint(uint64(k.Execs))
	e.uint(uint64(k.UID))
	e.uint(uint64(k.PPID))
	e.uint(uint64(k.Root))
	e.bool(k.Kernel)
	e.textUpTo(k.Comm, maxName)
	return w.record(recordWho)
}

// encode makes the record of an edge whose accounts are in the table.
func (w *writer) encode(edge *engine.Edge) {
	e, prev := &w.e, &w.prev
	losses := lossesOf(&edge.Losses)
	flags := uint64(0)
	set := func(bit uint64, on bool) {
		if on {
			flags |= bit
		}
	}
	set(edgeBusy, edge.BusyGood)
	set(edgeLooked, edge.Looked)
	set(edgeOverflow, slices.ContainsFunc(edge.Overflow, func(t time.Duration) bool { return t > 0 }))
	set(edgeShares, len(edge.Shares) > 0)
	set(edgeLosses, losses != prev.losses)
	flags |= w.splitFlags(edge)
	e.uint(flags)

	at, wall, boot := prev.at, edge.Wall.UnixNano(), int64(edge.Boot)
	e.grown(&prev.at, int64(edge.At))
	step := prev.at - at
	e.int(wall - prev.wall - step)
	e.int(boot - prev.boot - step)
	prev.wall, prev.boot = wall, boot
	e.uint(uint64(max(0, edge.Took)))
	if edge.BusyGood {
		for cpu := range prev.busy {
			if cpu < len(edge.Busy) {
				e.grown(&prev.busy[cpu], int64(edge.Busy[cpu]))
			} else {
				e.uint(0)
			}
		}
	}
	for d := range prev.samples {
		w.sample(&prev.samples[d], &edge.Samples[d])
	}
	e.uint(uint64(len(edge.Usages)))
	for i := range edge.Usages {
		u := &edge.Usages[i]
		e.uint(uint64(w.who[key(u)]))
		e.uint(uint64(max(0, u.CPU)))
		e.uint(uint64(max(0, u.Time)))
		e.uint(u.Switches)
	}
	if flags&edgeLooked != 0 {
		w.tasks(edge.Tasks)
	}
	if flags&edgeOverflow != 0 {
		w.overflow(edge.Overflow[:min(len(edge.Overflow), len(prev.busy))])
	}
	if flags&edgeShares != 0 {
		e.uint(uint64(len(edge.Shares)))
		for _, s := range edge.Shares {
			e.uint(uint64(max(0, s.Domain)))
			e.uint(uint64(s.PID))
			e.uint(uint64(max(0, s.Busy)))
		}
	}
	if flags&edgeLosses != 0 {
		for i := range losses {
			e.grown(&prev.losses[i], losses[i])
		}
	}
	w.split(flags, edge)
}

// sample writes the state of one domain. What is mostly the same as something else is told from that.
func (w *writer) sample(prev *sample, s *energy.Sample) {
	e, was := &w.e, *prev
	grown := func(was *int64, now int64) int64 {
		by := max(0, now-*was)
		*was += by
		return by
	}
	used := grown(&prev.energy, int64(s.Energy))
	low, high := grown(&prev.low, int64(s.Low)), grown(&prev.high, int64(s.High))
	idle, idleLow, idleHigh := grown(&prev.idle, int64(s.Idle)), grown(&prev.idleLow, int64(s.IdleLow)), grown(&prev.idleHigh, int64(s.IdleHigh))
	written := grown(&prev.written, int64(min(s.Written, maxSum)))
	flags := uint64(0)
	for i, on := range []bool{low != used || high != used, idle+idleLow+idleHigh > 0, written > 0, s.Mark != ""} {
		if on {
			flags |= 1 << i
		}
	}
	prev.at = int64(s.At)
	e.uint(flags)
	e.int(prev.at - w.prev.at)
	e.int(int64(s.Span) - max(0, prev.at-was.at))
	e.uint(uint64(used))
	if flags&sampleBounds != 0 {
		e.int(low - used)
		e.int(high - used)
	}
	if flags&sampleIdle != 0 {
		e.uint(uint64(idle))
		e.int(idleLow - idle)
		e.int(idleHigh - idle)
	}
	if flags&sampleWritten != 0 {
		e.uint(uint64(written))
	}
	if flags&sampleMark != 0 {
		e.text(s.Mark)
	}
}

func (w *writer) tasks(tasks []bpf.Task) {
	e := &w.e
	e.uint(uint64(len(tasks)))
	for i := range tasks {
		t := &tasks[i]
		who := w.who[key(&t.Usage)]
		e.uint(uint64(who))
		e.int(t.Resident - w.prev.resident[who])
		w.prev.resident[who] = t.Resident
		e.uint(t.Read)
		e.uint(t.Written)
		e.uint(uint64(max(0, t.Exited)))
	}
}

func (w *writer) overflow(byCPU []time.Duration) {
	n := 0
	for _, t := range byCPU {
		if t > 0 {
			n++
		}
	}
	w.e.uint(uint64(n))
	for cpu, t := range byCPU {
		if t > 0 {
			w.e.uint(uint64(cpu))
			w.e.uint(uint64(t))
		}
	}
}

// lossesOf lists the counts in the order that they are written in.
func lossesOf(l *bpf.Losses) [8]int64 {
	count := func(v uint64) int64 { return int64(min(v, maxSum)) }
	return [8]int64{
		count(l.Missed), int64(l.Overflow), count(l.OverflowSwitches), count(l.Spilled), count(l.Unfollowed), count(l.Recursion),
		count(l.Events), count(l.Gone),
	}
}

func (w *writer) processKey(k identity.ProcessKey) {
	w.e.uint(uint64(k.TGID))
	w.e.uint(uint64(max(0, k.Start)))
}

// process writes what is known of one, again when it has changed.
func (w *writer) process(t *identity.Told) error {
	w.processKey(t.Key)
	w.processKey(t.Parent)
	w.e.textUpTo(t.Comm, maxName)
	w.e.text(t.Exe)
	w.e.text(t.Args)
	w.e.uint(uint64(max(0, t.ArgsSize)))
	return w.record(recordProcess)
}

// exit writes the end of a process.
func (w *writer) exit(k identity.ProcessKey, when uint64) error {
	w.processKey(k)
	w.e.uint(when)
	return w.record(recordExit)
}

func (w *writer) cgroup(id uint64, path string) error {
	w.e.uint(id)
	w.e.text(path)
	return w.record(recordCgroup)
}

func (w *writer) container(k container.Key, in *container.Info) error {
	e := &w.e
	for _, s := range []string{k.Runtime, k.ID, k.PodUID, in.Name, in.Image, in.Pod, in.Namespace, in.PodContainer, in.Source} {
		e.text(s)
	}
	names := slices.Sorted(maps.Keys(in.Labels))
	names = names[:min(len(names), maxLabels)]
	e.uint(uint64(len(names)))
	for _, name := range names {
		e.text(name)
		e.text(in.Labels[name])
	}
	return w.record(recordContainer)
}

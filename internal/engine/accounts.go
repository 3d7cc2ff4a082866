package engine

import (
	"time"

	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/internal/identity"
)

// accounts merges the usages of one step, which come by CPU, into one row for each account: a process in a cgroup.
type accounts struct {
	rows     []bpf.Usage     // one for each account: Time and the like summed, the newest name
	time     []time.Duration // by row and place
	weighed  []time.Duration // time, by what a second of it counts
	counted  []int64         // by row and place: events, if any are counted
	shared   []bool          // by row: no account of its own
	reserved []int64         // by row: parts of ReservedAll
	index    map[bpf.Account]int
	weighing *weighing

	who      []*identity.Process // by row; nil: not known
	selected []bool              // by row
}

// identify says of each row who it is and whether it is selected.
func (e *Engine) identify() {
	a := &e.accounts
	a.who, a.selected = a.who[:0], a.selected[:0]
	for i := range a.rows {
		u := &a.rows[i]
		var who *identity.Process
		if e.parts.Processes != nil && isProcess(u) {
			var name string
			k := identity.ProcessKey{TGID: u.TGID, Start: u.Start}
			if who, name = e.parts.Processes.Get(k); who == nil && e.meet(k, u) {
				who, name = e.parts.Processes.Get(k)
			}
			if who == nil {
				name = u.Comm
			}
			who = e.holdings.remember(u, who)
			if who != nil && u.TID == 0 {
				u.Comm = name // newer than the slot's, which was read when that was filled
			}
		}
		a.who, a.selected = append(a.who, who), append(a.selected, e.selects(u))
	}
}

// meet makes up for a process that no event and no look told of, as a kernel may hide one from both: /proc may still show it.
func (e *Engine) meet(k identity.ProcessKey, u *bpf.Usage) bool {
	if u.Kernel || u.Start == 0 || e.parts.Program == nil || e.parts.Processes.Full() {
		return false
	}
	exe, args, size := e.parts.Program(k)
	if exe == "" && args == "" { // gone
		return false
	}
	e.parts.Processes.Found(k, identity.ProcessKey{TGID: u.PPID}, u.Comm)
	e.parts.Processes.Tell(k, exe, args, size)
	return true
}

// merge fills rows and time. Threads whose leader was already released (Start 0) join the process of their TGID.
func (a *accounts) merge(places *places, procs *processes, edge *Edge, weighing *weighing) {
	if a.index == nil {
		a.index = map[bpf.Account]int{}
	}
	clear(a.index)
	a.weighing, a.weighed = weighing, a.weighed[:0]
	a.rows, a.time, a.shared, a.counted, a.reserved = a.rows[:0], a.time[:0], a.shared[:0], a.counted[:0], a.reserved[:0]
	for i := range edge.Usages {
		if u := &edge.Usages[i]; u.Start != 0 && isProcess(u) {
			procs.see(u)
			a.add(u, places)
		}
	}
	for i := range edge.Usages {
		u := &edge.Usages[i]
		switch {
		case !isProcess(u): // no kernel says so
			a.add(&bpf.Usage{CPU: u.CPU, Time: u.Time}, places)
		case u.Start == 0:
			if start, ok := procs.starts[u.TGID]; ok {
				u.Start = start
			}
			procs.see(u)
			a.add(u, places)
		}
	}
	for cpu, t := range edge.Overflow {
		if t > 0 {
			a.add(&bpf.Usage{CPU: cpu, Time: t}, places)
		}
	}
}

// ensure returns the row of an account, which is made if need be.
func (a *accounts) ensure(u *bpf.Usage, places *places) int {
	row, ok := a.index[u.Account]
	if !ok {
		row = len(a.rows)
		a.index[u.Account] = row
		a.rows = append(a.rows, *u)
		r := &a.rows[row]
		r.Time, r.Beside, r.Counted, r.Switches = 0, 0, 0, 0
		a.shared, a.reserved = append(a.shared, !isProcess(u)), append(a.reserved, 0)
		for range places.n {
			a.time, a.weighed, a.counted = append(a.time, 0), append(a.weighed, 0), append(a.counted, 0)
		}
	}
	return row
}

// processOf is the process that a thread with a row is of, where threads are told apart.
func (a *accounts) processOf(tgid uint32) (bpf.Usage, bool) {
	for i := range a.rows {
		if u := a.rows[i]; u.TGID == tgid && isProcess(&u) {
			u.TID, u.Time, u.Beside, u.Counted, u.Switches = 0, 0, 0, 0, 0
			return u, true
		}
	}
	return bpf.Usage{}, false
}

func (a *accounts) add(u *bpf.Usage, places *places) {
	row := a.ensure(u, places)
	r := &a.rows[row]
	r.Time += u.Time
	r.Beside += u.Beside
	r.Counted += u.Counted
	r.Resident = max(r.Resident, u.Resident)
	r.Switches += u.Switches
	if u.Execs > r.Execs {
		r.Execs, r.Comm, r.UID, r.Kernel = u.Execs, u.Comm, u.UID, u.Kernel
	}
	if r.PPID == 0 {
		r.PPID = u.PPID
	}
	r.Root = max(r.Root, u.Root)
	at := row*places.n + places.of(u.CPU)
	a.time[at] += u.Time
	a.weighed[at] += a.weighing.of(u)
	a.counted[at] += int64(min(u.Counted, maxCounted))
}

// maxCounted is more than any CPU counts in a step.
const maxCounted = 1 << 45

// Rows that are no process have the TGID 0, as no process has, and one of these for a TID.
const (
	overflowID  = iota // time that no table had room for
	interruptID        // time in interrupts
	reservedID         // what a cgroup has reserved
)

func isProcess(u *bpf.Usage) bool { return u.TGID != 0 }

// processes remembers which processes were seen, so that each counts once however many windows it runs in.
type processes struct {
	seen    map[process]*processState
	starts  map[uint32]time.Duration // of the newest process of a TGID
	sweepAt int
	step    uint64 // so many sweeps
	exists  func(tgid uint32) bool
}

type process struct {
	tgid  uint32
	start time.Duration
}

type processState struct {
	window  [2]uint64 // the last one it was counted in; first among the others, then among the selected
	counted [2]bool   // in the total, likewise
	step    uint64    // the last one it ran in
	root    uint32
}

// sweepMin is how many processes are remembered before the first look for those that are gone.
const sweepMin = 16384

func (p *processes) init(exists func(tgid uint32) bool) {
	p.seen, p.starts = map[process]*processState{}, map[uint32]time.Duration{}
	p.sweepAt, p.exists = sweepMin, exists
}

func (p *processes) see(u *bpf.Usage) {
	key := process{u.TGID, u.Start}
	st, ok := p.seen[key]
	if !ok {
		st = &processState{}
		p.seen[key] = st
		p.starts[u.TGID] = u.Start
	}
	st.step = p.step
	if u.Root != 0 {
		st.root = u.Root
	}
	u.Root = st.root
}

func (p *processes) state(u *bpf.Usage) *processState { return p.seen[process{u.TGID, u.Start}] }

// sweep ends a step. Once there are many, it forgets the processes that are gone: a pid and start time never come back. Not those that
// ran just now: the last slice of one that was reaped meanwhile comes with the next step.
func (p *processes) sweep() {
	p.step++
	if len(p.seen) < p.sweepAt {
		return
	}
	for key, st := range p.seen {
		if st.step+2 < p.step && !p.exists(key.tgid) {
			delete(p.seen, key)
			if p.starts[key.tgid] == key.start {
				delete(p.starts, key.tgid)
			}
		}
	}
	p.sweepAt = max(sweepMin, 2*len(p.seen))
}

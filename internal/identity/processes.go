package identity

import (
	"sync"
	"time"
)

// ProcessKey names a process for ever: a pid comes again, a pid with its start does not.
type ProcessKey struct {
	TGID  uint32
	Start time.Duration // since boot
}

// Process is who a process is, as its Processes know it. Read it by Processes.Describe.
type Process struct {
	key      ProcessKey
	parent   *Process
	born     ProcessKey // the parent's key, where parent is still to be found: AllFound does
	comm     string
	exe      string
	args     string // NUL-separated, at most the first 256 bytes
	argsSize int    // of the whole command line
	depth    int
	exited   bool
	seen     uint64 // the last look at all processes that found it
}

// Ancestor is one process of a parent chain.
type Ancestor struct {
	PID  int    `json:"pid"`
	Comm string `json:"comm"`
}

// Description is what can be told of a process. Empty: not known.
type Description struct {
	Exe       string
	Args      string // NUL-separated
	ArgsCut   bool
	Ancestors []Ancestor // nearest first; those that forked it, even if it has another parent since
}

// maxDepth bounds a parent chain. A daemon that forks itself and exits, again and again, has an endless one: of a longer one the
// nearest are left out.
const maxDepth = 32

// initTGID and kthreaddTGID are not above anyone's tree: all of the machine would be one.
const initTGID, kthreaddTGID = 1, 2

// Processes remembers who exists, and who has just ended, from the events of their lives. Its methods may be called by several
// goroutines.
type Processes struct {
	mu      sync.Mutex
	limit   int
	known   map[ProcessKey]*Process
	exited  []*Process // of this step and
	exiting []*Process // of the one before: then they are forgotten
	texts   map[string]string
	look    uint64
	refused uint64
}

// NewProcesses remembers at most limit processes; those beyond it are counted in Refused.
func NewProcesses(limit int) *Processes {
	return &Processes{limit: limit, known: map[ProcessKey]*Process{}, texts: map[string]string{}}
}

// Fork begins a process: it is what its parent is, until it executes another program.
func (ps *Processes) Fork(k, parent ProcessKey, comm string) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p := ps.add(k)
	if p == nil {
		return
	}
	p.comm, p.born = ps.intern(comm), parent
	if up := ps.known[parent]; up != nil {
		p.under(up)
		p.exe, p.args, p.argsSize = up.exe, up.args, up.argsSize
	}
}

// Exec makes it another program. args are the first bytes of its command line, of argsSize in all.
func (ps *Processes) Exec(k, parent ProcessKey, comm, exe, args string, argsSize int) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p := ps.known[k]
	if p == nil { // its fork was lost
		if p = ps.add(k); p == nil {
			return
		}
		p.born = parent
		if up := ps.known[parent]; up != nil {
			p.under(up)
		}
	}
	p.comm, p.exe, p.args, p.argsSize = ps.intern(comm), ps.intern(exe), args, argsSize
}

// Rename gives it another name.
func (ps *Processes) Rename(k ProcessKey, comm string) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p := ps.known[k]; p != nil {
		p.comm = ps.intern(comm)
	}
}

// Exit ends it. It is remembered for two more steps: its last slice is counted later.
func (ps *Processes) Exit(k ProcessKey) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p := ps.known[k]; p != nil && !p.exited {
		p.exited = true
		ps.exited = append(ps.exited, p)
	}
}

// Look begins a look at all processes.
func (ps *Processes) Look() {
	ps.mu.Lock()
	ps.look++
	ps.mu.Unlock()
}

// Found is one that exists. It returns true for one whose program is not known: Tell it then.
func (ps *Processes) Found(k, parent ProcessKey, comm string) bool {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p := ps.known[k]
	if p == nil {
		if p = ps.add(k); p == nil {
			return false
		}
		p.born = parent
	}
	p.comm, p.seen = ps.intern(comm), ps.look // a new name's event may be lost
	return p.exe == "" && p.args == "" && k.TGID != kthreaddTGID && parent.TGID != kthreaddTGID
}

// Tell adds what a look found of a process's program.
func (ps *Processes) Tell(k ProcessKey, exe, args string, argsSize int) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p := ps.known[k]; p != nil && p.exe == "" && p.args == "" {
		p.exe, p.args, p.argsSize = ps.intern(exe), args, argsSize
	}
}

// AllFound ends a look: who was known before it and not found has exited.
func (ps *Processes) AllFound() { ps.endLook(true) }

// SomeFound ends a look that could not see all, as in a pid namespace: who was not found may be elsewhere.
func (ps *Processes) SomeFound() { ps.endLook(false) }

func (ps *Processes) endLook(all bool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for _, p := range ps.known {
		ps.link(p)
		if all && p.seen < ps.look && !p.exited {
			p.exited = true
			ps.exited = append(ps.exited, p)
		}
	}
}

// Step ends a step of the engine: it forgets those that exited in the one before.
func (ps *Processes) Step() {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for _, p := range ps.exiting {
		delete(ps.known, p.key)
	}
	clear(ps.exiting)
	ps.exiting, ps.exited = ps.exited, ps.exiting[:0]
	if len(ps.texts) > ps.limit {
		clear(ps.texts)
	}
}

// Get returns the process with its name, or nil where nothing told of it.
func (ps *Processes) Get(k ProcessKey) (*Process, string) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p := ps.known[k]
	if p == nil {
		return nil, ""
	}
	return p, p.comm
}

// Len is how many are remembered.
func (ps *Processes) Len() int {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return len(ps.known)
}

// Full tells that there is no room for another one.
func (ps *Processes) Full() bool { return ps.Len() >= ps.limit }

// Refused is how many there was no room for.
func (ps *Processes) Refused() uint64 {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	return ps.refused
}

// Tree is the oldest ancestor below init, with its name: who began it all. A process whose parent is not known is its own.
func (ps *Processes) Tree(p *Process) (ProcessKey, string) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for p.parent != nil && p.parent.key.TGID != initTGID && p.parent.key.TGID != kthreaddTGID {
		p = p.parent
	}
	return p.key, p.comm
}

// Describe tells of a process; nil is one that nothing is known of.
func (ps *Processes) Describe(p *Process) (d Description) {
	if p == nil {
		return d
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	d = Description{Exe: p.exe, Args: p.args, ArgsCut: p.argsSize > len(p.args)}
	for up := p.parent; up != nil && len(d.Ancestors) <= maxDepth; up = up.parent {
		d.Ancestors = append(d.Ancestors, Ancestor{PID: int(up.key.TGID), Comm: up.comm})
	}
	return d
}

func (ps *Processes) add(k ProcessKey) *Process {
	if p := ps.known[k]; p != nil {
		return p
	}
	if len(ps.known) >= ps.limit {
		ps.refused++
		return nil
	}
	p := &Process{key: k, seen: ps.look} // a look that is under way need not find it
	ps.known[k] = p
	return p
}

// link finds the parent of one that came before it, and the parent's before that, so that depths are right.
func (ps *Processes) link(p *Process) {
	var line []*Process // p and those above it, each the next one's child
	for p != nil && p.parent == nil && p.born != (ProcessKey{}) {
		up := ps.known[p.born]
		if up == nil {
			break // a later look may find it
		}
		p.born = ProcessKey{}
		line = append(line, p)
		p = up
	}
	for up, i := p, len(line)-1; i >= 0; up, i = line[i], i-1 {
		line[i].under(up)
	}
}

// under makes up the parent. Beyond maxDepth it is an ancestor nearer to the top, so that the ones in between can be forgotten.
func (p *Process) under(up *Process) {
	if up.key.Start > p.key.Start || up.below(p) { // no parent of it: chains end, whatever is told
		return
	}
	for up.depth >= maxDepth && up.parent != nil {
		up = up.parent
	}
	p.parent, p.depth = up, up.depth+1
}

// below tells whether q is above p: a chain that a pid's reuse closed to a circle would never end.
func (p *Process) below(q *Process) bool {
	for ; p != nil; p = p.parent {
		if p == q {
			return true
		}
	}
	return false
}

// intern keeps one copy of a text: thousands of processes run the same few programs.
func (ps *Processes) intern(s string) string {
	if have, ok := ps.texts[s]; ok {
		return have
	}
	ps.texts[s] = s
	return s
}

package identity

import "maps"

// Told is all that is known of one process, as a recording keeps it.
type Told struct {
	Key      ProcessKey
	Parent   ProcessKey // the zero one: not known
	Comm     string
	Exe      string
	Args     string // NUL-separated
	ArgsSize int    // of the whole command line
	Exited   bool
}

// Lineage calls visit with a process, and then with its ancestors, nearest first, for as long as it returns true. It calls it not at all
// for one that nothing told of.
func (ps *Processes) Lineage(k ProcessKey, visit func(Told) bool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for p := ps.known[k]; p != nil; p = p.parent {
		t := Told{Key: p.key, Comm: p.comm, Exe: p.exe, Args: p.args, ArgsSize: p.argsSize, Exited: p.exited}
		if p.parent != nil {
			t.Parent = p.parent.key
		}
		if !visit(t) {
			return
		}
	}
}

// Exiting appends the processes that have exited and are not forgotten yet: first those that exited in the step before, who are at the
// end of this one, then those of this step, of whom there are so many.
func (ps *Processes) Exiting(into []ProcessKey) (keys []ProcessKey, now int) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	for _, list := range [][]*Process{ps.exiting, ps.exited} {
		for _, p := range list {
			into = append(into, p.key)
		}
	}
	return into, len(ps.exited)
}

// ExitedBefore ends a process as of the step before this one.
func (ps *Processes) ExitedBefore(k ProcessKey) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if p := ps.known[k]; p != nil && !p.exited {
		p.exited = true
		ps.exiting = append(ps.exiting, p)
	}
}

// Forget forgets a process but as a parent.
func (ps *Processes) Forget(k ProcessKey) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	delete(ps.known, k)
}

// Recall puts a process into the state that a recording has of it. One above it is to be recalled first.
func (ps *Processes) Recall(t Told) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	p := ps.add(t.Key)
	if p == nil {
		return
	}
	p.comm, p.exe, p.args, p.argsSize = ps.intern(t.Comm), ps.intern(t.Exe), t.Args, t.ArgsSize
	if up := ps.known[t.Parent]; up != nil && p.parent == nil {
		p.under(up)
	}
}

// Recall notes a cgroup's path as a recording has it.
func (c *Cgroups) Recall(id uint64, path string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.unknown, id)
	delete(c.gone, id)
	c.keep(id, path)
}

// All returns every name by its id.
func (u *Users) All() map[uint32]string { return maps.Clone(u.names) }

// UsersOf names those of a recording.
func UsersOf(names map[uint32]string) *Users {
	u := &Users{names: maps.Clone(names)}
	if u.names == nil {
		u.names = map[uint32]string{}
	}
	return u
}

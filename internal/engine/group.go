package engine

import (
	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/internal/identity"
	"github.com/eco2-bpf/eco2-bpf/internal/snapshot"
)

// Groupings: what a row is.
const (
	ByProcess   = "process"
	ByThread    = "thread"
	ByCommand   = "command"
	ByUser      = "user"
	ByCgroup    = "cgroup"
	ByContainer = "container"
	ByPod       = "pod"
	ByUnit      = "unit"
	ByJob       = "job"
	ByTree      = "tree"
)

// Groupings lists them in the order of the help text.
var Groupings = []string{ByProcess, ByThread, ByCommand, ByUser, ByCgroup, ByContainer, ByPod, ByUnit, ByJob, ByTree}

// perProcess tells the groupings whose rows are processes or parts of them.
func (c *Config) perProcess() bool { return c.By == ByProcess || c.By == ByThread }

// byTenant tells the groupings that a cgroup's path decides.
func (c *Config) byTenant() bool {
	return c.By == ByContainer || c.By == ByPod || c.By == ByUnit || c.By == ByJob
}

// rowKey tells rows apart: an account, a group of them, or one of the rows that are no account.
type rowKey struct {
	kind   string
	id     uint64 // tgid, uid or cgroup id
	tid    uint32
	start  int64
	cgroup uint64
	name   string // command, container, pod, unit or job
}

// keyOf says which row an account belongs to.
func (e *Engine) keyOf(u *bpf.Usage, who *identity.Process, selected bool) rowKey {
	switch {
	case !isProcess(u) && u.TID == overflowID:
		return rowKey{kind: snapshot.Overflow}
	case !isProcess(u) && u.TID == interruptID:
		return rowKey{kind: snapshot.Interrupts}
	case !selected:
		return rowKey{kind: snapshot.Others}
	case !isProcess(u) && e.cfg.perProcess():
		return rowKey{kind: snapshot.Reserved, cgroup: u.Cgroup}
	case !isProcess(u) && e.cfg.By != ByCgroup && !e.cfg.byTenant(): // a cgroup is none of those
		return rowKey{kind: snapshot.Reserved}
	case e.cfg.perProcess():
		key := rowKey{kind: snapshot.Process, id: uint64(u.TGID), tid: u.TID, start: int64(u.Start), cgroup: u.Cgroup}
		if u.Kernel {
			key.kind = snapshot.Kernel
		}
		return key
	case u.Kernel: // kernel threads are one group: they have no user, and their cgroup is the root's
		return rowKey{kind: snapshot.Kernel}
	}
	key := rowKey{kind: snapshot.Group}
	switch e.cfg.By {
	case ByCommand:
		key.name = u.Comm
	case ByUser:
		key.id = uint64(u.UID)
	case ByCgroup:
		key.id = u.Cgroup
	case ByTree:
		root := identity.ProcessKey{TGID: u.TGID, Start: u.Start}
		if who != nil {
			root, _ = e.parts.Processes.Tree(who)
		}
		key.id, key.start = uint64(root.TGID), int64(root.Start)
	default:
		key.name, key.id = groupName(e.cfg.By, &e.parts.Cgroups.Of(u.Cgroup).Tenant)
	}
	return key
}

// groupName is the name of a tenant in a grouping; empty: it is in none. The number tells units of the same name apart: each user's
// manager has its own.
func groupName(by string, t *identity.Tenant) (name string, owner uint64) {
	switch by {
	case ByContainer:
		return t.Container, 0
	case ByPod:
		return t.PodUID, 0
	case ByJob:
		return t.Job, 0
	}
	if t.Unit == "" {
		return "", 0
	}
	if t.UserUnit {
		owner = uint64(t.Owner) + 1
	}
	if t.Container != "" { // a systemd of its own in there calls its units as this one does
		return t.Unit + "\x00" + t.Container, owner
	}
	return t.Unit, owner
}

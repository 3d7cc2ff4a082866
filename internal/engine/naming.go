package engine

import (
	"strings"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/identity"
	"github.com/eco2-bpf/eco2-bpf/internal/snapshot"
)

// name says who a row is.
func (e *Engine) name(row *snapshot.Row, r *accRow) {
	u := &r.last
	switch {
	case e.cfg.perProcess():
		e.nameProcess(row, r)
		return
	case r.key.kind == snapshot.Kernel:
		row.Comm = "kernel threads"
		return
	case r.key.kind == snapshot.Reserved: // of no grouping
		return
	}
	switch e.cfg.By {
	case ByCommand:
		row.Comm, row.Group = r.key.name, r.key.name
	case ByUser:
		row.UID, row.User = int(u.UID), e.parts.Users.Name(u.UID)
		row.Group = row.User
	case ByCgroup:
		cg := e.parts.Cgroups.Of(u.Cgroup)
		row.CgroupID, row.Cgroup, row.Group = u.Cgroup, cg.Path, cg.Path
		row.Tenant = e.tenant(&cg.Tenant, false)
	case ByTree:
		row.PID, row.Comm, row.Start = int(r.key.id), u.Comm, e.since(time.Duration(r.key.start))
		if r.who != nil {
			_, row.Comm = e.parts.Processes.Tree(r.who)
		}
		row.Group = row.Comm
	default:
		if r.cgroup != nil {
			e.nameTenant(row, &r.cgroup.Tenant)
		}
	}
}

func (e *Engine) nameProcess(row *snapshot.Row, r *accRow) {
	u := &r.last
	cg := e.parts.Cgroups.Of(u.Cgroup)
	if r.key.kind == snapshot.Reserved {
		row.CgroupID, row.Cgroup, row.Tenant = u.Cgroup, cg.Path, e.tenant(&cg.Tenant, false)
		return
	}
	row.PID, row.TID, row.PPID, row.Comm = int(u.TGID), int(u.TID), int(u.PPID), u.Comm
	row.UID, row.User = int(u.UID), e.parts.Users.Name(u.UID)
	row.CgroupID, row.Cgroup, row.Tenant = u.Cgroup, cg.Path, e.tenant(&cg.Tenant, false)
	row.Start, row.Processes = e.since(u.Start), 1
	if r.who == nil {
		return
	}
	d := e.parts.Processes.Describe(r.who)
	row.Exe, row.ArgsCut = d.Exe, d.ArgsCut
	if d.Args != "" {
		row.Args = strings.Split(strings.TrimSuffix(d.Args, "\x00"), "\x00")
	}
	for _, a := range d.Ancestors {
		row.Ancestors = append(row.Ancestors, snapshot.Ancestor(a))
	}
}

// nameTenant names a row by container, pod, unit or job, by what all of it has in common.
func (e *Engine) nameTenant(row *snapshot.Row, t *identity.Tenant) {
	all := e.tenant(t, e.cfg.By == ByContainer)
	switch e.cfg.By {
	case ByContainer:
		if all.Container != nil {
			row.Group, row.Tenant = all.Container.ID, all
		}
	case ByPod:
		if all.Pod != nil {
			all.Pod.Container = ""
			row.Group, row.Tenant.Pod = all.Pod.UID, all.Pod
		}
	case ByUnit:
		row.Group, row.Tenant = t.Unit, snapshot.Tenant{Unit: t.Unit, Slice: t.Slice, Session: t.Session}
		if t.UserUnit {
			row.UID, row.User = int(t.Owner), e.parts.Users.Name(uint32(t.Owner))
		}
		if t.Unit != "" {
			row.Tenant.Container = all.Container
		}
	case ByJob:
		row.Group, row.Tenant.Job = t.Job, t.Job
		if t.Job != "" && t.Owner >= 0 {
			row.UID, row.User = int(t.Owner), e.parts.Users.Name(uint32(t.Owner))
		}
	}
}

// tenant adds the names that are known by now to what a cgroup's path tells.
func (e *Engine) tenant(t *identity.Tenant, labels bool) snapshot.Tenant {
	out := snapshot.Tenant{Unit: t.Unit, Slice: t.Slice, Session: t.Session, Job: t.Job, Step: t.Step}
	info := e.info(t)
	if t.Container != "" {
		out.Container = &snapshot.Container{ID: t.Container, Name: info.Name, Runtime: t.Runtime, Image: info.Image, From: info.Source}
		if labels {
			out.Container.Labels = info.Labels
		}
	}
	if t.PodUID != "" {
		out.Pod = &snapshot.Pod{UID: t.PodUID, Name: info.Pod, Namespace: info.Namespace, QoS: t.QoS, Container: info.PodContainer}
	}
	return out
}

// since turns a time since boot into a date; the zero one where it is not known.
func (e *Engine) since(boot time.Duration) (at time.Time) {
	if boot != 0 {
		at = e.parts.BootTime.Add(boot)
	}
	return at
}

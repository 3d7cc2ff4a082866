package engine

import (
	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/internal/identity"
)

// Listen returns the handler for what the programs tell of processes and cgroups. procfs is where those are found that began before,
// "" where it has other process ids.
func Listen(ps *identity.Processes, cgs *identity.Cgroups, names Names, procfs string) func(*bpf.Event) {
	return func(e *bpf.Event) {
		k := identity.ProcessKey{TGID: e.TGID, Start: e.Start}
		parent := identity.ProcessKey{TGID: e.PPID, Start: e.ParentStart}
		switch e.Kind {
		case bpf.Fork:
			ps.Fork(k, parent, string(e.Comm))
		case bpf.Exec:
			ps.Exec(k, parent, string(e.Comm), string(e.Exe), string(e.Args), e.ArgsTotal)
		case bpf.Renamed:
			ps.Rename(k, string(e.Comm))
		case bpf.Exit:
			ps.Exit(k)
		case bpf.LookingAgain:
			ps.Look()
		case bpf.Found:
			if ps.Found(k, parent, string(e.Comm)) && procfs != "" {
				exe, args, size := identity.ReadProgram(procfs, k)
				ps.Tell(k, exe, args, size)
			}
		case bpf.AllFound:
			if procfs == "" { // in a pid namespace the kernel shows only that
				ps.SomeFound()
			} else {
				ps.AllFound()
			}
		case bpf.CgroupMade:
			// Its container's name is asked for at once: it may be gone before the window ends.
			if cg := cgs.Made(e.Cgroup, string(e.Path)); names != nil && cg.Tenant.Container != "" {
				names.Ask(keyOfTenant(&cg.Tenant))
			}
		case bpf.CgroupMoved:
			cgs.Moved(e.Cgroup, string(e.Path))
		case bpf.CgroupGone:
			cgs.Gone(e.Cgroup)
		}
	}
}

// AskNames has the names of all containers looked for that exist, and tells whether there are any.
func AskNames(cgs *identity.Cgroups, names Names) bool {
	any := false
	for _, cg := range cgs.Walk() {
		if t := &cg.Tenant; t.Container != "" || t.PodUID != "" {
			names.Ask(keyOfTenant(t))
			any = true
		}
	}
	return any
}

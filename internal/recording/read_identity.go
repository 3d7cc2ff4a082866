package recording

import (
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/identity"
	"github.com/eco2-bpf/eco2-bpf/internal/identity/container"
)

func (d *decoder) process() identity.ProcessKey {
	return identity.ProcessKey{TGID: d.uint32(), Start: d.time()}
}

func (r *Reader) addProcess(d *decoder) {
	t := identity.Told{Key: d.process(), Parent: d.process(), Comm: d.text(), Exe: d.text(), Args: d.text(), ArgsSize: int(d.upTo(1 << 31))}
	if d.err != nil {
		return
	}
	r.processes.Recall(t)
	if p, _ := r.processes.Get(t.Key); p == nil {
		return // there was no room
	}
	r.forget(t.Key)
	r.alive[t.Key.TGID] = life{t.Key.Start, len(t.Exe) + len(t.Args)}
	if r.programs += len(t.Exe) + len(t.Args); r.programs > maxPrograms {
		d.fail(errRange)
	}
}

// life is a process that has not exited.
type life struct {
	start time.Duration
	bytes int // of its program and command line
}

func (r *Reader) exit(d *decoder) {
	k, when := d.process(), d.upTo(exitForgotten)
	switch {
	case d.err != nil:
		return
	case when == exitNow:
		r.processes.Exit(k)
	case when == exitBefore:
		r.processes.ExitedBefore(k)
	case len(r.parents) >= maxProcesses:
		d.fail(errRange)
	default:
		r.parents = append(r.parents, k)
	}
	r.forget(k)
}

// forget takes a process out of the living; not if the pid is another's by now.
func (r *Reader) forget(k identity.ProcessKey) {
	if l, ok := r.alive[k.TGID]; ok && l.start == k.Start {
		r.programs -= l.bytes
		delete(r.alive, k.TGID)
	}
}

func (r *Reader) addCgroup(d *decoder) {
	id, path := d.uint(), d.text()
	if len(r.told) >= maxCgroups {
		d.fail(errRange)
	}
	if d.err != nil {
		return
	}
	r.told = append(r.told, id)
	r.cgroups.Recall(id, path)
}

func (r *Reader) addContainer(d *decoder) {
	if len(d.b) > maxContainer {
		d.fail(errRange)
		return
	}
	k := container.Key{Runtime: d.text(), ID: d.text(), PodUID: d.text()}
	in := container.Info{Name: d.text(), Image: d.text(), Pod: d.text(), Namespace: d.text(), PodContainer: d.text(), Source: d.text()}
	n := d.count(maxLabels, 2)
	for range n {
		name, value := d.text(), d.text()
		if in.Labels == nil {
			in.Labels = make(map[string]string, n)
		}
		in.Labels[name] = value
	}
	if d.err != nil {
		return
	}
	if !r.names.put(k, in) {
		d.fail(errRange)
	}
}

// chapter empties the tables. Names stay for as long as there is room.
func (r *Reader) chapter() {
	r.who, r.prev.resident, r.prev.ran = r.who[:0], r.prev.resident[:0], r.prev.ran[:0]
	for _, id := range r.told {
		r.cgroups.Gone(id)
	}
	r.told = r.told[:0]
	r.names.chapter()
}

// names are the containers' names of a recording: those of this chapter, and of the one before.
type names struct {
	young, old map[container.Key]container.Info
}

// put keeps a container's names, unless there are more in a chapter than can be.
func (n *names) put(k container.Key, in container.Info) bool {
	if n.young == nil {
		n.young = map[container.Key]container.Info{}
	}
	n.young[k] = in
	return len(n.young) <= maxContainers
}

func (n *names) chapter() { n.old, n.young = n.young, nil }

// Ask has nobody to ask.
func (n *names) Ask(container.Key) {}

// Wait has nothing to wait for.
func (n *names) Wait(time.Duration) {}

// Get returns what is recorded by now.
func (n *names) Get(k container.Key) (container.Info, bool) {
	in, ok := n.young[k]
	if !ok {
		in, ok = n.old[k]
	}
	return in, ok
}

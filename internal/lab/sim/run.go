package sim

import "time"

// Run runs the scenario, shows it to the observer, and tells what was used.
func (s Scenario) Run(o Observer) Truth {
	w := newWorld(s, o)
	for i := range s.Jobs {
		w.events.push(event{at: int64(s.Jobs[i].At), kind: evStart, arg: i})
	}
	w.addSources()
	w.events.push(event{kind: evBeat})
	w.events.push(event{at: int64(s.Duration), kind: evEnd})
	w.addLooks()
	for len(w.events.heap) > 0 {
		e := w.events.pop()
		w.now = e.at
		if !w.handle(e) {
			break
		}
	}
	return w.truth
}

// handle does what an event says, and tells whether there is more to do: the run goes on after its end while looks at it are not complete.
func (w *world) handle(e event) bool {
	switch e.kind {
	case evStart:
		w.startJob(e.arg)
	case evKill:
		w.kill(w.procs[e.arg])
	case evWake:
		if t := w.tasks[e.arg]; t.gen == e.gen && t.state == asleep {
			w.wake(t)
		}
	case evRun:
		if w.cpus[e.arg].gen == e.gen {
			w.ran(e.arg)
		}
	case evRoam:
		w.roam(w.tasks[e.arg])
	case evInterrupt:
		w.interrupted(&w.sources[e.arg])
	case evReturn:
		w.returned(&w.sources[e.arg])
	case evBeat:
		w.beat()
	case evGPU:
		w.toggle(w.contexts[e.arg])
	case evTick:
		w.account(e.arg)
	case evLatch:
		m := &w.meters[e.gen]
		w.looks[e.arg].zones[e.gen] = m.microjoules(w.raw(m))
	case evLook:
		w.look(e.arg)
		w.open++
	case evGive:
		w.give(e.arg)
		w.open--
	case evEnd:
		if w.events.heap[0].at == e.at {
			w.events.push(e) // last of all at this instant
			break
		}
		w.tell()
		w.ended = true
	}
	return !w.ended || w.open > 0
}

func (w *world) startJob(n int) {
	job := &w.Jobs[n]
	w.start(job, nil, 1)
	if job.Until > job.At {
		w.events.push(event{at: int64(job.Until), kind: evKill, arg: len(w.procs) - 1})
	}
}

// roam sends a thread to the next socket.
func (w *world) roam(t *task) {
	if t.state == dead {
		return
	}
	t.socket = (t.socket + 1) % len(w.sockets)
	w.move(t)
	w.events.push(event{at: w.now + int64(t.proc.job.Load.Roam), kind: evRoam, arg: t.index})
}

// beat is what the kernel and the counters do every 10 ms.
func (w *world) beat() {
	w.beats++
	w.beatCores()
	w.balance()
	if w.beats%5 == 0 {
		w.drift()
	}
	w.events.push(event{at: w.now + beat, kind: evBeat})
}

// tell the truth, as of now.
func (w *world) tell() {
	for n := range w.cpus {
		w.account(n)
	}
	for n := range w.cards {
		w.settleCard(n)
	}
	kinds := w.Machine.kinds()
	t := Truth{Domains: w.Machine.domains(), Slices: w.slices, Idle: make([]float64, len(kinds)+len(w.cards))}
	t.Total, t.Interrupts = make([]float64, len(t.Idle)), w.byDomain(w.interrupt, nil)
	seconds := float64(w.now) / 1e9
	for z, k := range kinds {
		t.Idle[z], t.Total[z] = w.Machine.floor(k)*seconds, w.joules(k, w.meters[z].socket)
		t.Wraps += int(w.raw(&w.meters[z]) >> 32)
	}
	for n := range w.cards {
		t.Idle[len(kinds)+n] = w.cards[n].IdleWatts * seconds
		t.Total[len(kinds)+n] = t.Idle[len(kinds)+n] + w.cards[n].joules
	}
	for n := range w.cpus {
		t.Busy += time.Duration(w.cpus[n].busy)
		t.Interrupt += time.Duration(w.irqTime(&w.cpus[n]))
	}
	for _, p := range w.procs {
		t.Processes = append(t.Processes, w.process(p))
	}
	w.truth = t
}

// process is what is known of one.
func (w *world) process(p *process) Process {
	out := Process{PID: p.pid, Parent: p.ppid(), Start: p.start, Comm: p.job.Comm, Cgroup: p.job.Cgroup, Kernel: p.job.Kernel,
		Began: time.Duration(p.began), Ended: time.Duration(w.now), Exited: p.exited, CPU: time.Duration(p.sum),
		Beside: time.Duration(p.beside), Joules: w.byDomain(p.parts, p.cards)}
	if p.parent != nil {
		out.Parent = p.parent.pid
	}
	if p.exited {
		out.Ended = time.Duration(p.end)
	}
	for i := range p.parts {
		out.BySocket = append(out.BySocket, time.Duration(p.parts[i].time))
	}
	return out
}

// byDomain is what an owner's parts of the sockets and of the cards come to.
func (w *world) byDomain(parts []part, cards []float64) []float64 {
	kinds := w.Machine.kinds()
	out := make([]float64, len(kinds)+len(w.cards))
	for z, k := range kinds {
		for s, p := range parts {
			if socket := w.meters[z].socket; socket >= 0 && socket != s {
				continue
			}
			memory := p.misses * w.Machine.MissJoules
			switch k {
			case zonePackage:
				out[z] += p.cores + p.share
			case zoneCore:
				out[z] += p.cores
			case zoneDRAM:
				out[z] += memory
			case zonePsys:
				out[z] += p.cores + p.share + memory
			}
		}
	}
	copy(out[len(kinds):], cards)
	return out
}

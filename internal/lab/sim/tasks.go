package sim

import (
	"slices"
	"time"
)

// forkCost is what a process runs for each child, where its load does not say.
const forkCost = 100_000

// start begins a process of a job: now, with all its threads. factor is what its activity is of the job's.
func (w *world) start(job *Job, parent *process, factor float64) {
	p := &process{pid: w.pid(), start: boot + time.Duration(w.now), job: job, activity: job.Load.Activity, parent: parent, began: w.now,
		parts: make([]part, len(w.sockets))}
	if p.activity == 0 {
		p.activity = 1
	}
	p.activity *= factor
	if len(w.cards) > 0 {
		p.cards = make([]float64, len(w.cards))
	}
	w.procs = append(w.procs, p)
	at, _ := slices.BinarySearchFunc(w.live, p.pid, func(o *process, pid int) int { return o.pid - pid })
	w.live = slices.Insert(w.live, at, p)
	p.threads = max(job.Threads, 1)
	p.home = w.random.IntN(len(w.cpus))
	if parent != nil {
		p.home = parent.home
	}
	for i := range p.threads {
		tid := p.pid
		if i > 0 {
			tid = w.pid()
		}
		t := &task{index: len(w.tasks), tid: tid, proc: p, socket: -1, cpu: p.home}
		w.tasks = append(w.tasks, t)
		p.tasks = append(p.tasks, t)
		if job.Load.Roam > 0 {
			t.socket = 0
			w.events.push(event{at: w.now + int64(job.Load.Roam), kind: evRoam, arg: t.index})
		}
		w.begin(t)
	}
	if w.onCard(job) {
		w.addContext(p)
	}
}

// pid is the next that no process and no thread has.
func (w *world) pid() int {
	for {
		pid := 2 + w.next%w.PIDs
		w.next++
		if !w.taken[pid] {
			w.taken[pid] = true
			return pid
		}
	}
}

// begin lets a new thread run, or sleep first where it sleeps most of the time.
func (w *world) begin(t *task) {
	l := &t.proc.job.Load
	if t.proc.job.Children == nil && l.Sleep > 0 && l.Run > 0 && !l.Steady && l.Work == 0 {
		w.sleep(t, int64(w.random.Float64()*float64(l.Sleep)))
		return
	}
	t.left = w.burst(t)
	w.place(t, true)
}

// burst is how long a thread runs now.
func (w *world) burst(t *task) int64 {
	l := &t.proc.job.Load
	n := int64(never)
	switch {
	case t.proc.job.Children != nil:
		if n = int64(l.Run); n == 0 {
			n = forkCost
		}
	case l.Run > 0:
		n = w.vary(l, int64(l.Run))
	}
	if l.Work > 0 {
		n = min(n, int64(l.Work)-t.used)
	}
	if n < never {
		t.used += n
	}
	return n
}

// vary draws a length between half and one and a half times the mean.
func (w *world) vary(l *Load, mean int64) int64 {
	if l.Steady {
		return mean
	}
	return max(int64(float64(mean)*(0.5+w.random.Float64())), 1000)
}

// advance says what a thread does after a burst. It is on its CPU.
func (w *world) advance(t *task) {
	p, n := t.proc, t.cpu
	l := &p.job.Load
	if p.job.Children != nil {
		w.fork(t)
		return
	}
	if l.Work > 0 && t.used >= int64(l.Work) {
		w.exit(t)
		return
	}
	if l.Sleep > 0 {
		w.leave(n, false)
		w.sleep(t, w.pause(l, int64(l.Sleep)))
		w.dispatch(n)
		return
	}
	t.left = w.burst(t)
	w.arm(n)
}

// pause draws the length of a sleep: exponential, as what is waited for comes at any time.
func (w *world) pause(l *Load, mean int64) int64 {
	if l.Steady {
		return mean
	}
	return int64(min(w.random.ExpFloat64(), 5)*float64(mean)) + 1000
}

func (w *world) sleep(t *task, ns int64) {
	t.state = asleep
	t.gen++
	w.events.push(event{at: w.now + ns, kind: evWake, arg: t.index, gen: t.gen})
}

// wake lets a sleeper run.
func (w *world) wake(t *task) {
	t.gen++
	t.left = w.burst(t)
	w.place(t, false)
}

// fork starts a child, and says what the parent does next.
func (w *world) fork(t *task) {
	p, n := t.proc, t.cpu
	c := p.job.Children
	if c.Count == 0 || p.forked < c.Count {
		p.forked++
		p.children++
		p.home = n
		w.start(&c.Job, p, 1+c.Spread*(2*w.random.Float64()-1))
	}
	over := c.Count > 0 && p.forked >= c.Count
	switch {
	case over && p.children == 0:
		w.exit(t)
	case over || p.children >= max(c.Parallel, 1):
		w.leave(n, false)
		t.state, t.gen = asleep, t.gen+1
		p.waiting = t
		w.dispatch(n)
	case c.Pause > 0:
		w.leave(n, false)
		w.sleep(t, w.pause(&p.job.Load, int64(c.Pause)))
		w.dispatch(n)
	default:
		t.left = w.burst(t)
		w.arm(n)
	}
}

// childGone tells a parent of the end of a child.
func (w *world) childGone(p *process) {
	p.children--
	t := p.waiting
	if t == nil || p.exited {
		return
	}
	c := p.job.Children
	if over := c.Count > 0 && p.forked >= c.Count; over && p.children > 0 {
		return
	}
	p.waiting = nil
	if c.Pause > 0 {
		w.sleep(t, w.pause(&p.job.Load, int64(c.Pause)))
		return
	}
	w.wake(t)
}

// exit ends a thread that is on its CPU; with the last one its process ends.
func (w *world) exit(t *task) {
	n := t.cpu
	w.leave(n, t.proc.threads == 1)
	w.dead(t)
	w.dispatch(n)
}

// kill ends all threads of a process, wherever they are.
func (w *world) kill(p *process) {
	if p.exited {
		return
	}
	for _, t := range p.tasks {
		switch t.state {
		case running:
			w.exit(t)
		case queued:
			w.withdraw(t)
			w.dead(t)
		case asleep:
			w.dead(t)
		}
	}
}

// dead buries a thread, and its process with the last one.
func (w *world) dead(t *task) {
	t.state = dead
	t.gen++
	p := t.proc
	if t.tid != p.pid {
		delete(w.taken, t.tid)
	}
	if p.threads--; p.threads > 0 {
		return
	}
	p.exited, p.end = true, w.now
	w.closeContexts(p)
	at, _ := slices.BinarySearchFunc(w.live, p.pid, func(o *process, pid int) int { return o.pid - pid })
	w.live = slices.Delete(w.live, at, at+1)
	delete(w.taken, p.pid)
	if p.parent != nil {
		w.childGone(p.parent)
	}
}

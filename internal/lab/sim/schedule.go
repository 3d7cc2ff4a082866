package sim

import (
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// place puts a task that may run on the best CPU for it: one of an idle core before one beside a busy sibling, a fast core before an
// efficient one, its own socket before another, where it was before elsewhere; if all are busy, the shortest queue.
func (w *world) place(t *task, fresh bool) {
	best, bestCost := -1, 0
	quiet := -1
	if fresh {
		quiet = w.quietest()
	}
	home := t.cpu
	for k := range w.cpus {
		i := home + k
		if i >= len(w.cpus) {
			i -= len(w.cpus)
		}
		if !w.allowed(t, i) {
			continue
		}
		c := &w.cpus[i]
		cost := 0
		if c.works() || len(c.queue) > 0 {
			cost = 1000 * (1 + len(c.queue))
		} else if c.sibling >= 0 && w.cpus[c.sibling].works() {
			cost = 100
		}
		if w.cores[c.core].kind.Efficient {
			cost += 50
		}
		if quiet >= 0 && c.socket != quiet || quiet < 0 && c.socket != w.cpus[home].socket {
			cost += 20
		}
		if i != home {
			cost++
		}
		if best < 0 || cost < bestCost {
			best, bestCost = i, cost
		}
	}
	if best < 0 {
		best = home // its CPUs are not there: it stays
	}
	w.enqueue(best, t, !fresh)
}

// quietest is the socket with the fewest CPUs at work.
func (w *world) quietest() int {
	best := 0
	for i := range w.sockets {
		if w.sockets[i].working < w.sockets[best].working {
			best = i
		}
	}
	return best
}

func (w *world) allowed(t *task, cpu int) bool {
	if t.socket >= 0 && w.cpus[cpu].socket != t.socket {
		return false
	}
	only := t.proc.job.Load.CPUs
	if only == nil {
		return true
	}
	for _, i := range only {
		if i == cpu {
			return true
		}
	}
	return false
}

// enqueue lets a task wait for a CPU, in front if it has slept, and shortens the slice of who runs there.
func (w *world) enqueue(n int, t *task, front bool) {
	c := &w.cpus[n]
	t.cpu, t.state = n, queued
	w.queued++
	c.queue = append(c.queue, t)
	if front {
		copy(c.queue[1:], c.queue)
		c.queue[0] = t
	}
	if c.cur == nil {
		w.dispatch(n)
		return
	}
	slice := int64(sliceShort)
	if !front {
		slice = w.sliceOf(c)
	}
	if end := max(w.now, c.since+slice); end < c.sliceEnd {
		c.sliceEnd = end
		w.arm(n)
	}
}

// sliceOf is how long a task runs while others wait.
func (w *world) sliceOf(c *cpu) int64 {
	return min(max(6_000_000/int64(len(c.queue)+1), sliceShort), sliceLong)
}

// dispatch starts the next task on a CPU that runs none.
func (w *world) dispatch(n int) {
	c := &w.cpus[n]
	if c.cur != nil || c.in != nil {
		return
	}
	t := w.take(n)
	if t == nil {
		return
	}
	w.settle(c.core)
	was := c.works()
	c.cur, t.cpu, t.state = t, n, running
	w.turn(c, was)
	c.since, c.begun, c.accounted = w.now, w.now, w.now
	c.slice, c.done, c.told, c.cycles = pending{}, pending{}, pending{}, 0
	c.sliceEnd = never
	if len(c.queue) > 0 {
		c.sliceEnd = w.now + w.sliceOf(c)
	}
	w.arm(n)
}

// take is the next task of the CPU's queue, or of the longest one of its socket, or of all.
func (w *world) take(n int) *task {
	if w.queued == 0 {
		return nil
	}
	c := &w.cpus[n]
	if len(c.queue) > 0 {
		return w.unqueue(n, 0)
	}
	from, at, longest := -1, 0, 0
	for i := range w.cpus {
		o := &w.cpus[i]
		length := 2 * len(o.queue)
		if length > 0 && o.socket == c.socket {
			length++
		}
		if length <= longest {
			continue
		}
		for k, t := range o.queue {
			if w.allowed(t, n) {
				from, at, longest = i, k, length
				break
			}
		}
	}
	if from < 0 {
		return nil
	}
	return w.unqueue(from, at)
}

// unqueue takes the at'th task of a CPU's queue.
func (w *world) unqueue(n, at int) *task {
	c := &w.cpus[n]
	t := c.queue[at]
	c.queue = append(c.queue[:at], c.queue[at+1:]...)
	w.queued--
	return t
}

// arm sets when the burst or the slice on a CPU is over.
func (w *world) arm(n int) {
	c := &w.cpus[n]
	c.gen++
	if c.cur == nil || c.in != nil {
		return
	}
	if at := min(c.begun+c.cur.left, c.sliceEnd); at < never {
		w.events.push(event{at: max(at, w.now), kind: evRun, arg: n, gen: c.gen})
	}
}

// progress takes what has run off the burst of the task on a CPU.
func (c *cpu) progress(now int64) {
	if c.cur != nil && c.in == nil {
		if c.cur.left < never {
			c.cur.left -= now - c.begun
		}
		c.begun = now
	}
}

// ran handles the end of a burst or of a slice.
func (w *world) ran(n int) {
	c := &w.cpus[n]
	c.progress(w.now)
	t := c.cur
	if t.left <= 0 {
		w.advance(t)
		return
	}
	if len(c.queue) == 0 {
		c.sliceEnd = never
		w.arm(n)
		return
	}
	w.leave(n, false)
	t.cpu, t.state = n, queued
	w.queued++
	c.queue = append(c.queue, t)
	w.dispatch(n)
}

// leave takes the task off a CPU. The caller says what becomes of it, and dispatches.
func (w *world) leave(n int, last bool) {
	w.account(n)
	c := &w.cpus[n]
	c.progress(w.now)
	w.slices++
	if w.untraced.Float64() < w.Missed {
		w.missed++
	} else {
		w.publish(n, true)
		if w.obs.Slice != nil && !w.ended {
			w.obs.Slice(seen.Slice{CPU: n, TID: c.cur.tid, PID: c.cur.proc.pid, Start: c.cur.proc.start,
				From: time.Duration(c.since), To: time.Duration(w.now), Beside: time.Duration(c.slice.beside),
				Cycles: uint64(c.cycles), Misses: uint64(c.slice.misses), Exited: last})
		}
	}
	was := c.works()
	c.cur = nil
	w.turn(c, was)
	c.gen++
}

// move takes a task from where it runs or waits, and places it anew.
func (w *world) move(t *task) {
	switch t.state {
	case running:
		n := t.cpu
		w.leave(n, false)
		w.place(t, false)
		w.dispatch(n)
	case queued:
		w.withdraw(t)
		w.place(t, false)
	}
}

// withdraw takes a task out of the queue where it waits.
func (w *world) withdraw(t *task) {
	for at, o := range w.cpus[t.cpu].queue {
		if o == t {
			w.unqueue(t.cpu, at)
			return
		}
	}
}

// balance moves one task of each socket from beside a busy sibling, or from an efficient core, to an idle core, and now and then one that
// waits to where nobody does, so that all get their share.
func (w *world) balance() {
	if w.queued > 0 && w.beats%4 == 0 {
		w.rotate()
	}
	for s := range w.sockets {
		if w.sockets[s].working > 0 {
			w.spread(s)
		}
	}
}

func (w *world) spread(s int) {
	free := -1 // CPU of an idle core, fast ones first: they have the lower numbers
	for _, n := range w.sockets[s].cores {
		c := &w.cores[n]
		if w.cpus[c.cpus[0]].works() || len(c.cpus) > 1 && w.cpus[c.cpus[1]].works() {
			continue
		}
		free = c.cpus[0]
		break
	}
	if free < 0 {
		return
	}
	slow := w.cores[w.cpus[free].core].kind.Efficient
	for _, n := range w.sockets[s].cores {
		c := &w.cores[n]
		for _, i := range c.cpus {
			u := &w.cpus[i]
			if u.cur == nil || u.in != nil || w.now-u.since < beat/2 || !w.allowed(u.cur, free) {
				continue
			}
			beside := u.sibling >= 0 && w.cpus[u.sibling].cur != nil
			if beside || c.kind.Efficient && !slow {
				t := u.cur
				w.leave(i, false)
				w.enqueue(free, t, false)
				w.dispatch(i)
				return
			}
		}
	}
}

// rotate moves the last of the longest queue to a CPU where nobody waits.
func (w *world) rotate() {
	start := w.random.IntN(len(w.cpus))
	from := start
	for k := range w.cpus {
		if i := (start + k) % len(w.cpus); len(w.cpus[i].queue) > len(w.cpus[from].queue) {
			from = i
		}
	}
	last := len(w.cpus[from].queue) - 1
	if last < 0 {
		return
	}
	t := w.cpus[from].queue[last]
	for k := range w.cpus {
		to := (start + k) % len(w.cpus)
		if len(w.cpus[to].queue) == 0 && w.allowed(t, to) {
			w.unqueue(from, last)
			w.enqueue(to, t, false)
			return
		}
	}
}

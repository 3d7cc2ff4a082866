package sim

// settle gives what a core has used until now to who worked on it. It must come before whatever changes there.
func (w *world) settle(n int) {
	c := &w.cores[n]
	span := w.now - c.last
	w.settleShare(c.socket)
	share := w.sockets[c.socket].share
	if span == 0 {
		for _, i := range c.cpus {
			w.cpus[i].shareSeen = share
		}
		return
	}
	c.last = w.now
	seconds := float64(span) / 1e9
	sum, working := 0.0, 0
	for _, i := range c.cpus {
		if a := w.cpus[i].activity(); a > 0 {
			sum += a
			working++
		}
	}
	if working > 0 {
		c.busy += span
	}
	// Both threads use 1 + gain of what one would with their mean activity.
	factor := 1.0
	if working == 2 {
		factor = (1 + w.Machine.SMTGain) / 2
	}
	for _, i := range c.cpus {
		u := &w.cpus[i]
		had := u.shareSeen
		u.shareSeen = share
		a := u.activity()
		if a == 0 {
			continue
		}
		p := w.owner(u)
		joules := (c.switching*factor*a + c.leakW*a/sum) * seconds
		p.cores += joules
		c.joules += joules
		p.share += share - had
		u.busyKHz += float64(c.kHz) * seconds
		u.busyTime += seconds
		if u.cur == nil {
			continue
		}
		u.cycles += float64(c.kHz) * 1e3 * seconds
		if u.in == nil {
			misses := u.cur.proc.job.Load.Misses * seconds
			p.misses += misses
			c.misses += misses
			u.slice.misses += misses
		}
		if u.sibling >= 0 && w.cpus[u.sibling].cur != nil && w.counted(u) {
			u.slice.beside += span
			u.cur.proc.beside += span
		}
	}
}

// settleShare brings a socket's maintenance power up to now.
func (w *world) settleShare(n int) {
	s := &w.sockets[n]
	if s.working > 0 {
		joules := w.Machine.WakeWatts * float64(w.now-s.last) / 1e9
		s.wake += joules
		s.share += joules / float64(s.working)
	}
	s.last = w.now
}

// activity of what a CPU does; 0: nothing.
func (c *cpu) activity() float64 {
	switch {
	case c.in != nil:
		return c.in.Activity
	case c.cur != nil:
		return c.cur.proc.activity
	}
	return 0
}

// owner is whose energy it is.
func (w *world) owner(c *cpu) *part {
	if c.in != nil {
		return &w.interrupt[c.socket]
	}
	return &c.cur.proc.parts[c.socket]
}

// counted tells whether the kernel counts the time as that of the task.
func (w *world) counted(c *cpu) bool { return c.in == nil || !w.Machine.IRQTime }

// turn tells a CPU's socket that it begins to work, or no longer does. Its core must be settled.
func (w *world) turn(c *cpu, was bool) {
	if is := c.cur != nil || c.in != nil; is != was {
		if is {
			w.sockets[c.socket].working++
		} else {
			w.sockets[c.socket].working--
		}
	}
}

func (c *cpu) works() bool { return c.cur != nil || c.in != nil }

// account brings the tables of the task on a CPU up to now.
func (w *world) account(n int) {
	c := &w.cpus[n]
	w.settle(c.core)
	if c.cur == nil {
		return
	}
	if w.counted(c) {
		span := w.now - c.accounted
		p := c.cur.proc
		p.sum += span
		p.parts[c.socket].time += span
		c.busy += span
		c.user += int64(float64(span) * (1 - p.job.Load.Kernel))
		c.slice.time += span
	}
	c.done = c.slice
	c.accounted = w.now
}

// publish puts what the tables have of the task on a CPU into its process's uses.
func (w *world) publish(n int, switched bool) {
	c := &w.cpus[n]
	if w.obs.Edges.Do == nil {
		return
	}
	u := w.use(c.cur.proc, n)
	u.time += c.done.time - c.told.time
	u.beside += c.done.beside - c.told.beside
	u.misses += c.done.misses - c.told.misses
	if switched {
		u.switches++
	}
	c.told = c.done
}

// use of a CPU by a process, since the last edge.
func (w *world) use(p *process, cpu int) *use {
	if len(p.uses) == 0 {
		w.used = append(w.used, p)
	}
	for i := range p.uses {
		if p.uses[i].cpu == cpu {
			return &p.uses[i]
		}
	}
	p.uses = append(p.uses, use{cpu: cpu})
	return &p.uses[len(p.uses)-1]
}

// beatCores lets the governor choose each core's frequency by its load, and by how many of its socket work.
func (w *world) beatCores() {
	for s := range w.sockets {
		working := 0
		for _, n := range w.sockets[s].cores {
			w.settle(n)
			c := &w.cores[n]
			c.load = (c.load + float64(c.busy)/beat) / 2
			c.busy = 0
			if c.load > 0.05 {
				working++
			}
		}
		for _, n := range w.sockets[s].cores {
			c := &w.cores[n]
			if c.kind.MinKHz == c.kind.MaxKHz {
				continue
			}
			top := c.kind.highest(working, len(w.sockets[s].cores))
			want := int64(1.25*c.load*float64(c.kind.MaxKHz)) / stepKHz * stepKHz
			if want = min(max(want, c.kind.MinKHz), top); want != c.kHz {
				c.set(want, w.Machine.idleLeak(*c.kind))
			}
		}
	}
}

package sim

// addSources lets interrupts come.
func (w *world) addSources() {
	w.sources = make([]source, len(w.Interrupts))
	for i := range w.Interrupts {
		s := &w.sources[i]
		s.Interrupt, s.index = w.Interrupts[i], i
		if s.Activity == 0 {
			s.Activity = 1
		}
		if s.CPU < 0 || s.CPU >= len(w.cpus) || s.Every <= 0 {
			continue
		}
		w.again(s)
	}
}

// again sets when the next comes.
func (w *world) again(s *source) {
	w.events.push(event{at: w.now + int64(w.random.ExpFloat64()*float64(s.Every)) + 1000, kind: evInterrupt, arg: s.index})
}

// interrupted stops what a CPU does. One that comes in another waits for it.
func (w *world) interrupted(s *source) {
	c := &w.cpus[s.CPU]
	if c.in != nil {
		w.events.push(event{at: w.now + 20_000, kind: evInterrupt, arg: s.index})
		return
	}
	w.account(s.CPU)
	c.progress(w.now)
	was := c.works()
	c.in, s.since = s, w.now
	w.turn(c, was)
	c.gen++
	length := int64(float64(s.Length) * (0.5 + w.random.Float64()))
	w.events.push(event{at: w.now + max(length, 1000), kind: evReturn, arg: s.index})
}

// returned lets the CPU go on.
func (w *world) returned(s *source) {
	c := &w.cpus[s.CPU]
	w.account(s.CPU)
	if s.Soft {
		c.soft += w.now - s.since
	} else {
		c.irq += w.now - s.since
	}
	was := c.works()
	c.in = nil
	w.turn(c, was)
	c.begun = w.now
	w.arm(s.CPU)
	w.dispatch(s.CPU)
	w.again(s)
}

package energy

func (p *perf) Domains() []Domain { return p.domains }

// Read takes the counters of a package and its memory with one system call. At is on the edge's clock, as of powercap.
func (p *perf) Read(edge Edge, into []Sample) {
	begin := p.calls.clock()
	now := moment{slept: p.sleep.since()}
	for _, s := range p.sets {
		now.at = edge.Time + p.calls.clock() - begin
		s.read(&p.calls, now)
		for i := range s.meters {
			if len(into) == 0 {
				break
			}
			total := s.meters[i].total
			into[0] = Sample{At: now.at, Energy: total, Low: total, High: total, Span: s.spans[i], Mark: s.marks[i]}
			into = into[1:]
		}
	}
}

func (p *perf) Close() error {
	for _, s := range p.sets {
		for _, g := range s.groups {
			g.close(&p.calls)
		}
	}
	return nil
}

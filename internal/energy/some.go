package energy

// some is a part of a source's domains.
type some struct {
	source  Source
	domains []Domain
	from    []int // by domain: its index in the source
	to      []int // by index in the source: the domain, or -1
	scratch []Sample
}

// Some leaves of a source the domains that keep says; nil when there is none, and src itself when it is all.
func Some(src Source, keep func(*Domain) bool) Source {
	all := src.Domains()
	s := &some{source: src, scratch: make([]Sample, len(all)), to: make([]int, len(all))}
	for i := range all {
		if s.to[i] = -1; keep(&all[i]) {
			s.to[i] = len(s.domains)
			s.domains, s.from = append(s.domains, all[i]), append(s.from, i)
		}
	}
	switch len(s.domains) {
	case 0:
		return nil
	case len(all):
		return src
	}
	return s
}

func (s *some) Domains() []Domain { return s.domains }

func (s *some) Close() error { return s.source.Close() }

func (s *some) Read(edge Edge, into []Sample) {
	s.source.Read(edge, s.scratch)
	for i, from := range s.from {
		if i < len(into) {
			into[i] = s.scratch[from]
		}
	}
}

func (s *some) Shares(into []Share) []Share {
	sharer, ok := s.source.(Sharer)
	if !ok {
		return into
	}
	n := len(into)
	into = sharer.Shares(into)
	kept := into[:n]
	for _, sh := range into[n:] {
		if to := s.to[sh.Domain]; to >= 0 {
			sh.Domain = to
			kept = append(kept, sh)
		}
	}
	return kept
}

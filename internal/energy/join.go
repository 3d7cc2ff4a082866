package energy

import "errors"

// joined is several sources as one.
type joined struct {
	sources []Source
	first   []int // by source: index of its first domain
	domains []Domain
}

// Join makes one source of several whose domains do not overlap; their order stays. One alone is returned as it is.
func Join(sources ...Source) Source {
	if len(sources) == 1 {
		return sources[0]
	}
	j := &joined{sources: sources}
	for _, s := range sources {
		j.first = append(j.first, len(j.domains))
		j.domains = append(j.domains, s.Domains()...)
	}
	return j
}

func (j *joined) Domains() []Domain { return j.domains }

func (j *joined) Read(edge Edge, into []Sample) {
	for i, s := range j.sources {
		end := len(j.domains)
		if i+1 < len(j.first) {
			end = j.first[i+1]
		}
		s.Read(edge, into[min(j.first[i], len(into)):min(end, len(into))])
	}
}

func (j *joined) Shares(into []Share) []Share {
	for i, s := range j.sources {
		sharer, ok := s.(Sharer)
		if !ok {
			continue
		}
		had := len(into)
		into = sharer.Shares(into)
		for k := had; k < len(into); k++ {
			into[k].Domain += j.first[i]
		}
	}
	return into
}

func (j *joined) Close() error {
	var errs []error
	for _, s := range j.sources {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}

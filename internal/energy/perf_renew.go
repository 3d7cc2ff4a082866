package energy

import (
	"fmt"
	"slices"
)

// renew opens what is off or closed again, on the CPU that the mask now has for its place, and takes a new baseline: joules from when the
// events went off until here are lost, and the mark that it returns says so.
func (s *perfSet) renew(c *perfCalls, now moment, bad error) string {
	changed := bad != nil
	var mark string
	var opened *perfGroup
	for _, g := range s.groups {
		if g.isOpen() && !g.off {
			continue
		}
		if g.isOpen() {
			changed = true
			bad = fmt.Errorf("off for %s", seconds(g.behind))
			g.close(c)
		}
		err := g.reopen(c)
		switch {
		case err == nil:
			changed, opened = true, g
		case mark == "":
			mark = err.Error()
		}
	}
	if changed {
		s.lose()
		if err := s.count(c); err != nil {
			mark, opened = err.Error(), nil
		} else if s.live() > 0 {
			spans := slices.Clone(s.spans)
			s.add(now)
			copy(s.spans, spans)
		}
	}
	if opened != nil {
		again := fmt.Sprintf("opened again on CPU %d: new baseline", opened.at.cpu)
		if mark != "" {
			again += "; " + mark
		}
		mark = again
	}
	if bad != nil {
		mark = bad.Error() + ": " + mark
	}
	return mark
}

func (g *perfGroup) reopen(c *perfCalls) error {
	g.off, g.behind = false, 0
	what := "not counted"
	if g.at.core >= 0 {
		what = fmt.Sprintf("core %d not counted", g.at.core)
	}
	places, err := g.pmu.places(c)
	i := slices.IndexFunc(places, func(at perfPlace) bool { return g.pmu.same(g.at, at) })
	if i < 0 {
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return fmt.Errorf("%s: no CPU of it is in %s/cpumask", what, g.pmu.name)
	}
	g.at.cpu = places[i].cpu
	if _, err = g.open(c); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

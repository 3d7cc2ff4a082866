package energy

import (
	"fmt"
	"slices"
	"strings"
)

// perfFinder makes domains of a PMU's events and keeps the reasons.
type perfFinder struct {
	perf    *perf
	reasons []Reason
}

// fail notes an error once.
func (f *perfFinder) fail(err error) { f.failPart(err, Part{}) }

func (f *perfFinder) failPart(err error, part Part) {
	if err != nil && !slices.ContainsFunc(f.reasons, func(r Reason) bool { return r.Text == err.Error() }) {
		f.reasons = append(f.reasons, Reason{Source: sourcePerf, Text: err.Error(), Next: nextPerf(err), Part: part})
	}
}

func (f *perfFinder) note(ok bool, text string, part Part) {
	f.reasons = append(f.reasons, Reason{Source: sourcePerf, OK: ok, Text: text, Part: part})
}

// packages opens each package of the power PMU with the memory behind it. The other events are not opened: their joules are inside a package's, or
// psys, which contains them. Without a package its memory is not counted either: memory alone would pass for the machine.
func (f *perfFinder) packages(u *pmu) error {
	events := map[string]*pmuEvent{}
	for _, name := range u.names {
		switch name {
		case eventPackage, eventDram, eventCores, eventGPU, eventPsys:
			e, err := u.event(name, &f.perf.calls)
			if err != nil {
				f.fail(fmt.Errorf("%s/%s/ skipped: %w", u.name, name, err))
				continue
			}
			events[name] = e
		default:
			f.note(false, fmt.Sprintf("%s/%.64q skipped: an event of this name is not known, and may be inside a package", u.name, name), Part{})
		}
	}
	if events[eventPackage] == nil {
		return fmt.Errorf("perf PMU %s has no event %s that can be used", u.name, eventPackage)
	}
	places, err := u.places(&f.perf.calls)
	f.fail(err)
	if len(places) == 0 {
		return err
	}
	sortPlaces(places)
	dies := !u.single && hasDies(places)
	for len(places) > 0 {
		n := 1
		for n < len(places) && u.same(places[0], places[n]) {
			n++
		}
		e := f.openPackage(u, events, places[0], dies)
		if e == nil {
			f.sameInside(u, places[0], places[1:n])
		}
		if err == nil {
			err = e
		}
		places = places[n:]
	}
	return err
}

// sameInside names the dies that have no counter but their package's.
func (f *perfFinder) sameInside(u *pmu, kept perfPlace, others []perfPlace) {
	name := fmt.Sprintf("%s-%d", kindPackage, kept.socket)
	for _, at := range others {
		die := fmt.Sprintf("%s-die-%d", name, at.die)
		text := fmt.Sprintf("%s skipped: %s/%s/ on CPU %d is %s: %s", die, u.name, eventPackage, at.cpu, sameCounter(name), oneOnAMD)
		f.note(true, text, Part{Name: die, Scope: kindPackage, Inside: name})
	}
}

// openPackage makes domains of one package, or die of one.
func (f *perfFinder) openPackage(u *pmu, events map[string]*pmuEvent, at perfPlace, dies bool) error {
	suffix := fmt.Sprintf("-%d", at.socket)
	die := -1
	if dies { // as powercap names them
		die = at.die
		suffix += fmt.Sprintf("-die-%d", die)
	}
	names := []string{kindPackage + suffix}
	scopes := []string{kindPackage}
	group := []*pmuEvent{events[eventPackage]}
	if e := events[eventDram]; e != nil {
		names, scopes, group = append(names, kindDram+suffix), append(scopes, kindDram), append(group, e)
	}
	g := newPerfGroup(u, group, at)
	failed, err := g.open(&f.perf.calls)
	if err != nil && failed > 0 {
		f.failPart(fmt.Errorf("%s cannot be read: %w", names[failed], err), Part{Name: names[failed], Scope: scopes[failed]})
		names, scopes = names[:1], scopes[:1]
		g = newPerfGroup(u, group[:1], at)
		_, err = g.open(&f.perf.calls)
	}
	if err == nil {
		if err = g.read(&f.perf.calls); err != nil { // to see that it works; those values are not used
			g.close(&f.perf.calls)
			err = fmt.Errorf("read %s on CPU %d: %w", g.title(0), at.cpu, err)
		}
	}
	if err != nil {
		err = fmt.Errorf("%s cannot be read: %w", names[0], err)
		f.failPart(err, Part{Name: names[0], Scope: kindPackage})
		return err
	}
	psys := ""
	if events[eventPsys] != nil {
		psys = eventPsys + suffix
		f.note(true, psys+" skipped: it contains the packages, which are counted", Part{Name: psys, Scope: ScopePsys})
	}
	for i, name := range names {
		detail := fmt.Sprintf("perf %s on CPU %d", g.title(i), at.cpu)
		f.perf.domains = append(f.perf.domains, Domain{Name: name, Socket: at.socket, Die: die, Method: Measured, Source: sourcePerf, Scope: scopes[i], Detail: detail})
		part := Part{Name: name, Scope: scopes[i], Inside: psys, Counted: true}
		f.note(true, name+" is read from "+strings.TrimPrefix(detail, "perf "), part)
	}
	for _, in := range [][2]string{{eventCores, ScopeCore}, {eventGPU, ScopeUncore}} {
		if events[in[0]] != nil {
			f.note(true, in[0]+suffix+" skipped: it is inside "+names[0]+", which is counted", Part{Name: in[0] + suffix, Scope: in[1], Inside: names[0]})
		}
	}
	f.perf.sets = append(f.perf.sets, newPerfSet(names[0], scopes, []*perfGroup{g}))
	return nil
}

// hasDies says that some package has several counters. Where each has one, it is the package's whatever the number of its dies: AMD's chiplets are dies
// to the kernel, and are counted together.
func hasDies(places []perfPlace) bool {
	for i := 1; i < len(places); i++ {
		if places[i].socket == places[i-1].socket {
			return true
		}
	}
	return false
}

func sortPlaces(places []perfPlace) {
	slices.SortFunc(places, func(a, b perfPlace) int {
		if a.socket != b.socket {
			return a.socket - b.socket
		}
		if a.die != b.die {
			return a.die - b.die
		}
		return a.core - b.core
	})
}

// coresInside names the counters of single cores, which a package that is counted contains.
func (f *perfFinder) coresInside(u *pmu) {
	if !slices.Contains(u.names, eventCore) {
		return
	}
	for _, d := range f.perf.domains {
		if d.Scope == kindPackage {
			name := eventCore + strings.TrimPrefix(d.Name, kindPackage)
			f.note(true, name+" skipped: its cores are inside "+d.Name+", which is counted", Part{Name: name, Scope: ScopeCore, Inside: d.Name})
		}
	}
}

// cores makes one domain of each socket's cores, for a machine whose packages cannot be read.
func (f *perfFinder) cores(u *pmu) error {
	if !slices.Contains(u.names, eventCore) {
		return fmt.Errorf("perf PMU %s has no event %s", u.name, eventCore)
	}
	e, err := u.event(eventCore, &f.perf.calls)
	if err != nil {
		return fmt.Errorf("%s/%s/: %w", u.name, eventCore, err)
	}
	places, err := u.places(&f.perf.calls)
	f.fail(err)
	sortPlaces(places)
	for len(places) > 0 {
		n := 1
		for n < len(places) && places[n].socket == places[0].socket {
			n++
		}
		if errOpen := f.openCores(u, e, places[:n]); errOpen != nil {
			err = errOpen
			f.fail(err)
		}
		places = places[n:]
	}
	return err
}

func (f *perfFinder) openCores(u *pmu, e *pmuEvent, places []perfPlace) error {
	name := fmt.Sprintf("core-%d", places[0].socket)
	var groups []*perfGroup
	for _, at := range places {
		g := newPerfGroup(u, []*pmuEvent{e}, at)
		_, err := g.open(&f.perf.calls)
		if err == nil {
			groups = append(groups, g)
			err = g.read(&f.perf.calls)
		}
		if err != nil { // a sum that lacks a core would pass for all of them
			for _, g := range groups {
				g.close(&f.perf.calls)
			}
			return fmt.Errorf("%s cannot be read: core %d: %w", name, at.core, err)
		}
	}
	detail := fmt.Sprintf("sum of %d cores, each by perf %s on a CPU of its own", len(groups), groups[0].title(0))
	f.perf.domains = append(f.perf.domains, Domain{Name: name, Socket: places[0].socket, Die: -1, Method: Measured, Source: sourcePerf, Scope: ScopeCore, Detail: detail})
	f.perf.sets = append(f.perf.sets, newPerfSet(name, []string{ScopeCore}, groups))
	f.note(true, name+" is the "+detail, Part{Name: name, Scope: ScopeCore, Counted: true})
	f.note(false, fmt.Sprintf("package-%d has no counter: the joules of its other parts (caches, memory controllers, links) are missing from %s", places[0].socket, name), Part{})
	return nil
}

package engine

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/eco2-bpf/eco2-bpf/attribution"
	"github.com/eco2-bpf/eco2-bpf/internal/snapshot"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// explained adds up how one row came to its joules of one domain.
type explained struct {
	idle, active units.Microjoules
	biggest      snapshot.StepExplanation
	causes       [attribution.Causes]snapshot.Range
}

func (x *explained) add(c *cell, by *explainedCell) {
	x.idle += c.Idle
	x.active += c.Active
	if by.step.Part > x.biggest.Part || by.step.Part == 0 && x.biggest.Part == 0 && c.Idle > 0 || x.biggest.End.IsZero() {
		x.biggest = by.step
	}
	for i, r := range by.causes {
		x.causes[i].Low = capped(x.causes[i].Low, r.Low)
		x.causes[i].High = capped(x.causes[i].High, r.High)
	}
}

func (x *explained) join(o *explained) {
	x.idle += o.idle
	x.active += o.active
	if o.biggest.Part > x.biggest.Part {
		x.biggest = o.biggest
	}
	for i, r := range o.causes {
		x.causes[i].Low = capped(x.causes[i].Low, r.Low)
		x.causes[i].High = capped(x.causes[i].High, r.High)
	}
}

var causeTexts = [attribution.Causes][2]string{
	attribution.CauseEnergy: {"energy", "the domain's energy itself: an estimate has a range"},
	attribution.CauseIdle:   {"idle", "how much of it is idle"},
	attribution.CauseSplit:  {"split", "what it is shared by does not tell all: two that have the same share may use more or less"},
	attribution.CauseMissed: {"missed", "what no row has may be this row's"},
}

// explain tells how a row came to its joules; at is its place.
func (e *Engine) explain(a *accumulator, r *accRow, row *snapshot.Row, at int) snapshot.Explanation {
	out := snapshot.Explanation{
		Row: at, Joules: row.Joules, KWh: row.Joules.Joules() / 3.6e6, PUE: e.cfg.PUE, GPerKWh: e.cfg.Factor.GramsPerKWh, CO2e: row.CO2e,
	}
	for d := range e.domains {
		all, x := &a.energy[d], &r.explained[d]
		dom := snapshot.DomainExplanation{
			Domain: e.domains[d].Name, Method: e.domains[d].Method, Source: e.domains[d].Source,
			Energy: all.energy, Idle: all.idle, Earlier: all.earlier, Active: all.energy - all.idle - all.earlier, IdleHow: a.idle[d].mostly(),
			IdlePolicy: e.cfg.Idle.String(), IdlePart: x.idle, ActivePart: x.active, Split: e.splits[d], Unit: e.unitOf(d),
			Steps: int(a.steps), Biggest: x.biggest, Low: row.Ranges[d].Low, High: row.Ranges[d].High,
		}
		for i, c := range x.causes {
			if c.High > c.Low+2*units.Microjoules(a.steps) { // else it is rounding
				dom.Causes = append(dom.Causes, snapshot.Cause{Name: causeTexts[i][0], Low: c.Low, High: c.High, Text: causeTexts[i][1]})
			}
		}
		if sum, edge := r.joules[d], e.edgeOf(d, r.joules[d], r.cpuTime(), a); edge > 0 {
			dom.Causes = append(dom.Causes, snapshot.Cause{Name: "edges", Low: sum - min(sum, edge), High: sum + edge,
				Text: "energy and CPU time are not read at one moment: a counter moves in steps, and a running task's time is as fresh as the last tick"})
		}
		slices.SortStableFunc(dom.Causes, func(x, y snapshot.Cause) int { return cmp.Compare(y.High-y.Low, x.High-x.Low) })
		out.Domains = append(out.Domains, dom)
	}
	return out
}

// asked tells whether a row is to be explained.
func (e *Engine) asked(row *snapshot.Row) bool {
	return slices.ContainsFunc(e.cfg.Explain, func(want string) bool { return goesBy(row, want) })
}

// isAsked is asked before there is a row to show.
func (e *Engine) isAsked(a *accumulator, r *accRow) bool {
	if len(e.cfg.Explain) == 0 {
		return false
	}
	row := e.rowOf(a, r)
	return e.asked(&row)
}

// goesBy tells whether a row has that process id, or is called so in views.
func goesBy(row *snapshot.Row, want string) bool {
	if n, err := strconv.Atoi(want); err == nil && n > 0 && (n == row.PID || n == row.TID) {
		return true
	}
	// As views show them: [kernel thread], (idle), (reserved).
	want = strings.Trim(want, "[]()")
	names := []string{row.Comm, row.Group, strings.TrimSuffix(row.Group, ".service")}
	if row.Kind != snapshot.Process && row.Kind != snapshot.Group {
		names = append(names, row.Kind)
	} else if row.Kind == snapshot.Group {
		names = append(names, row.User, strconv.Itoa(row.UID), row.Tenant.Job)
	}
	if row.Kind == snapshot.Reserved {
		names = append(names, row.Cgroup)
	}
	if c := row.Tenant.Container; c != nil && row.Kind == snapshot.Group {
		names = append(names, c.Name, short(c.ID))
	}
	if p := row.Tenant.Pod; p != nil && row.Kind == snapshot.Group {
		names = append(names, p.Name, p.Namespace+"/"+p.Name)
	}
	return want != "" && slices.Contains(names, want)
}

func short(id string) string { return id[:min(len(id), shortID)] }

// Unexplained are those that were asked for, and are in no row of a total.
func (e *Engine) Unexplained(total *snapshot.Snapshot) (none []string) {
	for _, want := range e.cfg.Explain {
		if !slices.ContainsFunc(total.Explained, func(x snapshot.Explanation) bool { return goesBy(&total.Rows[x.Row], want) }) {
			none = append(none, want)
		}
	}
	return none
}

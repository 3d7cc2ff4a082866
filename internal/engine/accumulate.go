package engine

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/internal/identity"
	"github.com/eco2-bpf/eco2-bpf/internal/snapshot"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// accRow adds up what one row used.
type accRow struct {
	key       rowKey
	last      bpf.Usage         // of the account, or of the group's latest: names are read from it when the row is shown
	who       *identity.Process // likewise; nil: not known
	cgroup    *identity.Cgroup  // of a row by container, pod, unit or job: one that has the row's name
	processes int
	time      time.Duration
	switches  uint64
	joules    []units.Microjoules // by domain
	low, high []units.Microjoules // likewise
	explained []explained         // likewise, if somebody asked
	step      uint64              // the last step it ran in
}

func (r *accRow) sum() (e units.Microjoules) {
	for _, j := range r.joules {
		e += j
	}
	return e
}

// accumulator adds up steps into a window, or into the total.
type accumulator struct {
	isTotal  bool
	windowNo uint64
	steps    uint64
	rows     map[rowKey]*accRow
	booked   []*accRow // by group of the step
	energy   []domainStep
	marks    [][]string
	idle     []idleMean // by domain
	seconds  time.Duration
	start    time.Time
	end      time.Time
	unseen   time.Duration
	seen     int
	losses   bpf.Losses // at the start
	extra    snapshot.Losses
	edge     time.Duration // the longest that one took
	self     selfUse
}

// cpuTime is the time that tasks ran for the row's energy: none of what is idle.
func (r *accRow) cpuTime() time.Duration {
	if r.key.kind == snapshot.Idle || r.key.kind == snapshot.Reserved {
		return 0
	}
	return r.time
}

// maxRows bounds memory: above it, and above twice the processes that hold memory, the rows with the fewest joules that did not just run are
// folded into others.
const maxRows = 16384

// maxMarks bounds how many different marks of a domain are kept.
const maxMarks = 8

func (e *Engine) newAccumulator() *accumulator {
	return &accumulator{
		rows: map[rowKey]*accRow{}, energy: make([]domainStep, len(e.domains)), marks: make([][]string, len(e.domains)),
		idle:  make([]idleMean, len(e.domains)),
		start: e.prev.Wall, end: e.prev.Wall, losses: e.prev.Losses, self: readSelf(), edge: e.prev.Took,
	}
}

// book adds one step: the accounts' times, and the ledger's cells.
func (a *accumulator) book(e *Engine, domains []domainStep, wall, unseen time.Duration, breach bool) {
	a.steps++
	a.seconds += wall
	a.end = e.cur.Wall
	a.unseen += unseen
	a.edge = max(a.edge, e.cur.Took)
	for d, s := range domains {
		a.energy[d].energy += s.energy
		a.energy[d].low += s.low
		a.energy[d].high += s.high
		a.energy[d].covers += s.covers
		a.energy[d].idle += s.idle
		a.energy[d].earlier += s.earlier
		if s.covers > 0 {
			a.idle[d].add(e.floors[d].last, s.covers, s.mark != "")
		}
		if s.mark != "" {
			a.extra.MarkedDomains++
			if !slices.Contains(a.marks[d], s.mark) && len(a.marks[d]) < maxMarks {
				a.marks[d] = append(a.marks[d], s.mark)
			}
		}
	}
	if breach {
		a.extra.Breaches++
	}
	if !e.cur.BusyGood {
		a.extra.BusyUnread++
	}
	if e.cfg.Weights.Frequency > 0 && len(e.cur.KHz) == 0 {
		a.extra.FrequencyUnread++
	}
	a.bookEnergy(&e.groups)
	var seen time.Duration
	for i := range e.accounts.rows {
		u := &e.accounts.rows[i]
		seen += u.Time
		who, selected := e.accounts.who[i], e.accounts.selected[i]
		r := a.booked[e.groups.of[i]]
		if who != nil {
			r.who = who
		}
		if r.key.name != "" && e.cfg.byTenant() {
			r.cgroup = e.parts.Cgroups.Of(u.Cgroup)
		}
		r.last, r.time, r.switches = *u, r.time+u.Time, r.switches+u.Switches
		if isProcess(u) {
			r.processes += a.count(e, u, who, selected)
		}
	}
	a.row(rowKey{kind: snapshot.Idle}, len(domains)).time += max(0, wall*time.Duration(e.parts.Host.CPUs)-seen-unseen)
	a.row(rowKey{kind: snapshot.Unattributed}, len(domains)).time += unseen
	a.fold(e)
}

// bookEnergy adds a step's rows, and leaves them in booked.
func (a *accumulator) bookEnergy(g *groups) {
	a.booked = a.booked[:0]
	for i, key := range g.keys {
		r := a.row(key, g.domains)
		a.booked = append(a.booked, r)
		for d, c := range g.row(i) {
			r.joules[d] += c.sum()
			r.low[d] = capped(r.low[d], c.low)
			r.high[d] = capped(r.high[d], c.high)
		}
		if len(g.explain) == 0 {
			continue
		}
		r.explained = resize(r.explained, g.domains)
		for d := range g.domains {
			r.explained[d].add(&g.row(i)[d], &g.explain[i*g.domains+d])
		}
	}
}

// mostJoules bounds the sums of bounds, which no energy of a recording does.
const mostJoules = math.MaxInt64 / 4

func capped(a, b units.Microjoules) units.Microjoules { return min(a, mostJoules) + min(b, mostJoules) }

// join adds another row.
func (r *accRow) join(o *accRow) {
	for d := range r.joules {
		r.joules[d] += o.joules[d]
		r.low[d] = min(r.joules[d], capped(r.low[d], o.low[d]))
		r.high[d] = max(r.joules[d], capped(r.high[d], o.high[d]))
	}
	if o.explained != nil {
		r.explained = resize(r.explained, len(r.joules))
		for d := range o.explained {
			r.explained[d].join(&o.explained[d])
		}
	}
}

func (a *accumulator) row(key rowKey, domains int) *accRow {
	r := a.rows[key]
	if r == nil {
		all := make([]units.Microjoules, 3*domains)
		r = &accRow{key: key, joules: all[:domains:domains], low: all[domains : 2*domains : 2*domains], high: all[2*domains:]}
		a.rows[key] = r
	}
	r.step = a.steps
	return r
}

// count tells 1 for a process that this accumulator sees for the first time, and counts it among those seen.
func (a *accumulator) count(e *Engine, u *bpf.Usage, who *identity.Process, selected bool) int {
	st := e.procs.state(u)
	if st == nil {
		return 0
	}
	is := 0 // one that is selected only later counts among the others before, and then among the selected
	if selected {
		is = 1
	}
	if a.isTotal && st.counted[is] || !a.isTotal && st.window[is] == a.windowNo {
		return 0
	}
	if a.isTotal {
		st.counted[is] = true
	} else {
		st.window[is] = a.windowNo
	}
	if who == nil && !u.Kernel && e.parts.Processes != nil {
		a.extra.UnknownProcesses++
	}
	if !u.Kernel && selected {
		a.seen++
	}
	return 1
}

// fold moves the least of the rows that are not running into others, once there are too many.
func (a *accumulator) fold(e *Engine) {
	most := max(maxRows, 2*e.holdings.holders)
	if len(a.rows) <= most {
		return
	}
	var idle []*accRow
	for _, r := range a.rows {
		if r.step < a.steps && (r.key.kind == snapshot.Process || r.key.kind == snapshot.Group) && !e.isAsked(a, r) {
			idle = append(idle, r)
		}
	}
	slices.SortFunc(idle, func(x, y *accRow) int { return cmp.Compare(x.sum(), y.sum()) })
	idle = idle[:min(len(idle), most/2)]
	for _, r := range idle {
		a.absorb(r)
		delete(a.rows, r.key)
	}
	a.extra.FoldedRows += uint64(len(idle))
}

// absorb adds a row to others.
func (a *accumulator) absorb(r *accRow) {
	o := a.row(rowKey{kind: snapshot.Others}, len(r.joules))
	o.time, o.switches, o.processes = o.time+r.time, o.switches+r.switches, o.processes+r.processes
	o.join(r)
}

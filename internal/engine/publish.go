package engine

import (
	"bytes"
	"cmp"
	"os"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/snapshot"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// publish turns what was added up into a Snapshot.
func (e *Engine) publish(a *accumulator, kind string) *snapshot.Snapshot {
	if !a.isTotal && Looks(e.domains, e.parts.DRAM) {
		e.foldSleepers(a)
	}
	e.top(a)
	s := &snapshot.Snapshot{
		Kind: kind, By: e.cfg.By, IdlePolicy: e.cfg.Idle.String(), Start: a.start, End: a.end, Seconds: a.seconds.Seconds(),
		Host:   snapshot.Host{Name: e.parts.Host.Name, CPUs: e.parts.Host.CPUs, Sockets: e.parts.Host.Sockets, Kernel: e.parts.Host.Kernel, MemoryBytes: e.parts.Host.MemoryBytes},
		Energy: e.energyOf(a), Idle: e.idlePowers(a), Intensity: e.intensity(), ProcessesSeen: a.seen, BusySource: e.parts.BusySource,
		Weights: e.weights(),
	}
	s.Rows = make([]snapshot.Row, 0, len(a.rows))
	for _, r := range a.rows {
		if r.key.kind == snapshot.Overflow && r.time == 0 {
			continue
		}
		s.Rows = append(s.Rows, e.rowOf(a, r))
		if row := &s.Rows[len(s.Rows)-1]; e.asked(row) {
			s.Explained = append(s.Explained, e.explain(a, r, row, len(s.Rows)-1))
		}
	}
	sortRows(s)
	s.Losses, s.Self = e.lossesOf(a), readSelf().since(a.self, a.isTotal || e.parts.Collector != nil)
	s.Self.EdgeSeconds = a.edge.Seconds()
	if !conserves(s) {
		s.Losses.Breaches++
	}
	return s
}

// conserves is law 1 on what is shown: the rows of each domain add up to its energy. The ledger checks itself; this is for all that
// was added up, folded and cut since.
func conserves(s *snapshot.Snapshot) bool {
	for d, e := range s.Energy {
		var sum units.Microjoules
		for i := range s.Rows {
			sum += s.Rows[i].ByDomain[d]
		}
		if sum != e.Joules {
			return false
		}
	}
	return true
}

// sortRows sorts the rows, and what is explained of them.
func sortRows(s *snapshot.Snapshot) {
	order := make([]int, len(s.Rows))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(x, y int) int { return compareRows(&s.Rows[x], &s.Rows[y]) })
	rows := make([]snapshot.Row, len(s.Rows))
	for at, i := range order {
		rows[at] = s.Rows[i]
	}
	s.Rows = rows
	for i := range s.Explained {
		s.Explained[i].Row = slices.Index(order, s.Explained[i].Row)
	}
	slices.SortFunc(s.Explained, func(x, y snapshot.Explanation) int { return cmp.Compare(x.Row, y.Row) })
}

// compareRows puts accounts first, the most joules on top, then the rows that are no account in a fixed order.
func compareRows(x, y *snapshot.Row) int {
	return cmp.Or(
		cmp.Compare(rank(x.Kind), rank(y.Kind)),
		cmp.Compare(y.Joules, x.Joules),
		cmp.Compare(y.CPUSeconds, x.CPUSeconds),
		cmp.Compare(x.PID, y.PID),
		cmp.Compare(x.TID, y.TID),
		cmp.Compare(x.Comm, y.Comm),
		cmp.Compare(x.Group, y.Group),
		cmp.Compare(x.Cgroup, y.Cgroup),
		cmp.Compare(x.CgroupID, y.CgroupID),
	)
}

func rank(kind string) int {
	return 1 + slices.Index([]string{snapshot.Others, snapshot.Interrupts, snapshot.Overflow, snapshot.Unattributed, snapshot.Idle}, kind)
}

// top leaves the cfg.Top accounts with the most joules and folds the rest into others.
func (e *Engine) top(a *accumulator) {
	if e.cfg.Top <= 0 {
		return
	}
	var rows []*accRow
	for _, r := range a.rows {
		if rank(r.key.kind) == 0 && !e.isAsked(a, r) {
			rows = append(rows, r)
		}
	}
	if len(rows) <= e.cfg.Top {
		return
	}
	slices.SortFunc(rows, func(x, y *accRow) int {
		return cmp.Or(cmp.Compare(y.sum(), x.sum()), cmp.Compare(y.time, x.time), cmp.Compare(x.key.id, y.key.id), cmp.Compare(x.key.name, y.key.name))
	})
	for _, r := range rows[e.cfg.Top:] {
		a.absorb(r)
		delete(a.rows, r.key)
	}
}

// sleeperPart is what of a window's energy a row must have to be shown though nothing of it ran.
const sleeperPart = 1000

// foldSleepers puts those who did nothing but hold a little memory into one row: else every window would list every process there is. The
// total has them all.
func (e *Engine) foldSleepers(a *accumulator) {
	var all units.Microjoules
	for _, r := range a.rows {
		all += r.sum()
	}
	var small []*accRow
	for _, r := range a.rows {
		if r.time == 0 && r.switches == 0 && rank(r.key.kind) == 0 && r.sum() < all/sleeperPart && !e.isAsked(a, r) {
			small = append(small, r)
		}
	}
	for _, r := range small {
		a.absorb(r)
		delete(a.rows, r.key)
	}
}

func (e *Engine) rowOf(a *accumulator, r *accRow) snapshot.Row {
	sum := r.sum()
	row := snapshot.Row{
		Kind: r.key.kind, UID: -1, Processes: r.processes, CPUSeconds: r.time.Seconds(), Switches: r.switches,
		Joules: sum, ByDomain: slices.Clone(r.joules), CO2e: e.cfg.Factor.Grams(sum, e.cfg.PUE),
	}
	row.Ranges = make([]snapshot.Range, len(r.joules))
	for d := range r.joules {
		// What the edges may have moved is a part of the row's weight, so it is the same part of either bound. Of rows that were folded into one
		// the highs are added up: together they cannot have more than there is.
		edge := part(e.edgeOf(d, r.joules[d], r.cpuTime(), a), r.high[d], r.joules[d])
		is := snapshot.Range{
			Low:  r.low[d] - min(r.low[d], part(edge, r.low[d], r.high[d])),
			High: min(r.high[d]+edge, max(r.joules[d], e.boundsOf(d, a).high)),
		}
		row.Low, row.High = row.Low+is.Low, row.High+is.High
		row.Ranges[d] = is
	}
	if rank(r.key.kind) == 0 { // else it is no account: there is nothing to name
		e.name(&row, r)
	}
	return row
}

func (e *Engine) energyOf(a *accumulator) []snapshot.Energy {
	out := make([]snapshot.Energy, len(e.domains))
	for i, d := range e.domains {
		sum := e.boundsOf(i, a)
		out[i] = snapshot.Energy{
			Domain: d.Name, Joules: sum.energy, Method: d.Method, Source: d.Source, Low: sum.low, High: sum.high,
			Scope: d.Scope, Split: e.splits[i], Marks: a.marks[i], CoversSeconds: sum.covers.Seconds(),
		}
	}
	return out
}

// boundsOf is a domain's energy with the counter's own step, at either edge.
func (e *Engine) boundsOf(d int, a *accumulator) domainStep {
	sum := a.energy[d]
	if e.domains[d].Method == energy.Measured {
		edge := 2 * e.domains[d].EdgeBound(sum.energy.Per(a.seconds))
		sum.low, sum.high = max(0, sum.low-edge), sum.high+edge
	}
	return sum
}

func (e *Engine) intensity() snapshot.Intensity {
	f := e.cfg.Factor
	return snapshot.Intensity{
		Region: f.Region, Name: f.Name, GPerKWh: f.GramsPerKWh, PUE: e.cfg.PUE, Source: f.Source, Year: f.Year,
		Basis: f.Basis, Method: f.Method, How: f.How, Guess: f.Guess, Note: f.Note,
	}
}

func (e *Engine) lossesOf(a *accumulator) snapshot.Losses {
	now, l := e.prev.Losses, a.extra
	l.Missed = now.Missed - a.losses.Missed
	l.OverflowSwitches = now.OverflowSwitches - a.losses.OverflowSwitches
	l.OverflowSeconds = (now.Overflow - a.losses.Overflow).Seconds()
	l.Spilled = now.Spilled - a.losses.Spilled
	l.Unfollowed = now.Unfollowed - a.losses.Unfollowed
	l.Recursion = now.Recursion - a.losses.Recursion
	l.Events = now.Events - a.losses.Events
	l.Gone = now.Gone - a.losses.Gone
	l.Uncounted = now.Uncounted - a.losses.Uncounted
	l.UnseenSeconds = a.unseen.Seconds()
	if a.isTotal {
		l.UnknownCgroups = e.parts.Cgroups.Unknown()
	}
	return l
}

// selfUse is what this program has used so far.
type selfUse struct{ cpu time.Duration }

func readSelf() selfUse {
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
		return selfUse{}
	}
	return selfUse{cpu: time.Duration(ru.Utime.Nano() + ru.Stime.Nano())}
}

// since tells of memory only if asked: to read that takes longer than to replay a window.
func (s selfUse) since(start selfUse, memory bool) snapshot.Self {
	out := snapshot.Self{CPUSeconds: (s.cpu - start.cpu).Seconds()}
	if !memory {
		return out
	}
	// The second field of statm is the resident set, in pages.
	if b, err := os.ReadFile("/proc/self/statm"); err == nil {
		if f := bytes.Fields(b); len(f) > 1 {
			if n, err := strconv.ParseUint(string(f[1]), 10, 64); err == nil {
				out.RSSBytes = n * uint64(os.Getpagesize())
			}
		}
	}
	return out
}

// Total publishes what was used since New. The engine can go on afterwards, unless Top has cut the rows.
func (e *Engine) Total() *snapshot.Snapshot {
	e.parts.Cgroups.Settle()
	if e.parts.Containers != nil {
		e.parts.Containers.Wait(namesWait)
	}
	return e.publish(e.total, snapshot.Total)
}

// namesWait is how long the last report waits for containers' names that are still being looked up.
const namesWait = 2 * time.Second

package engine

import (
	"github.com/eco2-bpf/eco2-bpf/attribution"
	"github.com/eco2-bpf/eco2-bpf/internal/snapshot"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// groups are what a step's rows used: accounts that are one row are taken together, as their range is narrower than the sum of theirs.
type groups struct {
	domains int
	index   map[rowKey]int
	keys    []rowKey
	of      []int // by account
	cells   []cell
	explain []explainedCell // as cells, if somebody asked
}

// cell is a row's energy of one domain, with its bounds.
type cell struct {
	attribution.Part
	earlier   units.Microjoules
	low, high units.Microjoules
}

func (c *cell) sum() units.Microjoules { return c.Active + c.Idle + c.earlier }

func (g *groups) row(i int) []cell { return g.cells[i*g.domains : (i+1)*g.domains] }

func (g *groups) add(key rowKey) int {
	i, ok := g.index[key]
	if !ok {
		i = len(g.keys)
		g.index[key] = i
		g.keys = append(g.keys, key)
		for range g.domains {
			g.cells = append(g.cells, cell{})
		}
	}
	return i
}

// group sums the ledger by row. The last two are the rows Idle and Unattributed.
func (e *Engine) group(domains []domainStep) {
	g := &e.groups
	if g.index == nil {
		g.index, g.domains = map[rowKey]int{}, len(e.domains)
	}
	clear(g.index)
	g.keys, g.of, g.cells = g.keys[:0], g.of[:0], g.cells[:0]
	for i := range e.accounts.rows {
		at := g.add(e.keyOf(&e.accounts.rows[i], e.accounts.who[i], e.accounts.selected[i]))
		g.of = append(g.of, at)
		cells := g.row(at)
		for d := range cells {
			cells[d].Add(e.ledger.Part(i, d))
		}
	}
	for i := range g.keys {
		cells := g.row(i)
		for d := range cells {
			cells[d].low, cells[d].high = e.ledger.Bounds(d, cells[d].Part)
		}
	}
	idle, rest := g.add(rowKey{kind: snapshot.Idle}), g.add(rowKey{kind: snapshot.Unattributed})
	for d := range domains {
		c := &g.row(idle)[d]
		c.Idle = e.ledger.Cell(e.ledger.Idle(), d)
		c.low, c.high = e.ledger.IdleBounds(d)
		c = &g.row(rest)[d]
		c.earlier = domains[d].earlier
		c.Active = e.ledger.Cell(e.ledger.Unattributed(), d) - c.earlier
		c.low, c.high = e.ledger.UnattributedBounds(d)
	}
	if len(e.cfg.Explain) > 0 {
		e.explainStep(domains)
	}
}

// payers is how many accounts pay for a domain's idle energy, each the same; 0: that is not so.
func (e *Engine) payers(d int) (n int) {
	if e.cfg.Idle != attribution.Equal {
		return 0
	}
	for row := range e.accounts.rows {
		if e.ledger.IdlePart(row, d) > 0 {
			n++
		}
	}
	return n
}

// explainedCell is how a row came to its cell.
type explainedCell struct {
	step   snapshot.StepExplanation
	causes [attribution.Causes]snapshot.Range
}

// explainStep notes it for every row: who is asked for may be known by name only later.
func (e *Engine) explainStep(domains []domainStep) {
	g := &e.groups
	g.explain = resize(g.explain[:0], len(g.cells))
	wall := e.cur.At - e.prev.At
	for d := range domains {
		s := &domains[d]
		term := func(row, group int) {
			t, x := e.ledger.Term(row, d), &g.explain[group*g.domains+d].step
			x.End, x.Seconds = e.cur.Wall, s.covers.Seconds()
			x.Energy, x.Idle, x.Earlier, x.Shared = s.energy, s.idle, s.earlier, t.Shared
			x.Weight += t.Weight
			x.AllWeights, x.Nobody = t.AllWeights, t.Nobody
			x.Part += t.Part
		}
		n := e.places.n
		payers := e.payers(d)
		for row, group := range g.of {
			term(row, group)
			x := &g.explain[group*g.domains+d].step
			x.Reserved += e.accounts.reserved[row]
			x.Payers = payers
			if e.splits[d] == splitResidentTime {
				x.Resident = max(x.Resident, e.accounts.rows[row].Resident)
			}
			for p := range n {
				if e.places.pays(d, p) {
					x.CPUSeconds += e.accounts.time[row*n+p].Seconds()
					x.MeanWeight += e.accounts.weighed[row*n+p].Seconds()
				}
			}
		}
		term(e.ledger.Idle(), len(g.keys)-2)
		term(e.ledger.Unattributed(), len(g.keys)-1)
	}
	for i := range g.explain {
		x, c, d := &g.explain[i], &g.cells[i], i%g.domains
		if x.step.CPUSeconds > 0 {
			x.step.MeanWeight /= x.step.CPUSeconds
		}
		if x.step.Seconds == 0 {
			x.step.Seconds = wall.Seconds()
		}
		for cause := range attribution.Causes {
			r := &x.causes[cause]
			switch i / g.domains {
			case len(g.keys) - 2:
				r.Low, r.High = c.Idle, c.Idle
				if cause == attribution.CauseIdle {
					r.Low, r.High = c.low, c.high
				}
			case len(g.keys) - 1:
				r.Low, r.High = c.sum(), c.sum()
				if cause == attribution.CauseMissed {
					r.Low, r.High = c.low, c.high
				}
			default:
				r.Low, r.High = e.ledger.BoundsBy(cause, d, c.Part)
			}
		}
	}
}

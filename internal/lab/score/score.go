// Package score compares what a tool says of processes with the truth, by the same rules for all tools.
package score

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// Told is what a tool says at the end of a run, in joules of one kind of energy.
type Told struct {
	Joules map[Key]float64
	Ranges map[Key]Range // nil: the tool gives none
	// Rest is what the tool itself says is no process's, such as idle energy. NoRest: it says nothing of it, so nobody can expect its numbers
	// to add up to the whole.
	Rest   float64
	NoRest bool
	Trees  bool // a number is of a process and all that came from it
	Window time.Duration
}

// Range bounds joules.
type Range struct{ Low, High float64 }

// Entry is one pair that counts: a process, a tree, or the small processes of one name together.
type Entry struct {
	Name        string
	Processes   int
	Truth, Told float64
	active      float64
}

// Error is relative to the truth.
func (e *Entry) Error() float64 { return math.Abs(e.Told-e.Truth) / e.Truth }

// Score is how far a tool is from the truth by one policy.
type Score struct {
	Policy             Policy
	Entries            []Entry
	Median, P95, Worst float64 // of the entries' errors; NaN without any
	// Handed is what the tool's numbers add up to, Rest included, and Of what they should.
	Handed, Of float64
	// Exited is of those who ended before the run did.
	ExitedTruth, ExitedTold float64
	// Coverage is of all processes that have used something, and Large of those among them that have an entry of their own.
	Coverage
	Large Coverage
}

// Coverage says what ranges are worth: whether the truth is in them, and how wide they are to have it. All numbers are of the same rows.
type Coverage struct {
	Rows, Covered int
	Open          int // of the rows, how many have a low of 0, or no range: nothing is said of how little it can have been
	// Width and WidthP95 are the median and the 95th percentile of high / low: infinite for those that are open; NaN: the tool gives no range.
	Width, WidthP95 float64
}

// Inside is the part of the rows whose truth is in their range; NaN without any.
func (c *Coverage) Inside() float64 { return float64(c.Covered) / float64(c.Rows) }

// Conservation is what the tool's numbers add up to too much, as a part of what they should; below 0: too little.
func (s *Score) Conservation() float64 {
	if s.Of <= 0 {
		return 0
	}
	return s.Handed/s.Of - 1
}

// Floors: whoever used less than this part of the active energy, or fewer joules, has no entry of their own.
const (
	floorPart   = 0.001
	floorJoules = 0.5
)

// Of scores a tool by a policy.
func Of(t *Truth, told *Told, p Policy) Score {
	s := Score{Policy: p}
	joules := t.Joules(p, told.Window)
	merged := t.Processes
	if told.Trees {
		merged, joules = trees(t.Processes, joules)
	}
	var active float64
	for i := range merged {
		active += merged[i].Active
	}
	floor := max(floorPart*active, floorJoules)
	small := map[string]*Entry{}
	for i := range merged {
		q := &merged[i]
		truth, said := joules[q.Key], told.Joules[q.Key]
		s.Of += truth
		if q.Exited {
			s.ExitedTruth += truth
			s.ExitedTold += said
		}
		if q.Active >= floor {
			s.Entries = append(s.Entries, Entry{Name: q.Comm, Processes: 1, Truth: truth, Told: said, active: q.Active})
			continue
		}
		e := small[q.Comm]
		if e == nil {
			e = &Entry{Name: q.Comm}
			small[q.Comm] = e
		}
		e.Processes, e.Truth, e.Told, e.active = e.Processes+1, e.Truth+truth, e.Told+said, e.active+q.Active
	}
	for _, e := range small {
		if e.active >= floor {
			s.Entries = append(s.Entries, *e)
		}
	}
	slices.SortFunc(s.Entries, func(a, b Entry) int { return cmp.Or(cmp.Compare(b.Truth, a.Truth), cmp.Compare(a.Name, b.Name)) })
	s.Handed = told.handed(merged)
	if !told.NoRest {
		s.Handed += told.Rest
		s.Of = t.Total
	}
	s.summarise()
	s.cover(t, told, joules, floor)
	return s
}

// Mean is that of the entries' errors, each counted as 100 % at most; NaN without any.
func (s *Score) Mean() float64 {
	sum := 0.0
	for i := range s.Entries {
		sum += min(s.Entries[i].Error(), 1)
	}
	return sum / float64(len(s.Entries))
}

func (s *Score) summarise() {
	errs := make([]float64, len(s.Entries))
	for i := range s.Entries {
		errs[i] = s.Entries[i].Error()
	}
	s.Median, s.P95, s.Worst = Quantile(errs, 0.5), Quantile(errs, 0.95), Quantile(errs, 1)
}

// handed is what the tool's numbers add up to: of trees, those of the roots.
func (t *Told) handed(merged []Process) (sum float64) {
	if t.Trees {
		for i := range merged {
			sum += t.Joules[merged[i].Key]
		}
		return sum
	}
	for _, j := range t.Joules {
		sum += j
	}
	return sum
}

// cover looks at the ranges of all who have used something, and again at those of the large ones.
func (s *Score) cover(t *Truth, told *Told, joules map[Key]float64, floor float64) {
	var all, large []bound
	for i := range t.Processes {
		p := &t.Processes[i]
		truth := math.Round(joules[p.Key]*1e6) / 1e6 // ranges are in whole microjoules
		if truth <= 0 || told.Ranges == nil {
			continue
		}
		b := bound{truth, told.Ranges[p.Key]} // none: nothing is within 0 and 0
		all = append(all, b)
		if p.Active >= floor {
			large = append(large, b)
		}
	}
	s.Coverage, s.Large = coverageOf(all), coverageOf(large)
}

// bound is a row's truth, and what was told of it.
type bound struct {
	truth float64
	Range
}

func coverageOf(rows []bound) Coverage {
	c := Coverage{Rows: len(rows)}
	widths := make([]float64, len(rows))
	for i, r := range rows {
		if r.Low <= r.truth && r.truth <= r.High {
			c.Covered++
		}
		if widths[i] = r.High / r.Low; !(r.Low > 0) {
			widths[i] = math.Inf(1)
			c.Open++
		}
	}
	c.Width, c.WidthP95 = Quantile(widths, 0.5), Quantile(widths, 0.95)
	return c
}

// trees adds up the processes of each tree. A tree has exited with its root.
func trees(processes []Process, joules map[Key]float64) ([]Process, map[Key]float64) {
	index, sums := map[Key]int{}, map[Key]float64{}
	var out []Process
	add := func(p *Process) {
		i, ok := index[p.Root]
		if !ok {
			i, index[p.Root] = len(out), len(out)
			out = append(out, Process{Key: p.Root, Root: p.Root, Comm: p.Comm})
		}
		if p.Key == p.Root {
			out[i].Comm, out[i].Exited = p.Comm, p.Exited
		}
		out[i].CPU += p.CPU
		out[i].Active += p.Active
		sums[p.Root] += joules[p.Key]
	}
	for i := range processes {
		add(&processes[i])
	}
	return out, sums
}

// Quantile is the smallest value that at least a part q of the values does not exceed; NaN of none.
func Quantile(values []float64, q float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	v := slices.Clone(values)
	slices.Sort(v)
	return v[min(len(v)-1, max(0, int(math.Ceil(q*float64(len(v))))-1))]
}

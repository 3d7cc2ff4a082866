package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// Goal is something that our numbers must reach.
type Goal struct {
	Words, Result string
	Met           bool
	// Why says of a goal that is known not to be met what it takes. It is not hidden, and fails nothing.
	Why string
}

// failed tells whether it is news that a goal is not met.
func (g *Goal) failed() bool { return !g.Met && g.Why == "" }

// told is the result, and why it is not better.
func (g *Goal) told() string {
	if g.Met || g.Why == "" {
		return g.Result
	}
	return g.Result + ". Why: " + g.Why
}

// What must be reached.
const (
	mostLinear   = 0.01 // error per process, 95th percentile, on a linear machine
	mostOfBest   = 0.5  // of the best peer's error, where weights count
	mostChildren = 0.01 // of their joules, children of a storm may have too many or too few
	leastInside  = 0.95 // of the rows, the truth is in their range
)

// How wide ranges of packages may be, as it comes and weighted: high / low, the median of the rows above the floor. Who bounds nothing does not
// meet it.
const usefulWidth, usefulWeighted = 25, 10

// Why a goal is not met.
const (
	whyFrequency = "its busy CPUs are few, so the power that keeps the package up is shared by few; and our weight is each CPU's mean frequency of a step, " +
		"where DEEP-mon has each slice's cycles"
	whyUntraced = "1 % of the switches are not traced, and the energy of what ran until then is unattributed: each process lacks some 1 %, " +
		"and nobody can know whose that was"
	whyMisses = "without a PMU nobody knows whose misses they were; by the resident set it is a guess"
)

var storming = []string{"storm", "reuse"}

// checker looks at scenarios one by one.
type checker struct {
	reports []*Report
	goals   []Goal
}

// each adds a goal that is met where all scenarios meet it that it applies to. why: it is known not to be.
func (c *checker) each(words, why string, look func(*Report) (result string, met, applies bool)) {
	g := Goal{Words: words, Why: why, Met: true}
	var results []string
	for _, r := range c.reports {
		if result, met, applies := look(r); applies {
			g.Met = g.Met && met
			results = append(results, r.Name+" "+result)
		}
	}
	if g.Result = strings.Join(results, "; "); len(results) > 0 {
		c.goals = append(c.goals, g)
	}
}

// goals are checked on whatever scenarios there are.
func goals(reports []*Report) []Goal {
	c := &checker{reports: reports}
	c.each("conservation: rows and counters differ by 0 uJ, cards included", "", func(r *Report) (string, bool, bool) {
		return fmt.Sprintf("%d uJ", int64(r.Off)), r.Off == 0 && r.Breaches == 0, true
	})
	c.each(fmt.Sprintf("linear machine, idle power given: p95 at most %s", percent(mostLinear)), "", func(r *Report) (string, bool, bool) {
		result, met, applies := r.near(ourGiven, packages)
		return result, met, applies && r.Linear
	})
	c.each(fmt.Sprintf("likewise, and some slices are not traced: p95 at most %s", percent(mostLinear)), whyUntraced, func(r *Report) (string, bool, bool) {
		result, met, applies := r.near(ourGiven, packages)
		return result, met, applies && r.Name == "untraced"
	})
	c.againstPeers("SMT", "smt", "")
	c.againstPeers("frequency", "frequency", whyFrequency)
	c.children("", ourGiven, packages, "")
	c.memory()
	c.ranges()
	return c.goals
}

// againstPeers is for a scenario where weights are all that tells tools apart: instructions cost the same.
func (c *checker) againstPeers(what, scenario, why string) {
	c.each(fmt.Sprintf("%s, weighted: median and p95 at most %s of the best peer's", what, percent(mostOfBest)), why, func(r *Report) (string, bool, bool) {
		l, best := r.line(ourWeighted), r.best(packages)
		if best == nil {
			return "", false, false
		}
		return fmt.Sprintf("%s and %s, %s %s and %s", percent(l.Median), percent(l.P95), best.Tool, percent(best.Median), percent(best.P95)),
			l.P95 <= mostOfBest*best.P95 && l.Median <= mostOfBest*best.Median, r.Name == scenario
	})
}

// children are those of a storm: all of them have ended when the run does.
func (c *checker) children(of, tool, kind, why string) {
	words := fmt.Sprintf("%sfork storm, %s: children have their joules within %s", of, ways[tool], percent(mostChildren))
	c.each(words, why, func(r *Report) (string, bool, bool) {
		l := r.lineOf(tool, kind)
		off := l.ExitedTold/l.ExitedTruth - 1
		return signed(off), math.Abs(off) <= mostChildren, slices.Contains(storming, r.Name) && l.ExitedTruth > 0
	})
}

// memory is split by cache misses where they are counted.
func (c *checker) memory() {
	for _, way := range []struct{ tool, why string }{{ourWeighted, ""}, {ourGiven, whyMisses}} {
		c.each(fmt.Sprintf("dram, linear machine, %s: p95 at most %s", ways[way.tool], percent(mostLinear)), way.why, func(r *Report) (string, bool, bool) {
			result, met, applies := r.near(way.tool, memory)
			return result, met, applies && r.Linear
		})
		c.children("dram, ", way.tool, memory, way.why)
	}
}

// ranges must hold the truth, and be of use.
func (c *checker) ranges() {
	c.each(fmt.Sprintf("ranges: the truth is inside in at least %s of rows", percent(leastInside)), "", func(r *Report) (string, bool, bool) {
		least, _ := r.leastInside(wholeRows)
		return percent(least), least >= leastInside, true
	})
	c.each(fmt.Sprintf("ranges of each kind of energy: likewise, at least %s", percent(leastInside)), "", func(r *Report) (string, bool, bool) {
		least, where := 1.0, ""
		for _, kind := range scored {
			if part, of := r.leastInside(kind); part < least {
				least, where = part, " ("+kind+", "+of+")"
			}
		}
		return percent(least) + where, least >= leastInside, true
	})
	for _, way := range []struct {
		tool string
		most float64
	}{{ourTool, usefulWidth}, {ourWeighted, usefulWeighted}} {
		words := fmt.Sprintf("ranges of packages are of use, %s: high at most %g x low, median of the rows above the floor", ways[way.tool], way.most)
		c.each(words, "", func(r *Report) (string, bool, bool) {
			l := r.line(way.tool)
			// Of a child that lives for 2 ms nobody can know whether it ran fast or slow; in storms they are rows by themselves.
			return times(l.Large.Width), l.Large.Width <= way.most, l.Large.Rows > 0 && r.Name != "storms"
		})
	}
}

// near tells how far a way of ours is from the truth, and how far as it comes.
func (r *Report) near(tool, kind string) (result string, met, applies bool) {
	l := r.lineOf(tool, kind)
	return fmt.Sprintf("%s (learned: %s)", percent(l.P95), percent(r.lineOf(ourTool, kind).P95)), l.P95 <= mostLinear, l.Tool != "" && !math.IsNaN(l.P95)
}

// leastInside is of the ways that we are run, less that whose idle energy has no one truth, the one with the least rows in their range.
func (r *Report) leastInside(kind string) (part float64, tool string) {
	part = 1
	for i := range r.Lines {
		l := &r.Lines[i]
		if !l.Ours || l.Kind != kind || l.Tool == ourShared || l.Rows == 0 {
			continue
		}
		if in := l.Inside(); in < part {
			part, tool = in, l.Tool
		}
	}
	return part, tool
}

// line is a tool's on packages.
func (r *Report) line(tool string) *Line { return r.lineOf(tool, packages) }

// lineOf is a tool's on a kind of energy; one without a name: it has none.
func (r *Report) lineOf(tool, kind string) *Line {
	for i := range r.Lines {
		if l := &r.Lines[i]; l.Tool == tool && l.Kind == kind {
			return l
		}
	}
	return &Line{}
}

// best is the peer with the least error, by the 95th percentile; nil: there is none that says something.
func (r *Report) best(kind string) *Line {
	var best *Line
	for i := range r.Lines {
		l := &r.Lines[i]
		if !l.Ours && l.Kind == kind && !math.IsNaN(l.P95) && (best == nil || l.P95 < best.P95 || l.P95 == best.P95 && l.Median < best.Median) {
			best = l
		}
	}
	return best
}

// goalList is for the page.
func goalList(goals []Goal) string {
	rows := [][]string{{"goal", "met", "result"}}
	for _, g := range goals {
		rows = append(rows, []string{g.Words, yes(g.Met), g.told()})
	}
	var b strings.Builder
	writeMarkdown(&b, rows, 3)
	return b.String()
}

func yes(is bool) string {
	if is {
		return "yes"
	}
	return "NO"
}

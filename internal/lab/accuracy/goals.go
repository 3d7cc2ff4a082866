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
}

// What must be reached. weighing are the scenarios that are held to it one by one, where weights are all that tells tools apart: instructions
// cost the same. How well weights by frequency do hangs on the machine; they are held to it on drawn ones, see TestPopulation.
const (
	mostLinear   = 0.01 // error per process, 95th percentile, on a linear machine
	mostOfBest   = 0.5  // of the best peer's error, where weights count
	mostChildren = 0.01 // of their joules, children of a storm may have too many or too few
	leastInside  = 0.95 // of the rows, the truth is in their range
)

var (
	weighing = []string{"smt"}
	storming = []string{"storm", "reuse"}
)

// goals are checked on whatever scenarios there are.
func goals(reports []*Report) []Goal {
	var out []Goal
	check := func(words string, each func(*Report) (result string, met, applies bool)) {
		g := Goal{Words: words, Met: true}
		var results []string
		for _, r := range reports {
			if result, met, applies := each(r); applies {
				g.Met = g.Met && met
				results = append(results, r.Name+" "+result)
			}
		}
		if g.Result = strings.Join(results, "; "); len(results) > 0 {
			out = append(out, g)
		}
	}
	check("conservation: rows and counters differ by 0 uJ", func(r *Report) (string, bool, bool) {
		return fmt.Sprintf("%d uJ", int64(r.Off)), r.Off == 0 && r.Breaches == 0, true
	})
	check(fmt.Sprintf("linear machine, idle power given: p95 at most %s", percent(mostLinear)), func(r *Report) (string, bool, bool) {
		l := r.line(ourGiven)
		return fmt.Sprintf("%s (learned: %s)", percent(l.P95), percent(r.line(ourTool).P95)), l.P95 <= mostLinear, r.Linear && !math.IsNaN(l.P95)
	})
	check(fmt.Sprintf("SMT, weighted: median and p95 at most %s of the best peer's", percent(mostOfBest)), func(r *Report) (string, bool, bool) {
		l, best := r.line(ourWeighted), r.best()
		if best == nil {
			return "", false, false
		}
		return fmt.Sprintf("%s and %s, %s %s and %s", percent(l.Median), percent(l.P95), best.Tool, percent(best.Median), percent(best.P95)),
			l.P95 <= mostOfBest*best.P95 && l.Median <= mostOfBest*best.Median, slices.Contains(weighing, r.Name)
	})
	check(fmt.Sprintf("fork storm, idle power given: children have their joules within %s", percent(mostChildren)), func(r *Report) (string, bool, bool) {
		l := r.line(ourGiven)
		off := l.ExitedTold/l.ExitedTruth - 1
		return signed(off), math.Abs(off) <= mostChildren, slices.Contains(storming, r.Name)
	})
	check(fmt.Sprintf("ranges: the truth is inside in at least %s of rows", percent(leastInside)), func(r *Report) (string, bool, bool) {
		least, _ := r.leastInside(wholeRows)
		return percent(least), least >= leastInside, true
	})
	check(fmt.Sprintf("ranges of each kind of energy: likewise, at least %s", percent(leastInside)), func(r *Report) (string, bool, bool) {
		least, where := 1.0, ""
		for _, kind := range []string{packages, memory, cards} {
			if part, of := r.leastInside(kind); part < least {
				least, where = part, " ("+kind+", "+of+")"
			}
		}
		return percent(least) + where, least >= leastInside, true
	})
	return out
}

// leastInside is of the ways that we are run, less that whose idle energy has no one truth, the one with the least rows in their range.
func (r *Report) leastInside(kind string) (part float64, tool string) {
	part = 1
	for i := range r.Lines {
		l := &r.Lines[i]
		if !l.Ours || l.Kind != kind || l.Tool == ourShared || l.Rows == 0 {
			continue
		}
		if in := float64(l.Covered) / float64(l.Rows); in < part {
			part, tool = in, l.Tool
		}
	}
	return part, tool
}

// line is a tool's on packages.
func (r *Report) line(tool string) *Line {
	for i := range r.Lines {
		if l := &r.Lines[i]; l.Tool == tool && l.Kind == packages {
			return l
		}
	}
	return &Line{}
}

// best is the peer with the least error, by the 95th percentile; nil: there is none that says something.
func (r *Report) best() *Line {
	var best *Line
	for i := range r.Lines {
		l := &r.Lines[i]
		if !l.Ours && l.Kind == packages && !math.IsNaN(l.P95) && (best == nil || l.P95 < best.P95 || l.P95 == best.P95 && l.Median < best.Median) {
			best = l
		}
	}
	return best
}

// goalList is for the page.
func goalList(goals []Goal) string {
	rows := [][]string{{"goal", "met", "result"}}
	for _, g := range goals {
		rows = append(rows, []string{g.Words, yes(g.Met), g.Result})
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

package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/score"
)

// Marks of a part of the page that is written anew by each run; NAME is the part's.
const (
	partBegins = "<!-- %s: written by scripts/accuracy -->\n"
	partEnds   = "<!-- end of %s -->\n"
)

// replacePart puts text in place of a part of a page.
func replacePart(page []byte, name, text string) ([]byte, error) {
	begins, ends := fmt.Sprintf(partBegins, name), fmt.Sprintf(partEnds, name)
	from := bytes.Index(page, []byte(begins))
	to := bytes.Index(page, []byte(ends))
	if from < 0 || to < from {
		return nil, fmt.Errorf("the page has no part %s between %q and %q", name, strings.TrimSpace(begins), strings.TrimSpace(ends))
	}
	out := append([]byte{}, page[:from+len(begins)]...)
	out = append(out, text...)
	return append(out, page[to:]...), nil
}

// parts are what a run writes into the page.
func parts(reports []*Report) map[string]string {
	out := map[string]string{
		"summary": summary(reports, packages), "memory": summary(reports, memory), "ranges": ranges(reports) + sums(reports),
		"cost": costs(reports), "formulas": formulas(reports),
	}
	var b strings.Builder
	for _, r := range reports {
		fmt.Fprintf(&b, "### %s\n\n%s\n\n%s.\n\n", r.Name, r.Machine, r.heading())
		for _, kind := range scored {
			if lines := r.of(kind); len(lines) > 0 {
				rows := [][]string{append([]string{kind}, columns[1:]...)}
				for i := range lines {
					rows = append(rows, lines[i].cells())
				}
				writeMarkdown(&b, rows, 2)
				b.WriteString("\n")
			}
		}
	}
	out["scenarios"] = b.String()
	return out
}

// summary is the 95th percentile of each tool on each scenario that has a kind of energy.
func summary(reports []*Report, kind string) string {
	rows := [][]string{{"scenario"}}
	tools := toolsOf(reports, kind)
	for _, t := range tools {
		rows[0] = append(rows[0], t.Tool)
	}
	for _, r := range reports {
		lines := r.of(kind)
		if len(lines) == 0 {
			continue
		}
		row := []string{r.Name}
		best := r.best(kind)
		for _, t := range tools {
			cell := "-"
			for _, l := range lines {
				if l.Tool == t.Tool {
					if cell = percent(l.P95); best != nil && l.Tool == best.Tool {
						cell = "**" + cell + "**"
					}
				}
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	var b strings.Builder
	writeMarkdown(&b, rows, 1)
	return b.String()
}

// toolsOf is a line of each tool that tells of a kind of energy, ours first.
func toolsOf(reports []*Report, kind string) (out []Line) {
	known := map[string]bool{}
	for _, r := range reports {
		for _, l := range r.of(kind) {
			if !known[l.Tool] {
				known[l.Tool] = true
				out = append(out, l)
			}
		}
	}
	return out
}

// ranges is what our bounds are worth, of rows as a whole and by kind of energy: the part of the rows whose truth is inside, and how wide they are.
func ranges(reports []*Report) string {
	var b strings.Builder
	for _, kind := range append([]string{wholeRows}, scored...) {
		rows := [][]string{{kind + ": scenario", "way", "rows", "inside", "width", "p95", "low is 0", "above the floor", "inside", "width", "p95", "low is 0"}}
		for _, r := range reports {
			for _, name := range ourNames {
				if l := r.lineOf(name, kind); l.Rows > 0 {
					row := append([]string{r.Name, ways[name]}, coverageCells(&l.Coverage)...)
					rows = append(rows, append(row, coverageCells(&l.Large)...))
				}
			}
		}
		if len(rows) > 1 {
			writeMarkdown(&b, rows, 2)
			b.WriteString("\n")
		}
	}
	return b.String()
}

// coverageCells are a coverage's: rows, those that hold the truth, the width's median and 95th percentile, and those without a lower end.
func coverageCells(c *score.Coverage) []string {
	if c.Rows == 0 {
		return []string{"0", "-", "-", "-", "-"}
	}
	return []string{fmt.Sprint(c.Rows), percent(c.Inside()), times(c.Width), times(c.WidthP95), percent(float64(c.Open) / float64(c.Rows))}
}

// sums is what rows add up to, and what is no process's.
func sums(reports []*Report) string {
	rows := [][]string{{"scenario", "rows - energy", "unattributed", "interrupts", "their truth"}}
	for _, r := range reports {
		rows = append(rows, []string{r.Name, fmt.Sprintf("%d uJ", int64(r.Off)), fmt.Sprintf("%.3f J", r.Unattributed),
			fmt.Sprintf("%.3f J", r.InterruptsTold), fmt.Sprintf("%.3f J", r.InterruptsTruth)})
	}
	var b strings.Builder
	writeMarkdown(&b, rows, 1)
	return b.String()
}

// costs is the mean over all scenarios of what each tool needs for a second of the machine.
func costs(reports []*Report) string {
	rows := [][]string{{"tool", "window", "CPU time of the formula, a second", "processes looked at in /proc, a second"}}
	for _, t := range toolsOf(reports, packages) {
		var took, looked float64
		n := 0.0
		for _, r := range reports {
			for _, l := range r.of(packages) {
				if l.Tool == t.Tool {
					took += l.PerWindow.Seconds() / l.Every.Seconds()
					looked += l.Looked / l.Every.Seconds()
					n++
				}
			}
		}
		rows = append(rows, []string{t.Tool, t.Every.String(), fmt.Sprintf("%.0f us", 1e6*took/n), fmt.Sprintf("%.0f", looked/n)})
	}
	var b strings.Builder
	writeMarkdown(&b, rows, 1)
	return b.String()
}

// formulas are the peers', in a line each.
func formulas(reports []*Report) string {
	rows := [][]string{{"tool", "idle energy, as it is scored", "formula"}}
	for _, t := range toolsOf(reports, packages) {
		if !t.Ours {
			rows = append(rows, []string{t.Tool, string(t.Policy), strings.ReplaceAll(t.Words, "|", "\\|")})
		}
	}
	var b strings.Builder
	writeMarkdown(&b, rows, 3)
	return b.String()
}

package main

import (
	"fmt"
	"io"
	"math"
	"strings"
)

// percent shows a part with as many digits as say something.
func percent(v float64) string {
	switch p := 100 * math.Abs(v); {
	case math.IsNaN(v):
		return "-"
	case p == 0:
		return "0"
	case p < 0.01:
		return fmt.Sprintf("%.1g %%", 100*v)
	case p < 10:
		return fmt.Sprintf("%.2f %%", 100*v)
	case p < 1000:
		return fmt.Sprintf("%.0f %%", 100*v)
	default:
		return fmt.Sprintf("%.0fx", v)
	}
}

// signed is percent with its sign.
func signed(v float64) string {
	if v > 0 {
		return "+" + percent(v)
	}
	return percent(v)
}

// columns are those of a scenario's table.
var columns = []string{"tool", "idle", "median", "p95", "worst", "adds up to", "exited"}

// cells are a line's.
func (l *Line) cells() []string {
	policy := string(l.Policy)
	if l.Trees {
		policy += ", trees"
	}
	if l.Energy != l.Kind {
		policy += ", " + l.Energy
	}
	sum := signed(l.Conservation())
	if l.Ours && math.Abs(l.Conservation()) < 5e-4 {
		sum = "0"
	}
	exited := "-"
	if l.ExitedTruth > 0 {
		exited = percent(l.ExitedTold / l.ExitedTruth)
	}
	return []string{l.Tool, policy, percent(l.Median), percent(l.P95), percent(l.Worst), sum, exited}
}

// heading says what a scenario was.
func (r *Report) heading() string {
	return fmt.Sprintf("%s: %.0f s, %.0f J in packages, %d processes of which %d exited, counters wrapped %d times", r.Words, r.Seconds, r.Joules, r.Processes, r.Exited, r.Wraps)
}

// ourLine says of our own numbers what no other tool has.
func (r *Report) ourLine() string {
	var in []string
	for _, name := range ourNames {
		l := r.line(name)
		in = append(in, fmt.Sprintf("%s %d of %d (packages, %s wide, %s to 95 %%, %d from 0; above the floor %s)",
			name, l.Covered, l.Rows, times(l.Width), times(l.WidthP95), l.Open, times(l.Large.Width)))
	}
	return fmt.Sprintf("rows are %d uJ off; truth inside the range: %s\nunattributed %.3f J; interrupts %.3f J of %.3f J; the counters have %.3f %% of the energy",
		int64(r.Off), strings.Join(in, ", "), r.Unattributed, r.InterruptsTold, r.InterruptsTruth, 100*r.Counted)
}

// times shows a ratio.
func times(v float64) string {
	switch {
	case math.IsNaN(v):
		return "-"
	case math.IsInf(v, 0):
		return "inf"
	case v >= 1000:
		return fmt.Sprintf("%.1gx", v)
	}
	return fmt.Sprintf("%.2fx", v)
}

// writeText writes tables for a terminal.
func writeText(w io.Writer, reports []*Report) {
	for _, r := range reports {
		fmt.Fprintf(w, "%s (%s)\n%s\n%s\n", r.Name, r.Machine, r.heading(), r.ourLine())
		for _, kind := range scored {
			lines := r.of(kind)
			if len(lines) == 0 {
				continue
			}
			rows := [][]string{append([]string{kind}, columns[1:]...)}
			for i := range lines {
				rows = append(rows, lines[i].cells())
			}
			writeRows(w, rows)
		}
		fmt.Fprintln(w)
	}
}

// writeRows lines columns up: the first two to the left, numbers to the right.
func writeRows(w io.Writer, rows [][]string) {
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, c := range row {
			width[i] = max(width[i], len([]rune(c)))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, c := range row {
			pad := strings.Repeat(" ", width[i]-len([]rune(c)))
			if i < 2 {
				line.WriteString(c + pad + "  ")
			} else {
				line.WriteString(pad + c + "  ")
			}
		}
		fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
	}
}

// writeMarkdown writes rows as a table, numbers to the right.
func writeMarkdown(w io.Writer, rows [][]string, left int) {
	for i, row := range rows {
		fmt.Fprintf(w, "| %s |\n", strings.Join(row, " | "))
		if i == 0 {
			marks := make([]string, len(row))
			for k := range marks {
				marks[k] = "---:"
				if k < left {
					marks[k] = "---"
				}
			}
			fmt.Fprintf(w, "|%s|\n", strings.Join(marks, "|"))
		}
	}
}

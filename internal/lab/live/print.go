package live

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
)

// Print writes a table of what each told of each job, in joules of the package, with its error against the truth.
func (r *Report) Print(w io.Writer) {
	fmt.Fprintf(w, `live machine: %d CPUs, Linux %s
In joules of the package: what each tells of a job, and its error against the truth of the time that it watched. IDLE: whose idle energy that
truth takes it to be, of separate, capacity and busy what is kindest to the tool. "ended": the job's processes that ended before the run did.
LOOK ms: own CPU time of a window, or of a read of /proc with the formula; FILES: read for that. Tools that must follow context switches
(Kepler <= 0.9, DEEP-mon) are not here.
`, r.CPUs, r.Kernel)
	for i := range r.Laws {
		fmt.Fprintln(w)
		r.Laws[i].print(w)
	}
}

func (l *LawReport) print(w io.Writer) {
	fmt.Fprintf(w, "law %s: %s; %.0f updates a second, the longest gap %v; %.2f CPUs busy, %.2f before the loads\n",
		l.Name, l.Words, l.Updates, l.MaxGap.Round(10_000), l.Busy, l.Quiet)
	for i := range l.Tools {
		if tool := &l.Tools[i]; tool.Ours {
			conserved := "conserved to the microjoule"
			if tool.Breach != nil {
				conserved = "NOT CONSERVED: " + tool.Breach.Error()
			}
			covered := ""
			if in, of := tool.Covered(); of > 0 {
				covered = fmt.Sprintf("; %d of %d truths in its ranges", in, of)
			}
			fmt.Fprintf(w, "%s: idle %s; energy %s%s\n", tool.Name, tool.Floor, conserved, covered)
		}
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	defer t.Flush()
	var head []string
	for _, told := range l.Tools[0].of("package") {
		head = append(head, told.name())
	}
	fmt.Fprintf(t, "TOOL\tIDLE\t%s\tMEDIAN\tWORST\tLOOK ms\tFILES\n", strings.Join(head, "\t"))
	truth := []string{"truth"}
	for _, told := range l.Tools[0].of("package") {
		truth = append(truth, fmt.Sprintf("%.2f J", told.Truth))
	}
	fmt.Fprintf(t, "%s\t\t%s\t\t\t\t\n", truth[0], strings.Join(truth[1:], "\t"))
	for i := range l.Tools {
		tool := &l.Tools[i]
		cells := make([]string, len(head))
		for j := range cells {
			cells[j] = "-"
			for _, told := range tool.of("package") {
				if told.name() == head[j] {
					cells[j] = fmt.Sprintf("%.2f (%s)", told.Joules, percent(told.Error()))
				}
			}
		}
		files := "-"
		if !tool.Ours {
			files = fmt.Sprint(tool.Cost.Files / int64(max(1, tool.Cost.Looks)))
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%.2f\t%s\n", tool.Name, tool.Policy, strings.Join(cells, "\t"), size(tool.Median("package")),
			size(tool.Worst("package")), tool.Cost.PerLook()*1e3, files)
	}
}

// of returns what it told in a domain.
func (t *Tool) of(domain string) (all []Told) {
	for _, told := range t.Told {
		if told.Domain == domain {
			all = append(all, told)
		}
	}
	return all
}

func (t *Told) name() string {
	if t.Ended {
		return t.Job + "'s ended"
	}
	return t.Job
}

// percent writes a relative error with its sign.
func percent(e float64) string {
	if math.IsNaN(e) {
		return "-"
	}
	return fmt.Sprintf("%+.1f %%", e*100)
}

// size writes one without.
func size(e float64) string { return strings.TrimPrefix(percent(e), "+") }

// Print writes what each told of the work beside others against what it told of it alone.
func (c *CoRun) Print(w io.Writer) {
	fmt.Fprintf(w, "%s: joules of it for each of its CPU seconds, beside others against alone (right: 1)\n", c.Work)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	defer t.Flush()
	fmt.Fprint(t, "TOOL")
	for _, p := range c.Phases {
		beside := "alone"
		if p.Beside != "" {
			beside = "beside " + p.Beside
		}
		fmt.Fprintf(t, "\t%s (%.2f CPU s)", beside, p.CPUSeconds)
	}
	fmt.Fprintln(t)
	for _, tool := range c.Phases[0].Report.Laws[0].Tools {
		fmt.Fprint(t, tool.Name)
		for i := range c.Phases {
			if ratio := c.Ratio(i, tool.Name, "package"); math.IsNaN(ratio) {
				fmt.Fprint(t, "\t-")
			} else {
				fmt.Fprintf(t, "\t%.3f", ratio)
			}
		}
		fmt.Fprintln(t)
	}
}

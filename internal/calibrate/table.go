package calibrate

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/eco2-bpf/eco2-bpf/powermodel"
)

// way is one direction of a ladder at one load: the mean of its rungs.
type way struct {
	n                     int
	busy, watts, residual float64
}

func (w *way) add(r powermodel.LoadRung) {
	w.n++
	w.busy += (r.Busy - w.busy) / float64(w.n)
	w.watts += (float64(r.Power) - w.watts) / float64(w.n)
	w.residual += (r.Residual - w.residual) / float64(w.n)
}

func (w *way) String() string {
	if w.n == 0 {
		return fmt.Sprintf("%7s %9s %7s", "-", "-", "-")
	}
	return fmt.Sprintf("%6.1f%% %9.3f %+6.1f%%", 100*w.busy, w.watts, 100*w.residual)
}

// WriteTable writes the rungs of each domain: the load that was asked for, what was measured on the way up and on the way down, how far that is from
// the curve, and the curve at the load asked for.
func WriteTable(w io.Writer, fits []Fitted) {
	for _, f := range fits {
		fmt.Fprintf(w, "%s: scope %s, %d CPUs, %s by %s; %d windows", f.Name, f.Scope, len(f.CPUs), f.Method, f.Source, f.LoadFit.Windows)
		if f.Dropped > 0 {
			fmt.Fprintf(w, ", %d left out (%s)", f.Dropped, f.Mark)
		}
		fmt.Fprintf(w, "\n%6s  %-25s  %s\n", "", "up", "down")
		fmt.Fprintf(w, "%6s  %7s %9s %7s  %7s %9s %7s  %9s\n", "ASKED", "BUSY", "WATTS", "OFF", "BUSY", "WATTS", "OFF", "FIT W")
		var asked []int
		up, down := map[int]*way{}, map[int]*way{}
		for _, r := range f.Rungs {
			if up[r.Asked] == nil {
				asked = append(asked, r.Asked)
				up[r.Asked], down[r.Asked] = &way{}, &way{}
			}
			if r.Down {
				down[r.Asked].add(r)
			} else {
				up[r.Asked].add(r)
			}
		}
		slices.Sort(asked)
		for _, a := range asked {
			fmt.Fprintf(w, "%5d%%  %v  %v  %9.3f\n", a, up[a], down[a], f.Watts.At(float64(a)/100))
		}
		fmt.Fprintf(w, "%s\n\n", strings.Join(summary(f), "\n"))
	}
}

// summary says how good a fit is.
func summary(f Fitted) []string {
	r := f.Residuals
	lines := []string{fmt.Sprintf("idle %s, full %s", span(f.LoadFit, 0), span(f.LoadFit, 10)),
		fmt.Sprintf("off by (median, p95): rungs %.1f %%, %.1f %%; ", 100*r.RungMedian, 100*r.RungP95)}
	if r.HeldOut > 0 {
		lines[1] += fmt.Sprintf("%d windows that the curve was not made from %.1f %%, %.1f %%", r.HeldOut, 100*r.HeldOutMedian, 100*r.HeldOutP95)
	} else {
		lines[1] += "too few windows to hold some out"
	}
	if slices.ContainsFunc(f.Rungs, func(r powermodel.LoadRung) bool { return r.Down }) {
		lines = append(lines, fmt.Sprintf("the same load on the way down: %+.1f %%", 100*r.Hysteresis))
	} else {
		lines = append(lines, "no rung on the way down: what warmth adds is not known")
	}
	low, high := 1.0, 0.0
	for _, r := range f.Rungs {
		low, high = min(low, r.Busy), max(high, r.Busy)
	}
	if low > seenIdle || high < seenFull {
		lines = append(lines, fmt.Sprintf("NOTE: loads from %.0f to %.0f %% were seen; the curve goes straight on beyond, with a wider range", 100*low, 100*high))
	}
	if max(r.RungP95, r.HeldOutP95) > poorFit {
		lines = append(lines, "NOTE: a poor fit: something else than the load of the CPUs changes this power; look at the plot, and calibrate on a quiet machine")
	}
	return lines
}

const (
	seenIdle = 0.10
	seenFull = 0.90
	poorFit  = 0.10
)

func span(f powermodel.LoadFit, k int) string {
	return fmt.Sprintf("%.3f W (%.3f to %.3f)", f.Watts[k], f.Low[k], f.High[k])
}

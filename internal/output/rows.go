package output

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/eco2-bpf/eco2-bpf/internal/snapshot"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// Widths of the columns of names: a process's line takes 80 columns, a group's likewise.
const (
	userWidth    = 8
	commandWidth = 15 // the kernel's names are no longer
	groupWidth   = 26
)

// rows prints the table proper. Columns of a process: pid, user, command; of a group: what it is by.
func rows(b *bytes.Buffer, s *snapshot.Snapshot) {
	process := perProcess(s)
	if process {
		id := "PID"
		if s.By == "thread" {
			id = "TID"
		}
		fmt.Fprintf(b, "%7s %s %s", id, fit("USER", userWidth), fit("COMMAND", commandWidth))
	} else {
		fmt.Fprintf(b, "%s %5s", fit(strings.ToUpper(s.By), groupWidth), "PROCS")
	}
	fmt.Fprintf(b, " %7s %5s %9s %8s %6s %7s\n", "CPU s", "CPU%", "JOULES", "±%", "WATTS", "gCO2e")
	for i := range s.Rows {
		r := &s.Rows[i]
		label, user, pid := labels(s, r)
		switch {
		case !process:
			n := ""
			if r.Processes > 0 {
				n = strconv.Itoa(r.Processes)
			}
			fmt.Fprintf(b, "%s %5s", fitLabel(r, label, groupWidth), n)
		case r.Kind == snapshot.Reserved: // there is room, as it has no user
			fmt.Fprintf(b, "%7s %s", "", fitLabel(r, label, userWidth+1+commandWidth))
		default:
			fmt.Fprintf(b, "%7s %s %s", pid, fit(Clean(user), userWidth), fitLabel(r, label, commandWidth))
		}
		share := 0.0
		if s.Seconds > 0 {
			share = 100 * r.CPUSeconds / s.Seconds
		}
		fmt.Fprintf(b, " %7s %5s %9s %8s %6s %7s\n", decimals(r.CPUSeconds, 3, 7), decimals(share, 1, 5), joules(r.Joules), spread(r),
			decimals(rowWatts(s, r), 3, 6), grams(r.CO2e))
	}
}

func fitLabel(r *snapshot.Row, label string, width int) string {
	if r.Kind == snapshot.Reserved {
		return fitEnd(Clean(label), width)
	}
	return fit(Clean(label), width)
}

// decimals shows a number with so many of them, or fewer to fit the width; what does not fit without any is shown all the same.
func decimals(v float64, n, width int) string {
	for ; ; n-- {
		if text := strconv.FormatFloat(v, 'f', n, 64); len(text) <= width || n == 0 {
			return text
		}
	}
}

// mostPercent is the largest distance that is shown as a percentage.
const mostPercent = 999

// spread is how far a row's joules may be from what is shown, in per cent: "3" up and down, "+5-2" up and down, each rounded up. A row
// without joules has no percentage: it shows about the most that they may be.
func spread(r *snapshot.Row) string {
	switch {
	case r.Joules <= 0 && r.High <= 0, r.Low == 0 && r.High == 0: // nothing, or not told
		return ""
	case r.Joules <= 0:
		return "≤" + strconv.FormatFloat(r.High.Joules(), 'g', 2, 64)
	}
	percent := func(by units.Microjoules) int {
		return int(math.Ceil(min(mostPercent+1, 100*float64(max(0, by))/float64(r.Joules))))
	}
	up, down := percent(r.High-r.Joules), percent(r.Joules-r.Low)
	switch {
	case up > mostPercent:
		return fmt.Sprintf(">+%d", mostPercent)
	case up == down:
		return strconv.Itoa(up)
	}
	return fmt.Sprintf("+%d-%d", up, down)
}

// rowWatts is a row's mean power: in each domain over the time that its joules are of.
func rowWatts(s *snapshot.Snapshot, r *snapshot.Row) float64 {
	var sum float64
	for i, e := range r.ByDomain {
		seconds := s.Seconds
		if i < len(s.Energy) && s.Energy[i].CoversSeconds > 0 {
			seconds = s.Energy[i].CoversSeconds
		}
		if seconds > 0 {
			sum += e.Joules() / seconds
		}
	}
	return sum
}

// perProcess tells whether rows are processes or threads.
func perProcess(s *snapshot.Snapshot) bool { return s.By == "process" || s.By == "thread" }

func labels(s *snapshot.Snapshot, r *snapshot.Row) (label, user, pid string) {
	id := r.PID
	if s.By == "thread" {
		id = r.TID
	}
	switch r.Kind {
	case snapshot.Process:
		return r.Comm, r.User, strconv.Itoa(id)
	case snapshot.Kernel:
		if perProcess(s) {
			return "[" + r.Comm + "]", r.User, strconv.Itoa(id)
		}
		return "[" + r.Comm + "]", "", ""
	case snapshot.Group:
		return groupLabel(s.By, r), "", ""
	case snapshot.Others:
		return fmt.Sprintf("(others: %d)", r.Processes), "", ""
	case snapshot.Reserved:
		return "(reserved) " + r.Cgroup, "", ""
	}
	return "(" + r.Kind + ")", "", ""
}

// groupLabel prefers names to ids; of an id it shows as much as container tools do.
func groupLabel(by string, r *snapshot.Row) string {
	c, p := r.Tenant.Container, r.Tenant.Pod
	switch {
	case by == "tree":
		return fmt.Sprintf("%s %d", r.Group, r.PID)
	case r.Group == "" && by != "command":
		return "(no " + by + ")"
	case by == "container" && p != nil && p.Name != "" && p.Container != "":
		return p.Name + "/" + p.Container
	case by == "container" && c.Name != "":
		return c.Name
	case by == "container":
		return strings.TrimPrefix(c.Runtime+":"+short(c.ID), ":")
	case by == "pod" && p.Name != "":
		return p.Namespace + "/" + p.Name
	case by == "unit" && r.User != "":
		return r.Group + " of " + r.User
	case by == "unit" && c != nil && c.Name != "":
		return r.Group + " in " + c.Name
	case by == "unit" && c != nil && !strings.Contains(r.Group, c.ID):
		return r.Group + " in " + short(c.ID)
	}
	return r.Group
}

// shortID is how much of an id Docker and Podman show.
const shortID = 12

func short(id string) string {
	if len(id) == 64 {
		return id[:shortID]
	}
	return id
}

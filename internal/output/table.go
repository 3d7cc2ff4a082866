package output

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/eco2-bpf/eco2-bpf/internal/snapshot"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// Table prints a block for each snapshot. On a terminal it redraws in place instead, and only totals stay.
type Table struct {
	W      io.Writer
	Redraw bool
	Size   func() (width, height int) // of the terminal, when redrawing; nil or zeros: not known
}

const (
	home       = "\x1b[H"  // cursor to the top left
	clearLine  = "\x1b[K"  // to the end of the line
	clearBelow = "\x1b[J"  // to the end of the screen
	clearAll   = "\x1b[2J" // the whole screen
)

// Show prints one block.
func (t *Table) Show(s *snapshot.Snapshot) error {
	var b bytes.Buffer
	head(&b, s)
	rows(&b, s)
	lossLine(&b, s)
	out := b.Bytes()
	switch {
	case t.Redraw && s.Kind == snapshot.Window:
		out = []byte(home + strings.ReplaceAll(t.cut(b.String()), "\n", clearLine+"\n") + clearBelow)
	case t.Redraw: // the totals are what stays on the screen
		out = append([]byte(home+clearAll), out...)
	default:
		out = append(out, '\n')
	}
	return write(t.W, out)
}

// cut leaves what fits the terminal: a block that wraps or scrolls cannot be drawn over.
func (t *Table) cut(block string) string {
	if t.Size == nil {
		return block
	}
	width, height := t.Size()
	lines := strings.Split(strings.TrimSuffix(block, "\n"), "\n")
	if more := len(lines) - height + 2; height >= 3 && len(lines) >= height {
		lines = append(lines[:height-2], fmt.Sprintf("(%d more lines: a smaller -n, or a higher terminal)", more))
	}
	for i, l := range lines {
		if width >= 3 && utf8.RuneCountInString(l) > width {
			lines[i] = fit(l, width)
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

// head says what was measured and how: energy with its method, idle power, the factor and its source.
func head(b *bytes.Buffer, s *snapshot.Snapshot) {
	name := "window"
	if s.Kind == snapshot.Total {
		name = "total "
	}
	fmt.Fprintf(b, "%s %s  %.2f s  %s  %d CPUs, %d socket(s)  %s seen\n", name,
		s.End.Format("2006-01-02 15:04:05"), s.Seconds, Clean(s.Host.Name), s.Host.CPUs, s.Host.Sockets, count(s.ProcessesSeen, "process"))
	for i, e := range s.Energy {
		if e.CoversSeconds == 0 && e.Joules == 0 {
			fmt.Fprintf(b, "  %s  comes with a later window\n", Clean(e.Domain))
			continue
		}
		fmt.Fprintf(b, "  %s  %s J  %s", Clean(e.Domain), joules(e.Joules), watts(e.Joules, e.CoversSeconds))
		switch e.Method {
		case "estimated":
			fmt.Fprintf(b, "  ESTIMATED (%s to %s J), scope %s", joules(e.Low), joules(e.High), e.Scope)
		default:
			fmt.Fprintf(b, "  %s by %s", e.Method, e.Source)
		}
		if i < len(s.Idle) {
			fmt.Fprintf(b, ", idle %.2f W (%s, %.2f to %.2f)", float64(s.Idle[i].Watts), s.Idle[i].How,
				float64(s.Idle[i].Low), float64(s.Idle[i].High))
		}
		b.WriteByte('\n')
		for _, m := range e.Marks {
			fmt.Fprintf(b, "    incomplete: %s\n", Clean(m))
		}
	}
	carbon(b, s)
}

// carbon prints the factor; in full with its source once, under the totals.
func carbon(b *bytes.Buffer, s *snapshot.Snapshot) {
	f := s.Intensity
	fmt.Fprintf(b, "  carbon  %s %.4g g/kWh", Clean(f.Name), f.GPerKWh)
	if f.Year > 0 {
		fmt.Fprintf(b, " (%d)", f.Year)
	}
	if f.PUE != 1 {
		fmt.Fprintf(b, ", PUE %g", f.PUE)
	}
	switch {
	case s.Kind == snapshot.Total:
		fmt.Fprintf(b, ", %s, %s; %s", f.Source, f.Basis, Clean(f.How))
	case f.Guess:
		b.WriteString(", a guess")
	}
	b.WriteByte('\n')
}

func count(n int, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case strings.HasSuffix(what, "s"):
		return strconv.Itoa(n) + " " + what + "es"
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// rows prints the table proper. Columns of a process: pid, user, command; of a group: what it is by.
func rows(b *bytes.Buffer, s *snapshot.Snapshot) {
	process := perProcess(s)
	if process {
		id := "PID"
		if s.By == "thread" {
			id = "TID"
		}
		fmt.Fprintf(b, "%8s %s %s", id, fit("USER", 10), fit("COMMAND", 18))
	} else {
		fmt.Fprintf(b, "%s %9s", fit(strings.ToUpper(s.By), 28), "PROCESSES")
	}
	fmt.Fprintf(b, " %9s %6s %12s %9s %12s\n", "CPU s", "CPU%", "JOULES", "WATTS", "gCO2e")
	for i := range s.Rows {
		r := &s.Rows[i]
		label, user, pid := labels(s, r)
		if process {
			fmt.Fprintf(b, "%8s %s %s", pid, fit(Clean(user), 10), fit(Clean(label), 18))
		} else {
			n := ""
			if r.Processes > 0 {
				n = strconv.Itoa(r.Processes)
			}
			fmt.Fprintf(b, "%s %9s", fit(Clean(label), 28), n)
		}
		share := 0.0
		if s.Seconds > 0 {
			share = 100 * r.CPUSeconds / s.Seconds
		}
		fmt.Fprintf(b, " %9.3f %6.1f %12s %9s %12s\n", r.CPUSeconds, share, joules(r.Joules), rowWatts(s, r), grams(r.CO2e))
	}
}

// rowWatts is a row's mean power: in each domain over the time that its joules are of.
func rowWatts(s *snapshot.Snapshot, r *snapshot.Row) string {
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
	return strconv.FormatFloat(sum, 'f', 3, 64) + " W"
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

// lossLine names what was lost, when something was.
func lossLine(b *bytes.Buffer, s *snapshot.Snapshot) {
	l := s.Losses
	if !l.Any() {
		return
	}
	var parts []string
	add := func(n uint64, what string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, what))
		}
	}
	add(l.Missed, "slices lost to switches that were not traced (charged to nobody)")
	add(l.OverflowSwitches, "slices without a table entry (row overflow)")
	add(l.Unfollowed, "descendants not followed: map full")
	add(l.Recursion, "program runs skipped by the kernel")
	add(l.Breaches, "times that rows did not add up: a bug, please report it")
	add(l.FoldedRows, "rows folded into others")
	add(l.UnknownCgroups, "cgroups gone before they were named")
	add(l.UnknownProcesses, "processes without a program or parents")
	add(l.Events, "events of processes and cgroups lost")
	add(l.Gone, "ends whose memory and disk use found no room")
	add(l.MarkedDomains, "incomplete energy readings")
	add(l.BusyUnread, "times without the kernel's busy time")
	fmt.Fprintf(b, "  losses  %s\n", strings.Join(parts, "; "))
}

func joules(e units.Microjoules) string {
	j := e.Joules()
	switch {
	case j >= 1000:
		return strconv.FormatFloat(j, 'f', 1, 64)
	case j >= 1 || j == 0:
		return strconv.FormatFloat(j, 'f', 3, 64)
	}
	return strconv.FormatFloat(j, 'f', 6, 64)
}

func watts(e units.Microjoules, seconds float64) string {
	if seconds <= 0 {
		return "-"
	}
	return strconv.FormatFloat(e.Joules()/seconds, 'f', 3, 64) + " W"
}

func grams(g units.GramsCO2e) string {
	if g != 0 && g < 0.001 {
		return strconv.FormatFloat(float64(g), 'e', 2, 64)
	}
	return strconv.FormatFloat(float64(g), 'f', 4, 64)
}

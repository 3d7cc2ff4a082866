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
	if s.Kind == snapshot.Total {
		explain(&b, s)
	}
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
	if len(s.Weights) > 0 {
		fmt.Fprintf(b, "  weighed by %s\n", weights(s.Weights))
	}
}

// weights names what CPU time is weighed by.
func weights(all []snapshot.Weight) string {
	parts := make([]string, len(all))
	for i, w := range all {
		form := "%s, factor %g"
		if w.Name == "frequency" {
			form = "%s to the power of %g"
		}
		parts[i] = fmt.Sprintf(form, Clean(w.Name), w.Factor)
		if w.From != "" {
			parts[i] += " (" + Clean(w.From) + ")"
		}
	}
	return strings.Join(parts, "; ")
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
	add(l.Uncounted, "slices whose cache misses were not counted")
	add(l.Gone, "ends whose memory and disk use found no room")
	add(l.MarkedDomains, "incomplete energy readings")
	add(l.FrequencyUnread, "times without the CPUs' frequencies (not weighed by)")
	add(l.BusyUnread, "times without the kernel's busy time")
	fmt.Fprintf(b, "  losses  %s\n", strings.Join(parts, "; "))
}

func joules(e units.Microjoules) string {
	j := e.Joules()
	switch {
	case j >= 1e7:
		return strconv.FormatFloat(j, 'f', 0, 64)
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
		return strconv.FormatFloat(float64(g), 'e', 1, 64)
	}
	return decimals(float64(g), 4, 7)
}

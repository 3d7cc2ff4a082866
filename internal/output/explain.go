package output

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/snapshot"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// explain tells in words, step by step, how the rows that were asked for came to their joules and grams. Joules are shown with all their
// digits, so that a reader gets the same by doing the sums again.
func explain(b *bytes.Buffer, s *snapshot.Snapshot) {
	for i := range s.Explained {
		x := &s.Explained[i]
		if x.Row < 0 || x.Row >= len(s.Rows) {
			continue
		}
		r := &s.Rows[x.Row]
		fmt.Fprintf(b, "explained: %s: %s J (%s to %s), %s\n", named(s, r), x.Joules, r.Low, r.High, exactGrams(x.CO2e))
		for d := range x.Domains {
			explainDomain(b, s, r, &x.Domains[d])
		}
		fmt.Fprintf(b, "  carbon: %s J / 3.6e6 = %.9g kWh; x PUE %g x %.6g g/kWh (%s) = %s\n", x.Joules, x.KWh, x.PUE, x.GPerKWh,
			Clean(s.Intensity.Name), exactGrams(x.CO2e))
	}
}

// named is what the table calls a row, with what tells it from others of that name.
func named(s *snapshot.Snapshot, r *snapshot.Row) string {
	label, user, id := labels(s, r)
	label = Clean(label)
	if id != "" {
		what := "PID"
		if s.By == "thread" {
			what = "TID"
		}
		label += ", " + what + " " + id
	}
	if user != "" {
		label += " of " + Clean(user)
	}
	return label
}

// exactGrams are those of the JSON form.
func exactGrams(g units.GramsCO2e) string { return fmt.Sprintf("%.9f gCO2e", float64(g)) }

// steps numbers the lines of one domain.
type steps struct {
	b *bytes.Buffer
	n int
}

func (t *steps) next(format string, args ...any) {
	t.n++
	fmt.Fprintf(t.b, "    %d. ", t.n)
	fmt.Fprintf(t.b, format+"\n", args...)
}

func (t *steps) more(format string, args ...any) { fmt.Fprintf(t.b, "       "+format+"\n", args...) }

func explainDomain(b *bytes.Buffer, s *snapshot.Snapshot, r *snapshot.Row, d *snapshot.DomainExplanation) {
	at := domainIndex(s, d.Domain)
	if inDomain(r, at, d) == 0 && d.High == 0 {
		fmt.Fprintf(b, "  %s: nothing\n", Clean(d.Domain))
		return
	}
	fmt.Fprintf(b, "  %s: %s J\n", Clean(d.Domain), inDomain(r, at, d))
	t := &steps{b: b}
	t.next("energy: %s J, %s", d.Energy, how(s, at, d))
	t.next("idle: %s J of it, %s; policy %s: %s", d.Idle, idleHow(s, at, d), Clean(d.IdlePolicy), idlePayers(d.IdlePolicy))
	if d.Earlier != 0 {
		t.next("earlier: %s J of it was used before it could be read: nobody knows by whom, unattributed", d.Earlier)
	}
	t.next("active: %s - %s - %s = %s J; %s", d.Energy, d.Idle, d.Earlier, d.Active, splitWords(d.Split))
	t.next("this row: %s J", partsOf(r, at, d))
	if d.ActivePart+d.IdlePart > 0 && d.Steps > 0 && !d.Biggest.End.IsZero() && r.Kind != snapshot.Idle {
		explainStep(t, d)
	}
	more := ""
	if len(d.Causes) > 0 {
		more = "; what each cause alone would leave, the widest first:"
	}
	t.next("range: %s to %s J%s", d.Low, d.High, more)
	for _, c := range d.Causes {
		t.more("%s: %s to %s J: %s", Clean(c.Name), c.Low, c.High, Clean(c.Text))
	}
}

// explainStep writes out the step that gave the row most.
func explainStep(t *steps, d *snapshot.DomainExplanation) {
	p := &d.Biggest
	t.next("of %s the one that gave it most: %.6f s up to %s", count(d.Steps, "step"), p.Seconds, p.End.Format(time.RFC3339Nano))
	if d.IdlePolicy == "active" {
		t.more("to share: %s - %s earlier = %s J, the idle part of %s J included", p.Energy, p.Earlier, p.Shared, p.Idle)
	} else {
		t.more("to share: %s - %s idle - %s earlier = %s J", p.Energy, p.Idle, p.Earlier, p.Shared)
	}
	switch {
	case p.Payers > 0:
		t.more("of the idle part each of %s has the same", count(p.Payers, "account"))
	case p.Reserved > 0:
		t.more("of the idle part it has %d of 1000000, which is reserved for it: echo '%d*%d/1000000' | bc", p.Reserved, int64(p.Idle), p.Reserved)
	}
	if p.Weight == 0 || p.AllWeights == 0 {
		t.more("nobody is known to have used it: what is nobody's has %s J", p.Part)
		return
	}
	unit := Clean(d.Unit)
	if strings.HasSuffix(d.Unit, "ns") {
		t.more("the row's weight: %d %s: %.6f s of CPU time, each second counted %.6g", p.Weight, unit, p.CPUSeconds, p.MeanWeight)
	} else {
		t.more("the row's weight: %d %s", p.Weight, unit)
	}
	if p.Resident > 0 {
		t.more("which is %.6f s of CPU time x the root of up to %d bytes of memory, over the same of all", p.CPUSeconds, p.Resident)
	}
	t.more("all weights: %d %s, %d of them nobody's", p.AllWeights, unit, p.Nobody)
	t.more("%d uJ x %d / %d = %d uJ, up or down so that all rows add up: echo '%d*%d/%d' | bc", int64(p.Shared), p.Weight, p.AllWeights, int64(p.Part),
		int64(p.Shared), p.Weight, p.AllWeights)
}

// domainIndex is where a domain stands in the snapshot; -1: nowhere.
func domainIndex(s *snapshot.Snapshot, name string) int {
	for i := range s.Energy {
		if s.Energy[i].Domain == name {
			return i
		}
	}
	return -1
}

// inDomain is what the row shows for a domain: what its explanation has to come to.
func inDomain(r *snapshot.Row, at int, d *snapshot.DomainExplanation) units.Microjoules {
	if at >= 0 && at < len(r.ByDomain) {
		return r.ByDomain[at]
	}
	return d.ActivePart + d.IdlePart
}

func partsOf(r *snapshot.Row, at int, d *snapshot.DomainExplanation) string {
	text := fmt.Sprintf("%s of the active part + %s of the idle part", d.ActivePart, d.IdlePart)
	if d.IdlePolicy == "active" {
		text = fmt.Sprintf("%s of the active and the idle part together", d.ActivePart)
	}
	if r.Kind == snapshot.Unattributed {
		text += fmt.Sprintf(" + %s used earlier", d.Earlier)
	}
	return fmt.Sprintf("%s = %s", text, inDomain(r, at, d))
}

// how is how a domain's energy is known.
func how(s *snapshot.Snapshot, at int, d *snapshot.DomainExplanation) string {
	if d.Method == "estimated" {
		if at < 0 {
			return "an ESTIMATE"
		}
		return fmt.Sprintf("an ESTIMATE (%s to %s J)", s.Energy[at].Low, s.Energy[at].High)
	}
	return Clean(d.Method) + " by " + Clean(d.Source)
}

// idleHow is how the idle part is known.
func idleHow(s *snapshot.Snapshot, at int, d *snapshot.DomainExplanation) string {
	text, ok := map[string]string{
		"given": "a floor that was given", "learned": "a floor learned from the windows", "table": "a floor by a table of CPUs",
		"model": "by the model", "unused": "of memory that nobody holds", "": "not known how",
	}[d.IdleHow]
	if !ok {
		text = Clean(d.IdleHow)
	}
	if at >= 0 && at < len(s.Idle) {
		p := &s.Idle[at]
		text += fmt.Sprintf(" (%.6g W, %.6g to %.6g)", float64(p.Watts), float64(p.Low), float64(p.High))
	}
	return text
}

// idlePayers is who has the idle part by a policy.
func idlePayers(policy string) string {
	switch policy {
	case "active":
		return "it is shared as the active part is"
	case "equal":
		return "all that ran have the same part of it"
	case "reservation":
		return "each cgroup has what it reserved of the machine, the row idle has what nobody did"
	}
	return "the row idle has it"
}

// splitWords is what the active part is shared by.
func splitWords(split string) string {
	by, ok := map[string]string{
		"cpu_time": "CPU time on its CPUs", "resident_set": "memory held, times how long", "block_io_bytes": "bytes that go to and come from disks",
		"device_time": "time on the device", "cache_misses": "cache misses", "resident_set_cpu_time": "CPU time times memory held",
	}[split]
	switch {
	case ok:
		return "shared by " + by + " (" + split + ") over all rows and what nobody has"
	case split == "" || split == "none":
		return "nothing tells who used it: unattributed"
	}
	return "shared by " + Clean(split) + " over all rows and what nobody has"
}

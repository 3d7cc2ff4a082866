package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/live"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/ours"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/peers"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/score"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/sim"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// docs is where the page and its plots are.
const docs = "../../../docs"

// The short laboratory: each goal is met, the page of docs has a place for all that is written, and the plots are drawings.
func TestGoals(t *testing.T) {
	reports, err := runAll(withWraps(sim.Small()), "")
	if err != nil {
		t.Fatal(err)
	}
	all := goals(reports)
	for _, g := range all {
		switch {
		case g.failed():
			t.Errorf("%s: %s", g.Words, g.told())
		case g.Met && g.Why != "":
			t.Errorf("%s: is met, so it needs no why: %s", g.Words, g.Result)
		}
		t.Logf("%s: %s", g.Words, g.told())
	}
	dir := t.TempDir()
	page, err := os.ReadFile(filepath.Join(docs, "accuracy.md"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "accuracy.md"), page, 0o644); err != nil {
		t.Fatal(err)
	}
	texts := parts(reports)
	texts["goals"] = goalList(all)
	if err := write(dir, reports, texts); err != nil {
		t.Fatal(err)
	}
	written, err := os.ReadFile(filepath.Join(dir, "accuracy.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range reports {
		if !bytes.Contains(written, []byte("### "+r.Name+"\n")) {
			t.Errorf("the page lacks %s", r.Name)
		}
	}
	checkGoalsOf(t, page, append(all, Goal{Words: drawnWords}))
	for _, name := range []string{"errors", "scatter", "ranges", "ranges-dram"} {
		svg, err := os.ReadFile(filepath.Join(dir, "accuracy", name+".svg"))
		if err != nil {
			t.Fatal(err)
		}
		checkDrawing(t, name, svg)
		if !bytes.Contains(page, []byte("(accuracy/"+name+".svg)")) {
			t.Errorf("the page does not show %s.svg", name)
		}
	}
	checkReports(t, reports)
}

// checkGoalsOf holds the page of docs against the goals that there are: one that says something else is of another time.
func checkGoalsOf(t *testing.T, page []byte, all []Goal) {
	t.Helper()
	_, part, _ := strings.Cut(string(page), "<!-- goals: written by scripts/accuracy -->\n")
	part, _, _ = strings.Cut(part, "<!-- end of goals -->\n")
	rows := strings.Split(strings.TrimSuffix(part, "\n"), "\n")
	if len(rows) != 2+len(all) {
		t.Fatalf("docs/accuracy.md has %d goals, and there are %d: run scripts/accuracy", len(rows)-2, len(all))
	}
	for i, g := range all {
		row := rows[2+i]
		if !strings.HasPrefix(row, "| "+g.Words+" | ") || strings.Contains(row, " | NO | ") && !(g.Why != "" && strings.HasSuffix(row, ". Why: "+g.Why+" |")) {
			t.Errorf("docs/accuracy.md has another goal than %q (why: %q), run scripts/accuracy: %s", g.Words, g.Why, row)
		}
	}
}

// checkDrawing reads it as XML, and looks for what no coordinate can be.
func checkDrawing(t *testing.T, name string, svg []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if e, ok := token.(xml.StartElement); ok {
			for _, a := range e.Attr {
				if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") || strings.Contains(a.Value, "%!") {
					t.Errorf("%s: <%s %s=%q>", name, e.Name.Local, a.Name.Local, a.Value)
				}
			}
		}
	}
}

// checkReports is for what a laboratory must have shown to be one: that peers are there and tell what they can, and that some are wrong where
// their own documentation says so.
func checkReports(t *testing.T, reports []*Report) {
	t.Helper()
	for _, r := range reports {
		if got := len(r.of(packages)); got != len(ourNames)+11 {
			t.Errorf("%s: %d tools", r.Name, got)
		}
		if r.Counted < 0.999 || r.Counted > 1.001 || r.Wraps == 0 {
			t.Errorf("%s: the reader has %v of the energy, %d counters wrapped", r.Name, r.Counted, r.Wraps)
		}
		for _, l := range r.Lines {
			if l.Ours && l.Kind != wholeRows && len(l.Bounds) < l.Rows {
				t.Errorf("%s: %s draws %d of %d ranges of %s", r.Name, l.Tool, len(l.Bounds), l.Rows, l.Kind)
			}
			if l.Ours && l.Kind != wholeRows && (l.Handed-l.Of > 1e-3*l.Of || l.Of-l.Handed > 1e-3*l.Of) {
				t.Errorf("%s: %s hands out %v J of %v J of %s", r.Name, l.Tool, l.Handed, l.Of, l.Kind)
			}
		}
		switch l := r.line("Kepler 0.10+"); {
		case r.Name == "storm" && l.ExitedTold > 0.01*l.ExitedTruth:
			t.Errorf("children of 2 ms have %v J of %v J by a tool that says it does not see them", l.ExitedTold, l.ExitedTruth)
		case r.Name == "bursts" && !(l.P95 < 0.06):
			t.Errorf("Kepler's formula is off by %v on a linear machine that is busy: it should be near", l.P95)
		}
		if l := r.line("Scaphandre 1.0"); r.Name == "laptop" && l.Energy != platform {
			t.Errorf("a tool that reads the whole platform is scored against %q", l.Energy)
		}
		if l := r.line("EnergAt"); r.Name == wrapping && l.Handed < 100*l.Of {
			t.Errorf("a tool that takes a wrap for a whole range has %v J of %v J", l.Handed, l.Of)
		}
	}
}

// The same scenario gives the same numbers, but for the time that the formulas take.
func TestRunsAreAlike(t *testing.T) {
	var texts [2]string
	for i := range texts {
		reports, err := runAll(sim.Small(), "gpu")
		if err != nil {
			t.Fatal(err)
		}
		texts[i] = parts(reports)["scenarios"] + parts(reports)["ranges"]
	}
	if texts[0] != texts[1] || !strings.Contains(texts[0], "| gpu |") {
		t.Errorf("two runs differ, or tell nothing of the cards:\n%s\n%s", texts[0], texts[1])
	}
}

func TestGoalsCanBeMissed(t *testing.T) {
	good := func() *Report {
		line := func(tool string, kind string, p95 float64) Line {
			in := score.Coverage{Rows: 100, Covered: 95, Width: math.Inf(1), WidthP95: math.Inf(1)} // of small rows nobody knows much
			large := score.Coverage{Rows: 10, Covered: 10, Width: 8, WidthP95: 1000}
			return Line{Tool: tool, Ours: strings.HasPrefix(tool, ourTool), Kind: kind,
				Score: score.Score{Median: p95, P95: p95, ExitedTruth: 10, ExitedTold: 10, Coverage: in, Large: large}}
		}
		shared := line(ourShared, packages, 0)
		shared.Covered = 0 // no range is for a truth that depends on the policy
		return &Report{Name: "storm", Linear: true, Lines: []Line{line(ourTool, packages, 0.5), line(ourGiven, packages, 0.01),
			line(ourWeighted, packages, 0.01), line("peer", packages, 0.02), line("other", packages, 0.9), line(ourWeighted, wholeRows, 0), shared,
			line(ourGiven, memory, 0.01), line(ourWeighted, memory, 0.01)}}
	}
	for name, c := range map[string]struct {
		scenario string
		spoil    func(*Report)
		missed   string
		why      bool // it is known
	}{
		"all is well":           {"storm", func(*Report) {}, "", false},
		"a microjoule is lost":  {"storm", func(r *Report) { r.Off = 1 }, "conservation", false},
		"the engine says so":    {"storm", func(r *Report) { r.Breaches = 1 }, "conservation", false},
		"linear and off":        {"storm", func(r *Report) { r.Lines[1].P95 = 0.011 }, "linear", false},
		"not linear":            {"storm", func(r *Report) { r.Lines[1].P95, r.Linear = 0.011, false }, "", false},
		"untraced and off":      {"untraced", func(r *Report) { r.Lines[1].P95, r.Linear = 0.011, false }, "likewise, and some", true},
		"weights are as good":   {"smt", func(*Report) {}, "", false},
		"a peer's p95 is near":  {"smt", func(r *Report) { r.Lines[2].P95 = 0.0101 }, "SMT", false},
		"its median is near":    {"smt", func(r *Report) { r.Lines[2].Median = 0.0101 }, "SMT", false},
		"frequency is as good":  {"frequency", func(*Report) {}, "", false},
		"frequency is not":      {"frequency", func(r *Report) { r.Lines[2].P95 = 0.0101 }, "frequency", true},
		"children have too few": {"storm", func(r *Report) { r.Lines[1].ExitedTold = 9.89 }, "fork storm", false},
		"and too many":          {"reuse", func(r *Report) { r.Lines[1].ExitedTold = 10.11 }, "fork storm", false},
		"memory is off":         {"steady", func(r *Report) { r.Lines[8].P95 = 0.011 }, "dram, linear machine, weighted", false},
		"memory's children are": {"storm", func(r *Report) { r.Lines[8].ExitedTold = 9.89 }, "dram, fork storm, weighted", false},
		"a guess of memory is":  {"steady", func(r *Report) { r.Lines[7].P95 = 0.011 }, "dram, linear machine, idle power given", true},
		"of children, too":      {"reuse", func(r *Report) { r.Lines[7].ExitedTold = 10.11 }, "dram, fork storm, idle power given", true},
		"ranges are too narrow": {"storm", func(r *Report) { r.Lines[5].Covered = 94 }, "ranges: the truth", false},
		"those of packages are": {"storm", func(r *Report) { r.Lines[0].Covered = 94 }, "ranges of each", false},
		"those of memory are":   {"storm", func(r *Report) { r.Lines[7].Covered = 94 }, "ranges of each", false},
		"ranges say nothing":    {"idle", func(r *Report) { r.Lines[0].Large.Width = math.Inf(1) }, "ranges of packages are of use, as it comes", false},
		"they say little":       {"idle", func(r *Report) { r.Lines[0].Large.Width = 25.1 }, "ranges of packages are of use, as it comes", false},
		"weighted ones, too":    {"idle", func(r *Report) { r.Lines[2].Large.Width = 10.1 }, "ranges of packages are of use, weighted", false},
		"nobody is large":       {"idle", func(r *Report) { r.Lines[2].Large = score.Coverage{Width: math.NaN()} }, "", false},
	} {
		r := good()
		r.Name = c.scenario
		c.spoil(r)
		missed, failed := "", false
		for _, g := range goals([]*Report{r}) {
			if !g.Met {
				missed += g.Words
				failed = failed || g.failed()
			}
			if known := strings.Contains(goalList([]Goal{g}), "Why: "); known != (!g.Met && g.Why != "") {
				t.Errorf("%s: %s", name, goalList([]Goal{g}))
			}
		}
		if (missed == "") != (c.missed == "") || !strings.HasPrefix(missed, c.missed) || failed != (c.missed != "" && !c.why) {
			t.Errorf("%s: missed %q (news: %v), want %q", name, missed, failed, c.missed)
		}
	}
}

func TestLiveBreaches(t *testing.T) {
	lost := errors.New("a microjoule is lost")
	good := live.Report{Laws: []live.LawReport{{Tools: []live.Tool{{Ours: true}, {}}}, {Tools: []live.Tool{{Ours: true}}}}}
	if err := breaches([]live.Report{good, good}); err != nil {
		t.Error(err)
	}
	bad := live.Report{Laws: []live.LawReport{good.Laws[0], {Tools: []live.Tool{{}, {Ours: true, Breach: lost}}}}}
	if err := breaches([]live.Report{good, bad}); !errors.Is(err, lost) || errors.Is(err, live.ErrUnable) {
		t.Errorf("%v", err)
	}
}

func TestRelease(t *testing.T) {
	for given, want := range map[string]string{"6.18.44-local-v6": "6.18", "7.2": "7.2", "5.10-rc3": "5.10", "": "", "odd": "odd"} {
		if got := release(given); got != want {
			t.Errorf("%q is shown as %q, want %q", given, got, want)
		}
	}
}

// What does not fit a plot is said in it.
func TestRangesBeyondTheScaleShow(t *testing.T) {
	line := func(r score.Range) []byte {
		l := Line{Tool: ourTool, Ours: true, Kind: packages, Bounds: []Bound{{1, r}}}
		return coveragePlot([]*Report{{Name: "one", Lines: []Line{l}}}, packages)
	}
	for _, c := range []struct {
		score.Range
		says  string
		marks int
	}{
		{score.Range{Low: 0.5, High: 2}, "0 outside, 0 from 0, 0 beyond", 0}, {score.Range{Low: 2, High: 3}, "1 outside, 0 from 0, 0 beyond", 0},
		{score.Range{High: 1e9}, "0 outside, 1 from 0, 0 beyond", 2}, {score.Range{Low: 0.5, High: 101}, "0 outside, 0 from 0, 1 beyond", 1},
		{score.Range{Low: 0.001, High: 2}, "0 outside, 0 from 0, 1 beyond", 1},
	} {
		svg := line(c.Range)
		checkDrawing(t, "ranges", svg)
		_, ends, _ := strings.Cut(string(svg), beyondColour)
		if !bytes.Contains(svg, []byte(c.says)) || (ends != "") != (c.marks > 0) || bytes.Count(svg, []byte("v5"))+bytes.Count(svg, []byte("v-5")) != c.marks {
			t.Errorf("%v: %s", c.Range, svg)
		}
	}
}

// Each peer is scored by the policy that it is nearest to over all scenarios, not in each.
func TestSettle(t *testing.T) {
	scored := func(errors ...float64) Line {
		l := Line{Tool: "peer", Kind: packages}
		for i, e := range errors {
			l.all = append(l.all, score.Score{Policy: score.Policies[i], Entries: []score.Entry{{Truth: 1, Told: 1 + e}}})
		}
		return l
	}
	reports := []*Report{{Lines: []Line{scored(0.1, 0.3)}}, {Lines: []Line{scored(0.9, 0.2)}}, {Lines: []Line{scored(5, 50)}}}
	settle(reports)
	for i, r := range reports {
		if r.Lines[0].Policy != score.Capacity {
			t.Errorf("scenario %d is scored by %s", i, r.Lines[0].Policy)
		}
	}
}

func TestCountersAreSummedApart(t *testing.T) {
	c := counters{zones: []seen.Zone{{Name: "package-0", Range: 100}, {Name: "dram", Range: 50}, {Name: "package-1", Range: 100}}}
	for i, v := range [][]uint64{{90, 40, 3}, {99, 45, 3}, {5, 1, 9}} {
		c.add(v, []seen.GPU{{EnergyMilliJoules: uint64(70 + i)}, {EnergyMilliJoules: uint64(5 * i)}})
	}
	if c.sum(packages) != 9+6+6 || c.sum(memory) != 5+6 || c.sum(cards) != 2000+10000 {
		t.Errorf("%d, %d and %d uJ", c.sum(packages), c.sum(memory), c.sum(cards))
	}
	booked := func(e ...units.Microjoules) map[string]*ours.Kind {
		kinds := map[string]*ours.Kind{}
		for i, e := range e {
			kinds[[]string{packages, memory, cards, platform}[i]] = &ours.Kind{Energy: e}
		}
		return kinds
	}
	for _, x := range []struct {
		booked map[string]*ours.Kind
		off    units.Microjoules
	}{
		{booked(21, 11, 12000), 0}, {booked(20, 12, 12000), 2}, {booked(21, 11, 11000), 1000}, {booked(21, 11), 12000}, {booked(21), 12011},
		{booked(21, 11, 12000, 5), 5}, // of a zone that is not there
	} {
		if got := c.off(x.booked); got != x.off {
			t.Errorf("%d uJ off, want %d", got, x.off)
		}
	}
}

func TestUnwrap(t *testing.T) {
	p := peer{zones: []seen.Zone{{Range: 100}}}
	for _, c := range [][2]uint64{{90, 0}, {99, 9}, {4, 14}, {60, 70}} {
		s := seen.Sample{Zones: []uint64{c[0]}}
		if p.unwrap(&s); s.Zones[0] != c[1] {
			t.Errorf("%d is shown as %d, want %d", c[0], s.Zones[0], c[1])
		}
	}
	p = peer{zones: p.zones, wraps: true}
	s := seen.Sample{Zones: []uint64{90}}
	if p.unwrap(&s); s.Zones[0] != 90 {
		t.Errorf("a counter that is to be seen wrap is shown as %d", s.Zones[0])
	}
}

func TestPrepared(t *testing.T) {
	given := sim.Scenario{Duration: time.Minute, Machine: sim.Small()[0].Machine,
		Jobs: []sim.Job{{Comm: "daemon-1"}, {Comm: "burn"}, {Comm: "short", At: time.Second, Until: 2 * time.Second}}}
	s := prepared(given)
	cpus := len(s.Machine.Seen().CPUs)
	if s.Duration != time.Minute+calm || len(s.Jobs) != 3+cpus || !s.Jobs[3].Kernel {
		t.Errorf("%v, %d jobs", s.Duration, len(s.Jobs))
	}
	if s.Jobs[0].At != 0 || s.Jobs[1].At != calm || s.Jobs[1].Until != 0 || s.Jobs[2].At != calm+time.Second || s.Jobs[2].Until != calm+2*time.Second {
		t.Errorf("%+v", s.Jobs[:3])
	}
	if given.Jobs[1].At != 0 {
		t.Error("the scenario itself has changed")
	}
}

// Children are of their parent's tree, also where its pid is used again; threads of the kernel are each their own.
func TestTreesOfTruth(t *testing.T) {
	sec := time.Second
	truth := &sim.Truth{Domains: []string{"package-0", "dram-0", "package-1"}, Total: []float64{5, 7, 9}, Idle: []float64{1, 2, 3}, Processes: []sim.Process{
		{PID: 2, Parent: 1, Start: sec, Comm: "shell", Joules: []float64{1, 10, 2}},
		{PID: 3, Parent: 2, Start: 2 * sec, Comm: "make", Joules: []float64{1, 10, 2}},
		{PID: 4, Parent: 3, Start: 3 * sec, Comm: "cc", Joules: []float64{1, 10, 2}},
		{PID: 3, Parent: 1, Start: 4 * sec, Comm: "other", Joules: []float64{1, 10, 2}},
		{PID: 5, Parent: 3, Start: 5 * sec, Comm: "its", Joules: []float64{1, 10, 2}},
		{PID: 6, Parent: 2, Start: 5 * sec, Comm: "kworker", Kernel: true, Joules: []float64{1, 10, 2}},
	}}
	got := truthOf(truth, []string{packages}, sec, 4)
	if got.Total != 14 || len(got.Idle) != 2 || got.Idle[0] != 1 || got.Idle[1] != 3 || got.Processes[0].Active != 3 {
		t.Errorf("%+v", got)
	}
	shell, other := score.KeyOf(2, sec), score.KeyOf(3, 4*sec)
	for i, want := range []score.Key{shell, shell, shell, other, other, score.KeyOf(6, 5*sec)} {
		if p := got.Processes[i]; p.Root != want {
			t.Errorf("%s is of the tree of %v, want %v", p.Comm, p.Root, want)
		}
	}
	if all := truthOf(truth, []string{packages, memory}, sec, 4); all.Total != 21 || all.Processes[0].Active != 13 {
		t.Errorf("%+v", all)
	}
	if truthOf(truth, []string{cards}, sec, 4) != nil {
		t.Error("cards that are not there have a truth")
	}
}

func TestReplacePart(t *testing.T) {
	page := []byte("a\n<!-- x: written by scripts/accuracy -->\nold\n<!-- end of x -->\nb\n")
	got, err := replacePart(page, "x", "new\n")
	if want := "a\n<!-- x: written by scripts/accuracy -->\nnew\n<!-- end of x -->\nb\n"; err != nil || string(got) != want {
		t.Errorf("%v: %q", err, got)
	}
	if again, _ := replacePart(got, "x", "new\n"); !bytes.Equal(again, got) {
		t.Errorf("%q", again)
	}
	if _, err := replacePart(page, "y", ""); err == nil {
		t.Error("a part that is not there can be written")
	}
}

func TestNumbers(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 0.00001: "0.001 %", 0.0123: "1.23 %", 0.5: "50 %", 9.99: "999 %", 12: "12x", -0.5: "-50 %"} {
		if got := percent(v); got != want {
			t.Errorf("%v is shown as %q, want %q", v, got, want)
		}
	}
	if percent(math.NaN()) != "-" || signed(0.02) != "+2.00 %" || times(math.NaN()) != "-" {
		t.Error(percent(math.NaN()), signed(0.02), times(math.NaN()))
	}
	if low, high := decades([]float64{0, 0.3, 40, math.Inf(1)}); low != 0.1 || high != 100 {
		t.Errorf("from %v to %v", low, high)
	}
	s := logScale{0.1, 1000, 10, 50}
	for v, want := range map[float64]float64{0: 10, 0.1: 10, 1: 20, 10: 30, 1e9: 50} {
		if got := s.at(v); math.Abs(got-want) > 1e-9 {
			t.Errorf("%v is at %v, want %v", v, got, want)
		}
	}
	if len(s.marks()) != 5 {
		t.Error(s.marks())
	}
}

// asked is a peer that notes when it is asked.
type asked struct {
	peers.Peer
	every time.Duration
	at    []time.Duration
}

func (a *asked) Every() time.Duration { return a.every }
func (a *asked) Poll(s seen.Sample)   { a.at = append(a.at, s.At) }

// Each is asked at the beginning, at its own interval, and at the end.
func TestPolls(t *testing.T) {
	a, b := &asked{every: 2 * time.Second}, &asked{every: 3 * time.Second}
	s := sim.Scenario{Duration: 8 * time.Second, Machine: sim.Small()[0].Machine}
	var o sim.Observer
	for _, p := range polls(&o, []peers.Peer{a, b}, s.Duration) {
		p.zones = s.Machine.Seen().Zones
	}
	s.Run(o)
	for _, c := range []struct {
		peer *asked
		want []time.Duration
	}{{a, []time.Duration{0, 2, 4, 6, 8}}, {b, []time.Duration{0, 3, 6, 8}}} {
		if len(c.peer.at) != len(c.want) {
			t.Errorf("every %v: asked at %v", c.peer.every, c.peer.at)
			continue
		}
		for i, w := range c.want {
			if c.peer.at[i] != w*time.Second {
				t.Errorf("every %v: asked at %v", c.peer.every, c.peer.at)
				break
			}
		}
	}
}

func TestWhatIsToldOfAKind(t *testing.T) {
	r := &peers.Result{Joules: map[peers.Key]peers.Domains{{PID: 1, Start: 2}: {"package": 5}, {PID: 3}: {"dram": 1}},
		Idle: peers.Domains{"package": 7}, ByTree: true}
	told := toldBy(r, packages, time.Second)
	if len(told.Joules) != 1 || told.Joules[score.Key{PID: 1, Start: 2}] != 5 || told.NoRest || told.Rest != 7 || !told.Trees {
		t.Errorf("%+v", told)
	}
	if told := toldBy(r, memory, time.Second); told == nil || !told.NoRest || told.Rest != 0 {
		t.Errorf("%+v", told)
	}
	if told := toldBy(r, cards, time.Second); told != nil {
		t.Errorf("%+v", told)
	}
}

func TestOnlySomeGiveEqualParts(t *testing.T) {
	for tool, want := range map[string]bool{"Kepler 0.9": true, "Kepler 0.10+": false, "Scaphandre 1.0": false} {
		if got := slices.Contains(means(tool), score.Equal); got != want {
			t.Errorf("%s: %v", tool, got)
		}
	}
}

// Names and formulas come from elsewhere: they must not end a drawing or a table.
func TestNamesAreText(t *testing.T) {
	c := newCanvas(10, 10, "a<b & c")
	c.text(1, 1, "start", "</svg>", "")
	checkDrawing(t, "names", c.end())
	r := &Report{Lines: []Line{{Tool: "peer", Kind: packages, Words: "a | b"}}}
	if got := formulas([]*Report{r}); !strings.Contains(got, `a \| b`) {
		t.Error(got)
	}
}

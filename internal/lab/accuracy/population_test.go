package main

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/attribution"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/score"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/sim"
)

// The program's own factors, on machines where nothing was learned: at most half of the error of the best peer, in each group.
func TestPopulation(t *testing.T) {
	p, err := newPopulation(drawnOf(showFrom, shown))
	if err != nil {
		t.Fatal(err)
	}
	g := p.goal()
	if !g.Met {
		t.Errorf("%s: %s", g.Words, g.Result)
	}
	t.Logf("%s: %s", g.Words, g.Result)
}

// No machine is in both parts, nor twice in one.
func TestPartsAreApart(t *testing.T) {
	names, seeds := map[string]bool{}, map[uint64]bool{}
	for _, s := range append(drawnOf(learnFrom, showFrom-learnFrom), drawnOf(showFrom, showFrom-learnFrom)...) {
		if names[s.Name] || seeds[s.Seed] {
			t.Errorf("%s is there twice", s.Name)
		}
		names[s.Name], seeds[s.Seed] = true, true
	}
	for _, n := range []int{-1, 0, (showFrom-learnFrom)/learnMore + 1} {
		if err := runPopulation(io.Discard, n); err == nil {
			t.Errorf("a population may have %d machines", n)
		}
	}
}

func TestTraits(t *testing.T) {
	for _, s := range drawnOf(learnFrom, 20) {
		got := traitsOf(&s)
		starts := false
		for _, j := range s.Jobs {
			starts = starts || j.Comm == "loop" || j.Comm == "make"
		}
		if want := (traits{strings.Contains(s.Name, "laptop"), starts}); got != want {
			t.Errorf("%s: %+v, want %+v", s.Name, got, want)
		}
	}
}

// A small population goes all the way.
func TestRunPopulation(t *testing.T) {
	var b bytes.Buffer
	if err := runPopulation(&b, 1); err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, want := range []string{"learned on 4 drawn", "| learned |", "\nBy frequency, on the same", "\nBy smt, ", "\nBy hybrid, ", "\nShown on 2 other",
		"| " + ourWeighted + " |", "| DEEP-mon |", " of 2 |\n", "\nBy frequency, on the other"} {
		i := strings.Index(b.String()[at:], want)
		if i < 0 {
			t.Fatalf("%q is not in, or too early in\n%s", want, b.String())
		}
		at += i
	}
	if strings.Contains(b.String(), "NaN") {
		t.Error(b.String())
	}
}

// byLaw makes a machine whose factors are known: voltage stays, nothing leaks, nothing is shared, and efficiency cores switch two fifths. Each job
// has its own CPU, so nothing is lost by looking at CPUs only.
func byLaw(s sim.Scenario, gain float64) sim.Scenario {
	m := &s.Machine
	m.SMTGain, m.WakeWatts, m.Noise, s.Duration = gain, 0, 0, 10*time.Second
	for i := range m.Cores {
		c := &m.Cores[i]
		c.Nanofarads, c.Leak, c.LowVolts, c.HighVolts = 2, 0, 1, 1
		if c.Efficient {
			c.Nanofarads *= 0.4
		}
	}
	s.Jobs = nil
	pin := func(name string, sleep time.Duration, cpu int) {
		s.Jobs = append(s.Jobs, sim.Job{Comm: name, Load: sim.Load{Run: 5 * time.Millisecond, Sleep: sleep, CPUs: []int{cpu}}})
	}
	pin("left", 0, 0)
	pin("right", 0, 1)
	pin("slow", 20*time.Millisecond, 2)
	if last := len(m.Seen().CPUs) - 1; m.Seen().CPUs[last].Efficient {
		pin("small", 0, last)
	} else {
		pin("alone", 0, 4)
	}
	return s
}

// What the laws of machines are is what is learned of them.
func TestSweepFindsTheLaw(t *testing.T) {
	var subjects []*subject
	for _, s := range drawnOf(learnFrom, 2) {
		s = byLaw(s, 0.3)
		u := newSubject(&s)
		subjects = append(subjects, u)
		if got, want := float64(u.options.IdleWatts["package-0"]), s.Machine.FloorWatts; math.Abs(got/want-1) > 0.01 {
			t.Errorf("%s: told of %v W idle, which are %v", s.Name, got, want)
		}
	}
	got, err := sweep(subjects)
	if err != nil {
		t.Fatal(err)
	}
	if want := (attribution.Weights{Frequency: 1, SMT: 0.65, Hybrid: 0.4}); got != want {
		t.Errorf("learned %+v, want %+v", got, want)
	}
	for _, u := range subjects {
		if s := u.known[got]; u.hybrid && !(s.P95 < 0.005) {
			t.Errorf("by its own law a machine's error is %v", s.P95)
		}
	}
	// Of one machine alone, begun elsewhere, likewise.
	s := byLaw(sim.DrawnLaptop(showFrom), 0.2)
	u := newSubject(&s)
	own, err := u.best()
	if err != nil {
		t.Fatal(err)
	}
	law, err := u.score(attribution.Weights{Frequency: 1, SMT: 0.6, Hybrid: 0.4})
	if err != nil {
		t.Fatal(err)
	}
	if at := u.known[defaults]; !(own.P95 <= law.P95+0.01) || !(own.P95 < at.P95) {
		t.Errorf("by its own factors a machine's error is %v, by its law %v, and %v by the program's", own.P95, law.P95, at.P95)
	}
}

// Of one kind alone the mistake is that kind's; of both, neither outweighs the other.
func TestMistake(t *testing.T) {
	server, laptop := traits{}, traits{hybrid: true}
	for _, c := range []struct {
		machines []traits
		p95      []float64
		want     float64
	}{
		{[]traits{server, server, server}, []float64{3, 1, 2}, 2},
		{[]traits{laptop}, []float64{5}, 5},
		{[]traits{server, laptop, server, server}, []float64{1, 9, 1, 1}, 5},
	} {
		if got := mistake(c.machines, c.p95); got != c.want {
			t.Errorf("%v: %v, want %v", c.p95, got, c.want)
		}
	}
	c := curve{knob{values: []float64{0.5, 0.6, 0.7}}, []traits{server, laptop}, [][]float64{{2, 7}, {3, 4}, {1, 9}}}
	if value, least := c.best(); value != 0.6 || least != 3.5 {
		t.Errorf("the best is %v, with %v", value, least)
	}
}

// fabricated is a population of a server, and of a laptop that starts short-lived processes.
func fabricated(weighted, first, second [2]float64) *population {
	p := &population{machines: []traits{{}, {hybrid: true, shortLife: true}}}
	for i := range p.machines {
		line := func(tool string, ours bool, p95 float64) Line {
			return Line{Tool: tool, Ours: ours, Kind: packages, Score: score.Score{Median: p95 / 2, P95: p95}}
		}
		p.reports = append(p.reports, &Report{Name: fmt.Sprint(i), Lines: []Line{line(ourTool, true, 0.9), line(ourGiven, true, 0.05),
			line(ourWeighted, true, weighted[i]), line(ourShared, true, 0.9), line("first", false, first[i]), line("second", false, second[i])}})
	}
	return p
}

func TestAgainst(t *testing.T) {
	for name, c := range map[string]struct {
		p             *population
		group         group
		weighted      float64
		peer          string
		met, machines int
	}{
		"each machine's best peer is another": {fabricated([2]float64{0.1, 0.1}, [2]float64{0.2, 0.9}, [2]float64{0.8, 0.19}), everybody, 0.1, "second", 1, 2},
		"servers only":                        {fabricated([2]float64{0.1, 0.4}, [2]float64{0.2, 0.1}, [2]float64{0.8, 0.1}), servers, 0.1, "first", 1, 1},
		"laptops only":                        {fabricated([2]float64{0.1, 0.4}, [2]float64{0.2, 0.9}, [2]float64{0.8, 0.3}), laptops, 0.4, "second", 0, 1},
		"long lives only":                     {fabricated([2]float64{0.3, 0.1}, [2]float64{0.2, 0.9}, [2]float64{0.8, 0.9}), longLived, 0.3, "first", 0, 1},
	} {
		weighted, _, peer := c.p.against(c.group)
		met, of := c.p.halved(c.group)
		if weighted != c.weighted || peer != c.peer || met != c.met || of != c.machines {
			t.Errorf("%s: we are %v off, the best peer is %s, half of it on %d of %d", name, weighted, peer, met, of)
		}
	}
}

func TestPopulationTables(t *testing.T) {
	p := fabricated([2]float64{0.01, 0.03}, [2]float64{0.2, 0.9}, [2]float64{0.8, 0.3})
	var b bytes.Buffer
	writeLearned(&b, p.machines, attribution.Weights{Frequency: 1.5, SMT: 0.65, Hybrid: 0.4}, []float64{0.02, 0.04}, []float64{0.2, 0.4})
	writeCurve(&b, &curve{knob{name: "smt", values: []float64{0.5}}, p.machines, [][]float64{{0.5, 0.7}}}, "here")
	p.write(&b, []score.Score{{Median: 0.001, P95: 0.002}, {Median: 0.003, P95: 0.004}})
	for _, want := range []string{
		"| learned | 1.5 | 0.65 | 0.4 | 2.00 % | 4.00 % | 3.00 % |\n",
		"| the program's own | " + fmt.Sprint(defaults.Frequency) + " | " + fmt.Sprint(defaults.SMT) + " | " + fmt.Sprint(defaults.Hybrid) + " | 20 % | 40 % | 30 % |\n",
		"By smt, here:\n",
		"| 0.5 | 50 % | 70 % | 60 % |\n",
		"| eco2-bpf, idle given | 2.50 %, 5.00 % |",
		"| eco2-bpf, weighted | 0.50 %, 1.00 % | 1.50 %, 3.00 % | 0.50 %, 1.00 % |",
		"| eco2-bpf, weighted by its own factors | 0.10 %, 0.20 % | 0.30 %, 0.40 % |",
		"| second | 40 %, 80 % | 15 %, 30 % |",
		"| 1 of 1 | 1 of 1 | 1 of 1 | 2 of 2 |\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), ourShared) || strings.Contains(b.String(), "NaN") {
		t.Error(b.String())
	}
}

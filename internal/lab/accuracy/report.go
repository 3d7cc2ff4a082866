package main

import (
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/score"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// Kinds of energy, by which domains are added up.
const (
	packages = "package"
	memory   = "dram"
	cards    = "gpu"
	platform = "psys"

	wholeRows = "rows" // all that is counted; of ours only
)

// scored are the kinds that tools are scored for.
var scored = []string{packages, memory, cards}

// Names of what is ours: as it comes; with idle power that was measured before; with all that it can weigh by, too; and with idle energy given to
// those who run.
const (
	ourTool     = "eco2-bpf"
	ourGiven    = "eco2-bpf, idle given"
	ourWeighted = "eco2-bpf, weighted"
	ourShared   = "eco2-bpf, idle shared"
)

// ourNames is their order.
var ourNames = []string{ourTool, ourGiven, ourWeighted, ourShared}

// ways are their words.
var ways = map[string]string{ourTool: "as it comes", ourGiven: "idle power given", ourWeighted: "weighted", ourShared: "idle energy shared"}

// Line is a tool on a scenario, scored for one kind of energy.
type Line struct {
	score.Score
	Tool      string
	Words     string // its formula; of peers
	Ours      bool
	Kind      string // that it was asked for
	Energy    string // that it answered with: psys, where it has nothing else
	Trees     bool
	Every     time.Duration
	PerWindow time.Duration // CPU time of its formula; of ours that of the whole engine
	Looked    float64       // processes that it looks at in /proc, in a window
	Bounds    []Bound       // of ours
	all       []score.Score // by every policy
}

// Report is a scenario's.
type Report struct {
	Name, Words, Machine string
	Seconds              float64
	Processes, Exited    int
	Wraps                int
	Joules               float64
	Lines                []Line            // ours first
	Off                  units.Microjoules // of ours: rows against energy, and energy against counters
	Breaches             uint64            // that our engine has found itself
	Linear               bool              // a second of CPU time is like any other, and all are traced
	Counted              float64           // of ours: joules that its reader counted, over what was used
	Unattributed         float64
	// Interrupts in joules of packages: the truth, and what our row has.
	InterruptsTruth, InterruptsTold float64
}

// of are the lines of a kind.
func (r *Report) of(kind string) (out []Line) {
	for _, l := range r.Lines {
		if l.Kind == kind {
			out = append(out, l)
		}
	}
	return out
}

// bounds pairs the truth of whoever used something with our range.
func bounds(t *score.Truth, told *score.Told, policy score.Policy) (out []Bound) {
	for key, truth := range t.Joules(policy, told.Window) {
		if truth >= 1e-6 {
			out = append(out, Bound{truth, told.Ranges[key]})
		}
	}
	return out
}

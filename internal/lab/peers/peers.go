// Package peers holds the formulas by which other programs tell what a process used, written anew from what their documentation and source
// say: none of it is their code. Each takes what the program itself would read, at the program's own interval, and keeps its habits: what it
// does at a counter's wrap, at its first read and when a process ends.
//
// Where a program can be read in two ways, the one that is better for it stands here, and the comment says so. What only this project has
// concluded from a program's source, and nobody there has confirmed, is marked "derived".
package peers

import (
	"math"
	"strings"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// Peer is one program. Its methods are called one at a time.
type Peer interface {
	Name() string
	Words() string        // one line: the formula, and where it is from
	Every() time.Duration // how often it reads
	Poll(seen.Sample)
	Slice(seen.Slice) // nothing to those that do not follow context switches
	Result() Result
}

// Sleeper is a program that lets some polls pass. After Wake it reads at the next, as at the end of a run: what it has not read by then would
// be in no number.
type Sleeper interface{ Wake() }

// Key names a process: pids come back.
type Key struct {
	PID   int
	Start int64 // in ticks since boot
}

// Domains are joules by kind of energy: package, dram, core, uncore, psys, gpu. core and uncore are within package, psys holds it: not a sum.
// "dram" is also what a program without a counter for it takes memory to use.
type Domains map[string]float64

// Result is what a program has told, from its first read to now. No number is negative, infinite or not a number.
type Result struct {
	// Joules is the program's own number of each process, with those that ended where it still tells of them. A domain that is not in it is
	// one that the program does not tell by process.
	Joules map[Key]Domains
	// ByTree: the number is of a process and all that came from it, so numbers of a process and of its child do not add up.
	ByTree bool
	Total  Domains // what the machine used, as the program has it
	Idle   Domains // of Total: what it says is nobody's; empty: it does not say
}

// Options are what some of them are told.
type Options struct {
	// Roots are pids of jobs: programs that follow a job and its descendants are run once for each. None: for each process that is not of the
	// kernel.
	Roots []int
	// BaseWatts is by zone what was measured before, with nothing to do. EnergAt does not run without; nil: 0 W.
	BaseWatts []float64
}

// All are all of them.
func All(m seen.Machine, o Options) []Peer {
	return []Peer{
		NewKepler(m), NewKepler09(m), NewKepler07(m), NewScaphandre(m), NewPowerJoular(m), NewCodeCarbonMachine(m, o), NewCodeCarbonProcess(m, o),
		NewEco2AI0312(m), NewEco2AI0313(m, o), NewDEEPmon(m), NewEnergAt(m, o),
	}
}

// NeedsSlices tells whether a program tells nothing without context switches.
func NeedsSlices(p Peer) bool {
	switch p.(type) {
	case *KeplerEBPF, *DEEPmon:
		return true
	}
	return false
}

// ledger is what all of them add up in.
type ledger struct {
	joules      map[Key]Domains
	total, idle Domains
	byTree      bool
}

func newLedger() ledger { return ledger{joules: map[Key]Domains{}, total: Domains{}, idle: Domains{}} }

// add gives joules to a process; what is not an amount is 0. That it is there at all says that the program knew it.
func (l *ledger) add(k Key, domain string, joules float64) {
	d := l.joules[k]
	if d == nil {
		d = Domains{}
		l.joules[k] = d
	}
	d[domain] += positive(joules)
}

// Slice is for those that do not follow context switches.
func (l *ledger) Slice(seen.Slice) {}

// Result is a copy of what stands now.
func (l *ledger) Result() Result {
	r := Result{Joules: make(map[Key]Domains, len(l.joules)), ByTree: l.byTree, Total: copied(l.total), Idle: copied(l.idle)}
	for k, d := range l.joules {
		r.Joules[k] = copied(d)
	}
	return r
}

func copied(d Domains) Domains {
	out := make(Domains, len(d))
	for name, j := range d {
		out[name] = j
	}
	return out
}

// clock tells the time between reads.
type clock struct {
	at    time.Duration
	begun bool
}

// step is the time since the last read, 0 at the first. ok is false for a read that is not after the last: no program could make one.
func (c *clock) step(at time.Duration) (since time.Duration, ok bool) {
	switch {
	case !c.begun:
		c.at, c.begun = at, true
		return 0, true
	case at <= c.at:
		return 0, false
	}
	since = at - c.at
	c.at = at
	return max(since, 0), true // more than 290 years would be below 0
}

// positive is x where it is an amount, and 0 else.
func positive(x float64) float64 {
	if x > 0 && !math.IsInf(x, 1) {
		return x
	}
	return 0
}

// share is part / whole from 0 to 1; 0 where there is no whole.
func share(part, whole float64) float64 {
	if whole <= 0 {
		return 0
	}
	return min(positive(part/whole), 1)
}

// domain is the kind of energy that a zone counts: package-1-die-0 is package.
func domain(zone string) string {
	name, _, _ := strings.Cut(zone, "-")
	return name
}

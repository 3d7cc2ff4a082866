package live

import (
	"fmt"
	"strings"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/score"
)

// Options say how a run is made.
type Options struct {
	Program string        // path of eco2-bpf
	Quiet   time.Duration // before the loads, for those who learn the idle power; default 2 s
	Load    time.Duration // how long the loads run; default 7.5 s
	Beat    time.Duration // a run's length is a multiple: the longest pause of those who look often; default 5 s
}

func (o *Options) defaults() {
	for _, d := range []struct {
		value *time.Duration
		usual time.Duration
	}{{&o.Quiet, 2 * time.Second}, {&o.Load, 7500 * time.Millisecond}, {&o.Beat, 5 * time.Second}} {
		if *d.value <= 0 {
			*d.value = d.usual
		}
	}
}

// Job is a load with a name and what a second of it counts.
type Job struct {
	Name   string
	Kind   string
	Factor float64 // by the second law
	work   Work
	beside bool // it does not end by itself
}

// Jobs are those of a run. By the second law a second of one is not a second of another, as with different instructions.
func Jobs(d time.Duration) []Job {
	return []Job{
		{Name: "burner A", Kind: Steady, Factor: 1, work: Work{For: d}},
		{Name: "burner B", Kind: Steady, Factor: 1.6, work: Work{For: d}},
		{Name: "duty 30 %", Kind: Duty, Factor: 0.7, work: Work{For: d}},
		{Name: "storm", Kind: Storm, Factor: 1.2, work: Work{For: d}},
		{Name: "build", Kind: Build, Factor: 0.8, work: Work{For: d}},
		{Name: "sleeper", Kind: Sleeper, Factor: 1, work: Work{For: d}},
	}
}

// Run measures some jobs side by side by two laws at once: one by which each second of CPU time counts the same, and one by which it does not.
// Where it cannot be done here the error is ErrUnable.
func Run(o Options) (Report, error) {
	o.defaults()
	linear, factors := lawOf("linear", "20 W + 10 W for each busy CPU"), lawOf("mixed", "20 W + 10 W x a factor of the job for each busy CPU")
	factors.mixed = true
	return o.experiment([]*machine{linear, factors}, Jobs(o.Load))
}

// machine is a law, its tree, and who measures there.
type machine struct {
	name, words string
	mixed       bool // seconds count by Job.Factor
	Zones       []Zone
	*Tree
	ours     []*ours
	formulas []*watched
}

func lawOf(name, words string) *machine { return &machine{name: name, words: words, Zones: Zones()} }

// ours is an attach that runs.
type ours struct {
	name, words string
	flags       []string
	policy      score.Policy // of the joules that it tells
	*Attach
	*Group       // whose CPU time is what it costs
	group  int   // of the law's groups
	breach error // of conservation
	edges  []time.Time
	total  Snapshot
}

// ways are those to run it: idle energy is a row of its own, where its power must be known, or it is shared out, and need not.
func (m *machine) ways() []*ours {
	var floor []string
	for i := range m.Zones {
		floor = append(floor, fmt.Sprintf("%s=%g", m.Zones[i].Domain, m.Zones[i].Idle))
	}
	given := &ours{name: "eco2-bpf, idle given", words: "idle energy apart, its power given", policy: score.Separate,
		flags: []string{"--idle-watts", strings.Join(floor, ",")}}
	return []*ours{
		{name: "eco2-bpf", words: "idle energy apart, its power learned", policy: score.Separate}, given,
		{name: "eco2-bpf, idle shared", words: "idle energy shared by CPU time", policy: score.Busy, flags: []string{"--idle", "active"}},
	}
}

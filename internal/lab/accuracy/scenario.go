package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/sim"
)

// wrapping is the scenario where everybody sees counters wrap: that of the same work, where ours alone do, once more.
const wrapping = "wraps"

func withWraps(scenarios []sim.Scenario) []sim.Scenario {
	for _, s := range scenarios {
		if s.Name == "steady" {
			s.Name, s.Words = wrapping, "steady once more, and all tools see the counters wrap"
			return append(slices.Clone(scenarios), s)
		}
	}
	return scenarios
}

// linear tells whether a second of CPU time is like any other.
func linear(s *sim.Scenario) bool {
	return oneFrequency(&s.Machine) && s.Missed == 0 &&
		!slices.ContainsFunc(s.Machine.Cores, func(c sim.Cores) bool { return c.Threads > 1 })
}

// oneFrequency tells what cpufreq would.
func oneFrequency(m *sim.MachineSpec) bool {
	return !slices.ContainsFunc(m.Cores, func(c sim.Cores) bool { return c.MinKHz != m.Cores[0].MaxKHz || c.MaxKHz != m.Cores[0].MaxKHz })
}

// prepared is a scenario as it is run.
func prepared(s sim.Scenario) sim.Scenario {
	s.Jobs = append(quiet(s.Jobs), watchdogs(len(s.Machine.Seen().CPUs))...)
	s.Duration += calm
	return s
}

// watchdogs are what each kernel has: a thread of each CPU runs all 4 s, so no task stays on one without a switch for longer
// (kernel/watchdog.c). Who counts by switches depends on that.
func watchdogs(cpus int) (jobs []sim.Job) {
	for cpu := range cpus {
		jobs = append(jobs, sim.Job{Comm: fmt.Sprintf("migration/%d", cpu), Kernel: true,
			Load: sim.Load{Run: 5 * time.Microsecond, Sleep: 4 * time.Second, Steady: true, Kernel: 1, CPUs: []int{cpu}}})
	}
	return jobs
}

// calm is how long a run begins with nothing but what every machine does, so that who learns idle power can.
const calm = 5 * time.Second

// quiet lets all jobs begin later that not every machine has.
func quiet(jobs []sim.Job) []sim.Job {
	jobs = slices.Clone(jobs)
	for i := range jobs {
		j := &jobs[i]
		if j.Kernel || j.Cgroup == "/init.scope" || strings.HasPrefix(j.Comm, "daemon-") {
			continue
		}
		j.At += calm
		if j.Until > 0 {
			j.Until += calm
		}
	}
	return jobs
}

// baseWatts is by zone what the machine uses with nothing to do, measured on it before the run, for who wants to be told.
func baseWatts(s *sim.Scenario) []float64 {
	const long = 2 * time.Second
	before := sim.Scenario{Name: "nothing", Seed: s.Seed, Duration: long, Machine: s.Machine}
	truth := before.Run(sim.Observer{})
	watts := make([]float64, len(s.Machine.Seen().Zones))
	for i := range watts {
		watts[i] = truth.Total[i] / long.Seconds()
	}
	return watts
}

package sim

import (
	"fmt"
	"time"
)

const (
	ms = time.Millisecond
	us = time.Microsecond
)

// together joins lists of jobs.
func together(lists ...[]Job) []Job {
	var out []Job
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

// daemons are what every machine has: processes that do next to nothing, and threads of the kernel.
func daemons(n int) []Job {
	out := []Job{{Comm: "systemd", Cgroup: "/init.scope", Load: Load{Run: 200 * us, Sleep: time.Second, Kernel: 0.4, Resident: 12 << 20}}}
	for i := range n {
		out = append(out, Job{Comm: fmt.Sprintf("daemon-%d", i), Cgroup: fmt.Sprintf("/system.slice/daemon-%d.service", i),
			Load: Load{Run: 300 * us, Sleep: time.Duration(1+i%7) * time.Second, Kernel: 0.3, Resident: int64(4+i%16) << 20}})
	}
	for i := range 4 {
		out = append(out, Job{Comm: fmt.Sprintf("kworker/%d:1", i), Kernel: true, Load: Load{Run: 40 * us, Sleep: 50 * ms, Kernel: 1}})
	}
	return out
}

// burner never sleeps.
func burner(comm string, threads int, activity float64) Job {
	return Job{Comm: comm, Cgroup: "/user.slice/" + comm, Threads: threads,
		Load: Load{Activity: activity, Misses: 1e6, Kernel: 0.02, Resident: 50 << 20}}
}

// bursty works for run and sleeps for pause, by turns.
func bursty(comm string, threads int, run, pause time.Duration, activity float64) Job {
	j := burner(comm, threads, activity)
	j.Load.Run, j.Load.Sleep, j.Load.Misses = run, pause, 5e6
	return j
}

// on pins a job to CPUs.
func (j Job) on(cpus ...int) Job {
	j.Load.CPUs = cpus
	return j
}

// between lets a job run only for a while.
func (j Job) between(at, until time.Duration) Job {
	j.At, j.Until = at, until
	return j
}

// in puts it into a cgroup.
func (j Job) in(cgroup string) Job {
	j.Cgroup = cgroup
	return j
}

// storm is a shell that starts children of so much work, one after the other or several at once, and mostly waits.
func storm(comm string, work time.Duration, parallel int, activity, spread float64) Job {
	child := Job{Comm: "true", Cgroup: "/user.slice/" + comm,
		Load: Load{Run: work, Work: work, Steady: true, Activity: activity, Kernel: 0.5, Misses: 1e7, Resident: 2 << 20}}
	return Job{Comm: comm, Cgroup: "/user.slice/" + comm, Load: Load{Run: 150 * us, Activity: activity, Kernel: 0.7, Resident: 4 << 20},
		Children: &Children{Job: child, Parallel: parallel, Spread: spread}}
}

// build is make: shells that each start a compiler and an assembler of some 20 ms.
func build(parallel int, activity, spread float64) Job {
	const cgroup = "/user.slice/build"
	tool := func(comm string, work time.Duration) Job {
		return Job{Comm: comm, Cgroup: cgroup, Load: Load{Run: work, Work: work, Activity: activity, Misses: 2e7, Kernel: 0.15, Resident: 60 << 20}}
	}
	shell := Job{Comm: "sh", Cgroup: cgroup, Load: Load{Run: 300 * us, Activity: activity, Kernel: 0.6, Resident: 3 << 20},
		Children: &Children{Job: tool("cc1", 20*ms), Count: 2, Spread: spread}}
	return Job{Comm: "make", Cgroup: cgroup, Load: Load{Run: 200 * us, Activity: activity, Kernel: 0.3, Resident: 20 << 20},
		Children: &Children{Job: shell, Parallel: parallel}}
}

// containers are services of several processes each, some busy, some hardly. activity is that of the i'th process.
func containers(n, each int, activity func(i int) float64) []Job {
	var out []Job
	for c := range n {
		for p := range each {
			i := c*each + p
			j := bursty(fmt.Sprintf("worker-%d", p), 1+i%3, time.Duration(1+i%5)*2*ms, time.Duration(4+7*(i%6))*ms, activity(i))
			j.Load.Misses = float64(1+i%4) * 8e6
			j.Load.Kernel = 0.05 * float64(i%5)
			out = append(out, j.in(fmt.Sprintf("/system.slice/docker-%064x.scope", c+1)))
		}
	}
	return out
}

// same is the activity of a machine where all instructions cost the same.
func same(int) float64 { return 1 }

// spread draws activities between 0.75 and 1.4, evenly, from a seed.
func spread(seed uint64) func(int) float64 {
	return func(i int) float64 { return 0.75 + 0.65*part01(seed, uint64(i)) }
}

// gain draws what the second thread of a core adds on a machine: 10 to 30 %.
func gain(seed uint64) float64 { return 0.10 + 0.20*part01(seed, 1<<32) }

// part01 is the i'th number of a seed, from 0 to 1.
func part01(seed, i uint64) float64 { return float64(mix(mix(seed)+i)>>11) / (1 << 53) }

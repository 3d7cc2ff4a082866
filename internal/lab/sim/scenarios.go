package sim

import "time"

// Small are those that a test can run in seconds, Scenarios those of the laboratory. They have the same names where they are the same work.
func Small() []Scenario { return list(30*time.Second, 4) }

// Scenarios of the laboratory.
func Scenarios() []Scenario { return list(90*time.Second, 16) }

// list makes each for so long; servers have so many cores a socket.
func list(d time.Duration, cores int) []Scenario {
	var out []Scenario
	add := func(name, words string, m MachineSpec, jobs ...[]Job) *Scenario {
		out = append(out, Scenario{Name: name, Words: words, Seed: mix(uint64(len(out) + 1)), Duration: d, Machine: m, Jobs: together(jobs...)})
		return &out[len(out)-1]
	}
	seed := func() uint64 { return mix(uint64(len(out) + 1)) }
	one := func(j ...Job) []Job { return j }
	big := func() MachineSpec { return server(2, cores, gain(seed())) }

	add("steady", "linear machine: steady and half-busy processes", linear(), daemons(40),
		one(burner("burn-a", 1, 1), burner("burn-b", 2, 1), bursty("half", 1, 10*ms, 10*ms, 1), bursty("tenth", 2, 2*ms, 18*ms, 1)))
	add("storm", "linear machine: two burners and a loop of 2 ms children", linear(), daemons(40),
		one(burner("burn-a", 1, 1), burner("burn-b", 1, 1), storm("loop", 2*ms, 1, 1, 0)))
	add("bursts", "linear machine: services that wake for a few ms, more of them than CPUs", linear(), daemons(40), containers(3, 5, same))
	add("idle", "linear machine with next to nothing to do", linear(), daemons(60))

	add("smt", "server: SMT and frequency, one instruction mix for all", big(), daemons(60), containers(6, cores/2, same),
		one(burner("burn", cores, 1), bursty("batch", cores/2, 300*ms, 200*ms, 1)))
	add("frequency", "server, mostly idle: busy cores are fast, others slow; one instruction mix for all", big(), daemons(60),
		containers(3, max(cores/4, 2), same), one(burner("burn-a", 1, 1), burner("burn-b", cores/4, 1), bursty("slow", cores/4, 4*ms, 16*ms, 1)))
	add("server", "server: SMT and frequency, instruction mixes from 0.75 to 1.4", big(), daemons(60), containers(6, cores/2, spread(seed())),
		one(burner("burn", cores, 0.8), bursty("batch", cores/2, 300*ms, 200*ms, 1.3)))
	add("corun", "server: A alone for a third of the time, then another A beside B, then B alone", big(), daemons(40), corun(d, 2*cores))
	add("memory", "server: a process bound by memory beside one of wide vector instructions", big(), daemons(40),
		one(memoryBound("stream", cores), burner("avx", cores, 1.4), burner("scalar", cores/2, 0.9)))
	add("build", "server: make with many processes of 20 ms", big(), daemons(60), one(build(2*cores, 1, 0), bursty("service", 4, 5*ms, 15*ms, 1)))
	add("storms", "server: 2 ms children by several shells, with mixes from 0.75 to 1.4, beside a burner", big(), daemons(60),
		one(storm("loop-a", 2*ms, 1, 1.07, 0.3), storm("loop-b", 2*ms, 2, 1.07, 0.3), burner("burn", cores, 1)))
	add("jvm", "server: a process of 16 threads, and its client", big(), daemons(40),
		one(jvm(1.1), bursty("client", 4, 2*ms, 6*ms, 0.9)))
	add("pinned", "server without C-states: burners that never leave their CPUs, two of them on one core", awake(big()), daemons(20),
		one(burner("alone", 1, 1).on(4), burner("left", 1, 1).on(0), burner("right", 1, 1).on(1)))
	add("roaming", "server: processes that move from socket to socket", big(), daemons(40),
		one(roaming("roam-a", 700*ms), roaming("roam-b", 1900*ms), burner("stay", 2, 1).on(0, 2)))
	add("interrupts", "server: a network card keeps two CPUs busy for a third of the time", big(), daemons(40),
		one(burner("burn", 4*cores, 1), bursty("server", 4, 3*ms, 3*ms, 1))).Interrupts = network()
	add("hybrid", "laptop: performance and efficiency cores, one instruction mix for all", laptop(gain(seed())), daemons(60),
		containers(2, 4, same), one(burner("burn", 3, 1), build(3, 1, 0)))
	add("laptop", "laptop: performance and efficiency cores, instruction mixes from 0.75 to 1.4", laptop(gain(seed())), daemons(60),
		containers(2, 4, spread(seed())), one(burner("burn", 3, 0.8), build(3, 1.2, 0.15)))
	gpu := linear()
	gpu.Name, gpu.GPUs = "linear, with two GPUs", []GPUSpec{{IdleWatts: 60, FullWatts: 350}, {IdleWatts: 55, FullWatts: 300}}
	add("gpu", "linear machine: a busy context, one that ends early, two that share a card, one that does nothing", gpu, daemons(20), gpus(d))
	reuse := add("reuse", "linear machine: children of 2 ms, and pids that are used again", linear(), daemons(20),
		one(burner("burn", 1, 1), storm("loop", 2*ms, 2, 1, 0)))
	reuse.PIDs = 300
	add("untraced", "linear machine: 1 % of the switches are not traced", linear(), daemons(20), containers(2, 3, same),
		one(burner("burn", 2, 1))).Missed = 0.01
	return out
}

// awake has no C-states: its cores leak at all times.
func awake(m MachineSpec) MachineSpec {
	m.CStates = false
	return m
}

// corun lets A run on all of its CPUs alone, then beside B on their siblings, then B alone.
func corun(d time.Duration, cpus int) []Job {
	var first, second []int
	for i := 0; i < cpus; i += 2 {
		first, second = append(first, i), append(second, i+1)
	}
	third := d / 3
	half := len(first)
	return []Job{
		burner("a-alone", half, 1).on(first...).between(0, third),
		burner("a-beside", half, 1).on(first...).between(third, 2*third),
		burner("b-beside", half, 1).on(second...).between(third, 2*third),
		burner("b-alone", half, 1).on(second...).between(2*third, 0),
	}
}

// memoryBound waits for memory: few instructions, 8 GB/s a thread.
func memoryBound(comm string, threads int) Job {
	j := burner(comm, threads, 0.75)
	j.Load.Misses, j.Load.Resident = 1.25e8, 8<<30
	return j
}

// jvm is one process of many threads.
func jvm(activity float64) Job {
	j := bursty("java", 16, 8*ms, 8*ms, activity)
	j.Load.Misses, j.Load.Resident = 4e7, 4<<30
	return j
}

func roaming(comm string, each time.Duration) Job {
	j := burner(comm, 1, 1)
	j.Load.Roam = each
	return j
}

// network is what a card does that receives.
func network() []Interrupt {
	return []Interrupt{
		{CPU: 0, Every: 200 * us, Length: 40 * us}, {CPU: 0, Every: 500 * us, Length: 80 * us, Soft: true},
		{CPU: 3, Every: 200 * us, Length: 40 * us}, {CPU: 3, Every: 500 * us, Length: 80 * us, Soft: true},
	}
}

// gpus are jobs with contexts.
func gpus(d time.Duration) []Job {
	with := func(comm string, g GPUJob) Job {
		j := bursty(comm, 1, 2*ms, 6*ms, 1)
		j.GPU = &g
		return j
	}
	return []Job{
		with("train", GPUJob{Card: 0, Util: 0.9, On: 700 * ms, Off: 100 * ms}),
		with("notebook", GPUJob{Card: 0}),
		with("short", GPUJob{Card: 0, Util: 0.4}).between(d/6, d/2+300*ms),
		with("infer-a", GPUJob{Card: 1, Util: 0.5, On: 40 * ms, Off: 60 * ms}),
		with("infer-b", GPUJob{Card: 1, Util: 0.7, On: 90 * ms, Off: 60 * ms}),
	}
}

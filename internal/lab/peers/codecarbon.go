package peers

import (
	"math"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// CodeCarbon is 3.3 (codecarbon/external/hardware.py, external/ram.py, core/rapl.py), run once for each job: from when the job is there to its
// end, which it meets to the second. It writes a row every 15 s; what it measures with is its 1 s monitor.
//
// Memory is a number of watts for the size of it, not a measurement; a card is the job's with all that it uses.
type CodeCarbon struct {
	ledger
	clock
	counters
	boards
	machine seen.Machine
	process bool
	roots   roots
	times   cpuTimes
	known   map[int]float64 // ticks by pid
}

// NewCodeCarbonMachine is tracking_mode=machine, which process mode is, too, wherever there are energy counters: each job is told what the
// whole machine used. Without a counter of packages it is TDP x (0.1 + 0.9 x load^3).
func NewCodeCarbonMachine(m seen.Machine, o Options) *CodeCarbon { return newCodeCarbon(m, false, o) }

// NewCodeCarbonProcess is tracking_mode=process where it is heeded: on a machine without energy counters. It looks at none of those.
func NewCodeCarbonProcess(m seen.Machine, o Options) *CodeCarbon { return newCodeCarbon(m, true, o) }

func newCodeCarbon(m seen.Machine, process bool, o Options) *CodeCarbon {
	c := &CodeCarbon{ledger: newLedger(), counters: counters{zones: m.Zones}, machine: m, process: process, roots: newRoots(o.Roots)}
	c.byTree = true
	return c
}

// Name is its name and mode.
func (c *CodeCarbon) Name() string {
	if c.process {
		return "CodeCarbon 3.3 process"
	}
	return "CodeCarbon 3.3 machine"
}

// Words is its formula.
func (c *CodeCarbon) Words() string {
	if c.process {
		return "without RAPL: TDP x CPU time of the job's tree / all CPUs' time, + 5 W a memory module; run for each job (external/hardware.py)"
	}
	return "all packages' energy to each job, + 5 W a memory module, + all cards; process mode with RAPL too (external/hardware.py)"
}

// Every is that of its monitor.
func (c *CodeCarbon) Every() time.Duration { return time.Second }

// Poll is one measurement of each job.
func (c *CodeCarbon) Poll(s seen.Sample) {
	since, ok := c.clock.step(s.At)
	if !ok {
		return
	}
	times := allCPUs(s.CPUs)
	d := times.less(c.times)
	known, before := make(map[int]float64, len(s.Processes)), c.known
	for i := range s.Processes {
		known[s.Processes[i].PID] = ticks(&s.Processes[i])
	}
	c.times, c.known = times, known
	card := sum(c.boards.step(s.GPUs))
	machine := c.packages(c.counters.step(s.Zones, byRange), share(d.active(), d.total()), since)
	if !c.process {
		c.total["package"] += machine
		c.total["dram"] += moduleWatts(float64(c.machine.MemoryBytes)/(1<<30)) * since.Seconds()
		c.total[gpu] += card
	}
	f := newForest(s.Processes)
	c.roots.each(s.Processes, func(i int, k Key, first bool) {
		if first {
			c.add(k, "package", 0)
			return
		}
		cpu, memory := machine, float64(c.machine.MemoryBytes)
		if c.process {
			cpu, memory = 0, 0
			f.under(i, func(p *seen.Process) {
				memory += positive(float64(p.Resident))
				if then, ok := before[p.PID]; ok { // who is new is only looked at, and who is gone is forgotten
					cpu += positive(ticks(p) - then)
				}
			})
			cpu *= c.tdp() * seen.Tick.Seconds() / float64(max(1, len(c.machine.CPUs)))
		}
		c.add(k, "package", cpu)
		c.add(k, "dram", moduleWatts(memory/(1<<30))*since.Seconds())
		c.add(k, gpu, card)
	})
}

// packages is what all packages used: by their counters, or where there are none by load.
func (c *CodeCarbon) packages(steps []float64, load float64, since time.Duration) float64 {
	if !c.has("package") {
		return c.tdp() * (0.1 + 0.9*load*load*load) * since.Seconds()
	}
	return c.counters.domains(steps)["package"]
}

// tdp is in watts, of all sockets. 85 stands for a CPU that its table does not have.
func (c *CodeCarbon) tdp() float64 {
	if c.machine.TDPWatts > 0 {
		return c.machine.TDPWatts * float64(sockets(c.machine))
	}
	return 85 * float64(sockets(c.machine))
}

// moduleWatts is what it takes so much memory to use, on x86: modules are guessed from the size, and each further one uses a little less.
func moduleWatts(gigabytes float64) float64 {
	watts := 0.0
	for n := range modules(gigabytes) {
		switch {
		case n < 4:
			watts += 5
		case n < 8:
			watts += 5 * 0.9
		case n < 16:
			watts += 5 * 0.8
		default:
			watts += 5 * 0.7
		}
	}
	return max(watts, 10)
}

func modules(gigabytes float64) int {
	switch {
	case !(gigabytes > 2):
		return 1
	case gigabytes <= 16:
		return 2
	case gigabytes <= 64:
		return 4
	case gigabytes <= 128:
		return 8
	}
	for size := 128.0; size >= 16; size /= 2 {
		if size <= gigabytes/8 {
			return int(min(math.Ceil(gigabytes/size), 32))
		}
	}
	return 8
}

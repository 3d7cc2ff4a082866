package peers

import (
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// Constants of both versions (eco2ai/tools/tools_cpu.py, tools_ram.py).
const (
	eco2aiEvery        = 10 * time.Second // measure_period
	eco2aiUnknownWatts = 100.1            // a CPU that its table does not have
	eco2aiWattsPerGB   = 3.0 / 8
)

// eco2aiMemory is the joules of memory that one process has, in so much time.
func eco2aiMemory(p *seen.Process, since time.Duration) float64 {
	return positive(float64(p.Resident)) / (1 << 30) * eco2aiWattsPerGB * since.Seconds()
}

// Eco2AI0312 is eco2AI 0.3.12, run in each process: TDP by what `top` says of that process, every 10 s; children are not its. All cards of the
// machine are its, by their power at the moment.
//
// Read in its favour: what top says of about 0.15 s stands here for the whole interval, so that it is never a chance; a process that has begun
// since the last read is counted from its beginning; the TDP is found in its table where there is one.
type Eco2AI0312 struct {
	ledger
	clock
	machine seen.Machine
	known   map[Key]float64 // ticks
}

// NewEco2AI0312 is one eco2AI 0.3.12 for each process.
func NewEco2AI0312(m seen.Machine) *Eco2AI0312 { return &Eco2AI0312{ledger: newLedger(), machine: m} }

// Name is its name.
func (e *Eco2AI0312) Name() string { return "eco2AI 0.3.12" }

// Words is its formula.
func (e *Eco2AI0312) Words() string {
	return "TDP x sockets x the process's part of all CPUs' capacity, + 3/8 W a GB, + all cards' power; run in each process (tools_cpu.py)"
}

// Every is measure_period.
func (e *Eco2AI0312) Every() time.Duration { return eco2aiEvery }

// Poll is one measurement of each process.
func (e *Eco2AI0312) Poll(s seen.Sample) {
	since, ok := e.clock.step(s.At)
	if !ok {
		return
	}
	known, before := make(map[Key]float64, len(s.Processes)), e.known
	e.known = known
	tdp := e.machine.TDPWatts
	if tdp <= 0 {
		tdp = eco2aiUnknownWatts
	}
	perTick := tdp * float64(sockets(e.machine)) * seen.Tick.Seconds() / float64(max(1, len(e.machine.CPUs)))
	for i := range s.Processes {
		p := &s.Processes[i]
		k := keyOf(p)
		known[k] = ticks(p)
		if p.Kernel || before == nil {
			continue
		}
		then, old := before[k]
		e.add(k, "package", perTick*(known[k]-then))
		if old {
			e.add(k, "dram", eco2aiMemory(p, since))
			e.add(k, gpu, watts(s.GPUs)*since.Seconds())
		}
	}
}

// Eco2AI0313 is eco2AI 0.3.13, run in each job: the packages' counters by the tree's part of all CPUs' time, idle included, every 10 s. A tree
// is who lives now: when a child ends the tree's time goes down by all that the child had used, and below 0 the interval's part is 0. So is it
// for an interval in which a counter wraps; the CPU time of that one then counts with the next. A card is the job's with all that it uses, if
// one of the tree has a context on it.
//
// Its first read is a baseline. Memory is that of the job's first process, as before: what the version counts was not seen.
type Eco2AI0313 struct {
	ledger
	clock
	counters
	boards
	roots roots
	trees map[Key]treeTimes
}

// treeTimes are ticks as of a read that was used.
type treeTimes struct{ tree, all float64 }

// NewEco2AI0313 is one eco2AI 0.3.13 for each job.
func NewEco2AI0313(m seen.Machine, o Options) *Eco2AI0313 {
	e := &Eco2AI0313{ledger: newLedger(), counters: counters{zones: m.Zones}, roots: newRoots(o.Roots), trees: map[Key]treeTimes{}}
	e.byTree = true
	return e
}

// Name is its name.
func (e *Eco2AI0313) Name() string { return "eco2AI 0.3.13" }

// Words is its formula.
func (e *Eco2AI0313) Words() string {
	return "packages' energy x CPU time of the job's tree / all CPUs' time with idle, + 3/8 W a GB, + cards in use; run for each job (tools_cpu.py)"
}

// Every is measure_period.
func (e *Eco2AI0313) Every() time.Duration { return eco2aiEvery }

// Poll is one measurement of each job.
func (e *Eco2AI0313) Poll(s seen.Sample) {
	since, ok := e.clock.step(s.At)
	if !ok {
		return
	}
	all := allCPUs(s.CPUs).total()
	packages := 0.0
	steps, cards := e.counters.step(s.Zones, asItIs), e.boards.step(s.GPUs)
	for i, joules := range steps {
		if domain(e.zones[i].Name) == "package" {
			packages += joules
		}
	}
	e.total["package"] += positive(packages)
	f := newForest(s.Processes)
	trees := make(map[Key]treeTimes, len(e.trees))
	e.roots.each(s.Processes, func(i int, k Key, first bool) {
		now := treeTimes{all: all}
		pids := map[int]bool{}
		f.under(i, func(p *seen.Process) {
			now.tree += ticks(p)
			pids[p.PID] = true
		})
		before := e.trees[k]
		trees[k] = now
		if first {
			e.add(k, "package", 0)
			return
		}
		if packages < 0 {
			trees[k] = before
		} else {
			e.add(k, "package", packages*share(now.tree-before.tree, now.all-before.all))
		}
		e.add(k, "dram", eco2aiMemory(&s.Processes[i], since))
		for card, joules := range cards {
			if inUse(&s.GPUs[card], pids) {
				e.add(k, gpu, joules)
			}
		}
	})
	e.trees = trees
}

// inUse tells whether one of them has a context on the card.
func inUse(card *seen.GPU, pids map[int]bool) bool {
	for _, p := range card.Processes {
		if pids[p.PID] {
			return true
		}
	}
	return false
}

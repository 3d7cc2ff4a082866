package peers

import (
	"math"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// EnergAt is EnergAt (energat/tracer.py, common.py), run once for each job: of each socket, what is above a base power times a power of the
// job's part. Two jobs with half of the work each get 0.5^0.3 = 0.81 of it, 1.62 times of what there is (derived).
//
// A tree is who was there when the interval began: who is born in it counts from the next on, who ends in it not at all. A counter that went
// back is taken to have used its whole range.
//
// Read in its favour: what it learns of sockets by looking every 10 ms, context switches tell here exactly, where there are any; CPU time of
// ended threads counts; memory in use is what all processes have resident, and as much of it on one socket as on another.
type EnergAt struct {
	ledger
	clock
	counters
	cpus  []seen.CPU
	base  []float64 // watts by zone
	roots roots
	times map[int]cpuTimes        // by socket
	trees map[Key]map[Key]float64 // ticks, by job and process
	spent map[Key]map[int]float64 // seconds by process and socket in the interval
}

// Exponents, by its flags' defaults.
const (
	energatGamma = 0.3 // packages
	energatDelta = 0.2 // memory
	energatSmall = 1e-5
)

// NewEnergAt is one EnergAt for each job.
func NewEnergAt(m seen.Machine, o Options) *EnergAt {
	e := &EnergAt{ledger: newLedger(), counters: counters{zones: m.Zones}, cpus: m.CPUs, base: o.BaseWatts, roots: newRoots(o.Roots),
		spent: map[Key]map[int]float64{}}
	e.byTree = true
	return e
}

// Name is its name.
func (e *EnergAt) Name() string { return "EnergAt" }

// Words is its formula.
func (e *EnergAt) Words() string {
	return "(package - base) x (tree's CPU time / socket's user + system)^0.3, (dram - base) x (memory / all in use)^0.2; for each job (tracer.py)"
}

// Every is its interval.
func (e *EnergAt) Every() time.Duration { return time.Second }

// Slice tells where a process has been.
func (e *EnergAt) Slice(s seen.Slice) {
	if s.CPU < 0 || s.CPU >= len(e.cpus) || s.To <= s.From {
		return
	}
	k := Key{s.PID, int64(s.Start / seen.Tick)}
	if e.spent[k] == nil {
		e.spent[k] = map[int]float64{}
	}
	e.spent[k][e.cpus[s.CPU].Socket] += (s.To - s.From).Seconds()
}

// Poll ends an interval of each job and begins the next.
func (e *EnergAt) Poll(s seen.Sample) {
	since, ok := e.clock.step(s.At)
	if !ok {
		return
	}
	now, busy := map[int]cpuTimes{}, map[int]float64{}
	for i := range min(len(s.CPUs), len(e.cpus)) {
		t := now[e.cpus[i].Socket]
		addTimes(&t, s.CPUs[i])
		now[e.cpus[i].Socket] = t
	}
	for socket, t := range now {
		d := t.less(e.times[socket])
		busy[socket] = positive(d.user + d.system)
	}
	spent := e.spent
	e.times, e.spent = now, map[Key]map[int]float64{}
	above := e.aboveBase(e.counters.step(s.Zones, func(_, size float64) float64 { return size }), since)
	inUse := 0.0
	for i := range s.Processes {
		inUse += positive(float64(s.Processes[i].Resident))
	}
	f := newForest(s.Processes)
	trees := make(map[Key]map[Key]float64, len(e.trees))
	e.roots.each(s.Processes, func(i int, k Key, first bool) {
		members, mine, memory := map[Key]float64{}, map[int]float64{}, 0.0
		f.under(i, func(p *seen.Process) {
			m := keyOf(p)
			members[m] = ticks(p)
			then, old := e.trees[k][m]
			if !old {
				return
			}
			memory += positive(float64(p.Resident))
			for socket, part := range e.residence(spent[m], busy) {
				mine[socket] += positive(members[m]-then) * part
			}
		})
		trees[k] = members
		if first {
			e.add(k, "package", 0)
			return
		}
		for z, joules := range above {
			switch socket := e.zones[z].Socket; domain(e.zones[z].Name) {
			case "package":
				part := energatSmall
				if busy[socket] > 0 {
					part = share(mine[socket], busy[socket])
				}
				e.add(k, "package", joules*math.Pow(part, energatGamma))
			case "dram":
				e.add(k, "dram", joules*math.Pow(share(memory, inUse), energatDelta))
			}
		}
	})
	e.trees = trees
}

// residence is the part of a process's time that it spent on each socket. Where nobody has looked it is as all processes' time is.
func (e *EnergAt) residence(spent, busy map[int]float64) map[int]float64 {
	if len(spent) == 0 {
		spent = busy
	}
	all := 0.0
	for _, x := range spent {
		all += x
	}
	out := make(map[int]float64, len(spent))
	for socket, x := range spent {
		out[socket] = share(x, all)
	}
	return out
}

// aboveBase is what each zone used beyond its base power, and adds up what is idle.
func (e *EnergAt) aboveBase(steps []float64, since time.Duration) []float64 {
	above := make([]float64, len(steps))
	for i, joules := range steps {
		base := 0.0
		if i < len(e.base) {
			base = positive(e.base[i]) * since.Seconds()
		}
		name := domain(e.zones[i].Name)
		e.total[name] += positive(joules)
		e.idle[name] += base
		above[i] = positive(joules - base)
	}
	return above
}

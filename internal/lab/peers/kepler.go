package peers

import (
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// Kepler is 0.10 and later: /proc every 5 s (docs/developer/power-attribution-guide.md, internal/monitor, internal/resource).
//
// Read in its favour: a process's number is what all windows gave it, as a Prometheus that saw each of them has it. So nothing is lost of what
// its own counter loses when a zone had a window without active energy (derived), nor of ended processes below 10 J or beyond the 500 that it
// keeps. A pid that comes back between two scans has the difference to its predecessor (derived), here never less than 0.
//
// Its first read gives processes nothing: they are given active energy where there is active power, and that needs two reads.
type Kepler struct {
	ledger
	clock
	counters
	times cpuTimes
	known map[int]float64 // ticks by pid: it does not ask when a process started
	cards keplerCards
}

// NewKepler is Kepler 0.10 or later with its GPU split, which is experimental, switched on.
func NewKepler(m seen.Machine) *Kepler {
	return &Kepler{ledger: newLedger(), counters: counters{zones: m.Zones}}
}

// Name is its name.
func (k *Kepler) Name() string { return "Kepler 0.10+" }

// Words is its formula.
func (k *Kepler) Words() string {
	return "zone energy x busy part of all CPUs' time x own CPU time / that of all processes that live at the scan (power-attribution-guide.md)"
}

// Every is monitor.interval.
func (k *Kepler) Every() time.Duration { return 5 * time.Second }

// Poll is one refresh. All zones, memory too, are split by CPU time.
func (k *Kepler) Poll(s seen.Sample) {
	since, ok := k.clock.step(s.At)
	if !ok {
		return
	}
	known, used, all := make(map[int]float64, len(s.Processes)), make([]float64, len(s.Processes)), 0.0
	for i := range s.Processes {
		p := &s.Processes[i]
		used[i] = positive(ticks(p) - k.known[p.PID]) // who is new has all of its time in this window
		known[p.PID] = ticks(p)
		all += used[i]
	}
	times := allCPUs(s.CPUs)
	d := times.less(k.times)
	last := k.known
	k.known, k.times = known, times
	k.cards.step(&k.ledger, &s, since, last)
	steps := k.counters.step(s.Zones, byRange)
	if steps == nil {
		return
	}
	busy := share(d.active(), d.total())
	for name, joules := range k.counters.domains(steps) {
		k.total[name] += joules
		k.idle[name] += joules * (1 - busy)
		for i := range used {
			if used[i] > 0 {
				k.add(keyOf(&s.Processes[i]), name, joules*busy*used[i]/all)
			}
		}
	}
}

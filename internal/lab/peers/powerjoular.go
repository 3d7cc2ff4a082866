package peers

import (
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// PowerJoular is 1.1.1 (src/powerjoular.adb, cpu_stat_pid.adb, intel_rapl_sysfs.adb) as run with -p for each process: all of the energy,
// idle too, goes to who is busy; interrupts and stolen time are not busy. It reads the first socket only (derived), takes each cycle for
// exactly 1 s (derived), and ends with its process, of whose last cycle it tells nothing.
//
// Read in its favour: memory counts wherever powercap lists it, not only as the package's third zone; each counter's wrap is taken by itself.
type PowerJoular struct {
	ledger
	clock
	counters
	psys  bool
	times cpuTimes
	known map[Key]float64 // ticks
}

// NewPowerJoular is one PowerJoular 1.1.1 for each process.
func NewPowerJoular(m seen.Machine) *PowerJoular {
	c := counters{zones: m.Zones}
	// It takes psys where powercap lists it second, which it does where there is one package.
	return &PowerJoular{ledger: newLedger(), counters: c, psys: c.has("psys") && sockets(m) == 1}
}

// Name is its name.
func (j *PowerJoular) Name() string { return "PowerJoular 1.1.1" }

// Words is its formula.
func (j *PowerJoular) Words() string {
	return "(package-0 + its dram, or psys) x own CPU time / user + nice + system of all CPUs; run for each process (powerjoular.adb)"
}

// Every is its cycle.
func (j *PowerJoular) Every() time.Duration { return time.Second }

// Poll ends a cycle and begins the next.
func (j *PowerJoular) Poll(s seen.Sample) {
	if _, ok := j.clock.step(s.At); !ok {
		return
	}
	times := allCPUs(s.CPUs)
	d := times.less(j.times)
	busy := positive(d.user + d.nice + d.system)
	known, before := make(map[Key]float64, len(s.Processes)), j.known
	j.times, j.known = times, known
	steps := j.counters.step(s.Zones, byRange)
	energy := Domains{}
	for i, joules := range steps {
		z := &j.zones[i]
		name := domain(z.Name)
		if j.psys && name == "psys" || !j.psys && z.Socket == 0 && (name == "package" || name == "dram") {
			energy[name] += positive(joules)
			j.total[name] += positive(joules)
		}
	}
	if steps != nil && len(s.GPUs) > 0 {
		j.total[gpu] += watts(s.GPUs) // the machine's only, and a cycle is a second
	}
	for i := range s.Processes {
		p := &s.Processes[i]
		k := keyOf(p)
		known[k] = ticks(p)
		then, ok := before[k]
		if !ok || known[k] <= then {
			continue
		}
		for name, joules := range energy {
			j.add(k, name, joules*(known[k]-then)/busy) // nothing where nobody was busy: ticks may come late
		}
	}
}

package peers

import (
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// Scaphandre is 1.0 (src/sensors/mod.rs, src/sensors/powercap_rapl.rs): the host's power times the process's part of all CPUs' capacity.
// It tells watts; joules here are those times the interval, as whoever adds its samples up has them.
//
// The host's counter is the sum of all zones that count: where one of them wraps the sample is lost for everyone. CPU time is that of the
// sysinfo library, which tells none at first sight of a process, nor while it had used none at the sight before.
type Scaphandre struct {
	ledger
	clock
	counters
	times cpuTimes
	known map[Key]float64 // ticks
}

// NewScaphandre is Scaphandre 1.0.
func NewScaphandre(m seen.Machine) *Scaphandre {
	return &Scaphandre{ledger: newLedger(), counters: counters{zones: m.Zones}}
}

// Name is its name.
func (c *Scaphandre) Name() string { return "Scaphandre 1.0" }

// Words is its formula.
func (c *Scaphandre) Words() string {
	return "(psys, or packages + dram) x own CPU time / all CPUs' time with idle; idle is nobody's (sensors/mod.rs)"
}

// Every is the step of its stdout and json exporters; with Prometheus it is that of the scrapes.
func (c *Scaphandre) Every() time.Duration { return 2 * time.Second }

// Poll is one refresh.
func (c *Scaphandre) Poll(s seen.Sample) {
	if _, ok := c.clock.step(s.At); !ok {
		return
	}
	times := allCPUs(s.CPUs)
	capacity := times.less(c.times).total()
	known, before := make(map[Key]float64, len(s.Processes)), c.known
	c.times, c.known = times, known
	host, whole := c.host(c.counters.step(s.Zones, asItIs))
	for name, joules := range host {
		c.total[name] += joules
	}
	for i := range s.Processes {
		p := &s.Processes[i]
		k := keyOf(p)
		known[k] = ticks(p)
		if !whole || before[k] <= 0 {
			continue
		}
		if part := share(known[k]-before[k], capacity); part > 0 {
			for name, joules := range host {
				c.add(k, name, joules*part)
			}
		}
	}
}

// host is what the host used, of which the program makes one number; whole is false where there is none.
func (c *Scaphandre) host(steps []float64) (host Domains, whole bool) {
	psys, all := c.has("psys"), 0.0
	host = Domains{}
	for i, joules := range steps {
		name := domain(c.zones[i].Name)
		if name == "psys" || !psys && (name == "package" || name == "dram") {
			host[name] += positive(joules)
			all += joules
		}
	}
	if all < 0 {
		return nil, false
	}
	return host, steps != nil
}

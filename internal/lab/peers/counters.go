package peers

import (
	"slices"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// counters are RAPL zones as a program has read them last.
type counters struct {
	zones []seen.Zone
	last  []uint64
}

// wrap says what a program makes of a counter that went back by so many microjoules, and has such a range.
type wrap func(back, size float64) float64

// byRange is right where the counter has been to the end of its range and has begun again.
func byRange(back, size float64) float64 { return size - back }

// asItIs leaves the step below 0.
func asItIs(back, _ float64) float64 { return -back }

// step gives joules by zone since the last read; nil at the first. A zone that either read lacks has 0.
func (c *counters) step(now []uint64, w wrap) []float64 {
	before := c.last
	c.last = append([]uint64{}, now...)
	if before == nil {
		return nil
	}
	steps := make([]float64, len(c.zones))
	for i := range min(len(c.zones), len(now), len(before)) {
		if now[i] >= before[i] {
			steps[i] = float64(now[i]-before[i]) / 1e6
			continue
		}
		steps[i] = w(float64(before[i]-now[i]), float64(c.zones[i].Range)) / 1e6
	}
	return steps
}

// domains adds zones of one kind up, over all sockets. None is below 0.
func (c *counters) domains(steps []float64) Domains {
	out := Domains{}
	for i, j := range steps {
		out[domain(c.zones[i].Name)] += positive(j)
	}
	return out
}

// has tells whether there is a zone of that kind.
func (c *counters) has(name string) bool {
	return slices.ContainsFunc(c.zones, func(z seen.Zone) bool { return domain(z.Name) == name })
}

// sockets is how many there are; 1 at least.
func sockets(m seen.Machine) int {
	known := map[int]bool{}
	for _, c := range m.CPUs {
		known[c.Socket] = true
	}
	return max(1, len(known))
}

// cpuTimes are ticks of some CPUs, cumulative or of an interval.
type cpuTimes struct{ user, nice, system, idle, iowait, irq, softirq, steal float64 }

func addTimes(t *cpuTimes, c seen.CPUTimes) {
	t.user += float64(c.User)
	t.nice += float64(c.Nice)
	t.system += float64(c.System)
	t.idle += float64(c.Idle)
	t.iowait += float64(c.IOWait)
	t.irq += float64(c.IRQ)
	t.softirq += float64(c.SoftIRQ)
	t.steal += float64(c.Steal)
}

// allCPUs is the first line of /proc/stat.
func allCPUs(cpus []seen.CPUTimes) cpuTimes {
	var t cpuTimes
	for _, c := range cpus {
		addTimes(&t, c)
	}
	return t
}

func (t cpuTimes) less(u cpuTimes) cpuTimes {
	return cpuTimes{t.user - u.user, t.nice - u.nice, t.system - u.system, t.idle - u.idle,
		t.iowait - u.iowait, t.irq - u.irq, t.softirq - u.softirq, t.steal - u.steal}
}

func (t cpuTimes) total() float64 {
	return t.user + t.nice + t.system + t.idle + t.iowait + t.irq + t.softirq + t.steal
}

// active is all but idle and iowait: interrupts and stolen time are in it.
func (t cpuTimes) active() float64 { return t.total() - t.idle - t.iowait }

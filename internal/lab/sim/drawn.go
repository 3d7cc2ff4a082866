package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"time"
)

// drawnFor is how long a drawn machine is at work.
const drawnFor = 30 * time.Second

// DrawnServer draws a server and what is done on it. Where no source is named a range is that of common parts of the last ten years, as far as it
// is known: of no part all of it is published.
func DrawnServer(seed uint64) Scenario {
	d := newDraw(seed, 4)
	cores := d.whole(4, 16)
	c := d.cores(Cores{Count: cores, Threads: 2, Nanofarads: d.between(1.0, 2.5), MinKHz: d.kHz(0.8, 1.2), MaxKHz: d.kHz(3.0, 4.2)})
	m := MachineSpec{
		Name: fmt.Sprintf("drawn server %d", seed), Sockets: d.whole(1, 2), Cores: []Cores{c},
		FloorWatts: d.between(5, 10) + d.between(0.5, 1.5)*float64(cores), WakeWatts: d.between(2, 12), SMTGain: d.between(leastGain, mostGain),
		CStates:   !d.one(5), // without them a machine answers faster
		DRAMWatts: 2 + float64(cores)/4, MissJoules: 12e-9, Noise: d.between(0.002, 0.006), IRQTime: true, TDPWatts: 10 + 8*float64(cores),
		MemoryBytes: 128 << 30,
	}
	return d.scenario(m)
}

// DrawnLaptop draws a machine with performance and efficiency cores, and what is done on it.
func DrawnLaptop(seed uint64) Scenario {
	d := newDraw(seed, 5)
	fast := d.cores(Cores{Count: d.whole(2, 8), Threads: 2, Nanofarads: d.between(1.0, 2.0), MinKHz: d.kHz(0.4, 0.8), MaxKHz: d.kHz(4.2, 5.2)})
	highest := float64(fast.MaxKHz) / 1e6
	// Of some designs four efficiency cores take the place of one other, so a quarter is the least; of others they are the same, but denser.
	small := d.cores(Cores{Count: 4 * d.whole(1, 3), Threads: 1, Efficient: true, Nanofarads: d.between(0.25, 0.6) * fast.Nanofarads,
		MinKHz: fast.MinKHz, MaxKHz: d.kHz(0.7*highest, 0.85*highest)})
	m := MachineSpec{
		Name: fmt.Sprintf("drawn laptop %d", seed), Sockets: 1, Cores: []Cores{fast, small},
		FloorWatts: d.between(1.5, 4), WakeWatts: d.between(0.5, 3), SMTGain: d.between(leastGain, mostGain), CStates: true, MissJoules: 12e-9,
		BoardWatts: d.between(3, 8), CoreZone: true, UncoreWatts: 0.4, Noise: d.between(0.002, 0.006), TDPWatts: 28, MemoryBytes: 16 << 30,
	}
	return d.scenario(m)
}

// What a core's second thread adds: doc.go names the sources.
const leastGain, mostGain = 0.10, 0.30

// cores draws what belongs to frequencies: 0.6 to 0.8 V at the lowest, 0.95 to 1.25 V at the highest, and how much of that all cores at work
// reach. (At 4 GHz an eight-core of 22 nm is told to have 1.11 V, one of four cores and 14 nm 1.06 to 1.23 V.)
//
// Leakage is a tenth to two fifths of what a core uses at its highest frequency: it was 40 % before fins held it back (Kim et al., Leakage
// current: Moore's law meets static power, IEEE Computer 36(12), 2003).
func (d *draw) cores(c Cores) Cores {
	c.LowVolts, c.HighVolts = d.between(0.60, 0.80), d.between(0.95, 1.25)
	c.BaseKHz = max(int64(d.between(0.65, 0.9)*float64(c.MaxKHz))/stepKHz*stepKHz, c.MinKHz)
	part := d.between(0.1, 0.4)
	c.Leak = part / (1 - part) * c.Nanofarads * float64(c.MaxKHz) / 1e6
	return c
}

// scenario draws what is done. On three machines of four jobs want 10 to 50 % of the CPUs' time (Barroso and Hölzle, The case for
// energy-proportional computing, IEEE Computer 40(12), 2007, of servers), else up to all of it. Instructions cost the same everywhere: no
// weight can know of mixes.
func (d *draw) scenario(m MachineSpec) Scenario {
	s := Scenario{Name: m.Name, Words: m.Name, Seed: d.seed, Duration: drawnFor, Machine: m, Jobs: daemons(d.whole(20, 60))}
	cpus := len(m.Seen().CPUs)
	level := d.between(0.1, 0.5)
	if d.one(4) {
		level = d.between(0.5, 1)
	}
	for left := level * float64(cpus); left > 0.3; {
		jobs, wanted := d.jobs(len(s.Jobs), cpus)
		s.Jobs = append(s.Jobs, jobs...)
		left -= wanted
	}
	// Who starts many short-lived processes is there on one machine of three.
	switch d.IntN(6) {
	case 0:
		s.Jobs = append(s.Jobs, storm("loop", d.length(2*ms, 10*ms), d.whole(1, 2), 1, 0))
	case 1:
		s.Jobs = append(s.Jobs, build(d.whole(1, max(cpus/4, 1)), 1, 0))
	}
	return s
}

// jobs draws some of a kind, and tells how many CPUs they want.
func (d *draw) jobs(n, cpus int) (jobs []Job, wanted float64) {
	threads := d.whole(1, max(cpus/6, 1))
	switch d.IntN(4) {
	case 0:
		return []Job{burner(fmt.Sprintf("burn-%d", n), threads, 1)}, float64(threads)
	case 1: // busy for a long while, or not at all
		return d.bursty(fmt.Sprintf("batch-%d", n), threads, 100*ms, 2*time.Second, 0.2, 0.9)
	case 2: // in part, and evenly
		return d.bursty(fmt.Sprintf("half-%d", n), threads, ms, 20*ms, 0.1, 0.8)
	}
	for i := range d.whole(2, 8) {
		job, part := d.bursty(fmt.Sprintf("worker-%d", i), d.whole(1, 2), ms, 10*ms, 0.02, 0.4)
		jobs, wanted = append(jobs, job[0].in(fmt.Sprintf("/system.slice/docker-%064x.scope", n))), wanted+part
	}
	return jobs, wanted
}

// bursty draws how long each thread works at a time, and which part of its time.
func (d *draw) bursty(comm string, threads int, shortest, longest time.Duration, least, most float64) ([]Job, float64) {
	run, part := d.length(shortest, longest), d.between(least, most)
	pause := time.Duration(float64(run) * (1 - part) / part)
	return []Job{bursty(comm, threads, run, pause, 1)}, part * float64(threads)
}

// draw takes numbers from a seed.
type draw struct {
	*rand.Rand
	seed uint64
}

func newDraw(seed, kind uint64) *draw {
	return &draw{rand.New(rand.NewPCG(seed, kind)), mix(mix(seed) + kind)}
}

// between draws a number.
func (d *draw) between(low, high float64) float64 { return low + (high-low)*d.Float64() }

// length draws a time: each order of magnitude is as likely.
func (d *draw) length(low, high time.Duration) time.Duration {
	return time.Duration(float64(low) * math.Pow(float64(high)/float64(low), d.Float64()))
}

// whole draws a number from low to high, both included.
func (d *draw) whole(low, high int) int { return low + d.IntN(high-low+1) }

// one is true once in n times.
func (d *draw) one(n int) bool { return d.IntN(n) == 0 }

// kHz draws a frequency between two in GHz, in the steps that there are.
func (d *draw) kHz(low, high float64) int64 {
	return int64(d.between(low, high)*1e6) / stepKHz * stepKHz
}

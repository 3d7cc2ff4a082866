package sim

import (
	"fmt"
	"math"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// MachineSpec is a machine, with what no program can see of it.
type MachineSpec struct {
	Name        string
	Sockets     int
	Cores       []Cores // of each socket, in the order of their CPUs
	FloorWatts  float64 // of each socket with nothing to do, without its cores' leakage
	WakeWatts   float64 // of each socket, while any of its CPUs works
	SMTGain     float64 // two threads of a core use 1 + SMTGain of what one uses
	CStates     bool    // a core with nothing to do does not leak
	DRAMWatts   float64 // of each socket's memory; 0: it has no counter
	MissJoules  float64 // of memory, for each last-level miss
	BoardWatts  float64 // of all else, which psys counts; 0: no psys
	CoreZone    bool    // a counter for each socket's cores
	UncoreWatts float64 // of FloorWatts: what the counter uncore shows; 0: none
	Noise       float64 // standard deviation of a counter's gain over 50 ms
	IRQTime     bool    // the kernel takes interrupts off the tasks that they interrupt
	GPUs        []GPUSpec
	TDPWatts    float64 // of a socket, as a table says
	MemoryBytes int64
}

// Cores are alike. One whose MinKHz is its MaxKHz has one frequency.
type Cores struct {
	Count, Threads      int // Threads of each: 1 or 2
	Efficient           bool
	Nanofarads          float64 // switched at activity 1: W per GHz and V^2
	Leak                float64 // W per V^2
	MinKHz, MaxKHz      int64   // MaxKHz with one core of the socket at work
	BaseKHz             int64   // with all of them
	LowVolts, HighVolts float64 // at MinKHz and MaxKHz
}

// GPUSpec is a card.
type GPUSpec struct {
	IdleWatts, FullWatts float64 // FullWatts: all SMs at work, IdleWatts included
}

// stepKHz is the distance of a core's frequencies.
const stepKHz = 100_000

// volts at a frequency: a straight line.
func (c Cores) volts(kHz int64) float64 {
	if c.MaxKHz <= c.MinKHz {
		return c.HighVolts
	}
	part := float64(kHz-c.MinKHz) / float64(c.MaxKHz-c.MinKHz)
	return c.LowVolts + part*(c.HighVolts-c.LowVolts)
}

// switching is what a core uses at activity 1, in W.
func (c Cores) switching(kHz int64) float64 {
	v := c.volts(kHz)
	return c.Nanofarads * float64(kHz) / 1e6 * v * v
}

// leaking is what a core leaks, in W.
func (c Cores) leaking(kHz int64) float64 {
	v := c.volts(kHz)
	return c.Leak * v * v
}

// highest is the highest frequency with that many cores of the socket at work.
func (c Cores) highest(working, cores int) int64 {
	if working <= 1 || cores <= 1 || c.BaseKHz >= c.MaxKHz {
		return c.MaxKHz
	}
	down := (c.MaxKHz - c.BaseKHz) * int64(working-1) / int64(cores-1)
	return max(c.MaxKHz-down/stepKHz*stepKHz, c.MinKHz)
}

// idleLeak is what a core with nothing to do leaks, in W.
func (m MachineSpec) idleLeak(c Cores) float64 {
	if m.CStates {
		return 0
	}
	return c.leaking(c.MinKHz)
}

// zoneKind is what an energy counter counts.
type zoneKind int

const (
	zonePackage zoneKind = iota
	zoneCore
	zoneUncore
	zoneDRAM
	zonePsys
)

// kinds tells what each of Seen's zones is.
func (m MachineSpec) kinds() []zoneKind {
	var out []zoneKind
	for range m.Sockets {
		out = append(out, zonePackage)
		if m.CoreZone {
			out = append(out, zoneCore)
		}
		if m.UncoreWatts > 0 {
			out = append(out, zoneUncore)
		}
		if m.DRAMWatts > 0 {
			out = append(out, zoneDRAM)
		}
	}
	if m.BoardWatts > 0 {
		out = append(out, zonePsys)
	}
	return out
}

// max_energy_range_uj of 32 bits of 61.035 uJ, and of 15.3 uJ: what the kernel's driver says.
const (
	packageRange = 262_143_328_850
	dramRange    = 65_712_999_613
)

// Seen is what any program can know of the machine. CPUs are numbered by socket and by core, siblings beside each other.
func (m MachineSpec) Seen() seen.Machine {
	out := seen.Machine{TDPWatts: m.TDPWatts, MemoryBytes: m.MemoryBytes}
	for s := range m.Sockets {
		for _, c := range m.Cores {
			out.BaseKHz = max(out.BaseKHz, c.BaseKHz)
			for range c.Count {
				for t := range c.Threads {
					cpu := seen.CPU{Socket: s, Sibling: -1, Efficient: c.Efficient}
					if c.Threads == 2 {
						cpu.Sibling = len(out.CPUs) + 1 - 2*t
					}
					out.CPUs = append(out.CPUs, cpu)
				}
			}
		}
	}
	socket, parent := -1, -1
	for _, k := range m.kinds() {
		z := seen.Zone{Parent: parent, Socket: socket, Range: packageRange}
		switch k {
		case zonePackage:
			socket++
			parent = len(out.Zones)
			z = seen.Zone{Name: fmt.Sprintf("package-%d", socket), Parent: -1, Socket: socket, Range: packageRange}
		case zoneCore:
			z.Name = "core"
		case zoneUncore:
			z.Name = "uncore"
		case zoneDRAM:
			z.Name, z.Range = "dram", dramRange
		case zonePsys:
			z.Name, z.Parent, z.Socket = "psys", -1, -1
		}
		out.Zones = append(out.Zones, z)
	}
	return out
}

// domains names the zones and the GPUs, each once.
func (m MachineSpec) domains() []string {
	var out []string
	for _, z := range m.Seen().Zones {
		name := z.Name
		if z.Parent >= 0 {
			name = fmt.Sprintf("%s-%d", name, z.Socket)
		}
		out = append(out, name)
	}
	for i := range m.GPUs {
		out = append(out, fmt.Sprintf("gpu-%d", i))
	}
	return out
}

// floor is what a zone uses with nothing to do, in W.
func (m MachineSpec) floor(k zoneKind) float64 {
	leak := 0.0
	for _, c := range m.Cores {
		leak += float64(c.Count) * m.idleLeak(c)
	}
	switch k {
	case zonePackage:
		return m.FloorWatts + leak
	case zoneCore:
		return leak
	case zoneUncore:
		return math.Min(m.UncoreWatts, m.FloorWatts)
	case zoneDRAM:
		return m.DRAMWatts
	}
	return m.BoardWatts + float64(m.Sockets)*(m.FloorWatts+leak+m.DRAMWatts)
}

// Package seen holds what a program that measures energy can see of a machine: what is in /proc and sysfs at a moment, and what the kernel
// tells at a context switch. The simulated machine and the live one give it, ours and the peers' formulas take it. Types only.
package seen

import "time"

// Tick is the unit of CPU times in /proc: USER_HZ is 100.
const Tick = 10 * time.Millisecond

// Machine is what does not change.
type Machine struct {
	CPUs  []CPU
	Zones []Zone
	// TDPWatts is what a table says of a package of this CPU.
	TDPWatts float64
	// BaseKHz is the CPU's nominal frequency.
	BaseKHz     int64
	MemoryBytes int64
}

// CPU is where a logical CPU sits.
type CPU struct {
	Socket    int
	Sibling   int // the other CPU of its core; -1: none
	Efficient bool
}

// Zone is an energy counter as powercap shows it.
type Zone struct {
	Name   string // package-0, dram, core, uncore, psys
	Parent int    // index of the zone that holds it; -1: none
	Socket int    // -1: the whole machine
	Range  uint64 // max_energy_range_uj: the counter goes from there to 0
}

// Sample is a look at the machine. Whoever polls gets one for each of its polls; reading takes no time here but what Skew says.
type Sample struct {
	At        time.Duration // monotonic
	Processes []Process     // those that live, kernel threads included, zombies not
	CPUs      []CPUTimes    // /proc/stat, by CPU
	Zones     []uint64      // energy_uj, by Machine.Zones
	KHz       []int64       // scaling_cur_freq, by CPU; nil: no cpufreq
	GPUs      []GPU
}

// Process is /proc/PID, as it is now.
type Process struct {
	PID, PPID int
	Start     int64 // in ticks since boot, field 22 of stat
	Comm      string
	Kernel    bool
	User, Sys int64 // ticks; utime and stime of stat, all threads, without children
	Threads   int
	Resident  int64 // bytes
	Cgroup    string
}

// CPUTimes are cumulative ticks of one CPU.
type CPUTimes struct {
	User, Nice, System, Idle, IOWait, IRQ, SoftIRQ, Steal int64
}

// GPU is what NVML tells of a card.
type GPU struct {
	EnergyMilliJoules uint64
	PowerMilliWatts   uint64
	Processes         []GPUProcess
}

// GPUProcess is one with a context on the card.
type GPUProcess struct {
	PID    int
	SMUtil float64 // per cent, since the last sample
}

// Slice is what a program on the context switch can see when a task leaves a CPU, in the order of To.
type Slice struct {
	CPU      int
	TID, PID int
	Start    time.Duration // of the process, since boot
	From, To time.Duration
	Beside   time.Duration // of it: while the sibling was busy
	Cycles   uint64        // core cycles, if there is a PMU
	Misses   uint64        // last-level cache misses, likewise
	Exited   bool          // it was the process's last
}

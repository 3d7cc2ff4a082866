// Package energy reads what the machine says about the joules it used: counters where they exist, an estimate where none does.
package energy

import (
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// Methods of a Domain: how its joules are got.
const (
	Measured   = "measured"   // a hardware energy counter
	Integrated = "integrated" // a power gauge, integrated over time: what happens between two readings is not seen
	Estimated  = "estimated"  // a model of the device and its load
)

// Scopes of a Domain: what its joules include.
const (
	ScopePackage = "package" // a processor package: cores, caches, on-chip graphics
	ScopeCore    = "core"    // its cores alone
	ScopeUncore  = "uncore"  // its other parts: on-chip graphics
	ScopeDRAM    = "dram"    // the memory behind a package
	ScopePsys    = "psys"    // the platform that a package's firmware measures: packages, memory and more
	ScopeMachine = "machine" // all that one power supply or battery feeds
	ScopeWall    = "wall"    // a server's share, at the wall: with memory, disks, fans and the loss of its power supply, without GPUs
	ScopeServer  = "server"  // likewise, without memory and disks, which have domains of their own
	ScopeGPU     = "gpu"     // a graphics card or accelerator, with its memory
	ScopeRAM     = "ram"     // memory, by its size
	ScopeStorage = "storage" // disks
)

// Domain is one thing whose energy is counted apart, such as a CPU package or the memory behind it. Detect leaves of all those of its sources none that overlap.
type Domain struct {
	Name    string        // as the kernel names it (package-0, dram-0); an estimate's name starts with "estimate:"
	Socket  int           // physical package id of the CPUs whose work it pays for; -1: the whole machine
	Die     int           // die id in that socket; -1: all of the socket
	Method  string        // Measured, Integrated or Estimated
	Source  string        // where the joules come from: "powercap", "perf", "nvml", "hwmon", "estimate"
	Scope   string        // what the joules include: ScopePackage and so on
	Detail  string        // one line for people: the file that is read, or the model that was used
	Refresh time.Duration // how old a measured value may be when it is read; 0: RAPL's millisecond
	Shared  bool          // its source is a Sharer and tells who used it
	OwnIdle bool          // its Samples tell the idle part; else that is learned from energy and load
}

// Edge is the moment between two windows, as all parts of the program see it.
type Edge struct {
	Time time.Duration   // monotonic clock
	Busy []time.Duration // the kernel's own cumulative busy time, by CPU number; measured sources do not need it
	Look bool            // what each process holds of memory, and has moved to and from disks, was read for this edge
}

// Sample is one domain's state at an Edge. Energy, Low and High are cumulative since the first read, which gives zero: it is a baseline, never an energy.
// They never go down. Low and High bound Energy: for an estimate by its model. A counter's cumulative value is exact to one step, so its Low and High are
// Energy itself, and the error of one window is that of its two edges: see EdgeBound.
type Sample struct {
	At     time.Duration // monotonic time of this domain's read
	Energy units.Microjoules
	Low    units.Microjoules
	High   units.Microjoules
	// What of Energy, Low and High would have been used with nothing to do; only of a domain with OwnIdle.
	Idle, IdleLow, IdleHigh units.Microjoules
	Written                 uint64        // of ScopeStorage: bytes that went to the devices, cumulative
	Span                    time.Duration // what the energy since the last sample covers: longer than the window where a Mark says that joules of earlier ones came late
	Mark                    string        // why this window's energy is incomplete ("counter reset", "counter unreadable: ..."); empty when all is well
}

// Source reads cumulative energy. Read fills one Sample for each of Domains, in that order; a domain that cannot be read is a Mark, never an error of all.
type Source interface {
	Domains() []Domain
	Read(edge Edge, into []Sample)
	Close() error
}

// Share is what one process used of one domain between the last two reads.
type Share struct {
	Domain int           // index in Source.Domains
	PID    uint32        // its process id (tgid), as the kernel counts them; 0: nobody's, such as a load that no process claims
	Busy   time.Duration // device time: at most the window's length, if it was alone on the device all the time
}

// Sharer is a Source that knows who used some of its domains. Of a domain of ScopeGPU without any Share the active energy is nobody's.
type Sharer interface {
	Source
	// Shares appends what was used between the last two Reads, and returns the slice.
	Shares(into []Share) []Share
}

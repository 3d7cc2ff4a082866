// Package energy reads what the machine says about the joules it used: counters where they exist, an estimate where none does.
package energy

import (
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// Methods of a Domain: how its joules are got.
const (
	Measured  = "measured"  // a hardware energy counter
	Estimated = "estimated" // a model of the CPU and its load
)

// Domain is one thing whose energy is counted apart, such as a CPU package or the memory behind it. Domains of one Source never overlap.
type Domain struct {
	Name   string // as the kernel names it (package-0, dram-0); an estimate's name starts with "estimate:"
	Socket int    // physical package id of the CPUs whose work it pays for; -1: the whole machine
	Die    int    // die id in that socket; -1: all of the socket
	Method string // Measured or Estimated
	Source string // where the joules come from: "powercap", "estimate"
	Scope  string // what the joules include: "package", "dram", or "wall" (a whole server's share)
	Detail string // one line for people: the file that is read, or the model that was used
}

// Edge is the moment between two windows, as all parts of the program see it.
type Edge struct {
	Time time.Duration   // monotonic clock
	Busy []time.Duration // the kernel's own cumulative busy time, by CPU number; measured sources do not need it
}

// Sample is one domain's state at an Edge. Energy, Low and High are cumulative since the first read, which gives zero: it is a baseline, never an energy.
// They never go down. Low and High bound Energy: for an estimate by its model. A counter's cumulative value is exact to one step, so its Low and High are
// Energy itself, and the error of one window is that of its two edges: see EdgeBound.
type Sample struct {
	At     time.Duration // monotonic time of this domain's read
	Energy units.Microjoules
	Low    units.Microjoules
	High   units.Microjoules
	Span   time.Duration // what the energy since the last sample covers: longer than the window where a Mark says that joules of earlier ones came late
	Mark   string        // why this window's energy is incomplete ("counter reset", "counter unreadable: ..."); empty when all is well
}

// Source reads cumulative energy. Read fills one Sample for each of Domains, in that order; a domain that cannot be read is a Mark, never an error of all.
type Source interface {
	Domains() []Domain
	Read(edge Edge, into []Sample)
	Close() error
}

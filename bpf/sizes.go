package bpf

import "fmt"

// Sizes are those of the kernel's tables.
type Sizes struct {
	Slots    int // accounts that a CPU holds between two drains before it spills; a power of two
	Spill    int // accounts that all CPUs together can spill between two drains
	Followed int // processes that can be followed at a time
	Ring     int // bytes of the event ring; a power of two of at least a page
	Ends     int // bytes of the ring for what ended processes held, likewise; 120 for each
}

// BudgetError says that a budget is too small for this machine.
type BudgetError struct {
	Budget, Least int64 // bytes
	CPUs          int   // possible ones
}

func (e *BudgetError) Error() string {
	return fmt.Sprintf("%d bytes are too few for the kernel's tables: %d possible CPUs need at least %d", e.Budget, e.CPUs, e.Least)
}

// DefaultMemory is how much the kernel's tables may take unless told, in bytes.
const DefaultMemory = 64 << 20

// What one entry takes: key, value, the kernel's struct htab_elem, and its share of the buckets; the spill map is there twice.
const (
	spillEntryBytes    = 2 * (48 + 24 + slotSize + 16)
	followedEntryBytes = 48 + 8 + 16 + 16
)

// Bounds of the sizes: what no budget makes smaller, and no machine larger.
const (
	slotsMin, slotsMax       = 16, 1024
	spillMin, spillMax       = 256, 65536
	followedMin, followedMax = 256, 65536
	ringMin, ringMax         = 64 << 10, 8 << 20
	endsMin, endsMax         = 64 << 10, 4 << 20
	spillPerCPU, ringPerCPU  = 4096, 512 << 10
	scratchBytes             = 5 * 1152 // of a CPU
	tablesMin, ringPart      = 2, 8     // at most half of the budget for the CPUs' tables, an eighth each for the ring and the followed
	endsPart                 = 16       // at most so much of the budget for ends
)

// SizesFor fits the tables to a machine and a budget in bytes: so many possible CPUs, and the highest process id there can be.
// Error: *BudgetError.
func SizesFor(budget int64, cpus, pidMax int) (Sizes, error) {
	s := Sizes{Slots: slotsMax, Ring: ringMax, Ends: endsMax}
	for s.Slots > slotsMin && int64(cpus)*int64(tableSize(s.Slots)+scratchBytes) > budget/tablesMin {
		s.Slots /= 2
	}
	for s.Ring > ringMin && (int64(s.Ring) > budget/ringPart || s.Ring > max(cpus*ringPerCPU, ringMin)) {
		s.Ring /= 2
	}
	for s.Ends > endsMin && (int64(s.Ends) > budget/endsPart || s.Ends > max(cpus*ringPerCPU, endsMin)) {
		s.Ends /= 2
	}
	s.Followed = max(followedMin, min(followedMax, pidMax, int(budget/ringPart/followedEntryBytes)))
	if s.Bytes(cpus)+spillMin*int64(spillEntryBytes) > budget {
		s = Sizes{Slots: slotsMin, Followed: followedMin, Ring: ringMin, Ends: endsMin}
	}
	left := budget - s.Bytes(cpus)
	s.Spill = max(spillMin, min(spillMax, pidMax, max(2, cpus)*spillPerCPU, int(left/int64(spillEntryBytes))))
	if need := s.Bytes(cpus); need > budget {
		return s, &BudgetError{budget, need, cpus}
	}
	return s, nil
}

// Bytes is what the tables take in the kernel.
func (s Sizes) Bytes(cpus int) int64 {
	return int64(cpus)*int64(tableSize(s.Slots)+scratchBytes) + int64(s.Spill)*int64(spillEntryBytes) +
		int64(s.Followed)*followedEntryBytes + int64(s.Ring) + int64(s.Ends)
}

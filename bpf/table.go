package bpf

import "unsafe"

const (
	cpuStateSize = int(unsafe.Sizeof(eco2CpuState{}))
	slotSize     = int(unsafe.Sizeof(eco2Slot{}))
)

// cpuTable is the part of the mapped table that one CPU writes.
type cpuTable struct {
	state *eco2CpuState
	slots [2][]eco2Slot // by the epoch's parity
}

// tableSize is the size in bytes of one CPU's part.
func tableSize(slots int) int { return cpuStateSize + 2*slots*slotSize }

// newCPUTable lays types over the bytes that the kernel side writes; mem must hold tableSize(slots) bytes for each CPU up to cpu.
func newCPUTable(mem []byte, cpu, slots int) cpuTable {
	part := mem[cpu*tableSize(slots):][:tableSize(slots)]
	all := unsafe.Slice((*eco2Slot)(unsafe.Pointer(&part[cpuStateSize])), 2*slots)
	return cpuTable{state: (*eco2CpuState)(unsafe.Pointer(&part[0])), slots: [2][]eco2Slot{all[:slots:slots], all[slots:]}}
}

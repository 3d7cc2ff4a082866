package powermodel

import (
	"fmt"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// Kinds of disks, for Disk.
const (
	DiskHDD     = "hdd"     // rotating
	DiskSSD     = "ssd"     // behind SATA, SAS or USB
	DiskNVMe    = "nvme"    // on a machine of one's own
	DiskMMC     = "mmc"     // SD cards and eMMC
	DiskVirtual = "virtual" // of a hypervisor or cloud: what is behind it is known by its size alone
)

// Sizes beyond these are no machine's; they bound what a hostile file can make of them.
const (
	mostGB = 1 << 17 // 128 TB of memory
	mostTB = 1 << 14 // 16 PB on one disk
)

type diskRow struct {
	idle, active constant // watts
	perTB        bool     // watts per terabyte of its size
}

// RAM estimates the power of so much memory (GB of 10^9 bytes), whatever its load. Its bounds are what was measured from idle to full stress.
func RAM(gb float64) Range {
	if !(gb > 0) { // NaN too
		return Range{}
	}
	return tables().constants["ram_w_per_gb"].times(min(gb, mostGB))
}

// Disk estimates the power of one disk without and with work, with one line for people about the source. bytes is its size. Anything but
// a kind of the list is taken for virtual. The line on its power at work is for busy time, as the kernel counts it in diskstats.
func Disk(kind string, bytes int64) (idle, active Range, how string) {
	t := tables()
	row, ok := t.disks[kind]
	if !ok {
		kind = DiskVirtual
		row = t.disks[kind]
	}
	by := 1.0
	how = fmt.Sprintf("%s: %g W idle, %g W busy, by data sheets", kind, row.idle.value, row.active.value)
	if row.perTB {
		by = min(float64(max(0, bytes))/1e12, mostTB)
		idle = row.idle.times(by)
		// Whatever serves it does the work of one drive at least while it is busy, and perhaps of others' too.
		ssd, nvme := t.disks[DiskSSD], t.disks[DiskNVMe]
		work := Range{units.Watts(ssd.active.value - ssd.idle.value), 0, units.Watts(nvme.active.value - nvme.idle.value)}
		return idle, plus(idle, work), fmt.Sprintf("%s: %g W per TB of size, each copy again (Cloud Carbon Footprint), and at work as much more as an SSD: %g W",
			kind, row.idle.value, float64(work.Value))
	}
	return row.idle.times(by), row.active.times(by), how
}

func (c constant) times(by float64) Range {
	return Range{units.Watts(c.value * by), units.Watts(c.low * by), units.Watts(c.high * by)}
}

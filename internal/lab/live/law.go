package live

import (
	"path/filepath"
	"time"
)

// counterRange is max_energy_range_uj of most Intel parts, in microjoules.
const counterRange = 262143328850

// Law is what a tree's counters show: each draws so many watts, and so many more for each busy CPU.
type Law struct {
	Sysfs string // root of the tree
	Zones []Zone
	Whole []string // files whose sum is the CPU time that moves the counters
	// Groups are cgroups, within Whole, that are told of in Points. A second of theirs counts Factor seconds.
	Groups []Counted
	// Fault is what the first counter has, so long after Begin: wrap, back, gone, garbage, empty, ahead, stall; empty: nothing.
	Fault string
}

// Zone is one counter: its power is Idle watts and Busy watts for each busy CPU.
type Zone struct {
	Name   string // as it calls itself
	Domain string // as rows name it
	Path   string // its directory in class/powercap
	Idle   float64
	Busy   float64
	Start  int64 // its value when the law begins, in microjoules
}

// Counted is a cgroup with what a second of its CPU time counts.
type Counted struct {
	Usage  string // the file of the kernel's count
	Factor float64
}

// Zones are those of a tree: a package of 20 W and 10 W for each busy CPU, and its memory of 1 W and 0.5 W.
func Zones() []Zone {
	return []Zone{
		{Name: "package-0", Domain: "package-0", Path: "intel-rapl:0", Idle: 20, Busy: 10, Start: 1_000_000_000},
		{Name: "dram", Domain: "dram-0", Path: "intel-rapl:0/intel-rapl:0:0", Idle: 1, Busy: 0.5, Start: 2_000_000_000},
	}
}

func (l *Law) dir(zone int) string {
	return filepath.Join(l.Sysfs, "class/powercap", l.Zones[zone].Path)
}

func (l *Law) points() string { return filepath.Join(l.Sysfs, "points") }

// Microjoules is what the zone has used so long after the law began, with so much CPU time by what it counts.
func (z *Zone) Microjoules(at, weighed time.Duration) int64 {
	return int64(z.Idle*float64(at)/1e3 + z.Busy*float64(weighed)/1e3)
}

// weighed is the CPU time since the law began, by what it counts.
func (l *Law) weighed(busy time.Duration, groups []time.Duration) time.Duration {
	w := float64(busy)
	for i, g := range l.Groups {
		w += (g.Factor - 1) * float64(groups[i])
	}
	return time.Duration(w)
}

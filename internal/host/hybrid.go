package host

import "path/filepath"

// findEfficient fills Efficient. Intel's hybrid parts have a PMU for each kind of core, which tells them for sure. Others (Arm, RISC-V) are told by
// cpu_capacity, relative to the fastest core at its highest frequency. Capacity is of no use where there are PMUs: it tells favored cores of one kind
// apart, too. AMD's dense cores are told by neither, unless by capacity.
func (t Topology) findEfficient(sysfs string) {
	fast, err := readList(filepath.Join(sysfs, "devices/cpu_core/cpus"))
	if err != nil {
		t.findSlow(sysfs)
		return
	}
	for _, kind := range []string{"cpu_atom", "cpu_lowpower"} {
		slow, err := readList(filepath.Join(sysfs, "devices", kind, "cpus"))
		if err != nil {
			continue // an empty list, too: all of them are offline
		}
		for i := range t {
			t[i].Efficient = t[i].Efficient || slow[i] && !fast[i]
		}
	}
}

// slowCapacity is the part of the highest capacity up to which a core is one for efficiency. Little cores have 250 to 600 of 1024, the middle ones of
// parts with three kinds 750 and more: those are big cores that do not go as high.
const slowCapacity = 2. / 3

// maxCapacity is above any that the kernel shows: its fastest CPU has 1024.
const maxCapacity = 1 << 20

func (t Topology) findSlow(sysfs string) {
	capacity := make([]int, len(t))
	highest := 0
	for i := range t {
		c, err := readInt(filepath.Join(cpuDir(sysfs, i), "cpu_capacity"))
		if err != nil || c <= 0 || c > maxCapacity {
			continue
		}
		capacity[i] = c
		highest = max(highest, c)
	}
	for i, c := range capacity {
		t[i].Efficient = c > 0 && float64(c) <= slowCapacity*float64(highest)
	}
}

// Hybrid tells whether there are efficiency cores beside others, both online.
func (t Topology) Hybrid() bool {
	var slow, fast bool
	for _, c := range t {
		slow = slow || c.Online && c.Efficient
		fast = fast || c.Online && !c.Efficient
	}
	return slow && fast
}

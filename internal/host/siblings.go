package host

import "path/filepath"

// findSiblings fills Sibling and Threads. In a guest the hypervisor chose who is beside whom.
func (t Topology) findSiblings(sysfs string) {
	cores := make([]map[int]bool, len(t))
	for i := range t {
		if t[i].Online {
			cores[i] = threadsOf(filepath.Join(cpuDir(sysfs, i), "topology"))
		}
	}
	t.pair(cores)
}

// pair takes by CPU who is in its core; nil: it is offline, or nothing is told. CPUs are of one core where each names itself and the other.
func (t Topology) pair(cores []map[int]bool) {
	for i, core := range cores {
		if !core[i] || len(core) > len(t) {
			cores[i] = nil
		}
	}
	other := make([]int, len(t))
	for i, core := range cores {
		for j := range core {
			if j >= len(t) || !cores[j][i] {
				continue
			}
			t[i].Threads++
			if j != i {
				other[i] = j
			}
		}
	}
	for i := range t {
		if t[i].Threads == 2 && t[other[i]].Threads == 2 {
			t[i].Sibling = other[i] + 1
		}
	}
}

// threadsOf is who is in a core, by either of the kernel's two names for it (core_cpus_list since 5.3).
func threadsOf(topology string) map[int]bool {
	for _, file := range []string{"thread_siblings_list", "core_cpus_list"} {
		if list, err := readList(filepath.Join(topology, file)); err == nil {
			return list
		}
	}
	return nil
}

// Siblings is by CPU the number of the other CPU of its core, -1: none; nil where no CPU has one.
func (t Topology) Siblings() []int {
	siblings, any := make([]int, len(t)), false
	for i, c := range t {
		siblings[i] = c.Sibling - 1
		any = any || c.Sibling > 0
	}
	if !any {
		return nil
	}
	return siblings
}

// ManyThreads tells whether a core has more than two threads, as of POWER: none of them has a Sibling.
func (t Topology) ManyThreads() bool {
	for _, c := range t {
		if c.Threads > 2 {
			return true
		}
	}
	return false
}

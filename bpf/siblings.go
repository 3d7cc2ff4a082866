package bpf

import (
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// checkSiblings wants pairs: each CPU's sibling has it as its own.
func checkSiblings(siblings []int, ncpu int) error {
	for cpu, s := range siblings {
		switch {
		case s == -1:
		case s < -1 || s >= ncpu || cpu >= ncpu:
			return fmt.Errorf("check which cpus share a core: cpu %d is said to share one with cpu %d, and there are %d", cpu, s, ncpu)
		case s == cpu:
			return fmt.Errorf("check which cpus share a core: cpu %d is said to share one with itself", cpu)
		case s >= len(siblings) || siblings[s] != cpu:
			return fmt.Errorf("check which cpus share a core: cpu %d is said to share one with cpu %d, which is not said to share it", cpu, s)
		}
	}
	return nil
}

// busyFlag is BUSY of beside.h.
const busyFlag = 1 << 63

// showIdle has a CPU that is offline look idle to the other one of its core: its last switch is not traced on all kernels (seen on 5.10 and
// 7.3). Should it come back just now, its next switch has it busy again.
func (t *cpuTable) showIdle() {
	word := atomic.LoadUint64(&t.state.Busy)
	var now unix.Timespec // of the clock that the programs read
	if word&busyFlag != 0 && unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) == nil {
		atomic.CompareAndSwapUint64(&t.state.Busy, word, uint64(now.Nano())-word&^busyFlag)
	}
}

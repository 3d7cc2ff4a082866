package bpf

import (
	"os"
	"runtime"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// learnFairClass lets the programs know the fair scheduling class by a thread that is of it, as kernels without all symbols in
// kallsyms name it nowhere. With it a slice whose beginning was not seen can be told all the same. Where this thread may be of
// another class (real-time, or under a BPF scheduler) such slices stay missed.
func (c *Collector) learnFairClass() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil || attr.Policy != unix.SCHED_NORMAL || schedExtEnabled() {
		return nil
	}
	if _, err := c.coll.Programs[eco2ProgLearn].Run(&ebpf.RunOptions{Context: [2]uint64{}}); err != nil {
		return explain("learn the fair scheduling class", err)
	}
	return nil
}

// schedExtEnabled tells whether a BPF scheduler may own ordinary threads (Documentation/scheduler/sched-ext.rst).
func schedExtEnabled() bool {
	state, err := os.ReadFile("/sys/kernel/sched_ext/state")
	return err == nil && strings.TrimSpace(string(state)) != "disabled"
}

package bpf

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// learn lets the programs look at a thread of this process: which process it is, what the kernel counts, and the fair scheduling class, as
// kernels without all symbols in kallsyms name it nowhere. With that a slice whose beginning was not seen can be told all the same. Where
// this thread may be of another class (real-time, or under a BPF scheduler) such slices stay missed.
func (c *Collector) learn() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var args [2]uint64
	if attr, err := unix.SchedGetAttr(0, 0); err == nil && attr.Policy == unix.SCHED_NORMAL && !schedExtEnabled() {
		args[0] = 1
	}
	if _, err := c.coll.Programs[eco2ProgLearn].Run(&ebpf.RunOptions{Context: args}); err != nil {
		return explain("look at this process from the kernel", err)
	}
	if err := c.coll.Variables[eco2VarSelfTgid].Get(&c.self); err != nil {
		return fmt.Errorf("read this process's id: %w", err)
	}
	if err := c.coll.Variables[eco2VarCounts].Get(&c.counts); err != nil {
		return fmt.Errorf("read what the kernel counts: %w", err)
	}
	return nil
}

// schedExtEnabled tells whether a BPF scheduler may own ordinary threads (Documentation/scheduler/sched-ext.rst).
func schedExtEnabled() bool {
	state, err := os.ReadFile("/sys/kernel/sched_ext/state")
	return err == nil && strings.TrimSpace(string(state)) != "disabled"
}

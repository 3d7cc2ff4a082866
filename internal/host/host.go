// Package host reads what the machine is: its CPUs and sockets, its clocks, its cgroup hierarchies, and how long its CPUs were
// busy by the kernel's own count. The procfs and sysfs roots are parameters, so every odd machine can be a fixture.
package host

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Host names the machine.
type Host struct {
	Name    string
	Kernel  string // release, as uname -r
	CPUs    int    // online
	Sockets int
	// MemoryBytes is what the kernel has to share out, MemTotal of /proc/meminfo; 0: not known.
	MemoryBytes int64
}

// Describe names this machine.
func Describe(topo Topology) Host {
	h := Host{Kernel: Kernel(), Sockets: len(topo.Sockets()), CPUs: len(topo.CPUsOf(-1, -1))}
	if name, err := os.Hostname(); err == nil {
		h.Name = name
	}
	return h
}

// Kernel is the running kernel's release.
func Kernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// Monotonic is the time since some fixed point, suspend excluded.
func Monotonic() time.Duration { return clock(unix.CLOCK_MONOTONIC) }

// SinceBoot is the time since boot, suspend included.
func SinceBoot() time.Duration { return clock(unix.CLOCK_BOOTTIME) }

// BootTime is the wall-clock time at which the machine booted, suspend included: what task start times count from.
func BootTime() time.Time {
	return time.Now().Round(0).Add(-clock(unix.CLOCK_BOOTTIME))
}

func clock(id int32) time.Duration {
	var ts unix.Timespec
	if err := unix.ClockGettime(id, &ts); err != nil {
		return 0 // only an unknown clock fails, and both are older than BPF
	}
	return time.Duration(ts.Nano())
}

// Package host reads what the machine is: its CPUs and sockets, its clocks, its cgroup hierarchies, and how long its CPUs were
// busy by the kernel's own count. The procfs and sysfs roots are parameters, so every odd machine can be a fixture.
package host

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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

// CPU is where a CPU sits.
type CPU struct {
	Online bool
	Socket int // physical package id; 0 where the kernel does not say
	Die    int // die id in the socket; 0 where the kernel does not say
	// Sibling is one more than the number of the other CPU of its core; 0: it has none, or more than one, or the kernel does not say.
	Sibling int
	// Efficient: an efficiency core of a part that has faster ones, too.
	Efficient bool
}

// Topology is all CPUs that could come online, by number.
type Topology []CPU

// ReadTopology reads SYSFS/devices/system/cpu for n possible CPUs. Where it says nothing (some guests, synthetic trees) every CPU
// counts as online and in socket 0; assumed tells so.
func ReadTopology(sysfs string, n int) (topo Topology, assumed bool) {
	dir := filepath.Join(sysfs, "devices/system/cpu")
	online, err := readList(filepath.Join(dir, "online"))
	known := err == nil
	topo = make(Topology, n)
	for i := range topo {
		cpu := filepath.Join(dir, "cpu"+strconv.Itoa(i), "topology")
		socket, err := readInt(filepath.Join(cpu, "physical_package_id"))
		if err != nil || socket < 0 { // -1: the firmware does not say
			socket, assumed = 0, assumed || !known || online[i]
		}
		die, err := readInt(filepath.Join(cpu, "die_id"))
		if err != nil || die < 0 {
			die = 0
		}
		topo[i] = CPU{Online: !known || online[i], Socket: socket, Die: die}
	}
	return topo, assumed
}

// Sockets returns the socket numbers that have an online CPU, in the order of the CPUs.
func (t Topology) Sockets() []int {
	var ids []int
	seen := map[int]bool{}
	for _, c := range t {
		if c.Online && !seen[c.Socket] {
			seen[c.Socket] = true
			ids = append(ids, c.Socket)
		}
	}
	return ids
}

// CPUsOf returns the online CPUs of a socket; of the whole machine for socket -1; of one die unless die is -1.
func (t Topology) CPUsOf(socket, die int) []int {
	var cpus []int
	for i, c := range t {
		if c.Online && (socket < 0 || c.Socket == socket) && (die < 0 || c.Die == die) {
			cpus = append(cpus, i)
		}
	}
	return cpus
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

func readInt(path string) (int, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(b)))
}

// readList reads the kernel's list form of CPU numbers: "0-3,8".
func readList(path string) (map[int]bool, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parseList(strings.TrimSpace(string(b)))
}

const maxCPUs = 1 << 16

func parseList(s string) (map[int]bool, error) {
	set := map[int]bool{}
	for part := range strings.SplitSeq(s, ",") {
		lo, hi, isRange := strings.Cut(part, "-")
		first, err := strconv.Atoi(lo)
		last := first
		if err == nil && isRange {
			last, err = strconv.Atoi(hi)
		}
		if err != nil || first < 0 || last < first || last >= maxCPUs {
			return nil, fmt.Errorf("read the cpu list %.40q: %w", s, errors.Join(errBadList, err))
		}
		for i := first; i <= last; i++ {
			set[i] = true
		}
	}
	return set, nil
}

var errBadList = errors.New("not a list of numbers")

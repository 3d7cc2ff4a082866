package host

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// CPU is where a CPU sits.
type CPU struct {
	Online bool
	Socket int // physical package id; 0 where the kernel does not say
	Die    int // die id in the socket; 0 where the kernel does not say
	// Sibling is one more than the number of the other CPU of its core; 0: it has none, or more than one, or the kernel does not say.
	Sibling int
	// Threads is how many online CPUs its core has; 0: it is offline, or the kernel does not say.
	Threads int
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
		cpu := filepath.Join(cpuDir(sysfs, i), "topology")
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
	topo.findSiblings(sysfs)
	topo.findEfficient(sysfs)
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

// cpuDir is where sysfs tells of a CPU.
func cpuDir(sysfs string, cpu int) string {
	return filepath.Join(sysfs, "devices/system/cpu", "cpu"+strconv.Itoa(cpu))
}

// maxSmall bounds what is read of a file of sysfs: the kernel shows a page, and lists of CPUs may be longer.
const maxSmall = 64 << 10

// readText gives what is in a small file, without the space around it. It cannot hang: O_NONBLOCK is for a pipe in place of a file.
func readText(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSmall+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxSmall {
		return "", fmt.Errorf("read %s: over %d bytes", path, maxSmall)
	}
	return strings.TrimSpace(string(b)), nil
}

func readInt(path string) (int, error) {
	text, err := readText(path)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(text)
}

// readList reads the kernel's list form of CPU numbers: "0-3,8".
func readList(path string) (map[int]bool, error) {
	text, err := readText(path)
	if err != nil {
		return nil, err
	}
	return parseList(text)
}

const maxCPUs = 1 << 16

// parseList takes numbers in their order, as the kernel writes them, so that a long text cannot name the same ones over and over.
func parseList(s string) (map[int]bool, error) {
	set := map[int]bool{}
	next := 0
	for part := range strings.SplitSeq(s, ",") {
		lo, hi, isRange := strings.Cut(part, "-")
		first, err := strconv.Atoi(lo)
		last := first
		if err == nil && isRange {
			last, err = strconv.Atoi(hi)
		}
		if err != nil || first < next || last < first || last >= maxCPUs {
			return nil, fmt.Errorf("read the cpu list %.40q: %w", s, errors.Join(errBadList, err))
		}
		for i := first; i <= last; i++ {
			set[i] = true
		}
		next = last + 1
	}
	return set, nil
}

var errBadList = errors.New("not a list of numbers")

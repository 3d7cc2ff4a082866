package host

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// What the kernel lets be written: MIN_SHARES, MAX_SHARES, WEIGHT_IDLEPRIO and max_cfs_quota_period in kernel/sched, CGROUP_WEIGHT_MAX in
// include/linux/cgroup.h.
const (
	minShares, maxShares = 2, 1 << 18
	maxWeight            = 10000
	idleShares           = 3
	maxPeriod            = 1_000_000 // microseconds
)

// readV1 reads the cgroup n of the v1 cpu controller. Whether there are tasks below it is not known yet; inner: there may be. It returns
// whether to look.
func (r *Reservations) readV1(dir int, n *reserving, inner bool) bool {
	if n.root() {
		return inner
	}
	tasks, _ := r.readFile(dir, n, "tasks")
	n.own, n.populated = len(tasks) > 0, len(tasks) > 0
	if !n.own && !inner {
		return false
	}
	shares, there := r.readNumber(dir, n, "cpu.shares", minShares, maxShares, defaultWeight/100)
	if !there {
		return false
	}
	n.weight, n.limit = shares*100, fineAll
	if quota, _ := r.readNumber(dir, n, "cpu.cfs_quota_us", -1, 1<<62, -1); quota >= 0 {
		if period, _ := r.readNumber(dir, n, "cpu.cfs_period_us", 1, maxPeriod, 0); period > 0 {
			n.limit = limitOf(quota, period, r.cpus)
		}
	}
	return inner
}

// readV2 reads the cgroup n of v2, whose parent hands the cpu controller on. inner: there may be some below it. It returns whether they
// have a weight, too.
func (r *Reservations) readV2(dir int, n *reserving, inner bool) bool {
	if !n.root() {
		weight, there := r.readNumber(dir, n, "cpu.weight", 0, maxWeight, defaultWeight/1024)
		if !there || !r.readPopulated(dir, n) {
			return false
		}
		n.populated, n.weight, n.limit = true, weight*1024, r.readMax(dir, n)
		if idle, _ := r.readNumber(dir, n, "cpu.idle", 0, 1, 0); idle == 1 || weight == 0 { // which shows as 0, or as the least there is
			n.weight = idleShares * 100
		}
	}
	if !inner {
		return false
	}
	handed, _ := r.readFile(dir, n, "cgroup.subtree_control")
	if !slices.ContainsFunc(bytes.Fields(handed), func(controller []byte) bool { return string(controller) == "cpu" }) {
		return false
	}
	if !n.root() {
		// Only in a threaded subtree there are tasks beside cgroups.
		threads, _ := r.readFile(dir, n, "cgroup.threads")
		n.own = len(threads) > 0
	}
	return true
}

func (r *Reservations) readPopulated(dir int, n *reserving) bool {
	text, _ := r.readFile(dir, n, "cgroup.events")
	for line := range bytes.Lines(text) {
		if value, ok := bytes.CutPrefix(line, []byte("populated ")); ok {
			return string(bytes.TrimSpace(value)) != "0"
		}
	}
	if text != nil {
		r.odd(n, fmt.Errorf("cgroup.events is %.40q", text))
	}
	return false
}

func (r *Reservations) readMax(dir int, n *reserving) uint64 {
	text, _ := r.readFile(dir, n, "cpu.max")
	if text == nil {
		return fineAll
	}
	quota, period, ok := parseMax(text)
	if !ok {
		r.odd(n, fmt.Errorf("cpu.max is %.40q", text))
	}
	if quota < 0 {
		return fineAll
	}
	return limitOf(quota, period, r.cpus)
}

// parseMax reads cpu.max: "QUOTA PERIOD", in microseconds; a quota of -1 is none.
func parseMax(text []byte) (quota, period int64, ok bool) {
	first, second, _ := bytes.Cut(bytes.TrimSpace(text), []byte(" "))
	period, err := strconv.ParseInt(string(second), 10, 64)
	if err != nil || period < 1 || period > maxPeriod {
		return -1, 0, false
	}
	if string(first) == "max" {
		return -1, period, true
	}
	if quota, err = strconv.ParseInt(string(first), 10, 64); err != nil || quota < 0 {
		return -1, 0, false
	}
	return quota, period, true
}

// readNumber reads a file of one number. One that cannot be read, or that no kernel shows, counts as if nobody had set anything.
func (r *Reservations) readNumber(dir int, n *reserving, name string, low, high, unset int64) (v int64, there bool) {
	text, there := r.readFile(dir, n, name)
	if !there || text == nil {
		return unset, there
	}
	v, err := strconv.ParseInt(string(bytes.TrimSpace(text)), 10, 64)
	if err != nil || v < low || v > high {
		r.odd(n, fmt.Errorf("%s is %.40q", name, text))
		return unset, true
	}
	return v, true
}

// readFile reads the start of a file of a cgroup: the kernel gives all of those that are asked for in one piece. Where it is not there
// the cgroup was just removed, or the kernel has none of it: no CONFIG_CFS_BANDWIDTH, no cpu.idle before 5.15. nil: it cannot be read.
func (r *Reservations) readFile(dir int, n *reserving, name string) (text []byte, there bool) {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err == nil {
		defer unix.Close(fd)
		var size int
		if size, err = unix.Read(fd, r.buf[:]); err == nil {
			return r.buf[:size], true
		}
	}
	if vanished(err) {
		return nil, false
	}
	r.odd(n, &os.PathError{Op: "read", Path: name, Err: err})
	return nil, true
}

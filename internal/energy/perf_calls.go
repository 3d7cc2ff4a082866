package energy

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// perfCalls are the system calls that tests replace.
type perfCalls struct {
	files
	event  func(attr *unix.PerfEventAttr, cpu, group int) (fd int, err error)
	read   func(fd int, p []byte) (int, error)
	close  func(fd int) error
	clock  func() time.Duration // CLOCK_MONOTONIC
	asleep func() time.Duration // how long the machine has been suspended since boot
}

var kernelPerf = perfCalls{files: kernelFiles, event: openEvent, read: unix.Read, close: unix.Close, clock: perfClock, asleep: suspended}

// openEvent counts on one CPU whatever runs there, which is all that such a PMU can do.
func openEvent(attr *unix.PerfEventAttr, cpu, group int) (int, error) {
	return unix.PerfEventOpen(attr, -1, cpu, group, unix.PERF_FLAG_FD_CLOEXEC)
}

func perfClock() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) // only an unknown clock fails
	return time.Duration(ts.Nano())
}

// maxText is a page, the longest text of a sysfs file.
const maxText = 4096

// text reads a small file of sysfs, without the newline at its end.
func (c *perfCalls) text(path string) (string, error) {
	fd, err := c.open(path)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	buf := make([]byte, maxText+1)
	n, err := c.pread(fd, buf, 0)
	switch {
	case err != nil:
		return "", err
	case n > maxText:
		return "", fmt.Errorf("longer than %d bytes", maxText)
	}
	text := strings.TrimSuffix(string(buf[:n]), "\n")
	if text == "" {
		return "", errEmpty
	}
	return text, nil
}

// number reads a file that holds one small number.
func (c *perfCalls) number(path string) (int, error) {
	text, err := c.text(path)
	if err != nil {
		return 0, err
	}
	n, ok := parseIndex(text)
	if !ok {
		return 0, errGarbage
	}
	return n, nil
}

// groupTimes are the head of what read gives for a group: what perf_event_open(2) calls PERF_FORMAT_GROUP, PERF_FORMAT_TOTAL_TIME_ENABLED and
// PERF_FORMAT_TOTAL_TIME_RUNNING.
type groupTimes struct {
	enabled, running time.Duration
}

const (
	readFormat = unix.PERF_FORMAT_GROUP | unix.PERF_FORMAT_TOTAL_TIME_ENABLED | unix.PERF_FORMAT_TOTAL_TIME_RUNNING
	headWords  = 3 // how many events, enabled, running
)

// errBroken says that the kernel took the group apart, as it does when its CPU goes offline and no other takes over.
var errBroken = errors.New("the group of events was taken apart")

// decode takes a group of n events; the values follow the head, leader first.
func decode(p []byte, n int) (groupTimes, error) {
	switch {
	case len(p) < 8*headWords:
		return groupTimes{}, errShort
	case word(p, 0) != uint64(n):
		return groupTimes{}, errBroken
	case len(p) < 8*(headWords+n):
		return groupTimes{}, errShort
	}
	return groupTimes{time.Duration(word(p, 1)), time.Duration(word(p, 2))}, nil
}

func word(p []byte, i int) uint64 { return binary.NativeEndian.Uint64(p[8*i:]) }

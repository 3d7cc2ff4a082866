package bpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// ErrNoCounter says that this machine cannot count the event of Options.Counter on each CPU.
var ErrNoCounter = errors.New("no such event is counted here")

const nextCounter = "measure without it; virtual machines often have no hardware counters"

// counters are the file descriptors of one event, by CPU; -1: that CPU is offline.
type counters []int

// openCounters has each CPU that is online count an event from now on; none for nil. Errors: *UnavailableError, which is ErrNoCounter
// where there is no such counter.
func openCounters(c *Counter, ncpu int) (counters, error) {
	if c == nil {
		return nil, nil
	}
	fds, online := make(counters, 0, ncpu), false
	for cpu := range ncpu {
		fd, err := openCounter(c, cpu)
		switch {
		case err == nil:
			online = true
		case errors.Is(err, unix.ENODEV): // the CPU is offline
		default:
			fds.close()
			return nil, explainCounter(fmt.Sprintf("count events on cpu %d", cpu), err)
		}
		fds = append(fds, fd)
	}
	if !online {
		return nil, explainCounter("count events", unix.ENODEV)
	}
	return fds, nil
}

// openCounter counts an event on one CPU, whatever runs there. It is pinned: it never shares a hardware counter by turns, so what it
// counts is all there was.
func openCounter(c *Counter, cpu int) (int, error) {
	attr := unix.PerfEventAttr{
		Type: c.Type, Size: uint32(unsafe.Sizeof(unix.PerfEventAttr{})), Config: c.Config, Bits: unix.PerfBitPinned,
	}
	fd, err := unix.PerfEventOpen(&attr, -1, cpu, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return -1, err
	}
	// One that found no room reads as the end of a file.
	var b [8]byte
	if n, err := unix.Read(fd, b[:]); err != nil || n != len(b) {
		return -1, errors.Join(fmt.Errorf("it does not run: %w", unix.EBUSY), err, unix.Close(fd))
	}
	return fd, nil
}

// explainCounter tells a counter that is not there from one that may not be had.
func explainCounter(doing string, err error) error {
	for _, none := range []error{unix.ENOENT, unix.EOPNOTSUPP, unix.ENODEV, unix.EINVAL, unix.ENOSYS, unix.EBUSY, unix.ENOSPC} {
		if errors.Is(err, none) {
			return &UnavailableError{What: doing, Err: fmt.Errorf("%w: %w", ErrNoCounter, err), Next: nextCounter}
		}
	}
	return explain(doing, err)
}

// give lets the programs read the counters.
func (fds counters) give(m *ebpf.Map) error {
	for cpu, fd := range fds {
		if fd < 0 {
			continue
		}
		if err := m.Put(uint32(cpu), uint32(fd)); err != nil {
			return explainCounter(fmt.Sprintf("let the programs read the counter of cpu %d", cpu), err)
		}
	}
	return nil
}

// read is what a CPU's counter says now.
func (fds counters) read(cpu int) (uint64, error) {
	var b [8]byte
	if n, err := unix.Read(fds[cpu], b[:]); err != nil || n != len(b) {
		return 0, fmt.Errorf("read the counter of cpu %d: %d bytes: %w", cpu, n, err)
	}
	return binary.NativeEndian.Uint64(b[:]), nil
}

func (fds counters) close() error {
	var errs []error
	for _, fd := range fds {
		if fd >= 0 {
			errs = append(errs, unix.Close(fd))
		}
	}
	return errors.Join(errs...)
}

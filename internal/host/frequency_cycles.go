package host

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// cyclesPMU is the kernel's PMU of model-specific registers (arch/x86/events/msr.c).
type cyclesPMU struct {
	calls  eventCalls
	kind   uint32
	config [numCycles]uint64
}

// What is counted of a CPU. APERF goes by its clock and MPERF by that of the TSC, both only while it is not idle. So their ratio times the frequency
// of the TSC is the mean frequency while busy, on Intel and AMD, whatever the kind of core; base_frequency of cpufreq is another one for efficiency cores.
const (
	aperf = iota
	mperf
	tsc
	numCycles
)

var cyclesNames = [numCycles]string{"aperf", "mperf", "tsc"}

// eventCalls are the system calls that tests replace.
type eventCalls struct {
	open  func(attr *unix.PerfEventAttr, cpu, group int) (fd int, err error)
	read  func(fd int, p []byte) (int, error)
	close func(fd int) error
}

var kernelEvents = eventCalls{
	open: func(attr *unix.PerfEventAttr, cpu, group int) (int, error) {
		return unix.PerfEventOpen(attr, -1, cpu, group, unix.PERF_FLAG_FD_CLOEXEC)
	},
	read: unix.Read, close: unix.Close,
}

var (
	errNoCycles = errors.New("the kernel's msr PMU has no aperf, mperf and tsc")
	errOffline  = errors.New("its CPU is offline")
	errCycles   = errors.New("not as the msr PMU has it")
)

func findCycles(sysfs string, calls eventCalls) (*cyclesPMU, error) {
	p := &cyclesPMU{calls: calls}
	dir := filepath.Join(sysfs, "bus/event_source/devices/msr")
	for i, name := range cyclesNames {
		text, err := readText(filepath.Join(dir, "events", name))
		if errors.Is(err, fs.ErrNotExist) {
			return nil, errNoCycles
		}
		if err == nil {
			p.config[i], err = parseMSREvent(text)
		}
		if err != nil {
			return nil, fmt.Errorf("msr/%s/: %w", name, err)
		}
	}
	kind, err := readInt(filepath.Join(dir, "type"))
	if err == nil && (kind < 0 || kind > 1<<31-1) {
		err = errCycles
	}
	if err != nil {
		return nil, fmt.Errorf("msr/type: %w", err)
	}
	p.kind = uint32(kind)
	return p, nil
}

// parseMSREvent takes "event=0x01": of this PMU it is the whole word config.
func parseMSREvent(text string) (uint64, error) {
	digits, ok := strings.CutPrefix(text, "event=0x")
	v, err := strconv.ParseUint(digits, 16, 64)
	if !ok || err != nil {
		return 0, fmt.Errorf("%w: %.40q", errCycles, text)
	}
	return v, nil
}

// cyclesFormat asks for how many events, the time enabled, and the count of each, leader first.
const (
	cyclesFormat = unix.PERF_FORMAT_GROUP | unix.PERF_FORMAT_TOTAL_TIME_ENABLED
	cyclesWords  = 2 + numCycles
)

var closedCycles = [numCycles]int{-1, -1, -1}

// cycles are the counters of one CPU, one group of events: one system call reads them at the same moment.
type cycles struct {
	fd    [numCycles]int // leader first; -1: closed
	buf   [8*cyclesWords + 8]byte
	last  cycleCounts
	rate  float64 // of the TSC, in kHz; 0: not learned
	still bool    // the time enabled stands, so they do not count
}

type cycleCounts struct {
	enabled uint64 // ns
	count   [numCycles]uint64
}

func (c *cycles) away() bool { return c.fd[0] < 0 || c.still }

// open starts to count, and takes the first reading; with an error all are closed again.
func (c *cycles) open(p *cyclesPMU, cpu int) (err error) {
	for i := range c.fd {
		attr := unix.PerfEventAttr{Type: p.kind, Size: unix.PERF_ATTR_SIZE_VER0, Config: p.config[i], Read_format: cyclesFormat}
		if c.fd[i], err = p.calls.open(&attr, cpu, c.fd[0]); err != nil {
			c.fd[i] = -1
			break
		}
	}
	if err == nil {
		c.last, err = c.fetch(p)
	}
	if err == nil {
		return nil
	}
	c.close(p)
	if errors.Is(err, unix.ENODEV) {
		return errOffline
	}
	return fmt.Errorf("count cycles of CPU %d: %w", cpu, err)
}

func (c *cycles) close(p *cyclesPMU) {
	for _, fd := range c.fd {
		if fd >= 0 {
			_ = p.calls.close(fd)
		}
	}
	c.fd, c.still = closedCycles, false
}

// renew counts anew where it can. What is open stays so until then: it may count again, and it may be that none can be opened any more. Where it
// fails the next change of what is online is the next chance.
func (c *cycles) renew(p *cyclesPMU, cpu int) {
	fresh := &cycles{fd: closedCycles}
	if fresh.open(p, cpu) == nil {
		c.close(p)
		*c = *fresh
	}
}

// read gives the mean since the last read, 0 where there is too little to tell; counted is false where nothing counts. When a CPU goes offline, the
// kernel takes the group apart (kernel/events/core.c, __perf_event_exit_context), or its time stands; it stays so when the CPU is back.
func (c *cycles) read(p *cyclesPMU, cpu int) (kHz int64, counted bool) {
	if c.fd[0] < 0 {
		return 0, false
	}
	now, err := c.fetch(p)
	if err != nil {
		c.close(p)
		c.renew(p, cpu)
		return 0, false
	}
	if now.enabled == c.last.enabled {
		if !c.still {
			c.still = true
			c.renew(p, cpu)
		}
		return 0, false
	}
	kHz, c.rate = meanKHz(c.last, now, c.rate)
	c.last, c.still = now, false
	return kHz, true
}

func (c *cycles) fetch(p *cyclesPMU) (now cycleCounts, err error) {
	n, err := p.calls.read(c.fd[0], c.buf[:])
	for err == unix.EINTR {
		n, err = p.calls.read(c.fd[0], c.buf[:])
	}
	if err != nil {
		return now, err
	}
	return decodeCycles(c.buf[:max(0, min(n, len(c.buf)))])
}

func decodeCycles(p []byte) (now cycleCounts, err error) {
	if len(p) != 8*cyclesWords || binary.NativeEndian.Uint64(p) != numCycles {
		return now, errCycles // taken apart
	}
	now.enabled = binary.NativeEndian.Uint64(p[8:])
	for i := range now.count {
		now.count[i] = binary.NativeEndian.Uint64(p[8*(2+i):])
	}
	return now, nil
}

const (
	// leastCycles is what MPERF must have counted: the two are read some hundred cycles apart.
	leastCycles = 20_000
	// leastTime is what the TSC's rate can be told from.
	leastTime = time.Millisecond
	// rateSlack is how far two rates of one TSC may differ.
	rateSlack = 0.01
)

// meanKHz is the mean frequency between two reads. The TSC's rate must be that of the time before, since not all that counts goes on in suspend;
// the rate is returned for the next time. A counter that went back was reset.
func meanKHz(was, now cycleCounts, before float64) (kHz int64, rate float64) {
	enabled := float64(int64(now.enabled - was.enabled))
	var d [numCycles]float64
	for i := range d {
		d[i] = float64(int64(now.count[i] - was.count[i]))
	}
	if enabled < float64(leastTime) || d[tsc] <= 0 {
		return 0, before
	}
	rate = d[tsc] / enabled * 1e6
	if before > 0 && (rate > before*(1+rateSlack) || rate < before*(1-rateSlack)) {
		return 0, rate
	}
	if d[mperf] < leastCycles {
		return 0, rate
	}
	f := d[aperf] / d[mperf] * rate
	if !(f >= 1 && f <= maxKHz) { // below: APERF was reset
		return 0, rate
	}
	return int64(f + 0.5), rate
}

package host

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// Busy reads how long each CPU has run anything but its idle task, by the kernel's own count. It is what all CPU time is held
// against, so it must not come from what the BPF programs saw.
type Busy struct {
	How  string // "cpuacct" or "stat"
	f    *os.File
	buf  []byte
	stat statTimes
	now  func() time.Duration
}

// OpenBusy prefers the v1 cpuacct totals: nanoseconds of task time, from the same count that task run times are made of. Without
// them (most v2 hosts) it is wall time less idle, iowait and steal time of PROCFS/stat, in steps of 10 ms; that also holds
// interrupts and the way into and out of idle.
func OpenBusy(procfs string, c Cgroups) (*Busy, error) {
	b := &Busy{now: Monotonic, buf: make([]byte, 64<<10)}
	var err error
	if c.CPUAcct != "" {
		if b.f, err = os.Open(filepath.Join(c.CPUAcct, "cpuacct.usage_percpu")); err == nil {
			b.How = "cpuacct"
			return b, nil
		}
	}
	if b.f, err = os.Open(filepath.Join(procfs, "stat")); err != nil {
		return nil, fmt.Errorf("read the kernel's busy time: %w", err)
	}
	b.How = "stat"
	return b, nil
}

// Close closes the file it reads.
func (b *Busy) Close() error { return b.f.Close() }

// Read fills into with the cumulative busy time by CPU number. CPUs that the kernel does not list keep their value: an offline CPU
// is not busy. Values never go down.
func (b *Busy) Read(into []time.Duration) error {
	text, err := b.readAll()
	if err != nil {
		return fmt.Errorf("read the kernel's busy time: %w", err)
	}
	if b.How == "cpuacct" {
		return parsePerCPU(text, into)
	}
	return b.stat.parse(text, b.now(), into)
}

func (b *Busy) readAll() ([]byte, error) {
	n := 0
	for {
		m, err := b.f.ReadAt(b.buf[n:], int64(n))
		n += m
		if errors.Is(err, io.EOF) || err == nil && m == 0 {
			return b.buf[:n], nil
		}
		if err != nil {
			return nil, err
		}
		if b.How == "stat" && bytes.Contains(b.buf[:n], []byte("\nintr ")) {
			return b.buf[:n], nil // the per-CPU lines come first
		}
		if n == len(b.buf) {
			if n >= 16<<20 {
				return nil, fmt.Errorf("%s: over 16 MiB", b.f.Name())
			}
			b.buf = append(b.buf, make([]byte, len(b.buf))...)
		}
	}
}

func parsePerCPU(text []byte, into []time.Duration) error {
	fields := bytes.Fields(text)
	if len(fields) == 0 {
		return errors.New("cpuacct.usage_percpu is empty")
	}
	for i, f := range fields {
		v, err := strconv.ParseInt(string(f), 10, 64)
		if err != nil {
			return fmt.Errorf("cpuacct.usage_percpu: %w", err)
		}
		if i < len(into) {
			into[i] = max(into[i], time.Duration(v))
		}
	}
	return nil
}

// userHz is the unit of /proc/stat on every architecture that Go knows.
const userHz = 100

// statTimes turns the idle times of /proc/stat into busy times.
type statTimes struct {
	base   []time.Duration // by CPU: what makes wall less idle time its busy time, since it came online
	listed []bool          // by CPU: in the text before
	now    []bool
}

// parse takes idle (field 4), iowait (5) and steal (8) of each "cpuN" line off the wall time. A CPU that comes online goes on from
// where it was: while it was offline no idle time was counted either.
func (s *statTimes) parse(text []byte, wall time.Duration, into []time.Duration) error {
	if len(s.base) < len(into) {
		s.base, s.listed, s.now = make([]time.Duration, len(into)), make([]bool, len(into)), make([]bool, len(into))
	}
	clear(s.now)
	seen := false
	for line := range bytes.Lines(text) {
		rest, ok := bytes.CutPrefix(line, []byte("cpu"))
		if !ok || len(rest) == 0 || rest[0] == ' ' {
			continue
		}
		f := bytes.Fields(rest)
		if len(f) < 9 {
			continue
		}
		cpu, err := strconv.Atoi(string(f[0]))
		if err != nil || cpu < 0 {
			return fmt.Errorf("stat: cpu number %.20q", f[0])
		}
		var off time.Duration
		for _, i := range []int{4, 5, 8} {
			v, err := strconv.ParseInt(string(f[i]), 10, 64)
			if err != nil || v < 0 || v > maxTicks {
				return fmt.Errorf("stat: cpu%d: field %d is %.20q", cpu, i, f[i])
			}
			off += time.Duration(v) * (time.Second / userHz)
		}
		seen = true
		if cpu < len(into) {
			if s.now[cpu] = true; !s.listed[cpu] {
				s.base[cpu] = into[cpu] - (wall - off)
			}
			into[cpu] = max(into[cpu], s.base[cpu]+wall-off)
		}
	}
	if !seen {
		return errors.New("stat has no cpu lines")
	}
	s.listed, s.now = s.now, s.listed
	return nil
}

// maxTicks is a century: more is no time, and would not add up in nanoseconds.
const maxTicks = userHz * 60 * 60 * 24 * 365 * 100

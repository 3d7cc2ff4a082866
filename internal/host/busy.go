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
	How    string // "cpuacct" or "stat"
	f      *os.File
	buf    []byte
	stat   statTimes
	now    func() time.Duration
	procfs string

	beside        *os.File // PROCFS/stat where f is another, and interrupts are counted
	interruptsErr error
}

// OpenBusy prefers the v1 cpuacct totals: nanoseconds of task time, from the same count that task run times are made of. Without
// them (most v2 hosts) it is wall time less idle, iowait and steal time of PROCFS/stat, in steps of 10 ms; that also holds
// interrupts and the way into and out of idle.
func OpenBusy(procfs string, c Cgroups) (*Busy, error) {
	b := &Busy{now: Monotonic, buf: make([]byte, 64<<10), procfs: procfs}
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

// Close closes what it reads.
func (b *Busy) Close() error {
	err := b.f.Close()
	if b.beside != nil {
		err = errors.Join(err, b.beside.Close())
	}
	return err
}

// Read fills into with the cumulative busy time by CPU number. CPUs that the kernel does not list keep their value: an offline CPU
// is not busy. Values never go down.
func (b *Busy) Read(into []time.Duration) error {
	text, err := b.readAll(b.f)
	if err == nil && b.How == "cpuacct" {
		err = parsePerCPU(text, into)
	} else if err == nil {
		err = b.stat.parse(text, b.now(), into)
	}
	b.interruptsErr = err
	if b.beside != nil {
		b.interruptsErr = b.readBeside(len(into))
	}
	if err != nil {
		return fmt.Errorf("read the kernel's busy time: %w", err)
	}
	return nil
}

// readBeside takes interrupts alone from PROCFS/stat. That it cannot be read says nothing of busy time.
func (b *Busy) readBeside(cpus int) error {
	text, err := b.readAll(b.beside)
	if err == nil {
		err = b.stat.each(text, func(l *statLine) error {
			b.stat.interrupts.add(l, cpus)
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("read the time in interrupts: %w", err)
	}
	return nil
}

func (b *Busy) readAll(f *os.File) ([]byte, error) {
	n := 0
	for {
		m, err := f.ReadAt(b.buf[n:], int64(n))
		n += m
		if errors.Is(err, io.EOF) || err == nil && m == 0 {
			return b.buf[:n], nil
		}
		if err != nil {
			return nil, err
		}
		if (b.How == "stat" || f == b.beside) && bytes.Contains(b.buf[:n], []byte("\nintr ")) {
			return b.buf[:n], nil // the per-CPU lines come first
		}
		if n == len(b.buf) {
			if n >= 16<<20 {
				return nil, fmt.Errorf("%s: over 16 MiB", f.Name())
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

// statTimes turns the idle times of /proc/stat into busy times.
type statTimes struct {
	base       []time.Duration // by CPU: what makes wall less idle time its busy time, since it came online
	listed     []bool          // by CPU: in the text before
	now        []bool
	line       statLine
	interrupts *statInterrupts // nil: nobody asked
}

// parse takes idle, iowait and steal of each "cpuN" line off the wall time. A CPU that comes online goes on from where it was: while it
// was offline no idle time was counted either.
func (s *statTimes) parse(text []byte, wall time.Duration, into []time.Duration) error {
	if len(s.base) < len(into) {
		s.base, s.listed, s.now = make([]time.Duration, len(into)), make([]bool, len(into)), make([]bool, len(into))
	}
	clear(s.now)
	err := s.each(text, func(l *statLine) error {
		var off time.Duration
		for _, i := range [...]int{statIdle, statIOWait, statSteal} {
			if l.time[i] < 0 {
				return fmt.Errorf("stat: cpu%d: column %d is no time", l.cpu, i+1)
			}
			off += l.time[i]
		}
		if s.interrupts != nil {
			s.interrupts.add(l, len(into))
		}
		if cpu := l.cpu; cpu < len(into) {
			if s.now[cpu] = true; !s.listed[cpu] {
				s.base[cpu] = into[cpu] - (wall - off)
			}
			into[cpu] = max(into[cpu], s.base[cpu]+wall-off)
		}
		return nil
	})
	if err != nil {
		return err
	}
	s.listed, s.now = s.now, s.listed
	return nil
}

// each calls do for each "cpuN" line; there must be one.
func (s *statTimes) each(text []byte, do func(*statLine) error) error {
	seen := false
	for len(text) > 0 {
		line := text
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			line = text[:i]
		}
		text = text[min(len(line)+1, len(text)):]
		ok, err := s.line.parse(line)
		if ok {
			seen = true
			err = do(&s.line)
		}
		if err != nil {
			return err
		}
	}
	if !seen {
		return errors.New("stat has no cpu lines")
	}
	return nil
}

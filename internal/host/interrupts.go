package host

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// userHz is the unit of /proc/stat on every architecture that Go knows.
const userHz = 100

// maxTicks is a century: more is no time, and would not add up in nanoseconds.
const maxTicks = userHz * 60 * 60 * 24 * 365 * 100

// Columns of a "cpuN" line of /proc/stat.
const (
	statIdle    = 3
	statIOWait  = 4
	statIRQ     = 5
	statSoftIRQ = 6
	statSteal   = 7
	statColumns = 8 // what is behind is guests' time, which is in others, too
)

// statLine is a "cpuN" line.
type statLine struct {
	cpu  int
	time [statColumns]time.Duration // -1: not a time
}

var errStatCPU = errors.New("stat: not the number of a cpu")

// parse takes a line; ok is false for one of another form, or with fewer columns, as before 2.6.11.
func (l *statLine) parse(line []byte) (ok bool, err error) {
	rest, ok := bytes.CutPrefix(line, []byte("cpu"))
	if !ok || len(rest) == 0 || rest[0] == ' ' {
		return false, nil // of all CPUs together
	}
	name, rest := cutWord(rest)
	for i := range l.time {
		var word []byte
		if word, rest = cutWord(rest); len(word) == 0 {
			return false, nil
		}
		l.time[i] = -1
		if v := parseTicks(word); v >= 0 {
			l.time[i] = time.Duration(v) * (time.Second / userHz)
		}
	}
	cpu := parseTicks(name)
	if cpu < 0 || cpu >= maxCPUs {
		return false, fmt.Errorf("%w: %.20q", errStatCPU, name)
	}
	l.cpu = int(cpu)
	return true, nil
}

func cutWord(b []byte) (word, rest []byte) {
	b = bytes.TrimLeft(b, " \t\r\n")
	if i := bytes.IndexAny(b, " \t\r\n"); i >= 0 {
		return b[:i], b[i:]
	}
	return b, nil
}

// parseTicks gives -1 for what is no count of at most a century.
func parseTicks(b []byte) int64 {
	if len(b) == 0 {
		return -1
	}
	var v int64
	for _, c := range b {
		if c < '0' || c > '9' {
			return -1
		}
		if v = v*10 + int64(c-'0'); v > maxTicks {
			return -1
		}
	}
	return v
}

// statInterrupts adds up time in interrupts, soft and hard, in steps of 10 ms.
type statInterrupts struct {
	total []time.Duration // by CPU, since it was first listed
	base  []time.Duration // what /proc/stat had then
	known []bool
}

// add takes one line, for n CPUs in all. A CPU that is listed for the first time begins at 0: what it counted before was in no step.
func (s *statInterrupts) add(l *statLine, n int) {
	irq, soft := l.time[statIRQ], l.time[statSoftIRQ]
	if l.cpu >= n || irq < 0 || soft < 0 {
		return
	}
	if len(s.total) < n {
		more := n - len(s.total)
		s.total, s.base = append(s.total, make([]time.Duration, more)...), append(s.base, make([]time.Duration, more)...)
		s.known = append(s.known, make([]bool, more)...)
	}
	if !s.known[l.cpu] {
		s.known[l.cpu], s.base[l.cpu] = true, irq+soft
	}
	s.total[l.cpu] = max(s.total[l.cpu], irq+soft-s.base[l.cpu])
}

// CountInterrupts makes each Read learn the time in interrupts, too. Where busy time comes from cpuacct this is a second file to read.
func (b *Busy) CountInterrupts() error {
	if b.stat.interrupts != nil {
		return nil
	}
	if b.How != "stat" {
		f, err := os.Open(filepath.Join(b.procfs, "stat"))
		if err != nil {
			return fmt.Errorf("read the time in interrupts: %w", err)
		}
		b.beside = f
	}
	b.stat.interrupts = &statInterrupts{}
	return nil
}

// Interrupts fills into with the time in interrupts by CPU number, of the last Read, cumulative since the first. Whether the kernel takes it off the
// tasks that it interrupts is not told there. CPUs that are not listed, and those of a Read that failed, keep their value. Values never go down.
// The error is of the last Read.
func (b *Busy) Interrupts(into []time.Duration) error {
	if b.stat.interrupts == nil {
		return errNotAsked
	}
	copy(into, b.stat.interrupts.total)
	return b.interruptsErr
}

var errNotAsked = errors.New("read the time in interrupts: nobody asked for it before")

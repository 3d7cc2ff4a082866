package live

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	drivePeriod  = 4 * time.Millisecond
	counterWidth = 18 // digits of a counter
)

// drive keeps the counters of a tree up to date as the hardware would, only at 250 Hz, until its input ends. A byte on it begins the fault. All
// that the law said goes to a file: the wall clock, the time since it began, the busy time and that of each group, all in nanoseconds.
func (l *Law) drive() error {
	if err := realTime(); err != nil {
		return err
	}
	counters := make([]counter, len(l.Zones))
	for i := range counters {
		counters[i] = counter{file: filepath.Join(l.dir(i), "energy_uj")}
	}
	clocks, err := l.clocks()
	if err != nil {
		return err
	}
	points, err := os.Create(l.points())
	if err != nil {
		return err
	}
	var began atomic.Int64
	var stop atomic.Bool
	go func() {
		var b [1]byte
		for {
			if n, _ := os.Stdin.Read(b[:]); n == 0 {
				stop.Store(true)
				return
			}
			began.Store(time.Now().UnixNano())
		}
	}()
	record := make([]byte, 0, recordBytes(len(l.Groups)))
	first, used := time.Time{}, make([]time.Duration, len(clocks))
	for !stop.Load() {
		for i := range clocks {
			if used[i], err = clocks[i].read(); err != nil {
				return err
			}
		}
		now := time.Now()
		ready := first.IsZero()
		if ready {
			first = now
		}
		at := now.Sub(first)
		for i := range counters {
			counters[i].used = max(counters[i].used, l.Zones[i].Microjoules(at, l.weighed(used[0], used[1:])))
			value := l.Zones[i].Start + counters[i].used
			show := faults[l.Fault]
			if t := began.Load(); i != 0 || t == 0 || show == nil {
				err = counters[i].show(value)
			} else {
				err = show(&counters[i], now.Sub(time.Unix(0, t)), value)
			}
			if err != nil {
				return err
			}
		}
		record = binary.NativeEndian.AppendUint64(record[:0], uint64(now.UnixNano()))
		record = binary.NativeEndian.AppendUint64(record, uint64(at))
		for _, u := range used {
			record = binary.NativeEndian.AppendUint64(record, uint64(u))
		}
		if _, err := points.Write(record); err != nil {
			return err
		}
		if ready {
			fmt.Println("ready")
		}
		ts := unix.NsecToTimespec(int64(drivePeriod))
		_ = unix.Nanosleep(&ts, nil) // shorter when a signal comes
	}
	return nil
}

// usageClock is CPU time since it was first read.
type usageClock struct {
	files []*os.File
	last  []time.Duration // by file: a cgroup that has been removed has used what it had
	base  time.Duration
	begun bool
	buf   [1024]byte
}

// clocks opens that of the whole and those of the groups.
func (l *Law) clocks() ([]usageClock, error) {
	clocks := make([]usageClock, 1+len(l.Groups))
	paths := [][]string{l.Whole}
	for _, g := range l.Groups {
		paths = append(paths, []string{g.Usage})
	}
	for i := range clocks {
		for _, path := range paths[i] {
			f, err := os.Open(path)
			if err != nil {
				return nil, err
			}
			clocks[i].files = append(clocks[i].files, f)
		}
		clocks[i].last = make([]time.Duration, len(clocks[i].files))
	}
	return clocks, nil
}

// read returns the sum of its files.
func (c *usageClock) read() (sum time.Duration, err error) {
	for i, f := range c.files {
		n, err := unix.Pread(int(f.Fd()), c.buf[:], 0)
		if err == nil {
			c.last[i], err = parseUsage(c.buf[:n])
		}
		if err != nil && !errors.Is(err, unix.ENODEV) {
			return 0, fmt.Errorf("read %s: %w", f.Name(), err)
		}
		sum += c.last[i]
	}
	if !c.begun {
		c.begun, c.base = true, sum
	}
	return sum - c.base, nil
}

// counter is a zone's energy_uj.
type counter struct {
	file string
	open *os.File
	used int64 // so far: never less, where a group whose time counts less than the whole's is read a little later
}

// show writes the counter: in place, as a counter is never replaced.
func (c *counter) show(value int64) error {
	return c.put(fmt.Sprintf("%0*d\n", counterWidth, value%(counterRange+1)))
}

func (c *counter) put(text string) error {
	if c.open == nil {
		var err error
		if c.open, err = os.OpenFile(c.file, os.O_WRONLY|os.O_CREATE, 0o644); err != nil {
			return err
		}
	}
	if len(text) <= counterWidth {
		if err := c.open.Truncate(int64(len(text))); err != nil {
			return err
		}
	}
	_, err := c.open.WriteAt([]byte(text), 0)
	return err
}

// remove makes the counter disappear.
func (c *counter) remove() error {
	if c.open == nil {
		return nil
	}
	c.open.Close()
	c.open = nil
	return os.Remove(c.file)
}

// realTime lets nothing run before this process: with a load on every CPU the counters would stand still for long. All of its
// threads, as those with Go's locks must not wait either; later ones inherit it. Where it is not allowed the gaps are longer.
func realTime() error {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		if err != nil {
			return err
		}
		_ = unix.SchedSetAttr(tid, &attr, 0)
	}
	return nil
}

package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	lawRange  = 262143328850 // of most Intel parts, in microjoules
	lawPeriod = 4 * time.Millisecond
	lawWidth  = 18 // digits of a counter
	lawRecord = 24 // bytes of a point
	// Until a counter wraps that does: a second and a half to three.
	lawWrapAfter = 60_000_000
)

// lawZone is one counter: its power is idle watts and so many watts for each busy CPU.
type lawZone struct {
	domain, name string
	dir          string
	idle, busy   float64
	start        int64 // its value when the law begins
	file         *os.File
	shown        int64
}

// lawZones are the counters of a tree: a package and its memory.
func lawZones(sysfs, fault string) []*lawZone {
	pkg := filepath.Join(sysfs, "class/powercap/intel-rapl:0")
	zones := []*lawZone{
		{domain: "package-0", name: "package-0", dir: pkg, idle: 20, busy: 10, start: 1_000_000_000},
		{domain: "dram-0", name: "dram", dir: filepath.Join(pkg, "intel-rapl:0:0"), idle: 1, busy: 0.5, start: 2_000_000_000},
	}
	if fault == "wrap" {
		zones[0].start = lawRange - lawWrapAfter
	}
	return zones
}

// uj is what the zone has used so long after the law began.
func (z *lawZone) uj(at, busy time.Duration) int64 {
	return int64(z.idle*float64(at)/1e3 + z.busy*float64(busy)/1e3)
}

// show writes the counter: in place, as a counter is never replaced.
func (z *lawZone) show(value int64) error {
	z.shown = value
	return z.put(fmt.Sprintf("%0*d\n", lawWidth, value%(lawRange+1)))
}

func (z *lawZone) put(text string) error {
	if z.file == nil {
		var err error
		if z.file, err = os.OpenFile(filepath.Join(z.dir, "energy_uj"), os.O_WRONLY|os.O_CREATE, 0o644); err != nil {
			return err
		}
	}
	if len(text) <= lawWidth {
		if err := z.file.Truncate(int64(len(text))); err != nil {
			return err
		}
	}
	_, err := z.file.WriteAt([]byte(text), 0)
	return err
}

// remove makes the counter disappear.
func (z *lawZone) remove() error {
	if z.file == nil {
		return nil
	}
	z.file.Close()
	z.file = nil
	return os.Remove(filepath.Join(z.dir, "energy_uj"))
}

// lawFaults say what a counter shows in place of its right value, so long after the beginning.
var lawFaults = map[string]func(z *lawZone, at time.Duration, value int64) error{
	"wrap": func(z *lawZone, _ time.Duration, value int64) error { return z.show(value) },
	"back": func(z *lawZone, at time.Duration, value int64) error { // as after a reset
		if at > 2500*time.Millisecond {
			value -= 900_000_000
		}
		return z.show(value)
	},
	"gone": func(z *lawZone, at time.Duration, value int64) error {
		if lawAmiss(at) {
			return z.remove()
		}
		return z.show(value)
	},
	"garbage": func(z *lawZone, at time.Duration, value int64) error {
		if lawAmiss(at) {
			return z.put("12x45\n")
		}
		return z.show(value)
	},
	"empty": func(z *lawZone, at time.Duration, value int64) error {
		if lawAmiss(at) {
			return z.put("")
		}
		return z.show(value)
	},
	"ahead": func(z *lawZone, at time.Duration, value int64) error { // no machine draws so much
		if at > 2500*time.Millisecond {
			value += 90_000_000_000
		}
		return z.show(value)
	},
	"stall": func(z *lawZone, at time.Duration, value int64) error {
		if at > time.Second && at < 5*time.Second {
			return nil
		}
		return z.show(value)
	},
}

// lawAmiss is while a counter is ill.
func lawAmiss(at time.Duration) bool {
	return at > 2500*time.Millisecond && at < 4500*time.Millisecond
}

// lawDriver keeps the counters of a tree up to date as the hardware would, only at 250 Hz, until its input ends. A byte on it
// begins the fault. All that the law said goes to a file: the wall clock, the time since it began and the busy time.
func lawDriver(args []string) int {
	lawRealTime()
	sysfs, usagePath, fault := args[0], args[1], args[2]
	zones := lawZones(sysfs, fault)
	usage, err := os.Open(usagePath)
	lawMust(err)
	points, err := os.Create(filepath.Join(sysfs, "points"))
	lawMust(err)
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
	var buf [32]byte
	record := make([]byte, 0, lawRecord)
	for start, base := time.Now(), time.Duration(-1); !stop.Load(); {
		n, err := unix.Pread(int(usage.Fd()), buf[:], 0)
		lawMust(err)
		ns, err := strconv.ParseInt(strings.TrimSpace(string(buf[:n])), 10, 64)
		lawMust(err)
		now, first := time.Now(), base < 0
		if first {
			start, base = now, time.Duration(ns)
		}
		busy, at := time.Duration(ns)-base, now.Sub(start)
		for i, z := range zones {
			value := z.start + z.uj(at, busy)
			if t := began.Load(); i == 0 && t != 0 && lawFaults[fault] != nil {
				lawMust(lawFaults[fault](z, now.Sub(time.Unix(0, t)), value))
			} else {
				lawMust(z.show(value))
			}
		}
		record = binary.NativeEndian.AppendUint64(record[:0], uint64(now.UnixNano()))
		record = binary.NativeEndian.AppendUint64(record, uint64(at))
		record = binary.NativeEndian.AppendUint64(record, uint64(busy))
		_, err = points.Write(record)
		lawMust(err)
		if first {
			fmt.Println("ready")
		}
		ts := unix.NsecToTimespec(int64(lawPeriod))
		_ = unix.Nanosleep(&ts, nil) // shorter when a signal comes
	}
	return 0
}

// lawRealTime lets nothing run before this process: with a load on every CPU the counters would stand still for long. All of its
// threads, as those with Go's locks must not wait either; later ones inherit it. Where it is not allowed the gaps are longer.
func lawRealTime() {
	tasks, err := os.ReadDir("/proc/self/task")
	lawMust(err)
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}
	for _, task := range tasks {
		tid, err := strconv.Atoi(task.Name())
		lawMust(err)
		_ = unix.SchedSetAttr(tid, &attr, 0)
	}
}

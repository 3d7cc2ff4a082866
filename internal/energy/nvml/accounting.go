//go:build cgo

package nvml

import (
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"
)

// maxLife is more milliseconds than any machine is up; below it nothing overflows.
const maxLife = 1 << 40

// accounting knows the processes that have ended, of which samples may tell nothing: the driver keeps statistics of each, in accounting mode.
type accounting struct {
	ended map[uint32]bool
}

// add hands out, of the room that nobody has claimed in a window, what those who ended in it did beyond what samples told. The
// statistics are means over a life: a process gets its mean over the part of its life in this window, which is nothing for those who
// had ended before, and over all windows never more than its life's work. It returns how much that is.
func (a *accounting) add(d *device, wall time.Time, window, room time.Duration) (given time.Duration) {
	pids, ret := d.askAccountingPIDs()
	if ret != gonvml.SUCCESS {
		d.noteOnce("accounting unreadable: " + ret.Error())
		return 0
	}
	listed := make(map[uint32]bool, len(pids))
	end := micros(time.Duration(wall.UnixNano()))
	begin := end - min(end, micros(window))
	for _, id := range pids {
		pid := uint32(id)
		listed[pid] = true
		if a.ended[pid] || pid == 0 {
			continue
		}
		s, ret := d.askAccounting(pid)
		if ret != gonvml.SUCCESS || s.IsRunning != 0 {
			continue
		}
		a.ended[pid] = true
		if s.GpuUtilization == 0 || s.GpuUtilization > 100 || s.Time > maxLife || s.StartTime >= maxStamp {
			continue
		}
		from, to := max(begin, s.StartTime), min(end, s.StartTime+s.Time*1000)
		if to <= from {
			continue
		}
		mean := func(us uint64) time.Duration {
			return time.Duration(us*uint64(s.GpuUtilization)/100) * time.Microsecond
		}
		p, _ := d.load.process(pid)
		extra := min(mean(to-from)-p.got, mean(s.Time*1000)-p.total-p.owed, room-given)
		if extra > 0 {
			p.got += extra
			p.total += extra
			given += extra
		}
	}
	for pid := range a.ended {
		if listed[pid] {
			continue
		}
		delete(a.ended, pid)
		if p := d.load.table[pid]; p != nil {
			p.total = 0 // whoever has this id next is another
		}
	}
	return given
}

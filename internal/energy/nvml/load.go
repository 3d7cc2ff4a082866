//go:build cgo

package nvml

import (
	"cmp"
	"slices"
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"
)

const (
	// lateMost is how much work is kept for the next windows when samples of more than this one come at once.
	lateMost = time.Second
	// lostAfter is how long there may be no sample of the load, or of any process on a busy device, before the driver's clock is taken to
	// have been set.
	lostAfter = 3 * time.Second
	// maxProcesses bounds how many are remembered, of one device, beside those that work.
	maxProcesses = 1024
)

// load is whose work one device does. Samples of processes are integrated over the time between their timestamps; what of a window's
// samples does not fit into the window, because an earlier one's came with them, is handed out in the next.
type load struct {
	cursor cursor
	lost   int // how often the cursor was since the last sample
	table  map[uint32]*process
	pids   []uint32 // scratch: of the table, in order
}

// process is what is known of one process on one device.
type process struct {
	last  uint64        // timestamp of its newest sample
	owed  time.Duration // work that is not handed out yet
	got   time.Duration // handed out in this window
	total time.Duration // handed out ever
}

func (l *load) process(pid uint32) (p *process, isNew bool) {
	if p = l.table[pid]; p == nil {
		p, isNew = &process{}, true
		l.table[pid] = p
	}
	return p, isNew
}

// collect takes the samples that were read since a timestamp. It gives the processes that were not seen before, and whether samples
// were left out because they make no sense; jumped: they all are of another time.
func (l *load) collect(samples []gonvml.ProcessUtilizationSample, at, window time.Duration) (fresh []uint32, odd, jumped bool) {
	slices.SortFunc(samples, func(a, b gonvml.ProcessUtilizationSample) int { return cmp.Compare(a.TimeStamp, b.TimeStamp) })
	since, until := l.cursor.since(at, window), l.cursor.until(at)
	newest := uint64(0)
	for _, s := range samples {
		switch {
		case s == gonvml.ProcessUtilizationSample{}: // a place in the buffer that was not used
			continue
		case s.SmUtil > 100, s.TimeStamp == 0, s.TimeStamp >= maxStamp:
			odd = true
			continue
		case s.TimeStamp > until:
			jumped = true
			continue
		case s.TimeStamp <= since: // seen before
			continue
		}
		newest = s.TimeStamp
		if s.Pid == 0 {
			continue
		}
		p, isNew := l.process(s.Pid)
		if isNew {
			fresh = append(fresh, s.Pid)
		}
		from := max(p.last, since)
		if since > 0 && s.TimeStamp > from {
			p.owed += time.Duration(s.TimeStamp-from) * time.Microsecond / 100 * time.Duration(s.SmUtil)
		}
		p.last = max(p.last, s.TimeStamp)
	}
	if newest > 0 {
		l.cursor.move(newest, at)
		l.lost = 0
	}
	return fresh, odd, jumped && newest == 0
}

// lose forgets all timestamps, after the driver's clock was set. It is the wall clock, as far as is known: only where that leads to
// no sample either, the next samples are a baseline.
func (l *load) lose(at time.Duration, wall time.Time) {
	if l.lost++; l.lost%2 == 1 {
		l.cursor.start(wall, at)
	} else {
		l.cursor.lose(at)
	}
	for _, p := range l.table {
		p.last = 0
	}
}

// hand gives what is owed to those it is owed, up to what the device did in the window, and returns how much that is.
func (l *load) hand(room time.Duration) time.Duration {
	l.pids = l.pids[:0]
	owed := time.Duration(0)
	for pid, p := range l.table {
		l.pids = append(l.pids, pid)
		owed += p.owed
	}
	slices.Sort(l.pids)
	given, keep := part(room, owed), part(lateMost, owed-min(room, owed))
	if room == 0 { // the device rests: whoever is still owed was told of too late
		keep = part(0, owed)
	}
	left := min(room, owed)
	for _, pid := range l.pids {
		p := l.table[pid]
		p.got = min(left, given(p.owed))
		left -= p.got
		p.total += p.got
		p.owed = keep(p.owed - p.got)
	}
	return min(room, owed) - left
}

// part gives the function that cuts shares of whole down to shares of most.
func part(most, whole time.Duration) func(time.Duration) time.Duration {
	if whole <= most {
		return func(d time.Duration) time.Duration { return d }
	}
	f := float64(most) / float64(whole)
	return func(d time.Duration) time.Duration { return time.Duration(f * float64(d)) }
}

// forget drops processes that have not worked for long, when there are many.
func (l *load) forget() {
	if len(l.table) <= maxProcesses {
		return
	}
	for pid, p := range l.table {
		if p.got == 0 {
			delete(l.table, pid)
		}
	}
}

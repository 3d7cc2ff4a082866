//go:build cgo

package nvml

import (
	"cmp"
	"slices"
	"strings"
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/eco2-bpf/eco2-bpf/internal/energy"
)

// mpsServer is the process that runs the kernels of all clients of the Multi-Process Service as if they were its own.
const mpsServer = "nvidia-cuda-mps-server"

// share appends whose work the device did since the last edge. The first edge is a baseline. With instances (MIG) the driver tells
// nothing about processes, nor about the load.
func (d *device) share(index int, at time.Duration, wall time.Time, into []energy.Share) []energy.Share {
	window := at - d.at
	primed := d.primed && window > 0
	d.primed, d.at = true, at
	switch {
	case d.mig:
		return into
	case !primed:
		d.busyAt.start(wall, at)
		d.load.cursor.start(wall, at)
		if d.split == byList {
			d.list = d.running(d.list)
		}
		return into
	}
	busy, known := d.busy(at, window)
	room := window
	if known {
		room = busy
	}
	room -= d.claims(at, window, room, wall, known)
	if d.accounts != nil {
		room -= d.accounts.add(d, wall, window, room)
	}
	into = d.load.shares(index, into)
	if known && room >= time.Microsecond { // less is of rounding
		into = append(into, energy.Share{Domain: index, Busy: room})
	}
	d.load.forget()
	return into
}

// claims gives processes their work, and returns how much it is: at most as much as the device did, if that is known.
func (d *device) claims(at, window, room time.Duration, wall time.Time, known bool) time.Duration {
	switch d.split {
	case byList:
		if known {
			d.alone(room)
		}
	case bySamples:
		samples, ret := d.askProcesses(d.load.cursor.since(at, window))
		switch {
		case ret == gonvml.SUCCESS:
		case lacks(ret):
			d.refused()
		default:
			d.note("process utilisation unreadable: " + ret.Error())
			d.load.cursor.skip(at)
		}
		fresh, odd, jumped := d.load.collect(samples, at, window)
		if odd || jumped {
			d.note("process utilisation makes no sense in part, which is left out")
		}
		d.look(fresh)
		if c := &d.load.cursor; jumped || c.last > 0 && known && room > 0 && at-c.at >= lostAfter {
			d.load.lose(at, wall)
		}
	}
	return d.load.hand(room)
}

// refused is when process utilisation ends in mid-run: in instances (MIG) there is none.
func (d *device) refused() {
	if d.mig, _ = d.askMIG(); d.mig {
		d.noteOnce("MIG mode was turned on: the work of processes is not told apart any more")
		return
	}
	d.split = byNobody
	d.noteOnce("process utilisation is not supported any more: all work is nobody's from here on")
}

// alone gives the device's work to the process that was the only one at both edges. Of several, who did what is not known: it is nobody's.
func (d *device) alone(busy time.Duration) {
	before := slices.Clone(d.list)
	d.list = d.running(d.list)
	if len(before) == 1 && slices.Equal(before, d.list) {
		p, isNew := d.load.process(d.list[0])
		p.owed = busy
		if isNew {
			d.look(d.list)
		}
	}
}

// running lists the processes that hold the device now, in order; none when one of the lists cannot be read.
func (d *device) running(into []uint32) []uint32 {
	into = into[:0]
	for _, ask := range []func() ([]gonvml.ProcessInfo, gonvml.Return){d.askCompute, d.askGraphics} {
		infos, ret := ask()
		if ret != gonvml.SUCCESS {
			return into[:0]
		}
		for _, i := range infos {
			into = append(into, i.Pid)
		}
	}
	slices.Sort(into)
	return slices.Compact(into)
}

// look names a server that works for others.
func (d *device) look(pids []uint32) {
	for _, pid := range pids {
		switch name, ret := d.lib.askName(pid); {
		case lacks(ret):
			d.noteOnce("the names of processes are not told (" + ret.Error() + "): whether one works for others (MPS) does not show")
		case strings.Contains(name, mpsServer):
			d.noteOnce(mpsServer + " is at work: what its clients do counts as its own")
		}
	}
}

// shares appends what was handed out in this window, in order of process.
func (l *load) shares(index int, into []energy.Share) []energy.Share {
	first := len(into)
	for pid, p := range l.table {
		if p.got > 0 {
			into = append(into, energy.Share{Domain: index, PID: pid, Busy: p.got})
		}
	}
	slices.SortFunc(into[first:], func(a, b energy.Share) int { return cmp.Compare(a.PID, b.PID) })
	return into
}

package peers

import (
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// DEEPmon is DEEP-mon (bpf/bpf_monitor.c, userspace/bpf_collector.py, sample_controller.py, rapl/rapl.py), the only one here that knows of the
// two threads of a core: a cycle beside a busy sibling weighs 11/20. A socket's energy, all of it, goes by weighed cycles.
//
// When a process ends the kernel's table forgets it: what it did in that window is gone, and its energy is the others'. A slice that goes over
// the window's edge is the later window's. A wrap is taken to be at 2^32 uJ, which is no counter's range: the window then has less than
// nothing, here nothing.
//
// Read in its favour: it splits the zone of the cores only; here packages are split in the same way. Idle threads have no cycles. What an
// ended thread did stays as long as its process lives.
type DEEPmon struct {
	ledger
	clock
	counters
	cpus     []seen.CPU
	baseKHz  int64
	window   map[int]*weighed // by pid
	switches float64
	sleep    time.Duration
	read     time.Duration // when the table was read
	woken    bool
}

// weighed are cycles by socket.
type weighed struct {
	key Key
	by  map[int]float64
}

// NewDEEPmon is DEEP-mon in its default, dynamic mode.
func NewDEEPmon(m seen.Machine) *DEEPmon {
	return &DEEPmon{ledger: newLedger(), counters: counters{zones: m.Zones}, cpus: m.CPUs, baseKHz: m.BaseKHz,
		window: map[int]*weighed{}, sleep: time.Second}
}

// Name is its name.
func (d *DEEPmon) Name() string { return "DEEP-mon" }

// Words is its formula.
func (d *DEEPmon) Words() string {
	return "socket's energy x own cycles / all cycles of the socket, a cycle beside a busy sibling being 11/20 (bpf_monitor.c, bpf_collector.py)"
}

// Every is its shortest interval: it reads after 1 to 4 of them, the less often the fewer switches there are.
func (d *DEEPmon) Every() time.Duration { return time.Second }

// Slice is a switch from that task to another.
func (d *DEEPmon) Slice(s seen.Slice) {
	d.switches++
	if s.Exited {
		delete(d.window, s.PID)
		return
	}
	run := s.To - s.From
	if s.CPU < 0 || s.CPU >= len(d.cpus) || run <= 0 {
		return
	}
	cycles := float64(s.Cycles)
	if s.Cycles == 0 { // no PMU: it would not start; at one frequency time is the same
		cycles = run.Seconds() * float64(max(1, d.baseKHz)) * 1e3
	}
	w := d.window[s.PID]
	if w == nil {
		w = &weighed{key: Key{s.PID, int64(s.Start / seen.Tick)}, by: map[int]float64{}}
		d.window[s.PID] = w
	}
	overlap := share(float64(s.Beside), float64(run))
	w.by[d.cpus[s.CPU].Socket] += cycles*(1-overlap) + cycles*overlap*11/20
}

// Wake ends its sleep.
func (d *DEEPmon) Wake() { d.woken = true }

// Poll reads the table when it is time.
func (d *DEEPmon) Poll(s seen.Sample) {
	if _, ok := d.clock.step(s.At); !ok {
		return
	}
	if d.counters.last != nil && s.At-d.read < d.sleep && !d.woken {
		return
	}
	d.woken = false
	window, switches := d.window, d.switches
	d.window, d.switches, d.read = map[int]*weighed{}, 0, s.At
	steps := d.counters.step(s.Zones, func(back, _ float64) float64 { return 1<<32 - back })
	if steps == nil {
		return
	}
	d.sleep = sleepAfter(switches / (d.sleep.Seconds() * float64(max(1, len(d.cpus)))))
	all := map[int]float64{}
	for _, w := range window {
		for socket, cycles := range w.by {
			all[socket] += cycles
		}
	}
	for i, joules := range steps {
		z := &d.zones[i]
		name := domain(z.Name)
		d.total[name] += positive(joules)
		if name != "package" && name != "core" {
			continue
		}
		for _, w := range window {
			if part := share(w.by[z.Socket], all[z.Socket]); part > 0 {
				d.add(w.key, name, joules*part)
			}
		}
	}
}

// sleepAfter is the next interval, by switches per second and CPU.
func sleepAfter(rate float64) time.Duration {
	switch {
	case rate < 100:
		return 4 * time.Second
	case rate < 200:
		return 3 * time.Second
	case rate < 300:
		return 2 * time.Second
	}
	return time.Second
}

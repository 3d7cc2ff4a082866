//go:build cgo

package nvml

import (
	"math"
	"testing"
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/eco2-bpf/eco2-bpf/internal/energy"
)

// Processes that ended in the second window, from 1 to 2 s. The device is busy all the time; process 3 has samples of 20 % up to the window's end.
func TestAccounting(t *testing.T) {
	const none = math.MaxUint32
	for name, c := range map[string]struct {
		start, life time.Duration
		percent     uint32
		sampled     uint32 // percent that samples tell of it, in both windows
		want        time.Duration
	}{
		"lived between two samples":       {1300 * ms, 200 * ms, 50, 0, 100 * ms},
		"ended as the window did":         {1500 * ms, 500 * ms, 100, 0, 500 * ms},
		"only what is in the window":      {500 * ms, time.Second, 40, 0, 200 * ms},
		"not what samples gave":           {0, 2 * time.Second, 60, 50, 600 * ms},
		"never less than samples gave":    {0, 2 * time.Second, 10, 50, 500 * ms},
		"never more than is free":         {1000 * ms, time.Second, 100, 0, 800 * ms},
		"ended in an earlier window":      {200 * ms, 300 * ms, 100, 0, 0},
		"began after the end":             {2500 * ms, 200 * ms, 100, 0, 0},
		"did nothing":                     {1100 * ms, 500 * ms, 0, 0, 0},
		"not known":                       {1100 * ms, 500 * ms, none, 0, 0},
		"a life longer than any":          {1100 * ms, math.MaxInt64, 100, 0, 0},
		"never more than its life's work": {900 * ms, 1100 * ms, 70, 40, 400 * ms},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 1)
			g := r.cards[0]
			g.accounting, g.loadNow = true, 100
			g.stats[8] = gonvml.AccountingStats{GpuUtilization: 100, StartTime: stamp(1100 * ms), Time: 500} // ended before the first edge, says the list
			r.open()
			g.stats[7] = gonvml.AccountingStats{IsRunning: 1, StartTime: stamp(c.start)}
			got := time.Duration(0)
			for i := range 4 {
				end := r.now + time.Second
				if i < 2 {
					g.proc(3, end, 20)
					if c.sampled > 0 {
						g.proc(7, end, c.sampled)
					}
				}
				if i == 1 {
					g.stats[7] = gonvml.AccountingStats{GpuUtilization: c.percent, StartTime: stamp(c.start), Time: uint64(c.life.Milliseconds())}
				}
				total := time.Duration(0)
				for _, s := range r.edge(time.Second) {
					total += s.Busy
					switch {
					case s.PID == 7 && i == 1:
						got = s.Busy
					case s.PID == 8, s.PID == 7 && (i > 1 || c.sampled == 0):
						t.Errorf("edge %d: %+v", i, s)
					}
				}
				if total != time.Second {
					t.Errorf("edge %d: %v in all", i, total)
				}
			}
			if d := got - c.want; d < -time.Microsecond || d > time.Microsecond {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

// Where the device does not tell its load, what is free is the window.
func TestAccountingWithoutLoad(t *testing.T) {
	r := newRig(t, 1)
	g := r.cards[0]
	g.accounting = true
	g.fault["GetUtilizationRates"], g.fault["GetSamples(load)"] = gonvml.ERROR_NOT_SUPPORTED, gonvml.ERROR_NOT_SUPPORTED
	r.open()
	for pid := range uint32(3) {
		g.stats[pid+1] = gonvml.AccountingStats{GpuUtilization: 50, StartTime: stamp(0), Time: 1000}
	}
	r.want(time.Second, r.edge(time.Second), energy.Share{PID: 1, Busy: 500 * ms}, energy.Share{PID: 2, Busy: 500 * ms})
}

// A process id comes again: the list of those who ended tells of the newer process.
func TestAccountingOfAnIDThatComesAgain(t *testing.T) {
	r := newRig(t, 1)
	g := r.cards[0]
	g.accounting, g.loadNow = true, 100
	r.open()
	for _, listed := range []bool{true, false, true, false} {
		if delete(g.stats, 7); listed {
			g.stats[7] = gonvml.AccountingStats{GpuUtilization: 50, StartTime: stamp(r.now + 100*ms), Time: 200}
		}
		want := []energy.Share{{PID: 7, Busy: 100 * ms}, {PID: 0, Busy: 900 * ms}}
		if !listed {
			want = []energy.Share{{PID: 0, Busy: time.Second}}
		}
		r.want(time.Second, r.edge(time.Second), want...)
	}
}

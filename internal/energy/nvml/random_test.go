//go:build cgo

package nvml

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/eco2-bpf/eco2-bpf/internal/energy"
)

// gpu is a simulated GPU: processes come, work and go; a sampler of the driver notes their mean use of each period. What each did is the truth.
type gpu struct {
	*rand.Rand
	*card
	period  time.Duration
	percent map[uint32]uint32
	done    map[uint32]time.Duration
	idle    uint32 // milliwatts
	rest    uint64 // of a millijoule
	last    uint32
}

// run simulates one period, which ends at a time, and notes its samples.
func (g *gpu) run(end time.Duration) {
	if g.IntN(4) == 0 && len(g.percent) < 4 {
		g.last++
		g.percent[g.last] = 1 + g.Uint32N(25)
	}
	sum := uint32(0)
	for _, pid := range slices.Sorted(maps.Keys(g.percent)) {
		p := g.percent[pid]
		sum += p
		g.done[pid] += g.period * time.Duration(p) / 100
		g.proc(pid, end, p)
		if g.IntN(20) == 0 {
			delete(g.percent, pid)
		}
	}
	g.load, g.loadNow = append(g.load, sample(end, sum)), sum
	g.load, g.procs = g.load[max(0, len(g.load)-100):], g.procs[max(0, len(g.procs)-400):]
	g.rest += (uint64(g.idle) + 3000*uint64(sum)) * uint64(g.period.Microseconds())
	g.millijoules += g.rest / 1e6
	g.rest %= 1e6
}

// means makes of a buffer what NVML says it tells: one sample of each process, with its mean use since the time that was asked for, and the
// time of its latest sample. Up to then, or up to the newest sample of any process: that is not documented.
func (g *gpu) means(toNewest bool) func([]gonvml.ProcessUtilizationSample, uint64) []gonvml.ProcessUtilizationSample {
	return func(samples []gonvml.ProcessUtilizationSample, since uint64) (out []gonvml.ProcessUtilizationSample) {
		at, sum, newest := map[uint32]uint64{}, map[uint32]uint32{}, uint64(0)
		for _, s := range samples {
			at[s.Pid] = max(at[s.Pid], s.TimeStamp)
			sum[s.Pid] += s.SmUtil
			newest = max(newest, s.TimeStamp)
		}
		for pid, last := range at {
			end := last
			if toNewest {
				end = newest
			}
			periods := max(1, math.Round(float64(end-since)/float64(g.period.Microseconds())))
			out = append(out, gonvml.ProcessUtilizationSample{Pid: pid, TimeStamp: last, SmUtil: uint32(math.Round(float64(sum[pid]) / periods))})
		}
		return out
	}
}

// Over many windows of odd lengths every process gets what it did, no window is overfull, and the energy is the counter's. Which mean a
// driver tells is not documented to the last: where it is another one than ours, some is told of another process, or as nobody's.
func TestWorkIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		period     time.Duration
		merge      int // 0: the mean up to a process's own sample; 1: up to the newest; 2: each sample alone
		least, off float64
	}{
		"6 a second":                  {time.Second / 6, 0, 0.99, 0.01},
		"2 a second":                  {time.Second / 2, 0, 0.99, 0.01},
		"1 a second":                  {time.Second, 0, 0.99, 0.01},
		"mean to the newest, of 6":    {time.Second / 6, 1, 0.9, 0.1},
		"mean to the newest, of 1":    {time.Second, 1, 0.9, 0.1},
		"each sample by itself, of 6": {time.Second / 6, 2, 0.99, 0.15},
		"each sample by itself, of 1": {time.Second, 2, 0.99, 0.15},
	} {
		period := c.period
		r := newRig(t, 1)
		g := &gpu{Rand: rand.New(rand.NewPCG(1, uint64(period))), card: r.cards[0], period: period, percent: map[uint32]uint32{}, done: map[uint32]time.Duration{}, idle: 50_000}
		if c.merge < 2 {
			g.merge = g.means(c.merge == 1)
		}
		r.open()
		next, got, nobody := period, map[uint32]time.Duration{}, time.Duration(0)
		for range 1000 {
			window := 100*ms + time.Duration(g.Int64N(int64(1900*ms)))
			for ; next <= r.now+window; next += period {
				g.run(next)
			}
			all := time.Duration(0)
			for _, s := range r.edge(window) {
				all += s.Busy
				got[s.PID] += s.Busy
				if s.PID == 0 {
					nobody += s.Busy
				}
			}
			if all > window {
				t.Fatalf("%v in a window of %v", all, window)
			}
			if s := r.out[0]; uint64(s.Energy) != g.millijoules*1000 || s.Mark != "" && s.Mark[:26] != "gpu-0: counter has not mov" && s.Mark[:13] != "gpu-0: covers" {
				t.Fatalf("%+v, counter %d", s, g.millijoules)
			}
		}
		done, told, off := time.Duration(0), time.Duration(0), time.Duration(0)
		for pid, d := range g.done {
			done += d
			told += got[pid]
			off += max(d-got[pid], got[pid]-d)
		}
		f := told.Seconds() / done.Seconds()
		t.Logf("%s: %d processes did %.0f s, told %.3f of it, beside %.1f s of nobody's; off by %.3f by process",
			name, len(g.done), done.Seconds(), f, nobody.Seconds(), off.Seconds()/done.Seconds())
		if f < c.least || f > 1.001 || off.Seconds() > c.off*done.Seconds() {
			t.Errorf("%s: %v of %v told, off by %v", name, told, done, off)
		}
	}
}

// Whatever a driver says: no panic, no window overfull, no energy that goes down, none above what a GPU can use.
func TestWhateverTheDriverSays(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 7))
	rets := []gonvml.Return{gonvml.SUCCESS, gonvml.SUCCESS, gonvml.SUCCESS, gonvml.ERROR_NOT_SUPPORTED, gonvml.ERROR_NOT_FOUND, gonvml.ERROR_GPU_IS_LOST, gonvml.ERROR_UNKNOWN,
		gonvml.ERROR_INSUFFICIENT_SIZE, gonvml.Return(-7)}
	number := func() uint64 {
		return []uint64{0, 1, 50, 100, 101, math.MaxUint32, math.MaxUint64, 1 << 62, rnd.Uint64(), stamp(time.Duration(rnd.Int64N(int64(time.Minute))))}[rnd.IntN(10)]
	}
	for range 200 {
		r := newRig(t, 2)
		for _, c := range r.cards {
			c.accounting = rnd.IntN(2) == 0
			c.limit = uint32(number())
			if rnd.IntN(2) == 0 {
				c.fault["GetTotalEnergyConsumption"] = gonvml.ERROR_NOT_SUPPORTED
				c.power = []gonvml.Sample{sample(0, 1000)}[:rnd.IntN(2)]
			}
		}
		src, _, err := open(r.server, r.sysfs)
		if err != nil {
			t.Fatal(err)
		}
		src.since = func(time.Time) time.Duration { return 0 }
		src.wall = func() time.Time { return bootTime.Add(time.Duration(number() % 1e12)) }
		out, last := make([]energy.Sample, 2), make([]energy.Sample, 2)
		for range 30 {
			window := []time.Duration{0, 1, ms, time.Second, time.Minute, -time.Second}[rnd.IntN(6)]
			r.now += window
			for _, c := range r.cards {
				for call := range calls {
					if c.fault[call] = rets[rnd.IntN(len(rets))]; rnd.IntN(3) > 0 {
						c.fault[call] = gonvml.SUCCESS
					}
				}
				c.millijoules, c.milliwatts, c.loadNow = number(), uint32(number()), uint32(number())
				c.power, c.load, c.procs, c.compute, c.graphics = nil, nil, nil, nil, nil
				clear(c.stats)
				for range rnd.IntN(5) {
					for _, list := range []*[]gonvml.Sample{&c.power, &c.load} {
						s := sample(0, uint32(number()))
						s.TimeStamp = number()
						*list = append(*list, s)
					}
					c.procs = append(c.procs, gonvml.ProcessUtilizationSample{Pid: uint32(number()), TimeStamp: number(), SmUtil: uint32(number())})
					c.compute = append(c.compute, uint32(number()))
					c.stats[uint32(number())] = gonvml.AccountingStats{GpuUtilization: uint32(number()), Time: number(), StartTime: number(), IsRunning: uint32(number() % 2)}
				}
			}
			src.Read(energy.Edge{Time: r.now}, out)
			all := [2]time.Duration{}
			for _, s := range src.Shares(nil) {
				if all[s.Domain] += s.Busy; s.Busy <= 0 || all[s.Domain] > window {
					t.Fatalf("%+v of a window of %v", s, window)
				}
			}
			for i, s := range out {
				if s.Energy < last[i].Energy || s.Low < last[i].Low || s.High < last[i].High || s.Low > s.Energy || s.High < s.Energy || s.Span < 0 ||
					float64(s.Energy-last[i].Energy) > 20_000e6*(s.Span.Seconds()+30) {
					t.Fatalf("%+v after %+v", s, last[i])
				}
			}
			copy(last, out)
		}
	}
}

// BenchmarkRead16 is a second of 16 GPUs with two processes each. It is the cost of our side and of the mock: the driver's own is not in it.
func BenchmarkRead16(b *testing.B) {
	r := newRig(b, 16)
	for _, c := range r.cards {
		c.loadNow = 80
	}
	r.open()
	b.ReportAllocs()
	for b.Loop() {
		for _, c := range r.cards {
			c.millijoules += 300_000
			c.load, c.procs, c.asked = c.load[:0], c.procs[:0], c.asked[:0]
			c.works(r.now, r.now+time.Second, 80)
			c.proc(4, r.now+time.Second, 50)
			c.proc(5, r.now+time.Second, 20)
		}
		r.edge(time.Second)
	}
}

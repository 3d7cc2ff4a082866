package calibrate

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// simulated is a machine of two sockets with two CPUs each, whose time goes by only when somebody sleeps. Its energy follows laws of its load.
type simulated struct {
	rng     *rand.Rand
	now     time.Duration
	percent float64
	warm    float64          // 0 to 1: follows the load, slowly
	busy    [4]time.Duration // by CPU
	uj      [5]float64       // by domain
	laws    [5]func(float64) float64
	warmth  float64                        // what a warm machine draws more, as a share
	drift   float64                        // what it draws more at the end of an hour, as a share
	noise   float64                        // of the power, as a share, anew each 50 ms
	other   func(at time.Duration) float64 // load of other processes, percent
	spike   func(at time.Duration) float64 // watts of no CPU's work
	broken  func(at time.Duration, s *energy.Sample)
	noBusy  func(at time.Duration) bool
	loads   []int
	deadAt  int // the load dies before so many changes of it; 0: never
	domains []energy.Domain
}

// curved follows a measured shape, as straight lines between 0, 10, ... 100 %.
func curved(idle, full float64, shape [11]float64) func(float64) float64 {
	return func(u float64) float64 {
		i := min(int(u*10), 9)
		return idle + (full-idle)*(shape[i]+(shape[i+1]-shape[i])*(u*10-float64(i)))
	}
}

var (
	cloudShape  = [11]float64{0, 0.215, 0.36, 0.48, 0.585, 0.683, 0.765, 0.835, 0.90, 0.955, 1}    // a cloud host with a fixed clock
	serverShape = [11]float64{0, 0.163, 0.225, 0.284, 0.345, 0.409, 0.488, 0.584, 0.709, 0.856, 1} // a tuned server that clocks by load
)

func linear(idle, full float64) func(float64) float64 {
	return func(u float64) float64 { return idle + (full-idle)*u }
}

func newSimulated() *simulated {
	d := func(name, scope, method string, socket int) energy.Domain {
		return energy.Domain{Name: name, Scope: scope, Method: method, Source: "powercap", Socket: socket, Die: -1}
	}
	return &simulated{
		rng:  rand.New(rand.NewPCG(1, 2)),
		laws: [5]func(float64) float64{curved(35, 150, cloudShape), linear(4, 9), curved(30, 140, serverShape), linear(3, 8), linear(50, 50)},
		domains: []energy.Domain{
			d("package-0", energy.ScopePackage, energy.Measured, 0), d("dram-0", energy.ScopeDRAM, energy.Measured, 0),
			d("package-1", energy.ScopePackage, energy.Measured, 1), d("dram-1", energy.ScopeDRAM, energy.Measured, 1),
			d("gpu-0", energy.ScopeGPU, energy.Measured, -1),
		},
		other: func(time.Duration) float64 { return 0 }, spike: func(time.Duration) float64 { return 0 },
	}
}

func (m *simulated) machine() *Machine {
	return &Machine{Source: m, Busy: busyOf{m}, CPUs: 4, CPUsOf: m.cpusOf, Load: m, Now: func() time.Duration { return m.now }, Sleep: m.sleep}
}

func (m *simulated) cpusOf(socket, _ int) []int {
	switch socket {
	case 0:
		return []int{0, 1}
	case 1:
		return []int{2, 3}
	case -1:
		return []int{0, 1, 2, 3}
	}
	return nil
}

func (m *simulated) Set(percent int) error {
	if m.loads = append(m.loads, percent); m.deadAt > 0 && len(m.loads) > m.deadAt {
		return errors.New("the load has died")
	}
	m.percent = float64(percent)
	return nil
}

// sleep lets time go by in steps of 10 ms.
func (m *simulated) sleep(ctx context.Context, d time.Duration) error {
	const step = 10 * time.Millisecond
	noise := 1.0
	for end := m.now + d; m.now < end; m.now += step {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		// Half a percent of everyone's own, and other processes' work, beside the load.
		u := math.Min(1, m.percent/100+0.005+m.other(m.now)/100)
		m.warm += (u - m.warm) * step.Seconds() / 5
		if m.now%(50*time.Millisecond) == 0 {
			noise = 1 + m.noise*m.rng.NormFloat64()
		}
		for cpu := range m.busy {
			m.busy[cpu] += time.Duration(u * float64(step))
		}
		for i, law := range m.laws {
			w := law(u)*(1+m.warmth*m.warm)*(1+m.drift*m.now.Hours())*noise + m.spike(m.now)
			m.uj[i] += w * float64(step) / 1e3
		}
	}
	return nil
}

// busyOf is the kernel's count of busy time.
type busyOf struct{ m *simulated }

func (b busyOf) Read(into []time.Duration) error {
	if b.m.noBusy != nil && b.m.noBusy(b.m.now) {
		return errors.New("unreadable")
	}
	copy(into, b.m.busy[:])
	return nil
}

func (m *simulated) Domains() []energy.Domain { return m.domains }
func (m *simulated) Close() error             { return nil }

// Read steps by 61 uJ, as RAPL does.
func (m *simulated) Read(edge energy.Edge, into []energy.Sample) {
	for i := range m.domains {
		e := units.Microjoules(math.Floor(m.uj[i]/61) * 61)
		into[i] = energy.Sample{At: edge.Time, Energy: e, Low: e, High: e}
		if m.broken != nil {
			m.broken(m.now, &into[i])
		}
	}
}

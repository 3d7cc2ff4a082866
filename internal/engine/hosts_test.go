package engine

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/intensity"
	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/host"
	"github.com/eco2-bpf/eco2-bpf/internal/identity"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
	"github.com/eco2-bpf/eco2-bpf/powermodel"
)

// simulated is a host of so many possible CPUs: sockets of two dies of 32 each, a package domain for each die, every fourth CPU offline at
// first and every CPU that is online running so many accounts, some of them on many CPUs.
func simulated(cpus, accounts, seconds int) (*machine, host.Topology) {
	const perDie = 32
	r := rand.New(rand.NewPCG(1, uint64(cpus)))
	topo := make(host.Topology, cpus)
	m := &machine{cpus: cpus, busy: make([]time.Duration, cpus), now: time.Hour}
	for cpu := range topo {
		die := cpu / perDie
		topo[cpu] = host.CPU{Online: cpus == 1 || cpu%4 != 3, Socket: die / 2, Die: die % 2}
		if cpu%perDie == 0 {
			m.doms = append(m.doms, energy.Domain{
				Name: fmt.Sprintf("package-%d-die-%d", die/2, die%2), Socket: die / 2, Die: die % 2, Method: energy.Measured, Source: "powercap", Scope: "package",
			})
		}
	}
	m.energy = make([]energy.Sample, len(m.doms))
	for s := range seconds {
		var sec second
		for cpu := range topo {
			if !topo[cpu].Online && s < seconds/2 { // it comes online in the middle
				continue
			}
			for i := range accounts {
				u := use(uint32(1+cpu*accounts+i), cpu, 1+r.IntN(40), "c")
				if i == 0 {
					u.TGID = uint32(1 + r.IntN(cpus*accounts)) // a process with threads elsewhere
					u.Start = time.Duration(u.TGID) * time.Second
				}
				sec.use = append(sec.use, u)
			}
		}
		for range m.doms {
			sec.energy = append(sec.energy, units.Microjoules(r.Int64N(200_000_000)))
		}
		m.script = append(m.script, sec)
	}
	return m, topo
}

func simulatedEngine(t testing.TB, m *machine, topo host.Topology) *Engine {
	t.Helper()
	idle := map[string]units.Watts{}
	for _, d := range m.doms {
		idle[d.Name] = 10
	}
	e, err := New(Config{By: ByProcess, Interval: time.Second, PUE: 1, Factor: intensity.World("test"), IdleWatts: idle}, Parts{
		Collector: m, Source: m, Busy: busyOf{m}, BusySource: "test", Host: host.Host{Name: "test", CPUs: m.cpus, Sockets: len(topo.Sockets())},
		Topology: topo, Model: powermodel.Resolve(powermodel.CPU{}), Users: identity.ReadUsers("/nonexistent"), Cgroups: identity.OpenCgroups(""),
		BootTime: time.Unix(1000, 0), Now: m.clock,
	})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// On hosts of 1 to 1,024 possible CPUs, some of which come online in the middle, every account's time and every microjoule is there.
func TestSimulatedHosts(t *testing.T) {
	for _, cpus := range []int{1, 2, 64, 256, 1024} {
		m, topo := simulated(cpus, 20, 4)
		e := simulatedEngine(t, m, topo)
		want := map[uint32]time.Duration{}
		var energy units.Microjoules
		for _, s := range m.script {
			if err := e.advance(); err != nil {
				t.Fatal(err)
			}
			for _, u := range s.use {
				want[u.TGID] += u.Time
			}
			for _, j := range s.energy {
				energy += j
			}
		}
		total := e.Total()
		checkLaw(t, total, 0)
		var got units.Microjoules
		var cpu, wanted float64
		for _, r := range total.Rows {
			got += r.Joules
			if r.Kind == "process" || r.Kind == "others" {
				cpu += r.CPUSeconds
			}
			if total.Losses.FoldedRows == 0 && r.Kind == "process" && time.Duration(r.CPUSeconds*1e9+0.5).Round(time.Microsecond) != want[uint32(r.PID)] {
				t.Errorf("%d cpus: process %d has %v s, not %v", cpus, r.PID, r.CPUSeconds, want[uint32(r.PID)])
			}
		}
		for _, w := range want {
			wanted += w.Seconds()
		}
		if got != energy || cpu < wanted-1e-6 || cpu > wanted+1e-6 {
			t.Errorf("%d cpus: %v of %v J, %v of %v s", cpus, got, energy, cpu, wanted)
		}
	}
}

// BenchmarkSimulatedHosts is a step behind the drain: merge, attribute and book, per CPU of 12 accounts: above 16,384 rows some
// are folded in each step, which costs more.
func BenchmarkSimulatedHosts(b *testing.B) {
	for _, cpus := range []int{1, 2, 64, 256, 1024} {
		b.Run(fmt.Sprintf("%dcpus", cpus), func(b *testing.B) {
			m, topo := simulated(cpus, 12, 2)
			e := simulatedEngine(b, m, topo)
			second := m.script[1]
			m.script = m.script[:1]
			var rows []bpf.Usage
			for b.Loop() {
				m.at, m.script[0] = 1, second
				if err := e.advance(); err != nil {
					b.Fatal(err)
				}
				rows = e.accounts.rows
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(cpus), "ns/cpu")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(rows)), "ns/account")
		})
	}
}

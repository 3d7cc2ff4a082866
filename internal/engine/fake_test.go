package engine

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/intensity"
	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/host"
	"github.com/eco2-bpf/eco2-bpf/internal/identity"
	"github.com/eco2-bpf/eco2-bpf/internal/snapshot"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
	"github.com/eco2-bpf/eco2-bpf/powermodel"
)

// machine is a synthetic one: each step of its script is one window of a second.
type machine struct {
	script []second
	at     int
	cpus   int
	now    time.Duration
	busy   []time.Duration
	energy []energy.Sample
	lost   bpf.Losses
	doms   []energy.Domain
	edge   bool
	slept  time.Duration

	breaches uint64 // that the script provokes
}

// second is what happens in one window.
type second struct {
	use      []bpf.Usage
	overflow []time.Duration
	busy     []time.Duration // by CPU; nil: what use adds up to
	energy   []units.Microjoules
	mark     string
	span     time.Duration
	noBusy   bool
	missed   uint64
	uncount  uint64
	tasks    []bpf.Task
	shares   []energy.Share
	written  uint64 // bytes that went to the disks
	slept    time.Duration
}

func (m *machine) Drain(into []bpf.Usage) ([]bpf.Usage, error) {
	if m.at > len(m.script) {
		return into, errors.New("the script has ended")
	}
	if m.at > 0 {
		s := m.script[m.at-1]
		into = append(into, s.use...)
		for _, u := range s.use {
			if s.busy == nil {
				m.busy[u.CPU] += u.Time
			}
		}
		for cpu, t := range s.busy {
			m.busy[cpu] += t
		}
		for cpu, t := range s.overflow {
			if s.busy == nil {
				m.busy[cpu] += t
			}
			m.lost.Overflow += t
		}
		m.lost.Missed += s.missed
		m.lost.Uncounted += s.uncount
		m.now += time.Second
		m.slept += s.slept
	}
	m.at++
	m.edge = true
	return into, nil
}

// clock stamps an edge with its time; asked for how long to wait, it says that the time has come.
func (m *machine) clock() time.Duration {
	if m.edge {
		m.edge = false
		return m.now
	}
	return m.now + time.Second
}

func (m *machine) current() *second {
	if m.at < 2 {
		return &second{}
	}
	return &m.script[m.at-2]
}

func (m *machine) Overflow() []time.Duration { return m.current().overflow }
func (m *machine) Losses() bpf.Losses        { return m.lost }
func (m *machine) CPUs() int                 { return m.cpus }

type busyOf struct{ m *machine }

func (b busyOf) Read(into []time.Duration) error {
	if b.m.current().noBusy {
		return errors.New("no busy time")
	}
	copy(into, b.m.busy)
	return nil
}

func (m *machine) Look(into []bpf.Task) ([]bpf.Task, error) {
	return append(into, m.current().tasks...), nil
}

func (m *machine) Shares(into []energy.Share) []energy.Share {
	return append(into, m.current().shares...)
}

func (m *machine) Domains() []energy.Domain { return m.doms }
func (m *machine) Close() error             { return nil }

func (m *machine) Read(_ energy.Edge, into []energy.Sample) {
	s := m.current()
	for d := range into {
		if d < len(s.energy) {
			m.energy[d].Energy += s.energy[d]
		}
		m.energy[d].Written += s.written
		m.energy[d].Low, m.energy[d].High = m.energy[d].Energy, m.energy[d].Energy
		into[d] = m.energy[d]
		into[d].At, into[d].Mark, into[d].Span = m.now, s.mark, s.span
	}
}

// newMachine has two CPUs, one on each of two sockets, with a package domain each and a dram domain on socket 0.
func newMachine(script ...second) *machine {
	m := &machine{script: script, cpus: 2, busy: make([]time.Duration, 2), energy: make([]energy.Sample, 3), now: time.Hour}
	for _, d := range []energy.Domain{{Name: "package-0", Socket: 0}, {Name: "dram-0", Socket: 0}, {Name: "package-1", Socket: 1}} {
		d.Die, d.Method, d.Source, d.Scope = -1, energy.Measured, "powercap", "package"
		m.doms = append(m.doms, d)
	}
	return m
}

// watch runs the whole script and returns its windows and the total, having checked the law on each.
func watch(t *testing.T, m *machine, cfg Config, more ...func(*Parts)) (windows []*snapshot.Snapshot, total *snapshot.Snapshot, e *Engine) {
	t.Helper()
	if cfg.By == "" {
		cfg.By = ByProcess
	}
	if cfg.Interval == 0 {
		cfg.Interval = time.Second
	}
	cfg.PUE = 1
	cfg.Factor = intensity.World("test")
	if cfg.IdleWatts == nil {
		cfg.IdleWatts = map[string]units.Watts{"package-0": 2, "dram-0": 1, "package-1": 2}
	}
	cg := identity.OpenCgroups("")
	parts := Parts{
		Collector: m, Source: m, Busy: busyOf{m}, BusySource: "test", Host: host.Host{Name: "test", CPUs: 2, Sockets: 2, MemoryBytes: 10 << 30},
		Topology: host.Topology{{Online: true, Socket: 0}, {Online: true, Socket: 1}},
		Model:    powermodel.Resolve(powermodel.CPU{}), Users: identity.ReadUsers("/nonexistent"), Cgroups: cg,
		BootTime: time.Unix(1000, 0), Now: m.clock, SinceBoot: func() time.Duration { return m.now + m.slept },
	}
	for _, f := range more {
		f(&parts)
	}
	e, err := New(cfg, parts)
	if err != nil {
		t.Fatal(err)
	}
	err = e.Run(context.Background(), time.Duration(len(m.script))*time.Second, func(s *snapshot.Snapshot) error {
		checkLaw(t, s, m.breaches)
		windows = append(windows, s)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	total = e.Total()
	checkLaw(t, total, m.breaches)
	for d := range total.Energy {
		var sum units.Microjoules
		for _, w := range windows {
			sum += w.Energy[d].Joules
		}
		if sum != total.Energy[d].Joules {
			t.Errorf("%s: windows add up to %v J, the total says %v J", total.Energy[d].Domain, sum, total.Energy[d].Joules)
		}
	}
	return windows, total, e
}

func checkLaw(t *testing.T, s *snapshot.Snapshot, breaches uint64) {
	t.Helper()
	sums := make([]units.Microjoules, len(s.Energy))
	for _, r := range s.Rows {
		var row units.Microjoules
		for d, j := range r.ByDomain {
			sums[d] += j
			row += j
			if most := max(j, s.Energy[d].High); r.Ranges[d].High > most {
				t.Errorf("row %s %q: %v J of domain %d may be %v, and there are %v", r.Kind, r.Comm, j, d, r.Ranges[d].High, most)
			}
			if r.Ranges[d].Low > j || r.Ranges[d].High < j || r.Ranges[d].Low < 0 {
				t.Errorf("row %s %q: %v J of domain %d are not within %v", r.Kind, r.Comm, j, d, r.Ranges[d])
			}
		}
		if r.Low > r.Joules || r.High < r.Joules {
			t.Errorf("row %s %q: %v J are not within %v to %v", r.Kind, r.Comm, r.Joules, r.Low, r.High)
		}
		if row != r.Joules {
			t.Errorf("row %s %q: domains add up to %v J, the row says %v J", r.Kind, r.Comm, row, r.Joules)
		}
	}
	for d, e := range s.Energy {
		if sums[d] != e.Joules {
			t.Errorf("%s: rows add up to %v J, energy is %v J", e.Domain, sums[d], e.Joules)
		}
	}
	if s.Losses.Breaches > breaches {
		t.Errorf("the ledger broke its law %d times", s.Losses.Breaches)
	}
}

func use(tgid uint32, cpu int, ms int, comm string) bpf.Usage {
	return bpf.Usage{Account: bpf.Account{TGID: tgid, Start: time.Duration(tgid) * time.Second, Cgroup: 7}, CPU: cpu,
		Time: time.Duration(ms) * time.Millisecond, Switches: 3, Comm: comm, UID: 1000, PPID: 1}
}

func find(s *snapshot.Snapshot, kind string, pid int) *snapshot.Row {
	for i := range s.Rows {
		if r := &s.Rows[i]; r.Kind == kind && r.PID == pid {
			return r
		}
	}
	return &snapshot.Row{}
}

package recording

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/intensity"
	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/engine"
	"github.com/eco2-bpf/eco2-bpf/internal/host"
	"github.com/eco2-bpf/eco2-bpf/internal/identity"
	"github.com/eco2-bpf/eco2-bpf/internal/identity/container"
	"github.com/eco2-bpf/eco2-bpf/internal/snapshot"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
	"github.com/eco2-bpf/eco2-bpf/powermodel"
)

// machine is a synthetic one of two sockets: daemons that run all the time, of which some are in containers, and a shell that forks a
// short-lived command in each step. It draws all that from a fixed seed.
type machine struct {
	rand    *rand.Rand
	left    int // steps
	n       int
	daemons int
	cpus    int
	edge    engine.Edge
	domains []energy.Domain
	weighed bool // all that a split by weight goes by is read

	processes  *identity.Processes
	cgroups    *identity.Cgroups
	containers lateNames
	exits      []identity.ProcessKey
}

const stepTime = time.Second

func newMachine(steps, daemons int) *machine {
	m := &machine{
		rand: rand.New(rand.NewPCG(1, 2)), left: steps, daemons: daemons, cpus: 4,
		processes: identity.NewProcesses(1000), cgroups: identity.OpenCgroups(""),
		domains: []energy.Domain{
			{Name: "package-0", Socket: 0, Die: -1, Method: energy.Measured, Source: "powercap", Scope: energy.ScopePackage},
			{Name: "package-1", Socket: 1, Die: -1, Method: energy.Measured, Source: "powercap", Scope: energy.ScopePackage},
			{Name: "dram-0", Socket: 0, Die: -1, Method: energy.Measured, Source: "powercap", Scope: energy.ScopeDRAM},
			{Name: "gpu-0", Socket: -1, Die: -1, Method: energy.Measured, Source: "nvml", Scope: energy.ScopeGPU, Shared: true},
			{Name: "estimate:ram", Socket: -1, Die: -1, Method: energy.Estimated, Source: "estimate", Scope: energy.ScopeRAM, OwnIdle: true},
			{Name: "estimate:storage", Socket: -1, Die: -1, Method: energy.Estimated, Source: "estimate", Scope: energy.ScopeStorage, OwnIdle: true},
		},
	}
	m.edge.At, m.edge.Boot, m.edge.Wall = time.Hour, 2*time.Hour, time.Unix(1_700_000_000, 123456789)
	m.edge.Busy, m.edge.Samples, m.edge.Overflow = make([]time.Duration, m.cpus), make([]energy.Sample, len(m.domains)), make([]time.Duration, m.cpus)
	m.processes.Found(m.daemon(0), identity.ProcessKey{}, "init")
	for i := range daemons {
		m.processes.Found(m.daemon(i), m.daemon(0), fmt.Sprintf("daemon-%d", i))
		m.processes.Tell(m.daemon(i), fmt.Sprintf("/usr/bin/daemon-%d", i), fmt.Sprintf("daemon-%d\x00-x\x00%d", i, i), 40)
		m.cgroups.Made(m.cgroup(i), m.path(i))
	}
	m.processes.AllFound()
	return m
}

func (m *machine) daemon(i int) identity.ProcessKey {
	return identity.ProcessKey{TGID: uint32(i + 1), Start: time.Duration(i+1) * time.Second}
}

func (m *machine) cgroup(i int) uint64 { return uint64(100 + i%7) }

func (m *machine) path(i int) string {
	if i%7 < 3 {
		return fmt.Sprintf("/system.slice/docker-%064x.scope", 0xabc+i%7)
	}
	return fmt.Sprintf("/system.slice/unit-%d.service", i%7)
}

func (m *machine) CPUs() int                { return m.cpus }
func (m *machine) Domains() []energy.Domain { return m.domains }

func (m *machine) Next(e *engine.Edge) error {
	if m.left == 0 {
		return io.EOF
	}
	m.left--
	m.n++
	m.containers.step = m.n
	for _, k := range m.exits {
		m.processes.Exit(k)
	}
	m.exits = m.exits[:0]
	m.run()
	*e = copyEdge(e, &m.edge)
	return nil
}

// copyEdge gives a copy of an edge in the slices of another.
func copyEdge(into, e *engine.Edge) engine.Edge {
	c := *e
	c.Usages = append(into.Usages[:0], e.Usages...)
	c.Overflow = append(into.Overflow[:0], e.Overflow...)
	c.Tasks = append(into.Tasks[:0], e.Tasks...)
	c.Busy = append(into.Busy[:0], e.Busy...)
	c.Samples = append(into.Samples[:0], e.Samples...)
	c.Shares = append(into.Shares[:0], e.Shares...)
	c.Interrupts, c.KHz, c.Reserved = clone(e.Interrupts), clone(e.KHz), clone(e.Reserved)
	return c
}

// run is one step of the machine.
func (m *machine) run() {
	e := &m.edge
	e.At += stepTime + time.Duration(m.rand.IntN(1000))*time.Microsecond
	e.Boot += stepTime
	e.Wall = e.Wall.Add(stepTime + time.Duration(m.rand.IntN(100))*time.Microsecond)
	e.Took = time.Duration(50+m.rand.IntN(10)) * time.Microsecond
	e.BusyGood = m.n%50 != 0
	e.Usages, e.Overflow[1] = e.Usages[:0], 0
	if m.n%20 == 0 {
		e.Overflow[1] = time.Millisecond
		e.Busy[1] += time.Millisecond
		e.Losses.Overflow += time.Millisecond
		e.Losses.Missed += 3
	}
	for i := range m.daemons {
		m.use(m.daemon(i), 1, m.cgroup(i), fmt.Sprintf("daemon-%d", i), 1+i%2, time.Duration(1+m.rand.IntN(20_000_000)))
	}
	shell := m.daemon(m.daemons - 1)
	k := identity.ProcessKey{TGID: uint32(1000 + m.n), Start: e.Boot - time.Millisecond}
	m.processes.Fork(k, shell, "sh")
	if m.n%3 > 0 {
		m.processes.Exec(k, shell, "true", "/bin/true", fmt.Sprintf("true\x00%d\x00", m.n), 10)
	}
	if m.n%5 == 0 { // in a cgroup of its own
		m.cgroups.Made(uint64(1000+m.n), fmt.Sprintf("/jobs/job-%d", m.n))
		m.use(k, shell.TGID, uint64(1000+m.n), "true", 1, time.Duration(m.rand.IntN(1_000_000)))
	}
	m.use(k, shell.TGID, 3, "sh", 2, time.Duration(m.rand.IntN(1_000_000)))
	if m.n%7 == 0 {
		m.processes.Rename(m.daemon(m.n%m.daemons), fmt.Sprintf("renamed-%d", m.n))
	}
	m.exits = append(m.exits, k)
	if m.n == 40 {
		m.cgroups.Moved(m.cgroup(5), "/system.slice/moved.service")
	}
	m.hold(k)
	if m.weighed {
		m.weigh()
	}
	for d := range e.Samples {
		s := &e.Samples[d]
		s.At, s.Span = e.At-time.Microsecond, e.At-s.At
		s.Energy += units.Microjoules(10_000_000 + m.rand.IntN(90_000_000))
		s.Low, s.High, s.Mark = s.Energy, s.Energy, ""
		if m.domains[d].OwnIdle {
			s.Idle += 5_000_000
			s.Low, s.High, s.IdleLow, s.IdleHigh = s.Energy/2, s.Energy*2, s.Idle/2, s.Idle+s.Idle/2
		}
		if m.domains[d].Scope == energy.ScopeStorage && m.n%2 == 0 {
			s.Written += 40_000
		}
		if m.n%30 == 0 {
			s.Mark = "counter reset"
		}
	}
}

// hold has the daemons hold memory, the command of this step write, and two of the daemons and nobody use the GPU.
func (m *machine) hold(k identity.ProcessKey) {
	e := &m.edge
	e.Tasks, e.Shares = e.Tasks[:0], e.Shares[:0]
	if len(m.domains) < 4 { // none that asks for it
		return
	}
	if e.Looked = m.n%3 == 0; e.Looked {
		for i := range m.daemons {
			who := m.daemon(i)
			u := bpf.Usage{Account: bpf.Account{TGID: who.TGID, Start: who.Start, Cgroup: m.cgroup(i)}, Comm: fmt.Sprintf("daemon-%d", i), UID: 1000 + who.TGID%3, PPID: 1}
			e.Tasks = append(e.Tasks, bpf.Task{Usage: u, Resident: int64(1+i)<<20 + int64(m.n/10)<<12, Read: uint64(m.rand.IntN(2) * 4096)})
		}
		u := bpf.Usage{Account: bpf.Account{TGID: k.TGID, Start: k.Start, Cgroup: 3}, Comm: "sh", UID: 1000 + k.TGID%3, PPID: uint32(m.daemons)}
		e.Tasks = append(e.Tasks, bpf.Task{Usage: u, Resident: 1 << 20, Written: 20_000, Exited: e.Boot - time.Microsecond})
	}
	for _, pid := range []uint32{2, 3, 0} {
		e.Shares = append(e.Shares, energy.Share{Domain: 3, PID: pid, Busy: time.Duration(m.rand.IntN(100_000_000))})
	}
}

// weigh has SMT, interrupts and frequencies, and cgroups that reserve something.
func (m *machine) weigh() {
	e := &m.edge
	for i := range e.Usages {
		u := &e.Usages[i]
		u.Beside, u.Counted = time.Duration(m.rand.Int64N(int64(u.Time)+1)), uint64(m.rand.IntN(100_000))
		u.Resident = int64(u.TGID)<<20 + int64(m.rand.IntN(2))<<12
	}
	if e.Interrupts == nil {
		e.Interrupts, e.KHz = make([]time.Duration, m.cpus), make([]int64, m.cpus)
	}
	for cpu := range m.cpus {
		e.Interrupts[cpu] += time.Duration(m.rand.IntN(3)) * 10 * time.Millisecond
		e.KHz[cpu] = 800_000 + 100_000*int64(m.rand.IntN(20))
	}
	if m.n%10 == 1 {
		e.Reserved = []engine.Reservation{{Cgroup: 100, Parts: 250_000}, {Cgroup: uint64(101 + m.n%3), Parts: int64(m.n)}}
	}
}

func (m *machine) use(k identity.ProcessKey, ppid uint32, cgroup uint64, comm string, cpus int, t time.Duration) {
	for cpu := range cpus {
		cpu = (cpu + int(k.TGID)) % m.cpus
		m.edge.Busy[cpu] += t
		m.edge.Usages = append(m.edge.Usages, bpf.Usage{
			Account: bpf.Account{TGID: k.TGID, Start: k.Start, Cgroup: cgroup}, CPU: cpu, Time: t, Switches: uint64(1 + m.rand.IntN(9)),
			Comm: comm, UID: 1000 + k.TGID%3, PPID: ppid, Kernel: k.TGID == 4,
		})
	}
}

// lateNames knows a container's name from its tenth step on, and its labels from the 15th.
type lateNames struct{ step int }

func (n *lateNames) Ask(container.Key)  {}
func (n *lateNames) Wait(time.Duration) { n.step += 1000 }

func (n *lateNames) Get(k container.Key) (in container.Info, ok bool) {
	if n.step < 10 || k.ID == "" {
		return in, false
	}
	in = container.Info{Name: "name-" + k.ID[60:], Image: "image:1", Source: "test"}
	if n.step >= 15 {
		in.Labels = map[string]string{"a": "b", "c": "d"}
	}
	if n.step > 1000 { // at the very end
		in.Image = "image:2"
	}
	return in, true
}

func (m *machine) parts() engine.Parts {
	return engine.Parts{
		Edges: m, BusySource: "test", Host: host.Host{Name: "here", Kernel: "6.18", CPUs: m.cpus, Sockets: 2, MemoryBytes: 1 << 30},
		Topology: host.Topology{{Online: true}, {Online: true}, {Online: true, Socket: 1}, {Online: true, Socket: 1}},
		Model:    powermodel.Resolve(powermodel.CPU{}), Users: identity.UsersOf(map[uint32]string{1000: "ann", 1001: "bob"}),
		Cgroups: m.cgroups, Processes: m.processes, Containers: &m.containers, BootTime: time.Unix(1_699_990_000, 5),
		Exists: func(uint32) bool { return true },
	}
}

func config(by string) engine.Config {
	return engine.Config{Interval: time.Second, By: by, Factor: intensity.World("test"), PUE: 1.25}
}

// record has an engine watch a machine and records that. It returns what the engine showed, and the recording.
func record(t testing.TB, m *machine, cfg engine.Config) (shown []string, file []byte) {
	t.Helper()
	var out bytes.Buffer
	parts := m.parts()
	rec, err := Record(&parts, Header{Program: "test", Factor: cfg.Factor, PUE: cfg.PUE, Processes: 1000}, &out)
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(cfg, parts)
	if err != nil {
		t.Fatal(err)
	}
	rec.Start()
	if err := e.Rebase(); err != nil {
		t.Fatal(err)
	}
	shown = watch(t, e)
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	return shown, out.Bytes()
}

// watch returns all that an engine shows, as JSON without what it says of itself.
func watch(t testing.TB, e *engine.Engine) (shown []string) {
	t.Helper()
	show := func(s *snapshot.Snapshot) error {
		if s.Losses.Breaches > 0 {
			t.Errorf("%d breaches", s.Losses.Breaches)
		}
		s.Self = snapshot.Self{}
		b, err := json.Marshal(s)
		shown = append(shown, string(b))
		return err
	}
	if err := e.Replay(context.Background(), show); err != nil {
		t.Fatal(err)
	}
	if err := show(e.Total()); err != nil {
		t.Fatal(err)
	}
	return shown
}

// replay has an engine watch a recording.
func replay(t testing.TB, file []byte, cfg engine.Config) (shown []string, r *Reader) {
	t.Helper()
	r, err := Open(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	e, err := engine.New(cfg, r.Parts())
	if err != nil {
		t.Fatal(err)
	}
	return watch(t, e), r
}

func compare(t *testing.T, got, want []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d reports, want %d", len(got), len(want))
	}
	for i := range want {
		if got[i] != want[i] {
			at := 0
			for at < min(len(got[i]), len(want[i])) && got[i][at] == want[i][at] {
				at++
			}
			from := max(0, at-200)
			t.Fatalf("report %d of %d differs:\n got ...%.400s\nwant ...%.400s", i, len(want), got[i][from:], want[i][from:])
		}
	}
}

// A recording shows what the machine showed, by every grouping and interval, to the byte.
func TestReplayShowsWhatWasSeen(t *testing.T) {
	for _, by := range engine.Groupings {
		for _, interval := range []time.Duration{time.Second, 7 * time.Second} {
			cfg := config(by)
			cfg.Interval = interval
			m := newMachine(100, 12)
			m.weighed = interval > time.Second
			want, file := record(t, m, cfg)
			got, r := replay(t, file, cfg)
			compare(t, got, want)
			if cut := r.Cut(); cut != "" || r.Damaged() {
				t.Errorf("a whole recording says: %s", cut)
			}
			if len(want) < 10 || !strings.Contains(want[len(want)-1], "joules") {
				t.Errorf("only %d reports", len(want))
			}
		}
	}
}

package main

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"

	"github.com/eco2-bpf/eco2-bpf/attribution"
	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/intensity"
	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/engine"
	"github.com/eco2-bpf/eco2-bpf/internal/host"
	"github.com/eco2-bpf/eco2-bpf/internal/identity"
	"github.com/eco2-bpf/eco2-bpf/internal/identity/container"
	"github.com/eco2-bpf/eco2-bpf/internal/output"
	"github.com/eco2-bpf/eco2-bpf/internal/privilege"
	"github.com/eco2-bpf/eco2-bpf/internal/snapshot"
	"github.com/eco2-bpf/eco2-bpf/powermodel"
)

// session holds what is open while measuring.
type session struct {
	collector  *bpf.Collector
	parts      engine.Parts
	reasons    []energy.Reason
	containers *container.Resolver
	reserved   *host.Reservations // nil: nobody asked
	siblings   bool               // time beside a busy sibling is counted
	counter    string             // the event that is counted; empty: none
	busy       *host.Busy
	reads      []string // directories that the loop reads
	closers    []func() error
}

// btfEnv names another file in place of the kernel's type information, for tests of a kernel without it.
const btfEnv = "ECO2_BPF_BTF"

// machine is what is read without privileges.
type machine struct {
	topo        host.Topology
	assumed     bool // the topology is not known
	cpu         powermodel.CPU
	unknown     string // why nothing is known of the CPU; empty: it is
	model       powermodel.Model
	calibration *powermodel.Calibration // nil: none was given
	memoryBytes int64
	memoryErr   error
}

func readMachine(m *machineFlags, cpus int) machine {
	topo, assumed := host.ReadTopology(m.sysfs, cpus)
	cpu, err := readCPU(m)
	cpu.Governor = host.Governor(m.sysfs, topo)
	out := machine{topo: topo, assumed: assumed, cpu: cpu, model: powermodel.Resolve(cpu), calibration: m.calibration}
	if err != nil {
		out.unknown = fmt.Sprintf("the CPU is not known (%v); ", err)
	}
	out.memoryBytes, out.memoryErr = host.MemTotal(m.procfs)
	return out
}

// readCPU tells what the power model goes by; with an error it is an unknown CPU.
func readCPU(m *machineFlags) (powermodel.CPU, error) {
	text, err := os.ReadFile(filepath.Join(m.procfs, "cpuinfo"))
	if err != nil {
		return powermodel.CPU{}, err
	}
	cpu, err := powermodel.ParseCPUInfo(text)
	if err != nil {
		return powermodel.CPU{}, err
	}
	if cpu.Implementer != 0 { // Arm; where nobody can tell, the wider range of a guest is the honest one
		virtual, known := host.Virtual(m.sysfs, m.procfs)
		cpu.Hypervisor = virtual || !known
	}
	_, cpu.Instance = host.Instance(m.sysfs)
	return cpu, nil
}

// detect finds the source of joules.
func (m *machine) detect(f *machineFlags) (energy.Source, []energy.Reason, error) {
	source, reasons, err := energy.Detect(energy.Options{
		Choice: f.source, Kinds: f.kinds, Scope: f.scope, Sysfs: f.sysfs, Procfs: f.procfs,
		Estimate: func(scope string) ([]energy.ZoneModel, error) { return m.zones(f.sysfs, scope) }, Memory: m.memory, Disk: m.disk, GPU: gpus,
	})
	counted := func(d energy.Domain) bool { return d.Kind() == energy.KindCPU && d.Method != energy.Estimated }
	if err != nil || !f.chosen() || !slices.ContainsFunc(source.Domains(), counted) {
		return source, reasons, err
	}
	return source, append(reasons, energy.Reason{
		Source: energy.ChooseEstimate, Text: "--scope and --model are of no use: the CPUs are counted, not estimated", Next: "to estimate them all the same: --source estimate",
	}), nil
}

// open attaches and opens all that measuring needs. follow: the caller selects processes.
func open(f *measureFlags, follow bool) (s *session, err error) {
	s = &session{}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	cpus, err := bpf.PossibleCPUs()
	if err != nil {
		return s, err
	}
	m := readMachine(&f.machineFlags, cpus)
	var source energy.Source
	if source, s.reasons, err = m.detect(&f.machineFlags); err != nil {
		return s, err
	}
	s.closers = append(s.closers, source.Close)
	cg, err := host.ReadCgroups(f.procfs)
	if err != nil {
		return s, err
	}
	busy, err := host.OpenBusy(f.procfs, cg)
	if err != nil {
		return s, err
	}
	s.closers = append(s.closers, busy.Close)
	s.busy = busy
	s.reads = loopReads(&f.machineFlags, cg)
	s.parts = engine.Parts{
		Source: source, Busy: busy, BusySource: busy.How, Topology: m.topo, Host: host.Describe(m.topo),
		Model: m.model, Users: identity.ReadUsers(""), BootTime: host.BootTime(),
	}
	s.parts.Host.MemoryBytes = m.memoryBytes
	if f.idle == attribution.Reservation.String() {
		if err := s.reservations(cg, s.parts.Host.CPUs); err != nil {
			return s, err
		}
	}
	if err := s.attach(f, &m, cg, follow); err != nil {
		return s, err
	}
	// Loading the programs took the kernel's type information into memory; the loop needs none of it.
	debug.FreeOSMemory()
	return s, nil
}

// rememberBytes is about what a process that is remembered takes, command line included.
const rememberBytes = 1024

// attach loads the programs and learns who is there.
func (s *session) attach(f *measureFlags, m *machine, cg host.Cgroups, follow bool) error {
	memory, err := parseBytes(f.memory)
	if err != nil {
		return err
	}
	procfs := f.procfs
	if !host.InitialPIDs(procfs) {
		procfs = "" // its ids are not the kernel's
	}
	p := &s.parts
	cgroups, containers := identity.OpenCgroups(cg.Mount), container.New(container.Options{})
	s.closers = append(s.closers, cgroups.Close, func() error { containers.Close(); return nil })
	s.containers = containers
	p.Cgroups, p.Containers, p.Processes = cgroups, containers, identity.NewProcesses(int(min(memory/rememberBytes, 1<<20)))
	if procfs != "" {
		p.Program = func(k identity.ProcessKey) (string, string, int) { return identity.ReadProgram(procfs, k) }
	}
	o := bpf.Options{
		Memory: memory, PIDMax: host.PIDMax(f.procfs), CgroupV1: cg.V1, Hierarchy: cg.Hierarchy, Follow: follow,
		Threads: f.by == engine.ByThread, Events: s.listen(engine.Listen(p.Processes, cgroups, containers, procfs)), BTF: os.Getenv(btfEnv),
	}
	if err := s.splitBy(f, m, &o); err != nil {
		return err
	}
	o.Look = engine.Looks(p.Source.Domains(), p.DRAM)
	s.collector, err = bpf.Open(o)
	var budget *bpf.BudgetError
	switch {
	case errors.As(err, &budget):
		return usagef("--memory %s: %v", f.memory, err)
	case err != nil:
		return err
	}
	s.closers = append(s.closers, s.collector.Close)
	p.Collector = s.collector
	if s.siblings = o.Siblings != nil; o.Counter != nil {
		s.counter = dramMisses
	}
	if counts, _ := bpf.CountsInterrupts(); counts { // if not, doctor says why
		if err := s.busy.CountInterrupts(); err != nil {
			s.reasons = append(s.reasons, energy.Reason{Source: "interrupts", Text: fmt.Sprintf("they have no row: %v", err)})
		} else {
			p.Interrupts = s.busy
		}
	}
	if looks := engine.Looks(p.Source.Domains(), p.DRAM); looks && !s.collector.CountsResident() {
		s.reasons = append(s.reasons, energy.Reason{Source: "memory", Text: "this kernel's count of a process's memory is of an unknown form: the memory's energy is idle, or nobody's"})
	} else if looks && !s.collector.CountsIO() {
		s.reasons = append(s.reasons, energy.Reason{Source: "disks", Text: "this kernel does not count what each process moves to disks (CONFIG_TASK_IO_ACCOUNTING): what disks use at work is nobody's"})
	}
	if engine.AskNames(cgroups, containers) && len(f.selection.Containers)+len(f.selection.Pods) > 0 {
		containers.Wait(namesAtStart)
	}
	if os.Getpid() != s.collector.Self() {
		p.Exists = func(uint32) bool { return false } // by its ids nobody can be asked for here
	}
	return nil
}

// sayNames tells what stood in the way of containers' names.
func (s *session) sayNames() {
	for _, p := range s.containers.Problems() {
		say("names of containers: %s", output.Clean(p))
	}
	if n := s.containers.Dropped(); n > 0 {
		say("names of containers: %d look-ups were dropped, too many came at once", n)
	}
}

// namesAtStart is how long a selection by container waits for the names of those that are there.
const namesAtStart = 3 * time.Second

// loopReads are the directories that are read while measuring: counters, busy time, cgroups, and the files where runtimes name their
// containers.
func loopReads(f *machineFlags, cg host.Cgroups) []string {
	dirs := []string{"/proc", "/sys", f.procfs, f.sysfs, "/run", "/var/lib/docker", "/var/lib/containers", "/var/log/pods", "/var/log/containers"}
	if cg.Mount != "" {
		dirs = append(dirs, cg.Mount)
	}
	return dirs
}

// drop gives up the privileges that measuring does not need; n are what the caller needs beside.
func (s *session) drop(n privilege.Needs) error {
	_, err := dropPrivileges(s.reads, n)
	return err
}

// dropPrivileges leaves what the loop needs, which reads these directories, and what n adds.
func dropPrivileges(reads []string, n privilege.Needs) (privilege.Held, error) {
	caps, err := privilege.ForBPF()
	if err != nil { // it cannot be told: keep it
		caps = []privilege.Cap{privilege.BPF}
	}
	n.Caps = append(append(n.Caps, privilege.DACReadSearch), caps...)
	n.Read, n.Sockets = append(n.Read, reads...), append(n.Sockets, "/run")
	if u, err := url.Parse(os.Getenv("DOCKER_HOST")); err == nil && u.Scheme == "unix" {
		n.Sockets = append(n.Sockets, filepath.Dir(u.Path))
	}
	held, err := privilege.Drop(n)
	if err != nil {
		return held, fmt.Errorf("give up privileges: %w", err)
	}
	return held, nil
}

// samePIDs checks that process ids of procfs are the kernel's own: in a container they are those of its pid namespace, and would name
// other processes.
func (s *session) samePIDs(procfs string) error {
	if self := identity.Self(procfs); self != 0 && self != s.collector.Self() {
		return &bpf.UnavailableError{
			What: fmt.Sprintf("%s has the process ids of another pid namespace (this process is %d there, and %d to the kernel)", procfs, self, s.collector.Self()),
			Next: "run in the host's (docker run --pid=host, hostPID: true), or mount its procfs and name it with --procfs",
		}
	}
	return nil
}

func (s *session) close() {
	for i := len(s.closers) - 1; i >= 0; i-- {
		if err := s.closers[i](); err != nil {
			say("close: %v", err)
		}
	}
	s.closers = nil
}

// announce says once what is not as good as it could be: estimates, guesses, left-out counters.
func (s *session) announce(cfg *engine.Config) {
	announce(s.reasons, s.parts.Source.Domains(), &cfg.Factor)
}

func announce(reasons []energy.Reason, domains []energy.Domain, f *intensity.Factor) {
	for _, r := range reasons {
		if !r.OK || r.Next != "" {
			next := ""
			if r.Next != "" {
				next = "; " + r.Next
			}
			say("%s: %s%s", r.Source, output.Clean(r.Text), output.Clean(next))
		}
	}
	for _, d := range domains {
		if d.Method == energy.Estimated {
			say("%s is an ESTIMATE: %s", d.Name, output.Clean(d.Detail))
		}
	}
	if f.Guess {
		say("carbon: %s, %.4g g/kWh; %s; choose with --region or --factor", f.Name, f.GramsPerKWh, output.Clean(f.How))
	}
	if f.Note != "" {
		say("carbon: %s", output.Clean(f.Note))
	}
}

// target is where the data goes.
type target struct {
	view output.View
	file *os.File
	own  bool
}

// openTarget opens the place and makes the view. redraw: windows replace one another when the place is a terminal.
func openTarget(format, path string, std *os.File, redraw bool) (*target, error) {
	t := &target{file: std}
	if path != "" {
		f, err := os.Create(path)
		if err != nil {
			return nil, &exitError{exitFailure, fmt.Errorf("open the output file: %w; choose another place with -f", err)}
		}
		t.file, t.own = f, true
	}
	if format == "json" {
		t.view = output.JSON{W: t.file}
	} else {
		t.view = &output.Table{W: t.file, Redraw: redraw && isTerminal(t.file), Size: func() (int, int) { return terminalSize(t.file) }}
	}
	return t, nil
}

func (t *target) close() error {
	if !t.own {
		return nil
	}
	return t.file.Close()
}

func (t *target) show(s *snapshot.Snapshot) error { return t.view.Show(s) }

package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/intensity"
	"github.com/eco2-bpf/eco2-bpf/internal/host"
	"github.com/eco2-bpf/eco2-bpf/internal/identity"
	"github.com/eco2-bpf/eco2-bpf/internal/output"
	"github.com/eco2-bpf/eco2-bpf/internal/privilege"
)

// finding is one line of doctor: a state (ok, note, BAD), and the next step where something can be done.
func finding(state, what, text, next string) {
	put("%-4s %-10s %s\n", state, what, output.Clean(text))
	if next != "" {
		put("%15s next: %s\n", "", output.Clean(next))
	}
}

func runDoctor(args []string) (int, error) {
	var m machineFlags
	var replay string
	f := newFlags("doctor", "[flags]")
	f.StringVar(&replay, "replay", "", replayUsage)
	m.add(f)
	m.addChoice(f)
	if err := parse(f, args); err != nil {
		return 0, err
	}
	if err := noArgs(f); err != nil {
		return 0, err
	}
	if f.Changed("replay") {
		return replayDoctor(replay, f)
	}
	if err := m.check(); err != nil {
		return 0, err
	}
	finding("ok", "kernel", host.Kernel(), "")
	c, code := doctorPrograms(&m)
	if mc := doctorMachine(&m); code == exitOK {
		code = mc
	}
	if c != nil {
		defer c.Close()
		if hc := doctorHeld(&m, c); code == exitOK {
			code = hc
		}
	}
	return code, nil
}

// doctorHeld drops privileges as attach does, says what is left, and that it is enough. It is the last thing that is done.
func doctorHeld(m *machineFlags, c *bpf.Collector) int {
	cg, _ := host.ReadCgroups(m.procfs) // an error was told above
	held, err := dropPrivileges(loopReads(m, cg), privilege.Needs{})
	if err != nil {
		finding("BAD", "held", err.Error(), "please report it, with the kernel's version")
		return exitFailure
	}
	finding("ok", "held", "while measuring: "+held.String(), "")
	for _, note := range held.Notes {
		finding("note", "held", note, "")
	}
	_, err = c.Drain(nil)
	if err == nil {
		_, err = c.Look(nil)
	}
	if err != nil {
		finding("BAD", "held", fmt.Sprintf("that is not enough to measure: %v", err), "please report it, with the kernel's version")
		return exitFailure
	}
	return exitOK
}

// doctorPrograms attaches for a second and looks at what is lost.
func doctorPrograms(m *machineFlags) (*bpf.Collector, int) {
	found := 0
	c, err := bpf.Open(bpf.Options{Follow: true, Look: true, PIDMax: host.PIDMax(m.procfs), BTF: os.Getenv(btfEnv), Events: func(e *bpf.Event) {
		if e.Kind == bpf.Found {
			found++
		}
	}})
	var un *bpf.UnavailableError
	switch {
	case errors.As(err, &un):
		finding("BAD", "programs", un.Error(), un.Next)
		return nil, exitUnavailable
	case err != nil:
		finding("BAD", "programs", err.Error(), "")
		return nil, exitFailure
	}
	finding("ok", "btf", "the kernel shows its types", "")
	switch {
	case !c.CountsResident():
		finding("note", "memory", "the kernel's count of a process's memory is of an unknown form: estimated memory is in no process's row", "please report it, with the kernel's version")
	case !c.CountsIO():
		finding("note", "disks", "the kernel does not count what each process moves to disks: what disks use at work is nobody's", "a kernel with CONFIG_TASK_IO_ACCOUNTING")
	}
	finding("ok", "privileges", "the programs load and attach (switches; processes and cgroups that come and go)", "")
	finding("ok", "memory", fmt.Sprintf("the tables take %.1f MiB in the kernel for %d possible CPUs; %d processes found", float64(c.Memory())/(1<<20), c.CPUs(), found), "")
	if self := identity.Self(m.procfs); self != 0 && self != c.Self() {
		finding("note", "processes", m.procfs+" has the process ids of another pid namespace: rows have the kernel's own, and attach -p is refused",
			"run in the host's pid namespace (docker run --pid=host, hostPID: true)")
	}
	usages, err := c.Drain(nil)
	if err == nil {
		time.Sleep(time.Second)
		usages, err = c.Drain(usages[:0])
	}
	if err != nil {
		finding("BAD", "drain", err.Error(), "")
		return c, exitFailure
	}
	switches := uint64(0)
	for _, u := range usages {
		switches += u.Switches
	}
	l := c.Losses()
	text := fmt.Sprintf("in 1 s: %d switches seen, %d missed, %d without a table entry, %d skipped; %d accounts spilled, %d events lost",
		switches, l.Missed, l.OverflowSwitches, l.Recursion, l.Spilled, l.Events)
	switch {
	case l.OverflowSwitches+l.Recursion > 0:
		finding("note", "losses", text, "their energy is in the rows overflow and unattributed")
	case l.Missed > 0:
		finding("note", "losses", text, "some switches of protected processes are not shown to tracing here; their time is in the row unattributed, charged to nobody")
	default:
		finding("ok", "losses", text, "")
	}
	return c, exitOK
}

// doctorMachine looks at what is read without programs.
func doctorMachine(m *machineFlags) int {
	cg, err := host.ReadCgroups(m.procfs)
	switch {
	case err != nil:
		finding("BAD", "cgroups", err.Error(), "mount procfs, or name it with --procfs")
		return exitFailure
	case cg.Mount == "":
		finding("note", "cgroups", "no hierarchy is mounted: rows carry cgroup ids without names", "mount -t cgroup2 none /sys/fs/cgroup")
	case cg.V1:
		finding("ok", "cgroups", "v1, by the cpu controller at "+cg.Mount, "")
	default:
		finding("ok", "cgroups", "v2 at "+cg.Mount, "")
	}
	busy, err := host.OpenBusy(m.procfs, cg)
	if err != nil {
		finding("BAD", "busy time", err.Error(), "mount procfs, or name it with --procfs")
		return exitFailure
	}
	defer busy.Close()
	if busy.How == "cpuacct" {
		finding("ok", "busy time", "the kernel's cpuacct totals, in nanoseconds", "")
	} else {
		finding("note", "busy time", "/proc/stat, in steps of 10 ms; interrupts and the way in and out of idle show as unattributed", "")
	}
	cpus, err := bpf.PossibleCPUs()
	if err != nil {
		finding("BAD", "cpus", err.Error(), "")
		return exitFailure
	}
	mach := readMachine(m, cpus)
	if mach.assumed {
		finding("note", "topology", "sysfs does not say which socket the CPUs are in: one is assumed", "")
	} else {
		finding("ok", "topology", fmt.Sprintf("%d CPUs online, %d socket(s)", len(mach.topo.CPUsOf(-1, -1)), len(mach.topo.Sockets())), "")
	}
	doctorSplit(m, &mach)
	source, reasons, err := mach.detect(m)
	for _, r := range reasons {
		state := "ok"
		if !r.OK {
			state = "note"
		}
		finding(state, r.Source, r.Text, r.Next)
	}
	if err != nil {
		finding("BAD", "energy", err.Error(), "")
		return exitFailure
	}
	defer source.Close()
	for _, d := range source.Domains() {
		finding("ok", "energy", fmt.Sprintf("%s is %s by %s: %s", d.Name, d.Method, d.Source, d.Detail), "")
	}
	factor := intensity.Guess(host.TimeZone("/"))
	finding("note", "carbon", fmt.Sprintf("without --region: %s, %.4g g/kWh (%s)", factor.Name, factor.GramsPerKWh, factor.How), "choose with --region or --factor")
	return exitOK
}

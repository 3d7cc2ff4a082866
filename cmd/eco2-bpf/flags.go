package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/eco2-bpf/eco2-bpf/attribution"
	"github.com/eco2-bpf/eco2-bpf/intensity"
	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/engine"
	"github.com/eco2-bpf/eco2-bpf/internal/host"
	"github.com/eco2-bpf/eco2-bpf/internal/output"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
	"github.com/eco2-bpf/eco2-bpf/powermodel"
)

// machineFlags say where the machine is read from, and what of it is counted.
type machineFlags struct {
	source, sysfs, procfs string
	domains               []string
	scope, modelFile      string
	kinds                 []string                // by domains; nil: auto
	calibration           *powermodel.Calibration // by modelFile; nil: none
}

func (m *machineFlags) add(f *pflag.FlagSet) {
	f.StringVar(&m.source, "source", energy.ChooseAuto, "where the CPUs' joules come from: "+strings.Join(energy.Choices, ", "))
	f.StringVar(&m.sysfs, "sysfs", "/sys", "root of sysfs: energy counters and CPU topology")
	f.StringVar(&m.procfs, "procfs", "/proc", "root of procfs: cpuinfo, stat, mountinfo, processes")
}

// Domains that are asked for together.
const (
	domainsAuto = "auto"
	domainsAll  = "all"
)

// addChoice adds the flags that choose what is counted.
func (m *machineFlags) addChoice(f *pflag.FlagSet) {
	f.StringSliceVar(&m.domains, "domains", []string{domainsAuto}, "what to count: auto (what is measured; where the CPUs are estimated, all), all, or some of "+strings.Join(energy.Kinds, ","))
	f.StringVar(&m.scope, "scope", "", "what an estimate of the CPUs includes: "+strings.Join(energy.EstimateScopes, ", ")+" (default server: a server's share but its memory and disks)")
	f.StringVar(&m.modelFile, "model", "", "a model file of calibrate, for CPUs without counters")
}

func (m *machineFlags) check() error {
	if !slices.Contains(energy.Choices, m.source) {
		return usagef("--source %q: one of %s", m.source, strings.Join(energy.Choices, ", "))
	}
	if m.scope != "" && !slices.Contains(energy.EstimateScopes, m.scope) {
		return usagef("--scope %q: one of %s", m.scope, strings.Join(energy.EstimateScopes, ", "))
	}
	if m.scope != "" && m.modelFile != "" {
		return usagef("--scope and --model: the model file says what it includes; give one of them")
	}
	if err := m.checkDomains(); err != nil {
		return err
	}
	for name, dir := range map[string]string{"sysfs": m.sysfs, "procfs": m.procfs} {
		if st, err := os.Stat(dir); err != nil {
			return usagef("--%s: %v; the default is /%s", name, err, strings.TrimSuffix(name, "fs"))
		} else if !st.IsDir() {
			return usagef("--%s %s: not a directory", name, dir)
		}
	}
	if m.modelFile == "" {
		return nil
	}
	var err error
	if m.calibration, err = readCalibration(m.modelFile); err != nil {
		return usagef("--model: %v; make a model with: eco2-bpf calibrate -f FILE", err)
	}
	return nil
}

// chosen tells that the user chose what an estimate of the CPUs is made by.
func (m *machineFlags) chosen() bool { return m.scope != "" || m.calibration != nil }

func (m *machineFlags) checkDomains() error {
	m.kinds = nil
	for _, d := range m.domains {
		switch {
		case slices.Contains(energy.Kinds, d):
			m.kinds = append(m.kinds, d)
		case (d == domainsAuto || d == domainsAll) && len(m.domains) > 1:
			return usagef("--domains %s: give %s alone", strings.Join(m.domains, ","), d)
		case d == domainsAll:
			m.kinds = energy.Kinds
		case d != domainsAuto:
			return usagef("--domains %q: auto, all, or some of %s", d, strings.Join(energy.Kinds, ", "))
		}
	}
	if m.domains != nil && len(m.domains) == 0 {
		return usagef("--domains: auto, all, or some of %s", strings.Join(energy.Kinds, ", "))
	}
	return nil
}

// measureFlags are those that attach and run share.
type measureFlags struct {
	machineFlags
	splitFlags
	interval         time.Duration
	top              int
	by, format, file string
	record, replay   string
	idle, idleWatts  string
	region           string
	factor, pue      float64
	memory           string
	selection        engine.Selection
}

// addSelection adds the flags that choose whose rows are shown.
func (m *measureFlags) addSelection(f *pflag.FlagSet) {
	s := &m.selection
	for _, l := range []struct {
		to          *[]string
		name, usage string
	}{
		{&s.Comms, "comm", "only processes of this command name; a pattern may have * ? [a-z]"},
		{&s.Users, "user", "only this user's processes: a name or an id"},
		{&s.Cgroups, "cgroup", "only this cgroup, such as /system.slice, and those below it"},
		{&s.Containers, "container", "only this container: a name, or an id, or its first 12 digits"},
		{&s.Pods, "pod", "only this pod of Kubernetes: a name, NAMESPACE/NAME or uid"},
		{&s.Units, "unit", "only this systemd unit"},
		{&s.Jobs, "job", "only this Slurm job, or JOB.STEP"},
	} {
		f.StringArrayVar(l.to, l.name, nil, l.usage)
	}
}

// minInterval keeps the step of energy counters, about a millisecond, below a hundredth of a window.
const minInterval = 100 * time.Millisecond

// maxDuration keeps sums of times far from the end of their type.
const maxDuration = 365 * 24 * time.Hour

// defaultTop is how many rows a table shows unless told.
const defaultTop = 20

func (m *measureFlags) add(f *pflag.FlagSet) {
	m.machineFlags.add(f)
	m.addChoice(f)
	f.DurationVarP(&m.interval, "interval", "i", time.Second, "length of a window, at least 100ms")
	f.IntVarP(&m.top, "top", "n", defaultTop, "rows to show, the rest is one row; 0: all (the default of json)")
	f.StringVar(&m.by, "by", engine.ByProcess, "what a row is: "+strings.Join(engine.Groupings, ", "))
	f.StringVarP(&m.format, "output", "o", output.Formats[0], "format: "+strings.Join(output.Formats, ", "))
	f.StringVar(&m.idle, "idle", "separate", "who pays for idle energy: "+strings.Join(attribution.IdlePolicies, ", "))
	f.StringVar(&m.idleWatts, "idle-watts", "auto", "idle power by domain, such as package-0=20,dram-0=1; auto learns it")
	m.addSplit(f)
	f.StringVar(&m.region, "region", "", "where the electricity comes from: a country's code or name (default: the time zone's)")
	f.Float64Var(&m.factor, "factor", -1, "carbon intensity in g CO2e per kWh, in place of a region's")
	f.Float64Var(&m.pue, "pue", 1, "power usage effectiveness of the site, 1 to 100")
	f.StringVar(&m.memory, "memory", "64M", "memory that the kernel's tables may take; a full one makes a row overflow")
	f.Lookup("factor").DefValue = "0" // none: not worth a word in the help
}

// config turns flags into the engine's configuration.
func (m *measureFlags) config(f *pflag.FlagSet) (engine.Config, error) {
	cfg := engine.Config{Interval: m.interval, By: m.by, Top: m.top, PUE: m.pue, Select: m.selection}
	if err := m.check(); err != nil {
		return cfg, err
	}
	if err := m.checkSplit(); err != nil {
		return cfg, err
	}
	cfg.Weights, cfg.Explain = m.weights, m.explain
	switch {
	case m.interval < minInterval:
		return cfg, usagef("--interval %v: at least %v, as energy counters step every millisecond", m.interval, minInterval)
	case m.interval > maxDuration:
		return cfg, usagef("--interval %v: at most %v", m.interval, maxDuration)
	case m.top < 0:
		return cfg, usagef("--top %d: a number of rows, 0 for all", m.top)
	case !slices.Contains(engine.Groupings, m.by):
		return cfg, usagef("--by %q: one of %s", m.by, strings.Join(engine.Groupings, ", "))
	case !slices.Contains(output.Formats, m.format):
		return cfg, usagef("-o %q: one of %s (a file's place goes to -f)", m.format, strings.Join(output.Formats, ", "))
	}
	if _, err := parseBytes(m.memory); err != nil {
		return cfg, err
	}
	if err := cfg.Select.Check(); err != nil {
		return cfg, err
	}
	if !f.Changed("top") && m.format == "json" {
		cfg.Top = 0
	}
	var err error
	if cfg.Idle, err = attribution.ParseIdlePolicy(m.idle); err != nil {
		return cfg, usagef("--idle: %v", err)
	}
	if cfg.IdleWatts, err = parseIdleWatts(m.idleWatts); err != nil {
		return cfg, err
	}
	if err := intensity.CheckPUE(m.pue); err != nil {
		return cfg, usagef("--pue: %v", err)
	}
	cfg.Factor, err = m.carbon(f)
	return cfg, err
}

// carbon chooses the factor: the user's own, a region's, or a declared guess.
func (m *measureFlags) carbon(f *pflag.FlagSet) (intensity.Factor, error) {
	switch {
	case f.Changed("factor") && f.Changed("region"):
		return intensity.Factor{}, usagef("--factor and --region: give one of them")
	case f.Changed("factor"):
		factor, err := intensity.Fixed(m.factor)
		if err != nil {
			return factor, usagef("--factor: %v; give g CO2e per kWh, such as 300", err)
		}
		return factor, nil
	case f.Changed("region"):
		factor, err := intensity.Lookup(m.region)
		if err != nil {
			return factor, fmt.Errorf("--region: %w", err)
		}
		return factor, nil
	}
	return intensity.Guess(host.TimeZone("/")), nil
}

// parseBytes reads a size such as 64M: bytes, or with K, M or G powers of 1024.
func parseBytes(s string) (int64, error) {
	digits, shift := s, 0
	if i := strings.IndexAny(s, "KMG"); i >= 0 && i == len(s)-1 {
		digits, shift = s[:i], 10*(1+strings.IndexByte("KMG", s[i]))
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n <= 0 || n > math.MaxInt64>>shift || n<<shift > 1<<40 {
		return 0, usagef("--memory %q: a size such as 64M, at most 1024G", s)
	}
	return n << shift, nil
}

// parseIdleWatts reads "auto" or "domain=watts,...".
func parseIdleWatts(s string) (map[string]units.Watts, error) {
	if s == "auto" {
		return nil, nil
	}
	out := map[string]units.Watts{}
	for part := range strings.SplitSeq(s, ",") {
		name, value, ok := strings.Cut(part, "=")
		w, err := strconv.ParseFloat(value, 64)
		if !ok || name == "" || err != nil || w < 0 || math.IsInf(w, 0) || math.IsNaN(w) {
			return nil, usagef("--idle-watts %q: auto, or watts by domain such as package-0=20,dram-0=1", s)
		}
		if _, twice := out[name]; twice {
			return nil, usagef("--idle-watts %q: %s stands twice", s, name)
		}
		out[name] = units.Watts(w)
	}
	return out, nil
}

// newFlags makes a flag set that prints its own help on stdout when asked, and nothing on a mistake: the error says it.
func newFlags(name, usage string) *pflag.FlagSet {
	f := pflag.NewFlagSet(name, pflag.ContinueOnError)
	f.SortFlags = false
	f.SetOutput(io.Discard)
	f.Usage = func() {
		put("usage: eco2-bpf %s %s\n\n%s", name, usage, f.FlagUsages())
	}
	return f
}

// parse reads a command line; a mistake is a usageError with the way to the help.
func parse(f *pflag.FlagSet, args []string) error {
	err := f.Parse(args)
	if err == nil || errors.Is(err, pflag.ErrHelp) {
		return err
	}
	return usagef("%v; see: eco2-bpf %s --help", err, f.Name())
}

// noArgs refuses arguments that are no flags.
func noArgs(f *pflag.FlagSet) error {
	if f.NArg() > 0 {
		return usagef("unexpected argument %q; see: eco2-bpf %s --help", f.Arg(0), f.Name())
	}
	return nil
}

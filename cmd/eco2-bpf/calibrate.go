package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/internal/calibrate"
	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/host"
	"github.com/eco2-bpf/eco2-bpf/internal/output"
	"github.com/eco2-bpf/eco2-bpf/powermodel"
)

// loadName is the argument by which calibrate starts its load: not for users, so in no help.
const loadName = "load"

type calibrateFlags struct {
	machineFlags
	steps      []int
	hold       time.Duration
	file, plot string
}

func runCalibrate(args []string) (int, error) {
	if len(args) > 0 && args[0] == loadName {
		return runLoad(args[1:])
	}
	var c calibrateFlags
	f := newFlags("calibrate", "-f FILE [flags]")
	f.StringVarP(&c.file, "file", "f", "", "write the model there: what attach and run take by --model")
	f.IntSliceVar(&c.steps, "steps", calibrate.DefaultSteps, "loads to hold, in percent of all CPUs")
	f.DurationVar(&c.hold, "hold", calibrate.DefaultHold, "how long to hold each, at least 1s")
	f.StringVar(&c.plot, "plot", "", "draw the curves there too, as SVG")
	c.add(f)
	if err := parse(f, args); err != nil {
		return 0, err
	}
	if err := noArgs(f); err != nil {
		return 0, err
	}
	if err := c.check(); err != nil {
		return 0, err
	}
	ladder, err := calibrate.NewLadder(c.steps, c.hold)
	switch {
	case err != nil:
		return 0, usagef("--steps, --hold: %v", err)
	case c.file == "":
		return 0, usagef("no model file is named; usage: eco2-bpf calibrate -f FILE")
	case filepath.Clean(c.file) == filepath.Clean(c.plot):
		return 0, usagef("-f and --plot: both are %s", c.file)
	}
	return exitOK, c.calibrate(ladder)
}

// runLoad is the load, a process of its own: the CPUs are its argument.
func runLoad(args []string) (int, error) {
	var cpus []int
	for s := range strings.SplitSeq(strings.Join(args, " "), ",") {
		cpu, err := strconv.Atoi(s)
		if err != nil || cpu < 0 {
			return 0, usagef("%s is calibrate's own", loadName)
		}
		cpus = append(cpus, cpu)
	}
	return exitOK, calibrate.Burn(os.Stdin, os.Stdout, cpus)
}

func (c *calibrateFlags) calibrate(ladder calibrate.Ladder) (err error) {
	possible, err := bpf.PossibleCPUs()
	if err != nil {
		return err
	}
	mach := readMachine(&c.machineFlags, possible)
	source, reasons, err := mach.detect(&c.machineFlags)
	if err != nil {
		return err
	}
	defer source.Close()
	domains, left := calibrate.Suited(source, mach.topo.CPUsOf)
	if len(domains) == 0 {
		return noCounters(reasons, left)
	}
	facts, err := c.facts(&mach)
	if err != nil {
		return err
	}
	cg, err := host.ReadCgroups(c.procfs)
	if err != nil {
		return err
	}
	busy, err := host.OpenBusy(c.procfs, cg)
	if err != nil {
		return err
	}
	defer busy.Close()
	facts.BusySource = busy.How
	model, err := openResult(c.file, "-f")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, model.close()) }()
	plot, err := openResult(c.plot, "--plot")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, plot.close()) }()

	ctx, stop := untilSignal()
	defer stop()
	for _, l := range left {
		say("%s: not calibrated", output.Clean(l))
	}
	climbed, err := c.climb(ctx, ladder, &calibrate.Machine{
		Source: source, Busy: busy, CPUs: possible, CPUsOf: mach.topo.CPUsOf, Now: host.Monotonic, Sleep: sleep,
	})
	if err != nil {
		return err
	}
	return c.conclude(climbed, facts, model, plot)
}

// facts are what the model is of, asked for before anything is loaded: a model of a CPU that cannot be told would fit no machine.
func (c *calibrateFlags) facts(mach *machine) (calibrate.Facts, error) {
	if mach.cpu.Threads == 0 {
		return calibrate.Facts{}, fmt.Errorf("the CPU cannot be told: %s lists none; mount procfs, or name it with --procfs", filepath.Join(c.procfs, "cpuinfo"))
	}
	return calibrate.Facts{
		Created: time.Now(), Kernel: host.Kernel(), CPU: mach.cpu, Conditions: calibrate.ReadConditions(c.sysfs, mach.topo.CPUsOf(-1, -1)),
	}, nil
}

// climb starts the load, and ends it however the ladder ends.
func (c *calibrateFlags) climb(ctx context.Context, ladder calibrate.Ladder, m *calibrate.Machine) (*calibrate.Climbed, error) {
	cpus := m.CPUsOf(-1, -1)
	list := make([]string, len(cpus))
	for i, cpu := range cpus {
		list[i] = strconv.Itoa(cpu)
	}
	say("calibrate loads all %d CPUs for %v: %d loads of %v; Ctrl-C ends it and writes nothing", len(cpus), ladder.Takes(), len(ladder.Steps), ladder.Hold)
	cmd := exec.CommandContext(ctx, "/proc/self/exe", "calibrate", loadName, strings.Join(list, ","))
	cmd.Stderr = os.Stderr
	load, err := calibrate.StartLoad(cmd)
	if ctx.Err() != nil {
		err = errInterrupted
	}
	if err != nil {
		return nil, err
	}
	defer load.Stop()
	if load.Notes != "" {
		say("%s", output.Clean(load.Notes))
	}
	m.Load = load
	progress := isTerminal(os.Stderr)
	climbed, err := ladder.Climb(ctx, m, func(n int) {
		if progress {
			say("load %d of %d: %d %%", n+1, len(ladder.Steps), ladder.Steps[n])
		}
	})
	if ctx.Err() != nil {
		return nil, errInterrupted
	}
	return climbed, err
}

var errInterrupted = errors.New("interrupted: nothing is written")

// conclude shows the fit and writes the files.
func (c *calibrateFlags) conclude(climbed *calibrate.Climbed, facts calibrate.Facts, model, plot *result) error {
	cal, fits, err := climbed.Fit(facts)
	if errors.Is(err, powermodel.ErrNarrow) {
		return fmt.Errorf("%w; calibrate on a quiet machine, outside of containers with a CPU limit", err)
	}
	if err != nil {
		return err
	}
	text, err := cal.Encode()
	if err != nil {
		return err
	}
	put("%s, %d threads; %s\n\n", output.Clean(facts.CPU.Name), facts.CPU.Threads, facts.Conditions)
	calibrate.WriteTable(stdout, fits)
	calibrate.WritePlot(stdout, fits)
	if err := model.write(text); err != nil {
		return err
	}
	say("the model is in %s: carry it to machines of this CPU without counters, and use it there with --model", output.Clean(c.file))
	return plot.write(calibrate.SVG("Power by load: "+facts.CPU.Name, fits))
}

// noCounters says why there is nothing to calibrate by, and what to do.
func noCounters(reasons []energy.Reason, left []string) error {
	next := "run it on bare metal with energy counters, and carry the file over to guests of the same CPU with --model"
	var why []string
	for _, r := range reasons {
		if !r.OK {
			why = append(why, r.Text)
			if r.Next != "" && !strings.Contains(next, r.Next) {
				next = r.Next + "; " + next
			}
		}
	}
	if len(why) == 0 {
		why = left
	}
	return &bpf.UnavailableError{What: "counters are needed, and none can be read here: " + strings.Join(why, "; "), Next: next}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// result is a file that is opened before the work and written after it. Until then what was there stays.
type result struct {
	file *os.File
	made bool // by this process, and what it is for is not in it yet
}

// openResult opens a file for writing, without changing it; an empty path is no file.
func openResult(path, flag string) (*result, error) {
	if path == "" {
		return &result{}, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, os.ErrExist) {
		f, err = os.OpenFile(path, os.O_WRONLY, 0)
		if err == nil {
			return &result{file: f}, nil
		}
	}
	if err != nil {
		return nil, &exitError{exitFailure, fmt.Errorf("open the output file: %w; choose another place with %s", err, flag)}
	}
	return &result{file: f, made: true}, nil
}

func (r *result) write(text []byte) error {
	if r.file == nil {
		return nil
	}
	if st, err := r.file.Stat(); err == nil && st.Mode().IsRegular() {
		if err := r.file.Truncate(0); err != nil {
			return fmt.Errorf("write the output file: %w", err)
		}
	}
	if _, err := r.file.Write(text); err != nil {
		return fmt.Errorf("write the output file: %w", err)
	}
	r.made = false
	return nil
}

// close removes a file that was made for nothing.
func (r *result) close() error {
	if r.file == nil {
		return nil
	}
	if r.made {
		if err := os.Remove(r.file.Name()); err != nil {
			return err
		}
	}
	return r.file.Close()
}

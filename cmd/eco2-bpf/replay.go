package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"time"

	"github.com/spf13/pflag"

	"github.com/eco2-bpf/eco2-bpf/internal/engine"
	"github.com/eco2-bpf/eco2-bpf/internal/output"
	"github.com/eco2-bpf/eco2-bpf/internal/recording"
)

// notReplayed are flags that say how a machine is read, or whom to follow there.
var notReplayed = []string{"source", "sysfs", "procfs", "domains", "scope", "model", "memory", "pid", "duration", "record"}

// replayUsage is the flag's, of all commands that have it.
const replayUsage = "show a recording in place of this machine; - is stdin"

// checkReplay refuses flags that a recording has no use for.
func checkReplay(f *pflag.FlagSet) error {
	for _, name := range notReplayed {
		if f.Changed(name) {
			return usagef("--%s and --replay: the recording says what was read, give one of them", name)
		}
	}
	return nil
}

// replayGC trades memory for time: a replay is short, and holds little but garbage.
const replayGC = 400

// recorded is a recording that is open.
type recorded struct {
	*recording.Reader
	file *os.File
	path string
}

func openReplay(path string) (*recorded, error) {
	r := &recorded{file: os.Stdin, path: path}
	var err error
	if path != "-" {
		if r.file, err = os.Open(path); err != nil {
			return nil, &exitError{exitFailure, fmt.Errorf("open the recording: %w", err)}
		}
	}
	if r.Reader, err = recording.Open(r.file); err != nil {
		return nil, errors.Join(fmt.Errorf("--replay %s: %w; make one with: eco2-bpf record FILE", path, err), r.close())
	}
	return r, nil
}

func (r *recorded) close() error {
	if r.file == os.Stdin {
		return nil
	}
	return r.file.Close()
}

// missing says what could not be read, once all was read: of a cut-off end, on stderr; of damage, as an error.
func (r *recorded) missing() error {
	cut := r.Cut()
	switch {
	case cut == "":
		return nil
	case r.Damaged():
		return fmt.Errorf("%s: %s", r.path, cut)
	}
	say("%s: %s", r.path, cut)
	return nil
}

// replay shows a recording as attach would have shown the machine. The recording's factor counts unless the user gives another.
func replay(m *measureFlags, cfg engine.Config, f *pflag.FlagSet, path string) (err error) {
	if err := checkReplay(f); err != nil {
		return err
	}
	r, err := openReplay(path)
	if err != nil {
		return err
	}
	defer r.close()
	h := r.Header()
	if !f.Changed("region") && !f.Changed("factor") {
		cfg.Factor = h.Factor
	}
	if !f.Changed("pue") {
		cfg.PUE = h.PUE
	}
	switch cfg.Selected = h.Selected; {
	case m.by != engine.ByThread:
		r.JoinThreads()
	case !h.Threads:
		return usagef("--by thread: the recording does not tell threads apart; make one that does with: eco2-bpf record --threads FILE")
	}
	if err := m.checkRecorded(h, cfg.Idle); err != nil {
		return err
	}
	cfg.Weights = m.weights
	parts := r.Parts()
	parts.DRAM = m.dram
	e, err := engine.New(cfg, parts)
	if errors.Is(err, io.EOF) {
		err = errors.Join(fmt.Errorf("--replay %s: the recording holds nothing but its header", path), r.missing())
	}
	if err != nil {
		return err
	}
	out, err := openTarget(m.format, m.file, os.Stdout, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.close()) }()
	say("replay of %s", r.describe())
	debug.SetGCPercent(replayGC)
	announce(h.Reasons, h.Domains, &cfg.Factor)

	ctx, stop := untilSignal()
	defer stop()
	if err := e.Replay(ctx, out.show); err != nil {
		return err
	}
	total := e.Total()
	if err := out.show(total); err != nil {
		return err
	}
	sayUnexplained(e.Unexplained(total))
	return r.missing()
}

// describe is one line on the machine that was recorded.
func (r *recorded) describe() string {
	h := r.Header()
	what := "processes"
	if h.Threads {
		what = "threads"
	}
	if h.Selected {
		what = "some " + what
	}
	return fmt.Sprintf("%s (%d CPUs, Linux %s), %s, by %s", output.Clean(h.Host.Name), h.Host.CPUs, output.Clean(h.Host.Kernel), what, output.Clean(h.Program))
}

// replaySources prints what sources printed, or would have, on the recorded machine.
func replaySources(path string, f *pflag.FlagSet, verbose bool) (int, error) {
	if err := checkReplay(f); err != nil {
		return 0, err
	}
	r, err := openReplay(path)
	if err != nil {
		return 0, err
	}
	defer r.close()
	say("replay of %s", r.describe())
	printSources(r.Header().Reasons, r.Header().Domains, verbose)
	return exitOK, nil
}

// replayDoctor reads all of a recording, and says what is in it and whether it is whole.
func replayDoctor(path string, f *pflag.FlagSet) (int, error) {
	if err := checkReplay(f); err != nil {
		return 0, err
	}
	r, err := openReplay(path)
	if err != nil {
		return 0, err
	}
	defer r.close()
	h := r.Header()
	finding("ok", "recording", r.describe(), "")
	var e engine.Edge
	var first time.Time
	steps, bad := -1, 0
	for r.Next(&e) == nil {
		if steps++; steps == 0 {
			first = e.Wall
		} else if !e.BusyGood {
			bad++
		}
	}
	if steps > 0 {
		finding("ok", "steps", fmt.Sprintf("%d, from %s to %s", steps, first.Format(time.RFC3339), e.Wall.Format(time.RFC3339)), "")
	} else {
		finding("note", "steps", "none", "")
	}
	finding(stateOf(bad == 0), "busy time", fmt.Sprintf("by %s; not read at %d steps", h.BusySource, bad), "")
	l := e.Losses
	finding(stateOf(l.OverflowSwitches+l.Recursion+l.Gone == 0), "losses", fmt.Sprintf("%d switches missed, %d without a table entry, %d skipped; %d accounts spilled, %d events lost, %d ends without room",
		l.Missed, l.OverflowSwitches, l.Recursion, l.Spilled, l.Events, l.Gone), "")
	for _, reason := range h.Reasons {
		finding(stateOf(reason.OK), reason.Source, reason.Text, reason.Next)
	}
	for _, d := range h.Domains {
		finding("ok", "energy", fmt.Sprintf("%s is %s by %s: %s", d.Name, d.Method, d.Source, d.Detail), "")
	}
	finding("note", "carbon", fmt.Sprintf("without --region: %s, %.4g g/kWh (%s)", h.Factor.Name, h.Factor.GramsPerKWh, h.Factor.How), "choose with --region or --factor")
	switch cut := r.Cut(); {
	case r.Damaged():
		finding("BAD", "end", cut, "")
		return exitFailure, nil
	case cut != "":
		finding("note", "end", cut, "")
	default:
		finding("ok", "end", "the recording is whole", "")
	}
	return exitOK, nil
}

func stateOf(ok bool) string {
	if ok {
		return "ok"
	}
	return "note"
}

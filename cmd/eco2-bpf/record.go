package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/eco2-bpf/eco2-bpf/internal/engine"
	"github.com/eco2-bpf/eco2-bpf/internal/privilege"
	"github.com/eco2-bpf/eco2-bpf/internal/recording"
	"github.com/eco2-bpf/eco2-bpf/internal/snapshot"
)

// notRecorded are flags of attach that choose what is shown: they are for the replay.
var notRecorded = []string{"top", "by", "output", "idle-watts", "explain"}

func runRecord(args []string) (int, error) {
	var m measureFlags
	var duration time.Duration
	var threads bool
	f := newFlags("record", "FILE [flags]")
	f.DurationVarP(&duration, "duration", "d", 0, "stop after this time (default: at Ctrl-C)")
	f.BoolVar(&threads, "threads", false, "tell threads apart, for a replay --by thread")
	all := newFlags("", "")
	m.add(all)
	all.VisitAll(func(flag *pflag.Flag) {
		if !slices.Contains(notRecorded, flag.Name) {
			f.AddFlag(flag)
		}
	})
	f.Lookup("interval").Usage = "read all counters at least this often, 100ms or more: a replay's windows are as long or longer"
	f.Lookup("idle").Usage = "reservation: read what cgroups reserve, too, for a replay of that policy"
	f.Lookup("weights").Usage = "read what these go by, too, for a replay with --weights: " + weightsHint
	f.Lookup("dram").Usage = "read what this goes by, too, for a replay with --dram: auto, " + strings.Join(engine.DRAMSplits, ", ")
	if err := parse(f, args); err != nil {
		return 0, err
	}
	if f.NArg() != 1 {
		return 0, usagef("give one file to record to, or - for stdout; usage: eco2-bpf record FILE [flags]")
	}
	cfg, err := m.config(f)
	if err != nil {
		return 0, err
	}
	if err := checkDuration(f, duration); err != nil {
		return 0, err
	}
	if threads {
		m.by = engine.ByThread
	}
	cfg.By = engine.ByUser // nothing of it is shown: few rows
	return exitOK, record(&m, cfg, f.Arg(0), duration)
}

// checkDuration refuses what --duration cannot be.
func checkDuration(f *pflag.FlagSet, d time.Duration) error {
	if d < 0 || d > maxDuration || f.Changed("duration") && d == 0 {
		return usagef("--duration %v: must be above zero, such as 10s, and at most %v", d, maxDuration)
	}
	return nil
}

func record(m *measureFlags, cfg engine.Config, path string, duration time.Duration) (err error) {
	s, err := open(m, false)
	if err != nil {
		return err
	}
	defer s.close()
	cfg.Weights = m.weights // those that this machine can tell of
	rec, err := openRecorder(path, s, m, &cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rec.close()) }()
	e, err := engine.New(cfg, s.parts)
	if err != nil {
		return err
	}
	if err := s.drop(privilege.Needs{}); err != nil {
		return err
	}
	rec.start()
	if err := e.Rebase(); err != nil {
		return err
	}
	s.announce(&cfg)
	ctx, stop := untilSignal()
	defer stop()
	err = e.Run(ctx, duration, func(*snapshot.Snapshot) error { return rec.rec.Err() })
	if err != nil && rec.rec.Err() != nil {
		err = nil // close says it
	}
	s.sayNames()
	return err
}

// recorder is a recording that is being written. A nil one is none.
type recorder struct {
	rec  *recording.Recorder
	file *os.File
	path string
	own  bool
}

// openRecorder begins a recording of what an engine will read by the session's parts. No path: there is none to be made.
func openRecorder(path string, s *session, m *measureFlags, cfg *engine.Config) (*recorder, error) {
	if path == "" {
		return nil, nil
	}
	r := &recorder{file: os.Stdout, path: "stdout"}
	if path == "-" {
		if isTerminal(os.Stdout) {
			return nil, usagef("a recording is not for a terminal: give a file, or send it to a program")
		}
	} else {
		// Command lines of all users are in it.
		f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, &exitError{exitFailure, fmt.Errorf("open the recording: %w", err)}
		}
		r.file, r.path, r.own = f, path, true
	}
	memory, err := parseBytes(m.memory)
	if err != nil {
		return nil, err
	}
	r.rec, err = recording.Record(&s.parts, recording.Header{
		Program: strings.TrimSpace("eco2-bpf " + version), Reasons: s.reasons, Factor: cfg.Factor, PUE: cfg.PUE, Processes: int(min(memory/rememberBytes, 1<<20)),
		Selected: cfg.Selected, Threads: m.by == engine.ByThread, Siblings: s.siblings, Counter: s.counter, Resident: true,
	}, r.file)
	if err != nil {
		return nil, errors.Join(err, r.closeFile())
	}
	return r, nil
}

// start has the next edge recorded as the baseline.
func (r *recorder) start() {
	if r != nil {
		r.rec.Start()
	}
}

// watch wraps what shows windows: once a recording cannot be written, that is said, and measuring goes on.
func (r *recorder) watch(show func(*snapshot.Snapshot) error) func(*snapshot.Snapshot) error {
	if r == nil {
		return show
	}
	said := false
	return func(s *snapshot.Snapshot) error {
		if err := r.rec.Err(); err != nil && !said {
			said = true
			say("%v; measuring goes on without it", err)
		}
		return show(s)
	}
}

// close ends the recording and tells how large it is.
func (r *recorder) close() error {
	if r == nil {
		return nil
	}
	err := errors.Join(r.rec.Close(), r.closeFile())
	steps, bytes := r.rec.Written()
	if steps > 0 {
		say("recorded %d steps to %s: %d bytes, %.0f each", steps, r.path, bytes, float64(bytes)/float64(steps))
	}
	return err
}

func (r *recorder) closeFile() error {
	if !r.own {
		return nil
	}
	if err := r.file.Close(); err != nil {
		return fmt.Errorf("close the recording: %w", err)
	}
	return nil
}

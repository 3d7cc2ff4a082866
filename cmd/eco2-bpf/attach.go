package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/term"

	"github.com/eco2-bpf/eco2-bpf/internal/engine"
	"github.com/eco2-bpf/eco2-bpf/internal/host"
	"github.com/eco2-bpf/eco2-bpf/internal/identity"
	"github.com/eco2-bpf/eco2-bpf/internal/privilege"
)

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// terminalSize is zeros where the terminal does not say.
func terminalSize(f *os.File) (width, height int) {
	width, height, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0, 0
	}
	return width, height
}

// sameFile tells that two names are one file, or will be.
func sameFile(a, b string) bool {
	x, errA := os.Stat(a)
	y, errB := os.Stat(b)
	if errA == nil && errB == nil {
		return os.SameFile(x, y)
	}
	return a != "" && filepath.Clean(a) == filepath.Clean(b)
}

func runAttach(args []string) (int, error) {
	var m measureFlags
	var pids []int
	var duration time.Duration
	f := newFlags("attach", "[flags]")
	f.IntSliceVarP(&pids, "pid", "p", nil, "only this process and its descendants; may be given again")
	f.DurationVarP(&duration, "duration", "d", 0, "stop after this time (default: at Ctrl-C)")
	m.addSelection(f)
	m.add(f)
	f.StringVarP(&m.file, "file", "f", "", "write there in place of stdout")
	f.StringVar(&m.record, "record", "", "record to this file, too, what is read")
	f.StringVar(&m.replay, "replay", "", replayUsage)
	if err := parse(f, args); err != nil {
		return 0, err
	}
	if err := noArgs(f); err != nil {
		return 0, err
	}
	cfg, err := m.config(f)
	if err != nil {
		return 0, err
	}
	if err := checkDuration(f, duration); err != nil {
		return 0, err
	}
	for _, name := range []string{"record", "replay"} {
		if other := f.Lookup(name).Value.String(); other != "" && sameFile(m.file, other) {
			return 0, usagef("-f and --%s: both are %s", name, other)
		}
	}
	if f.Changed("replay") {
		return exitOK, replay(&m, cfg, f, m.replay)
	}
	for _, pid := range pids {
		if pid <= 0 {
			return 0, usagef("--pid %d: not a process id; list processes with: ps -e", pid)
		}
		if err := identity.CheckProcess(m.procfs, pid); err != nil {
			return 0, pidError(err, m.procfs)
		}
	}
	cfg.Selected = len(pids) > 0
	return exitOK, attach(&m, cfg, pids, duration)
}

// pidError says what to do about a process that cannot be followed.
func pidError(err error, procfs string) error {
	if !errors.Is(err, identity.ErrNoProcess) {
		return fmt.Errorf("--pid: %w", err)
	}
	if identity.Self(procfs) == os.Getpid() && !host.InitialPIDs(procfs) { // and not the host's procfs, mounted here
		return fmt.Errorf("--pid: %w: this is another pid namespace than the host's; run in that (docker run --pid=host, hostPID: true)", err)
	}
	return fmt.Errorf("--pid: %w; list processes with: ps -e", err)
}

func attach(m *measureFlags, cfg engine.Config, pids []int, duration time.Duration) (err error) {
	s, err := open(m, cfg.Selected)
	if err != nil {
		return err
	}
	defer s.close()
	cfg.Weights = m.weights // those that this machine can tell of
	if cfg.Selected {
		if err := s.samePIDs(m.procfs); err != nil {
			return err
		}
		err := identity.WalkTree(m.procfs, pids, func(pid, root int) error { return s.collector.Follow(pid, uint32(root)) })
		if err != nil {
			return pidError(err, m.procfs)
		}
	}
	rec, err := openRecorder(m.record, s, m, &cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rec.close()) }()
	e, err := engine.New(cfg, s.parts)
	if err != nil {
		return err
	}
	out, err := openTarget(m.format, m.file, os.Stdout, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.close()) }()
	if err := s.drop(privilege.Needs{}); err != nil {
		return err
	}
	rec.start()
	if err := e.Rebase(); err != nil { // what it took to get here is not asked for
		return err
	}
	s.announce(&cfg)

	ctx, stop := untilSignal()
	defer stop()
	if err := e.Run(ctx, duration, rec.watch(out.show)); err != nil {
		return err
	}
	total := e.Total()
	err = out.show(total)
	sayUnexplained(e.Unexplained(total))
	s.sayNames()
	return err
}

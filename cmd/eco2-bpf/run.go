package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/eco2-bpf/eco2-bpf/internal/engine"
	"github.com/eco2-bpf/eco2-bpf/internal/privilege"
	"github.com/eco2-bpf/eco2-bpf/internal/snapshot"
)

func runRun(args []string) (int, error) {
	var m measureFlags
	var windows, cgroupNew bool
	f := newFlags("run", "[flags] -- CMD [ARGS...]")
	f.SetInterspersed(false) // what follows CMD is CMD's
	m.add(f)
	f.BoolVar(&windows, "windows", false, "print each window too, not only the total")
	f.BoolVar(&cgroupNew, "cgroup-new", false, "run the command in a cgroup of its own: then nothing of it can escape being counted")
	f.StringVarP(&m.file, "file", "f", "", "write the report there in place of stderr")
	f.StringVar(&m.replay, "replay", "", replayUsage)
	_ = f.MarkHidden("replay") // for attach; here it is refused with the way there
	if err := parse(f, args); err != nil {
		return 0, err
	}
	if f.Changed("replay") {
		return 0, usagef("--replay: run measures a command; show a recording with: eco2-bpf attach --replay FILE")
	}
	if f.NArg() == 0 {
		return 0, usagef("no command given; usage: eco2-bpf run [flags] -- CMD [ARGS...]")
	}
	cfg, err := m.config(f)
	if err != nil {
		return 0, err
	}
	cfg.Selected = true
	path, err := findCommand(f.Arg(0))
	if err != nil {
		return 0, err
	}
	cmd := exec.Command(path, f.Args()[1:]...)
	cmd.Args[0] = f.Arg(0)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return measureCommand(&m, cfg, cmd, windows, cgroupNew)
}

// findCommand tells not found (127) from not executable (126), as shells do.
func findCommand(name string) (string, error) {
	path, err := exec.LookPath(name)
	switch {
	case errors.Is(err, exec.ErrDot) && !strings.Contains(path, "/"):
		return "./" + path, nil // PATH has the directory, as shells take it; this spelling is not looked up again
	case err == nil || errors.Is(err, exec.ErrDot):
		return path, nil
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		return "", &exitError{exitNotFound, fmt.Errorf("command %q not found: check its name and PATH", name)}
	}
	var lookup *exec.Error
	if errors.As(err, &lookup) {
		err = lookup.Err // it says the name again
	}
	if errors.Is(err, fs.ErrPermission) {
		err = fmt.Errorf("%w; make it executable: chmod +x", err)
	}
	return "", &exitError{exitNotExecutable, fmt.Errorf("command %q cannot be executed: %w", name, err)}
}

// startError adds what to do about a file that the kernel takes for no program.
func startError(err error) error {
	if errors.Is(err, unix.ENOEXEC) {
		return fmt.Errorf("start the command: %w; a script needs a first line such as #!/bin/sh", err)
	}
	if errors.Is(err, fs.ErrNotExist) { // the file itself was found
		return fmt.Errorf("start the command: %w; the interpreter that it names (its first line, or its loader) is not there", err)
	}
	return fmt.Errorf("start the command: %w", err)
}

// settle is how long the last switch of a process that was already waited for may still be under way on its CPU.
const settle = 5 * time.Millisecond

func measureCommand(m *measureFlags, cfg engine.Config, cmd *exec.Cmd, windows, cgroupNew bool) (code int, err error) {
	s, err := open(m, true)
	if err != nil {
		return 0, err
	}
	defer s.close()
	cfg.Weights = m.weights // those that this machine can tell of
	start := (*exec.Cmd).Start
	var own commandCgroup
	if cgroupNew {
		if own, err = ownCgroup(m.procfs); err != nil {
			return 0, err
		}
		defer own.cleaner.finish()
		start, cfg.Within = own.cgroup.Start, own.cgroup.ID
	}
	// Children are followed from before their first instruction; this process itself is not. Go forks a child of its own to
	// try pidfds out, at the first use of a process: it must not be taken for the command's.
	if p, err := os.FindProcess(os.Getpid()); err == nil {
		_ = p.Release()
	}
	self := s.collector.Self()
	if err := s.collector.FollowChildrenOf(self, 1); err != nil {
		return 0, err
	}
	e, err := engine.New(cfg, s.parts)
	if err != nil {
		return 0, err
	}
	out, err := openTarget(m.format, m.file, os.Stderr, false)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, out.close()) }()

	// A report that nobody reads any more is an error like others: it must not end this process before the command.
	notify(make(chan os.Signal, 1), unix.SIGPIPE)
	signals := make(chan os.Signal, 16)
	notify(signals, unix.SIGINT, unix.SIGTERM, unix.SIGHUP, unix.SIGQUIT, unix.SIGUSR1, unix.SIGUSR2)
	defer signal.Stop(signals)
	if err := start(cmd); err != nil {
		return 0, &exitError{exitNotExecutable, startError(err)}
	}
	if own.cgroup != nil && own.cgroup.Strayed != nil {
		say("%v: this program's own work is counted with the command's", own.cgroup.Strayed)
	}
	if err := s.collector.Unfollow(self); err != nil {
		say("%v: other children of this process would be counted too", err)
	}
	s.announce(&cfg) // not before: a command that cannot be started is all there is to say then
	// The command has its privileges already. Signals go to it even if it is another user's by now.
	if err := s.drop(privilege.Needs{Caps: []privilege.Cap{privilege.Kill}, Ioctl: []string{"/dev/tty"}, Signals: true}); err != nil {
		say("%v", err) // the command runs: it is measured all the same
	}
	exited := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		err := cmd.Wait()
		time.Sleep(settle)
		exited <- err
		cancel()
	}()
	go passSignals(signals, cmd.Process)
	runErr := e.Run(ctx, 0, func(w *snapshot.Snapshot) error {
		if !windows {
			return nil
		}
		return out.show(w)
	})
	waitErr := <-exited // whatever happened to the measurement, the command ends first
	code, err = exitCode(waitErr)
	if runErr != nil {
		err = errors.Join(err, runErr)
	} else {
		total := e.Total()
		err = errors.Join(err, out.show(total))
		sayUnexplained(e.Unexplained(total))
	}
	s.sayNames()
	if err != nil && code != 0 { // the command's own failure is what its caller wants to know
		say("%v", err)
		err = nil
	}
	return code, err
}

// exitCode gives the command's exit code, 128 + n where signal n ended it.
func exitCode(waitErr error) (int, error) {
	var exit *exec.ExitError
	if !errors.As(waitErr, &exit) {
		return 0, waitErr
	}
	if st, ok := exit.Sys().(interface {
		Signaled() bool
		Signal() unix.Signal
	}); ok && st.Signaled() {
		return 128 + int(st.Signal()), nil
	}
	return exit.ExitCode(), nil
}

// passSignals hands signals on to the command. Those that the terminal sends to its whole foreground group, the command has already.
func passSignals(signals <-chan os.Signal, p *os.Process) {
	for sig := range signals {
		if (sig == unix.SIGINT || sig == unix.SIGQUIT) && inForeground() {
			continue
		}
		_ = p.Signal(sig) // it may just have ended
	}
}

// inForeground tells whether this process's group is the one that its terminal sends Ctrl-C to.
func inForeground() bool {
	tty, err := os.Open("/dev/tty")
	if err != nil {
		return false
	}
	defer tty.Close()
	group, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}

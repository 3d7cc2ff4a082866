package calibrate

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Process is the load as its parent has it.
type Process struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	ended chan struct{}
	Notes string // CPUs that cannot be loaded, and why; empty: none
}

// readyWithin is how long the load may take to say that it is ready: it touches its memory first.
const readyWithin = 30 * time.Second

// StartLoad starts a command that calls Burn. However this process ends, the command's input ends with it, and so does the load.
func StartLoad(cmd *exec.Cmd) (*Process, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is not for it: Stop is
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start the load: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start the load: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the load: %w", err)
	}
	p := &Process{cmd: cmd, in: in, ended: make(chan struct{})}
	type answer struct {
		line string
		err  error
	}
	first := make(chan answer, 1)
	go func() {
		defer close(p.ended)
		line, err := bufio.NewReader(out).ReadString('\n')
		first <- answer{line, err}
		_ = cmd.Wait() // how it ended is not asked: that it did is the error
	}()
	select {
	case a := <-first:
		ready, notes, _ := strings.Cut(strings.TrimSuffix(a.line, "\n"), "; ")
		if a.err == nil && ready == "ready" {
			p.Notes = notes
			return p, nil
		}
		err = fmt.Errorf("start the load: it says %q: %w", a.line, errors.Join(a.err, errEnded))
	case <-time.After(readyWithin):
		err = fmt.Errorf("start the load: it is not ready after %v", readyWithin)
	}
	p.Stop()
	return nil, err
}

var errEnded = errors.New("the load has ended by itself")

// Set changes the load. That it has ended shows here.
func (p *Process) Set(percent int) error {
	if _, err := fmt.Fprintln(p.in, percent); err != nil {
		return fmt.Errorf("set the load: %w", errors.Join(err, errEnded))
	}
	return nil
}

// Stop ends the load at once, and returns when it has ended.
func (p *Process) Stop() {
	_ = p.cmd.Process.Kill() // it may have ended already
	<-p.ended
	_ = p.in.Close()
}

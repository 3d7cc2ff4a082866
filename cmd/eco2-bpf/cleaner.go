package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/host"
)

// cleanerName is the subcommand that removes the cgroup of run --cgroup-new: not for users, so in no help.
const cleanerName = "remove-cgroup"

// cleaner is a process that outlives run, however that ends: run itself gives up the privilege to remove anything.
type cleaner struct {
	cmd  *exec.Cmd
	hold io.Closer
}

func startCleaner(dir string) (*cleaner, error) {
	cmd := exec.Command("/proc/self/exe", cleanerName, dir)
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is not for it
	hold, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start the cgroup's cleaner: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the cgroup's cleaner: %w", err)
	}
	return &cleaner{cmd, hold}, nil
}

// commandCgroup is the cgroup that a command runs in, and who removes it.
type commandCgroup struct {
	cgroup  *host.NewCgroup
	cleaner *cleaner
}

func ownCgroup(procfs string) (commandCgroup, error) {
	cg, err := host.ReadCgroups(procfs)
	if err != nil {
		return commandCgroup{}, err
	}
	made, err := host.MakeCgroup(procfs, cg)
	if err != nil {
		return commandCgroup{}, fmt.Errorf("--cgroup-new: %w", err)
	}
	c, err := startCleaner(made.Dir)
	if err != nil {
		return commandCgroup{}, errors.Join(err, host.RemoveCgroup(made.Dir))
	}
	return commandCgroup{made, c}, nil
}

// finish lets it remove the cgroup, and waits a while for that.
func (c *cleaner) finish() {
	_ = c.hold.Close()
	ended := make(chan struct{})
	go func() {
		_ = c.cmd.Wait() // what went wrong it said
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(cgroupLinger + time.Second):
	}
}

// cgroupLinger is how long the last processes of a command may take to leave its cgroup, before that is said. The cleaner stays until they
// have: it looks once a second then.
const cgroupLinger = 2 * time.Second

func runCleaner(args []string) (int, error) {
	if len(args) != 1 {
		return 0, usagef("%s is run's own", cleanerName)
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return 0, fmt.Errorf("wait for the command: %w", err)
	}
	end, pause := time.Now().Add(cgroupLinger), 5*time.Millisecond
	for {
		err := host.RemoveCgroup(args[0])
		if err == nil {
			return exitOK, nil
		}
		if pause < time.Second && time.Now().After(end) {
			say("%v (it is removed when it is empty)", err)
			pause = time.Second
		}
		time.Sleep(pause)
	}
}

package main

import (
	"fmt"
	"io"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/live"
)

// runLive runs the live laboratory: real loads on this machine, whose counters follow a law.
func runLive(out io.Writer, program string, short bool) error {
	o := live.Options{Program: program}
	if !short {
		o.Quiet, o.Load = 5*time.Second, 20*time.Second
	}
	report, err := live.Run(o)
	if err != nil {
		return err
	}
	report.Print(out)
	beside, err := live.RunBeside(o, live.Storm, live.Steady)
	if err != nil {
		return err
	}
	fmt.Fprintln(out)
	beside.Print(out)
	return nil
}

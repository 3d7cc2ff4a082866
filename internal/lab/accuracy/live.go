package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/live"
)

// exitUnable is the exit code where this machine cannot be a laboratory: no news of the program.
const exitUnable = 3

// runLive runs the live laboratory: real loads on this machine, whose counters follow a law. Where it cannot be done here the error is
// live.ErrUnable; that energy is not conserved is one after all has been printed.
func runLive(out io.Writer, program string, short bool) error {
	o := live.Options{Program: program}
	if !short {
		o.Quiet, o.Load = 5*time.Second, 20*time.Second
	}
	report, err := live.Run(o)
	if err != nil {
		return err
	}
	report.Kernel = release(report.Kernel)
	report.Print(out)
	if err := breaches([]live.Report{report}); err != nil {
		return err
	}
	beside, err := live.RunBeside(o, live.Storm, live.Steady)
	if err != nil {
		return err
	}
	fmt.Fprintln(out)
	beside.Print(out)
	var all []live.Report
	for i := range beside.Phases {
		all = append(all, beside.Phases[i].Report)
	}
	return breaches(all)
}

// breaches are where our energy does not add up.
func breaches(reports []live.Report) error {
	var errs []error
	for _, r := range reports {
		for _, law := range r.Laws {
			for _, t := range law.Tools {
				if t.Breach != nil {
					errs = append(errs, fmt.Errorf("law %s: %s does not conserve energy: %w", law.Name, t.Name, t.Breach))
				}
			}
		}
	}
	return errors.Join(errs...)
}

// release is a kernel's version without what its distributor or machine adds: 6.18 of 6.18.44-local.
func release(kernel string) string {
	parts := strings.SplitN(kernel, ".", 3)
	if len(parts) < 2 {
		return kernel
	}
	minor, _, _ := strings.Cut(parts[1], "-")
	return parts[0] + "." + minor
}

package energy

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/sys/unix"
)

const sourcePerf = "perf"

// Next steps for people.
const (
	nextPerfmon = "run as root, grant CAP_PERFMON, or set sysctl kernel.perf_event_paranoid to 0; container runtimes may refuse perf_event_open"
	nextPerfPMU = "on bare metal: modprobe rapl; a virtual machine has no counters"
	nextFiles   = "raise the limit of open files (ulimit -n)"
)

// perf reads RAPL counters through perf_event_open(2). It is for one goroutine.
type perf struct {
	calls   perfCalls
	domains []Domain
	sets    []*perfSet
	sleep   sleep
}

// OpenPerf finds the kernel's power PMU under sysfs (usually /sys). The reasons say for each event why it is or is not a domain, also when there is an error.
func OpenPerf(sysfs string) (Source, []Reason, error) {
	p, reasons, err := openPerf(sysfs, kernelPerf)
	if err != nil {
		return nil, reasons, err
	}
	return p, reasons, nil
}

func openPerf(sysfs string, c perfCalls) (*perf, []Reason, error) {
	p := &perf{calls: c, sleep: sleep{asleep: c.asleep, slept: c.asleep()}}
	f := perfFinder{perf: p}
	power, err := findPMU(sysfs, pmuPower, &p.calls)
	if err == nil {
		err = f.packages(power)
	}
	cores, errCores := findPMU(sysfs, pmuCore, &p.calls)
	switch {
	case errCores == nil && len(p.sets) > 0:
		f.coresInside(cores)
	case errCores == nil:
		f.fail(err)
		err = f.cores(cores)
	case !errors.Is(errCores, ErrAbsent):
		f.fail(errCores)
	}
	if len(p.sets) > 0 {
		return p, f.reasons, nil
	}
	f.fail(err)
	if !errors.Is(err, ErrAbsent) {
		err = fmt.Errorf("no package can be read by perf: %w", err)
	}
	return nil, f.reasons, err
}

// nextPerf is what can be done about an error of perf_event_open or of a file below the PMU.
func nextPerf(err error) string {
	switch {
	case errors.Is(err, ErrAbsent):
		return nextPerfPMU
	case errors.Is(err, fs.ErrPermission): // EACCES, EPERM
		return nextPerfmon
	case errors.Is(err, unix.EMFILE):
		return nextFiles
	}
	return ""
}

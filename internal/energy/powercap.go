package energy

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const sourcePowercap = "powercap"

// ErrAbsent says that a source is not on this machine, which is a normal state. Any other error means that it is there and does not work.
var ErrAbsent = errors.New("not here")

// Next steps for people.
const (
	nextRoot   = "run as root or grant CAP_DAC_READ_SEARCH" // energy_uj is 0400 since 5.10 (CVE-2020-8694)
	nextDriver = "on bare metal: modprobe intel_rapl_msr; a virtual machine has no counters"
	nextHidden = "container runtimes hide /sys/devices/virtual/powercap: run on the host, or mount the host's /sys"
)

// powercap reads RAPL counters through Documentation/power/powercap/powercap.rst. It is for one goroutine.
type powercap struct {
	domains []Domain
	zones   []*zone
	sleep
}

type zone struct {
	meter  meter
	energy *counterFile
	rng    *counterFile // nil: the counter has none
}

// OpenPowercap finds the RAPL zones under sysfs (usually /sys). The reasons say for each zone why it is or is not a domain, also when there is an error.
func OpenPowercap(sysfs string) (Source, []Reason, error) {
	p, reasons, err := openPowercap(sysfs, kernelFiles)
	if err != nil {
		return nil, reasons, err
	}
	return p, reasons, nil
}

func openPowercap(sysfs string, f files) (*powercap, []Reason, error) {
	class := filepath.Join(sysfs, "class", "powercap")
	dirs, reasons, err := findZones(class)
	if errors.Is(err, fs.ErrNotExist) || (err == nil && len(dirs) == 0) {
		err = fmt.Errorf("no powercap zones under %s: %w", class, ErrAbsent)
		return nil, append(reasons, Reason{Source: sourcePowercap, Text: err.Error(), Next: nextDriver}), err
	}
	if err != nil {
		err = fmt.Errorf("list powercap zones: %w", err)
		return nil, append(reasons, Reason{Source: sourcePowercap, Text: err.Error(), Next: nextStep(err)}), err
	}
	c := newChooser(onePerSocket(sysfs))
	var broken []error
	for _, z := range dirs {
		raw, err := readName(filepath.Join(z.path, "name"))
		if err != nil {
			err = fmt.Errorf("%s/name: %w", z.id, err)
			broken = append(broken, err)
			r := skipped(false, z.id, err.Error())
			if r.Next = nextStep(err); errors.Is(err, fs.ErrNotExist) {
				r.Next = nextHidden
			}
			reasons = append(reasons, r)
			continue
		}
		c.add(z, raw)
	}
	reasons = append(reasons, c.reasons...)
	p := &powercap{sleep: sleep{asleep: suspended}}
	packages := 0
	var opened []Reason
	for _, cand := range c.sorted() {
		z, more, err := openEither(&cand, f)
		reasons = append(reasons, more...)
		if err != nil {
			broken = append(broken, err)
			continue
		}
		opened = append(opened, Reason{Source: sourcePowercap, OK: true, Part: cand.part(true),
			Text: cand.domain.Name + " is read from " + z.energy.name})
		cand.domain.Detail = z.energy.path
		p.domains, p.zones = append(p.domains, cand.domain), append(p.zones, z)
		if cand.domain.Scope == kindPackage {
			packages++
		}
	}
	if packages == 0 { // memory alone would pass for the machine
		_ = p.Close()
		for _, r := range opened {
			r.OK, r.Part.Counted = false, false
			r.Text = strings.Replace(r.Text, "is read from", "could be read from", 1) + ", but there is no package beside it"
			reasons = append(reasons, r)
		}
		err := fmt.Errorf("no package among the powercap zones under %s can be used: see the reasons", class)
		if len(broken) > 0 {
			err = fmt.Errorf("no package among the powercap zones under %s can be read: %w", class, broken[0])
		}
		return nil, reasons, err
	}
	return p, append(reasons, opened...), nil
}

// openEither opens a candidate's zone, or its twin where that does not work.
func openEither(cand *candidate, f files) (*zone, []Reason, error) {
	z, reasons, err := openZone(*cand, f)
	if cand.twin == nil {
		return z, reasons, err
	}
	if err == nil {
		return z, append(reasons, twinSkipped(cand, cand.twin.id, "it is "+sameCounter(cand.dir.id))), nil
	}
	first := cand.dir.id
	cand.dir = *cand.twin
	z, more, err := openZone(*cand, f)
	if err == nil { // the domain is counted after all, so the part that is not is the zone
		reasons[0].Part.Name, reasons[0].Part.Inside = first, cand.domain.Name
	}
	return z, append(reasons, more...), err
}

func twinSkipped(cand *candidate, id, why string) Reason {
	r := skipped(true, id, why)
	r.Part.Scope, r.Part.Inside = cand.domain.Scope, cand.domain.Name
	return r
}

// openZone opens the counter and reads it once to see that it works; that value is not used.
func openZone(cand candidate, f files) (*zone, []Reason, error) {
	z := &zone{energy: newCounterFile(f, cand.dir, "energy_uj"), rng: newCounterFile(f, cand.dir, "max_energy_range_uj")}
	_, err := z.energy.reopen()
	if err == nil {
		_, err = z.energy.read()
	}
	if err != nil {
		z.energy.close()
		err = fmt.Errorf("%s: %w", z.energy.name, err)
		return nil, []Reason{{Source: sourcePowercap, Next: nextStep(err), Part: cand.part(false),
			Text: cand.domain.Name + " cannot be read: " + err.Error()}}, err
	}
	rng, err := z.readRange()
	z.meter = newMeter(cand.domain.Scope, rng)
	if err != nil {
		return z, []Reason{{Source: sourcePowercap, Next: nextStep(err), Part: cand.part(true),
			Text: fmt.Sprintf("%s: %s: %v: a wrap cannot be told from a reset", cand.domain.Name, z.rng.name, err)}}, nil
	}
	return z, nil, nil
}

// readRange gives 0 with an error when there should be a range and none can be used.
func (z *zone) readRange() (int64, error) {
	if z.rng == nil {
		return 0, nil
	}
	defer z.rng.close()
	if _, err := z.rng.reopen(); err != nil {
		return 0, err
	}
	v, err := z.rng.read()
	if err == nil && v == 0 {
		err = errors.New("is 0")
	}
	return v, err
}

// readName reads one byte more than a name may have, so that a longer one is seen to be longer.
func readName(path string) (string, error) {
	fd, err := openRead(path)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	buf := make([]byte, maxName+2)
	n, err := unix.Pread(fd, buf, 0)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

func nextStep(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return nextRoot
	}
	return ""
}

// sleep tells a resume, after which counters may have been reset, from an ordinary window.
type sleep struct {
	asleep func() time.Duration // how long the machine has been suspended since boot
	slept  time.Duration        // of it, what is known
}

// since gives how long the machine slept since the last call. At the first one it is the sleep since boot, which a baseline does not look at.
func (s *sleep) since() time.Duration {
	now := s.asleep()
	d := now - s.slept
	s.slept = now
	if d < sleepNoise {
		return 0
	}
	return d
}

// suspended is the time that CLOCK_BOOTTIME counts and CLOCK_MONOTONIC does not.
func suspended() time.Duration {
	var mono, boot unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &mono) != nil || unix.ClockGettime(unix.CLOCK_BOOTTIME, &boot) != nil {
		return 0
	}
	return time.Duration(boot.Nano() - mono.Nano())
}

package energy

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

const sourceBattery = "battery"

// mostBattery is more than any machine draws of its batteries, and supplyAge how old their readings are at least: the ACPI driver asks the
// firmware once a second (cache_time in drivers/acpi/battery.c), which may itself be slower.
const (
	mostBattery units.Watts = 1000
	supplyAge               = time.Second
)

// What the machine's batteries say about its power only while they alone feed it.
const (
	onMains      notNow = "on mains: the battery does not tell what the machine uses"
	charging     notNow = "the battery is being charged, and does not tell what the machine uses"
	noneEmptying notNow = "no battery feeds the machine, so none tells what it uses"
)

// supplies is the power that a machine's batteries give together.
type supplies struct {
	batteries []battery
	mains     []*counterFile // online files of all that feeds the machine from outside
}

type battery struct {
	status *counterFile
	input  powerInput
}

// OpenSupply finds the machine's batteries under sysfs (usually /sys): one domain for all, as they feed the same machine. On mains it is ErrAbsent.
func OpenSupply(sysfs string) (Source, []Reason, error) {
	g, reasons, err := openSupply(sysfs, kernelFiles)
	if err != nil {
		return nil, reasons, err
	}
	return g, reasons, nil
}

func openSupply(sysfs string, f files) (*gauges, []Reason, error) {
	class := filepath.Join(sysfs, "class", "power_supply")
	fail := func(reasons []Reason, err error, next string) (*gauges, []Reason, error) {
		return nil, append(reasons, Reason{Source: sourceBattery, Text: err.Error(), Next: next}), err
	}
	ids, err := list(class)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("list power supplies: %w", err)
		return fail(nil, err, nextStep(err))
	}
	slices.Sort(ids)
	s := &supplies{}
	var reasons []Reason
	var paths []string
	var broken error
	for _, id := range ids {
		z := zoneDir{id: fmt.Sprintf("%.64s", id), path: filepath.Join(class, id)}
		used, why, err := s.add(z, f)
		if err != nil {
			broken = fmt.Errorf("%s: %w", z.id, err)
			reasons = append(reasons, Reason{Source: sourceBattery, Text: broken.Error(), Next: nextStep(err), Part: Part{Name: z.id, Scope: ScopeMachine}})
		} else if why != "" {
			reasons = append(reasons, Reason{Source: sourceBattery, OK: true, Text: z.id + " skipped: " + why, Part: Part{Name: z.id}})
		} else if used {
			paths = append(paths, z.path)
		}
	}
	if broken != nil || len(paths) == 0 { // a battery that cannot be read may be the one that feeds the machine
		s.close()
		if broken != nil {
			return nil, reasons, fmt.Errorf("read batteries: %w", broken)
		}
		return fail(reasons, fmt.Errorf("no battery of this machine under %s: %w", class, ErrAbsent), "")
	}
	if _, err := s.power(); err != nil {
		s.close()
		if why, ok := err.(notNow); ok {
			return fail(reasons, fmt.Errorf("%s: %w", why, ErrAbsent), "unplug the machine to measure it by its battery")
		}
		err = fmt.Errorf("read batteries: %w", err)
		return fail(reasons, err, nextStep(err))
	}
	g := newGauges()
	d := Domain{Name: "battery", Socket: -1, Die: -1, Source: sourceBattery, Scope: ScopeMachine, Detail: strings.Join(paths, ", ")}
	g.addGauge(d, &gaugeChannel{name: d.Name, input: s, every: supplyAge, gauge: gauge{most: mostBattery, lag: supplyAge}})
	return g, append(reasons, Reason{Source: sourceBattery, OK: true, Text: "battery is read from " + d.Detail,
		Part: Part{Name: d.Name, Scope: d.Scope, Counted: true}}), nil
}

// add takes a supply by its type (Documentation/ABI/testing/sysfs-class-power). why: it is none of the machine's.
func (s *supplies) add(z zoneDir, f files) (used bool, why string, err error) {
	kind, err := readText(f, z, "type")
	if err != nil {
		return false, "", fmt.Errorf("type: %w", err)
	}
	if scope := optionalText(f, z, "scope"); scope == "Device" {
		return false, "it feeds another device", nil
	}
	if kind != "Battery" {
		online := newCounterFile(f, z, "online")
		if _, err := online.reopen(); errors.Is(err, fs.ErrNotExist) {
			return false, "", nil
		} else if err != nil {
			return false, "", fmt.Errorf("online: %w", err)
		}
		s.mains = append(s.mains, online)
		return false, "", nil
	}
	if optionalText(f, z, "present") == "0" {
		return false, "it is not there", nil
	}
	b := battery{status: newCounterFile(f, z, "status")}
	w := wattFile{newCounterFile(f, z, "power_now")}
	r := rail{voltage: newCounterFile(f, z, "voltage_now"), current: newCounterFile(f, z, "current_now"), scale: 1e-12}
	if b.input, err = w, openAll(b.status, w.file); errors.Is(err, fs.ErrNotExist) {
		b.input, err = r, openAll(b.status, r.voltage, r.current)
	}
	if err != nil {
		return false, "", fmt.Errorf("power_now, or current_now and voltage_now: %w", err)
	}
	s.batteries = append(s.batteries, b)
	return true, "", nil
}

// power is that of all batteries that feed the machine. Drivers do not agree on the sign.
func (s *supplies) power() (units.Watts, error) {
	for _, m := range s.mains {
		b, err := fetch(m)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a charger of USB goes away when it is unplugged
		}
		if err != nil {
			return 0, err
		}
		if len(b) > 0 && b[0] != '0' {
			return 0, onMains
		}
	}
	sum, feeding := units.Watts(0), false
	for _, b := range s.batteries {
		status, err := fetch(b.status)
		if err != nil {
			return 0, err
		}
		switch string(status) { // no copy is made for that
		case "Charging\n":
			return 0, charging
		case "Discharging\n":
			w, err := b.input.power()
			if err != nil {
				return 0, err
			}
			sum, feeding = sum+max(w, -w), true
		}
	}
	if !feeding {
		return 0, noneEmptying
	}
	return sum, nil
}

func (s *supplies) close() {
	for _, m := range s.mains {
		m.close()
	}
	for _, b := range s.batteries {
		b.status.close()
		b.input.close()
	}
}

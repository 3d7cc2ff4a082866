package energy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// PMUs of the kernel's RAPL driver (arch/x86/events/rapl.c). AMD's counters of single cores have one of their own, since 6.14.
const (
	pmuPower = "power"
	pmuCore  = "power_core"
)

// Events of these PMUs.
const (
	eventPackage = "energy-pkg"
	eventDram    = "energy-ram"
	eventCores   = "energy-cores"
	eventGPU     = "energy-gpu"
	eventPsys    = "energy-psys"
	eventCore    = "energy-core"
)

// pmu is one performance monitoring unit of the kernel, as sysfs shows it.
type pmu struct {
	name  string
	dir   string
	sysfs string
	kind  uint32   // what perf_event_open takes for its type
	names []string // of its energy events

	single bool // each socket has one counter, whatever the mask names
}

// pmuEvent is an event of a PMU.
type pmuEvent struct {
	name   string
	config eventConfig
	joules float64 // per count
}

// perfPlace is what one CPU of a PMU's mask stands for.
type perfPlace struct {
	cpu    int
	socket int
	die    int
	core   int // only of a PMU of single cores
}

// same tells whether two places have one counter.
func (p *pmu) same(a, b perfPlace) bool {
	return a.socket == b.socket && (p.single || a.die == b.die) && a.core == b.core
}

// findPMU gives ErrAbsent for a PMU that the kernel does not have.
func findPMU(sysfs, name string, c *perfCalls) (*pmu, error) {
	p := &pmu{name: name, dir: filepath.Join(sysfs, "bus/event_source/devices", name), sysfs: sysfs}
	p.single = name == pmuPower && onePerSocket(sysfs)
	kind, err := c.number(filepath.Join(p.dir, "type"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("no perf PMU %s under %s: %w", name, sysfs, ErrAbsent)
	}
	if err != nil {
		return nil, fmt.Errorf("%s/type: %w", name, err)
	}
	p.kind = uint32(kind)
	entries, err := os.ReadDir(filepath.Join(p.dir, "events"))
	if err != nil {
		return nil, fmt.Errorf("list events of %s: %w", name, err)
	}
	for _, e := range entries {
		if event := e.Name(); strings.HasPrefix(event, "energy-") && !strings.Contains(event, ".") {
			p.names = append(p.names, event)
		}
	}
	return p, nil
}

// event reads what an event is called by and what its counts are worth.
func (p *pmu) event(name string, c *perfCalls) (*pmuEvent, error) {
	file := filepath.Join(p.dir, "events", name)
	text, err := c.text(file)
	if err != nil {
		return nil, err
	}
	e := &pmuEvent{name: name}
	e.config, err = parseEvent(text, func(term string) (string, error) { return c.text(filepath.Join(p.dir, "format", term)) })
	if err != nil {
		return nil, err
	}
	if text, err = c.text(file + ".unit"); err == nil {
		err = parseUnit(text)
	}
	if err != nil {
		return nil, fmt.Errorf("%s.unit: %w", name, err)
	}
	if text, err = c.text(file + ".scale"); err == nil {
		e.joules, err = parseScale(text)
	}
	if err != nil {
		return nil, fmt.Errorf("%s.scale: %w", name, err)
	}
	return e, nil
}

// places are the CPUs of the mask, which names one CPU for each package, die or core, and what they stand for. It changes when CPUs go offline.
// A CPU whose place is not known is left out, with the first reason in the error; a second CPU of a place reads the same counter.
func (p *pmu) places(c *perfCalls) ([]perfPlace, error) {
	text, err := c.text(filepath.Join(p.dir, "cpumask"))
	if err != nil {
		return nil, fmt.Errorf("%s/cpumask: %w", p.name, err)
	}
	cpus, err := parseCPUs(text)
	if err != nil {
		return nil, fmt.Errorf("%s/cpumask: %w", p.name, err)
	}
	var all []perfPlace
	var first error
	seen := map[perfPlace]bool{}
	for _, cpu := range cpus {
		at, err := p.locate(cpu, c)
		if err != nil {
			if first == nil {
				first = err
			}
			continue
		}
		key := at
		if key.cpu = 0; !seen[key] {
			seen[key] = true
			all = append(all, at)
		}
	}
	return all, first
}

func (p *pmu) locate(cpu int, c *perfCalls) (perfPlace, error) {
	at := perfPlace{cpu: cpu, core: -1}
	dir := filepath.Join(p.sysfs, "devices/system/cpu", "cpu"+strconv.Itoa(cpu), "topology")
	var err error
	if at.socket, err = c.number(filepath.Join(dir, "physical_package_id")); err != nil {
		return at, fmt.Errorf("package of CPU %d: %w", cpu, err)
	}
	if at.die, err = c.number(filepath.Join(dir, "die_id")); errors.Is(err, fs.ErrNotExist) { // before 5.3
		at.die, err = 0, nil
	}
	if err != nil {
		return at, fmt.Errorf("die of CPU %d: %w", cpu, err)
	}
	if p.name == pmuCore {
		if at.core, err = c.number(filepath.Join(dir, "core_id")); err != nil {
			return at, fmt.Errorf("core of CPU %d: %w", cpu, err)
		}
	}
	return at, nil
}

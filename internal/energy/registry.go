package energy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Choices of what the CPUs' joules come from, for Options.Choice.
const (
	ChooseAuto     = "auto"
	ChooseRAPL     = "rapl" // by powercap, else by perf
	ChoosePowercap = sourcePowercap
	ChoosePerf     = "perf"
	ChooseHwmon    = "hwmon"
	ChooseBattery  = "battery" // by name only: it tells nothing while the machine is on mains
	ChooseEstimate = sourceEstimate
)

// Choices are all of them.
var Choices = []string{ChooseAuto, ChooseRAPL, ChoosePowercap, ChoosePerf, ChooseHwmon, ChooseBattery, ChooseEstimate}

// EstimateScopes are what an estimate of the CPUs can include.
var EstimateScopes = []string{ScopeServer, ScopeWall, ScopePackage}

// Reason is why a source, or one part of it, is used or is not. All of them are kept: whoever looks for missing joules needs each one.
type Reason struct {
	Source string // "powercap", "estimate"
	OK     bool   // used, or left out because its joules are counted elsewhere; false: joules are missing, or their error is larger
	Text   string
	Next   string // what the user can do; may be empty
	Part   Part   // what it is about; its zero value: the source as a whole
}

// Part is one thing whose energy could be read, counted or not: a line of the containment table.
type Part struct {
	Name    string // as its source names it, such as package-0 or intel-rapl:0:1; empty: none
	Scope   string
	Inside  string // name of the part whose joules include its own; empty: it stands beside the others
	Counted bool   // it is a Domain
}

// Opener opens a source of SYSFS. The reasons are there also when there is an error.
type Opener func(sysfs string) (Source, []Reason, error)

// Options of Detect.
type Options struct {
	Choice string   // of Choices; "" is ChooseAuto
	Kinds  []string // of Kinds; nil: what is measured, and with an estimate of the CPUs also memory and disks
	Scope  string   // of EstimateScopes: what an estimate of the CPUs includes; "" is ScopeServer
	Sysfs  string   // "" is /sys
	Procfs string   // "" is /proc

	Estimate func(scope string) ([]ZoneModel, error) // the models of an estimate; nil: none can be made
	Memory   func() (Bounds, string, error)          // the power of the memory, and its model in a line; nil: likewise
	Disk     func(Disk) DiskModel                    // nil: likewise
	GPU      []Opener                                // of sources that have GPUs alone
}

// counters are the sources of the CPUs' joules, the best first.
var counters = []struct {
	name   string
	open   Opener
	rapl   bool
	byName bool // never chosen by itself
}{
	{name: ChoosePowercap, open: OpenPowercap, rapl: true},
	{name: ChoosePerf, open: OpenPerf, rapl: true},
	{name: ChooseHwmon, open: OpenHwmon},
	{name: ChooseBattery, open: OpenSupply, byName: true},
}

// Detect opens what works, with the reasons of all that was tried. It never falls back from a source that was asked for by name, and no
// joule is in two of the domains that it returns.
func Detect(opts Options) (Source, []Reason, error) {
	d := detection{Options: opts}
	if d.Sysfs == "" {
		d.Sysfs = "/sys"
	}
	if d.Procfs == "" {
		d.Procfs = "/proc"
	}
	if d.Choice == "" {
		d.Choice = ChooseAuto
	}
	if d.Scope == "" {
		d.Scope = ScopeServer
	}
	if err := d.check(); err != nil {
		return nil, nil, err
	}
	err := d.detect()
	d.closeRest()
	if err != nil {
		d.close()
		return nil, d.reasons, err
	}
	d.settleParts()
	return Join(d.sources...), d.reasons, nil
}

// detection is a run of Detect.
type detection struct {
	Options
	sources []Source
	domains []Domain // of sources
	reasons []Reason
	opened  map[string]Source // by name, of sources that CPUs and GPUs may both come from: those that are not in sources yet
	tried   map[string]error
}

func (d *detection) check() error {
	if !slices.Contains(Choices, d.Choice) {
		return fmt.Errorf("unknown energy source %q: choose one of %s", d.Choice, strings.Join(Choices, ", "))
	}
	if !slices.Contains(EstimateScopes, d.Scope) {
		return fmt.Errorf("unknown scope of an estimate %q: choose one of %s", d.Scope, strings.Join(EstimateScopes, ", "))
	}
	for _, k := range d.Kinds {
		if !slices.Contains(Kinds, k) {
			return fmt.Errorf("unknown kind of domain %q: choose of %s", k, strings.Join(Kinds, ", "))
		}
	}
	return nil
}

func (d *detection) wants(kind string) bool { return d.Kinds == nil || slices.Contains(d.Kinds, kind) }

func (d *detection) detect() error {
	if d.wants(KindCPU) || d.wants(KindRAM) { // some counters have both
		if err := d.cpus(); err != nil {
			return err
		}
	}
	if d.wants(KindGPU) {
		d.gpus()
	}
	estimated := slices.ContainsFunc(d.domains, func(m Domain) bool { return m.Method == Estimated && m.Kind() == KindCPU })
	beside := d.Kinds != nil || estimated // an estimate is never put beside what is measured unless asked for
	if d.wants(KindRAM) && d.Memory != nil {
		d.memory(beside)
	}
	if d.wants(KindStorage) && d.Disk != nil {
		d.storage(beside)
	}
	if len(d.sources) == 0 {
		var why []string
		for _, r := range d.reasons {
			if r.Part.Name == "" {
				why = append(why, r.Text)
			}
		}
		return fmt.Errorf("nothing to measure: no domain of the kinds that are asked for (%s) is here: %s; choose others with --domains", strings.Join(d.Kinds, ", "), strings.Join(why, "; "))
	}
	return nil
}

// cpus finds the joules of the CPUs: by the first counter that has some, or by an estimate.
func (d *detection) cpus() error {
	var errs []error
	tried := 0
	for _, c := range counters {
		byName := d.Choice == c.name || d.Choice == ChooseRAPL && c.rapl
		if !byName && (d.Choice != ChooseAuto || c.byName) {
			continue
		}
		tried++
		src, err := d.open(c.name, c.open, tried > 1)
		if err == nil && !slices.ContainsFunc(src.Domains(), func(m Domain) bool { return m.Kind() == KindCPU }) {
			err = fmt.Errorf("%s has no counter of the CPUs: %w", c.name, ErrAbsent)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		d.take(c.name, src)
		if d.Choice == ChooseAuto {
			d.reasons = append(d.reasons, Reason{Source: sourceEstimate, OK: true, Text: "estimate of the CPUs is not needed: there is a counter"})
		}
		return nil
	}
	if tried > 0 && d.Choice != ChooseAuto {
		return explain(errors.Join(errs...), d.reasons)
	}
	if err := d.estimate(); err != nil {
		return fmt.Errorf("no energy source: %w", errors.Join(append(errs, err)...))
	}
	return nil
}

func (d *detection) estimate() error {
	err := fmt.Errorf("no power model: %w", ErrAbsent)
	var models []ZoneModel
	if d.Estimate != nil {
		if models, err = d.Estimate(d.Scope); err != nil {
			err = fmt.Errorf("estimate power: %w", err)
		} else if len(models) == 0 {
			err = fmt.Errorf("no power model for this machine: %w", ErrAbsent)
		}
	}
	if err != nil {
		d.reasons = append(d.reasons, Reason{Source: sourceEstimate, Text: err.Error()})
		return err
	}
	d.addEstimate(NewEstimate(models))
	return nil
}

// addEstimate adds domains that are estimated, with their reasons.
func (d *detection) addEstimate(src Source) {
	for _, m := range src.Domains() {
		r := Reason{Source: sourceEstimate, OK: true, Text: m.Name + " is estimated: " + m.Detail, Part: Part{Name: m.Name, Scope: m.Scope, Counted: true}}
		if !d.wants(m.Kind()) {
			continue
		}
		d.reasons = append(d.reasons, r)
	}
	d.add(src)
}

// gpus adds every GPU that can be read, each once.
func (d *detection) gpus() {
	isGPU := func(m *Domain) bool { return m.Kind() == KindGPU }
	for _, open := range d.GPU {
		src, reasons, err := open(d.Sysfs)
		d.reasons = append(d.reasons, reasons...)
		if err == nil {
			d.addSome(src, isGPU)
		}
	}
	if src, err := d.open(ChooseHwmon, OpenHwmon, true); err == nil {
		d.take(ChooseHwmon, Some(src, isGPU))
	}
}

// addSome adds a part of a source, or closes it.
func (d *detection) addSome(src Source, keep func(*Domain) bool) {
	if part := Some(src, keep); part != nil {
		d.add(part)
	} else {
		_ = src.Close()
	}
}

// open opens a source once; what is known of it already is not said again. quiet: that it is not here is no news.
func (d *detection) open(name string, open Opener, quiet bool) (Source, error) {
	if err, tried := d.tried[name]; tried {
		if err == nil && d.opened[name] == nil {
			err = errTaken
		}
		return d.opened[name], err
	}
	src, reasons, err := open(d.Sysfs)
	if quiet && d.Choice != name && errors.Is(err, ErrAbsent) {
		for i := range reasons {
			reasons[i].OK, reasons[i].Next = true, ""
		}
	}
	d.reasons = append(d.reasons, reasons...)
	if d.tried == nil {
		d.tried, d.opened = map[string]error{}, map[string]Source{}
	}
	d.tried[name] = err
	if err == nil {
		d.opened[name] = src
	}
	return src, err
}

var errTaken = errors.New("counted already")

// take adds a source that open has opened, or a part of it; nil: nothing of it.
func (d *detection) take(name string, part Source) {
	if part != nil {
		delete(d.opened, name)
		d.add(part)
	}
}

func (d *detection) memory(beside bool) {
	if outer := d.holds(&Domain{Socket: -1, Die: -1, Scope: ScopeRAM}); outer != "" {
		r := Reason{Source: sourceEstimate, OK: true, Text: "memory is not estimated: its joules are in " + outer, Part: Part{Name: "estimate:ram", Scope: ScopeRAM, Inside: outer}}
		if n, of := d.count(ScopeDRAM), d.count(ScopePackage); n > 0 && n < of {
			r.OK, r.Text = false, fmt.Sprintf("memory is not estimated: %d of %d packages have a counter of theirs, that of the others is in no row", n, of)
		}
		d.reasons = append(d.reasons, r)
		return
	}
	if !beside {
		d.reasons = append(d.reasons, leftOut("memory", "estimate:ram", ScopeRAM))
		return
	}
	power, detail, err := d.Memory()
	if err != nil {
		d.reasons = append(d.reasons, Reason{Source: sourceEstimate, Text: fmt.Sprintf("memory is not estimated: %v", err)})
		return
	}
	d.addEstimate(NewMemory(power, detail))
}

func (d *detection) storage(beside bool) {
	if outer := d.holds(&Domain{Socket: -1, Die: -1, Scope: ScopeStorage}); outer != "" {
		d.reasons = append(d.reasons, Reason{Source: sourceEstimate, OK: true, Text: "disks are not estimated: their joules are in " + outer, Part: Part{Name: "estimate:storage", Scope: ScopeStorage, Inside: outer}})
		return
	}
	if !beside {
		d.reasons = append(d.reasons, leftOut("what disks use", "estimate:storage", ScopeStorage))
		return
	}
	src, _, err := OpenStorage(d.Procfs, d.Sysfs, d.Disk)
	if err != nil {
		d.reasons = append(d.reasons, Reason{Source: sourceEstimate, OK: errors.Is(err, ErrAbsent), Text: fmt.Sprintf("disks are not estimated: %v", err)})
		return
	}
	d.addEstimate(src)
}

func leftOut(what, name, scope string) Reason {
	return Reason{
		Source: sourceEstimate, OK: true, Text: what + " is in no row: it is not measured here, and an estimate is put beside measured joules only when asked for",
		Next: "--domains all", Part: Part{Name: name, Scope: scope},
	}
}

func (d *detection) count(scope string) (n int) {
	for i := range d.domains {
		if d.domains[i].Scope == scope {
			n++
		}
	}
	return n
}

// holds names a domain that has joules of m: all of them, or a part of m.
func (d *detection) holds(m *Domain) string {
	for i := range d.domains {
		if overlap(&d.domains[i], m) || overlap(m, &d.domains[i]) {
			return d.domains[i].Name
		}
	}
	return ""
}

// add takes of a source the domains that are asked for and whose joules are not counted yet.
func (d *detection) add(src Source) {
	kept := Some(src, func(m *Domain) bool {
		if !d.wants(m.Kind()) {
			d.reasons = append(d.reasons, Reason{Source: m.Source, OK: true, Text: m.Name + " left out by --domains", Part: Part{Name: m.Name, Scope: m.Scope}})
			return false
		}
		if outer := d.holds(m); outer != "" {
			d.reasons = append(d.reasons, Reason{Source: m.Source, OK: true, Text: m.Name + " left out: its joules are in " + outer, Part: Part{Name: m.Name, Scope: m.Scope, Inside: outer}})
			return false
		}
		d.domains = append(d.domains, *m)
		return true
	})
	if kept == nil {
		_ = src.Close()
		return
	}
	d.sources = append(d.sources, kept)
}

// settleParts takes back what a source said of parts that it could count and that are not counted after all.
func (d *detection) settleParts() {
	for i := range d.reasons {
		r := &d.reasons[i]
		r.Part.Counted = r.Part.Counted && slices.ContainsFunc(d.domains, func(m Domain) bool { return m.Name == r.Part.Name && m.Source == r.Source })
	}
}

// closeRest closes what was opened and is not used.
func (d *detection) closeRest() {
	for _, s := range d.opened {
		_ = s.Close()
	}
}

func (d *detection) close() {
	for _, s := range d.sources {
		_ = s.Close()
	}
}

// explain puts what went wrong and the next steps into the error itself: who asked for a counter by name may see nothing but that.
func explain(err error, reasons []Reason) error {
	var parts, next []string
	for _, r := range reasons {
		if !r.OK && !strings.Contains(err.Error(), r.Text) {
			parts = append(parts, r.Text)
		}
		if r.Next != "" && !strings.Contains(strings.Join(next, "\n"), r.Next) {
			next = append(next, r.Next)
		}
	}
	next = append(next, "or run with --source estimate")
	if len(parts) > 0 {
		err = fmt.Errorf("%w (%s)", err, strings.Join(parts, "; "))
	}
	return fmt.Errorf("%w: %s", err, strings.Join(next, "; "))
}

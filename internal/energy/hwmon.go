package energy

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

const sourceHwmon = "hwmon"

// What no device draws: readings above are not counted. The biggest accelerators of 2026 take 1.4 kW, the biggest machines some 20 kW.
const (
	mostGPU     units.Watts = 3000
	mostPackage units.Watts = stepPackage
	mostMachine units.Watts = 50_000
)

// OpenHwmon finds gauges and counters of power among the hardware monitors under sysfs (usually /sys): AMD's packages where amd_energy counts
// them, NVIDIA Grace's sockets, graphics cards, and the whole machine where a meter or a rail has it.
//
// A machine's domain is there only if no package's is. It comes first, and contains the cards after it: the one exception to the rule that a
// Source's domains do not overlap, so that who has the packages from elsewhere can take the cards alone.
func OpenHwmon(sysfs string) (Source, []Reason, error) {
	g, reasons, err := openHwmon(sysfs, kernelFiles)
	if err != nil {
		return nil, reasons, err
	}
	return g, reasons, nil
}

func openHwmon(sysfs string, f files) (*gauges, []Reason, error) {
	class := filepath.Join(sysfs, "class", "hwmon")
	chips, reasons, err := findChips(class, f)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("list hardware monitors: %w", err)
		return nil, []Reason{{Source: sourceHwmon, Text: err.Error(), Next: nextStep(err)}}, err
	}
	var all []*channel
	for _, c := range chips {
		all = append(all, c.channels(f)...)
	}
	h := &hwmonChooser{gauges: newGauges(), files: f, reasons: reasons}
	h.choose(all, numaNodes(sysfs))
	if len(h.gauges.domains) > 0 {
		return h.gauges, h.reasons, nil
	}
	if len(h.broken) > 0 {
		return nil, h.reasons, fmt.Errorf("no hardware monitor of power under %s can be read: %w", class, h.broken[0])
	}
	err = fmt.Errorf("no hardware monitor of power that is known under %s: %w", class, ErrAbsent)
	return nil, append(h.reasons, Reason{Source: sourceHwmon, Text: err.Error()}), err
}

// numaNodes counts them; 0: not told.
func numaNodes(sysfs string) (n int) {
	names, err := list(filepath.Join(sysfs, "devices", "system", "node"))
	if err != nil {
		return 0
	}
	for _, name := range names {
		rest, ok := strings.CutPrefix(name, "node")
		if _, num := parseIndex(rest); ok && num {
			n++
		}
	}
	return n
}

// hwmonChooser turns channels into domains.
type hwmonChooser struct {
	gauges  *gauges
	files   files
	reasons []Reason
	broken  []error
}

type judged struct {
	*channel
	verdict
}

// choose opens the machine's gauge, then the rest in the order of their chips.
func (h *hwmonChooser) choose(all []*channel, nodes int) {
	var machines, rest []judged
	packages := ""
	for _, c := range all {
		j := judged{c, c.judge(all, nodes)}
		switch {
		case j.name == "":
			h.leave(j)
		case j.scope == ScopeMachine:
			machines = append(machines, j)
		default:
			rest = append(rest, j)
			if j.scope != ScopeGPU && packages == "" {
				packages = j.name
			}
		}
	}
	h.machine(machines, packages)
	for _, j := range rest {
		h.open(j)
	}
}

// machine opens the one gauge of the whole machine, of those that see most.
func (h *hwmonChooser) machine(found []judged, packages string) {
	best := 0
	for i, j := range found {
		if j.rank < found[best].rank {
			best = i
		}
	}
	same := 0
	for _, j := range found {
		if j.rank == found[best].rank {
			same++
		}
	}
	for i, j := range found {
		switch {
		case packages != "":
			j.why, j.ok = "it contains "+packages+", which is counted", true
		case same > 1:
			j.why = fmt.Sprintf("there are %d gauges of the whole machine, and which contains which is not told", same)
		case i != best:
			j.why, j.ok, j.inside = "the machine is counted by "+found[best].channel.id(), true, found[best].name
		default:
			h.open(j)
			continue
		}
		h.leave(j)
	}
}

// leave says why a channel is no domain.
func (h *hwmonChooser) leave(j judged) {
	if j.why == "" {
		return
	}
	h.reasons = append(h.reasons, Reason{Source: sourceHwmon, OK: j.ok, Next: j.next, Part: Part{Name: j.channel.id(), Scope: j.scope, Inside: j.inside},
		Text: fmt.Sprintf("%s of %s skipped: %s", j.channel.id(), j.chip.name, j.why)})
}

// open makes a domain of a channel. A counter is read once to see that it works; a gauge may say nothing yet, as a card that sleeps.
func (h *hwmonChooser) open(j judged) {
	d := Domain{Name: j.verdict.name, Socket: j.socket, Die: -1, Source: sourceHwmon, Scope: j.scope}
	part := Part{Name: d.Name, Scope: d.Scope, Counted: true}
	if d.Scope == ScopeGPU && len(h.gauges.domains) > 0 && h.gauges.domains[0].Scope == ScopeMachine {
		part.Inside = h.gauges.domains[0].Name
	}
	name, err := h.input(j, &d)
	if err != nil {
		part.Name, part.Counted = j.channel.id(), false
		err = fmt.Errorf("%s: %w", name, err)
		h.broken = append(h.broken, err)
		h.reasons = append(h.reasons, Reason{Source: sourceHwmon, Text: d.Name + " cannot be read: " + err.Error(), Next: nextStep(err), Part: part})
		return
	}
	text := d.Name + " is read from " + name
	if c := h.gauges.channels[len(h.gauges.channels)-1]; c.status != nil {
		text += "; while it is read it does not go to sleep"
	}
	h.reasons = append(h.reasons, Reason{Source: sourceHwmon, OK: true, Text: text, Part: part})
}

// input opens a channel's files and adds the domain.
func (h *hwmonChooser) input(j judged, d *Domain) (name string, err error) {
	c := j.channel
	status := c.runtimeStatus(h.files)
	if c.kind == channelEnergy {
		file := c.file(h.files, "energy%d_input")
		d.Detail = file.path
		if _, err = file.reopen(); err == nil && !(&gaugeChannel{status: status}).asleep() {
			_, err = file.read()
		}
		if err != nil {
			file.close()
			if status != nil {
				status.close()
			}
			return file.name, err
		}
		h.gauges.addCounter(*d, file, status)
		return file.name, nil
	}
	g := &gaugeChannel{status: status, gauge: gauge{most: mostMachine}}
	switch d.Scope {
	case ScopeGPU:
		g.gauge.most = mostGPU
	case ScopePackage, ScopePsys:
		g.gauge.most = mostPackage
	}
	g.gauge.lag = c.milliseconds(h.files, "update_interval", 0)
	g.every = max(everyInstant, g.gauge.lag)
	var files []*counterFile
	switch {
	case c.kind == channelRail:
		r := rail{voltage: c.file(h.files, "in%d_input"), current: c.file(h.files, "curr%d_input"), scale: 1e-6}
		g.input, files = r, []*counterFile{r.voltage, r.current}
	case c.has[fmt.Sprintf("power%d_average", c.index)]:
		w := wattFile{c.file(h.files, "power%d_average")}
		g.input, files = w, []*counterFile{w.file}
		g.gauge.lag = c.milliseconds(h.files, "powerN_average_interval", everyMean)
		g.every = min(max(everyMean, g.gauge.lag), bridge/2)
		g.gauge.err = c.inexact(h.files)
	default:
		w := wattFile{c.file(h.files, "power%d_input")}
		g.input, files = w, []*counterFile{w.file}
	}
	g.name, d.Detail = files[0].name, files[0].path
	if c.label != "" {
		d.Detail = fmt.Sprintf("%s (%.64s)", d.Detail, c.label)
	}
	if err := openAll(files...); err != nil {
		if status != nil {
			status.close()
		}
		return g.name, err
	}
	h.gauges.addGauge(*d, g)
	return g.name, nil
}

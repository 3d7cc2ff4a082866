package powermodel

import (
	"fmt"
	"strings"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// Resolve finds the figures for a CPU; it never fails. Order: the exact CPU name where it has results of its own;
// signature (CPUID or MIDR); CPU name of cloud parts; TDP by name; a default TDP. Model.How tells which it was.
func Resolve(cpu CPU) Model {
	t, name := tables(), normalName(cpu.Name)
	id, known := t.identify(cpu)
	why := ""
	if known && cpu.Hypervisor && t.isBaseline(id, name) {
		// "QEMU Virtual CPU" and "Westmere" are what a hypervisor shows so that guests can move between hosts.
		known, why = false, fmt.Sprintf("the %s that the hypervisor shows is not taken for its host's CPU; ", id.microarch)
	}
	if exact, ok := t.cpus[name]; ok && why == "" {
		return t.fromCPU(cpu, exact, id, known)
	}
	if known {
		if m, ok := t.fromKey(cpu, id.microarch, id.powerKey, signature(cpu)+" is "+id.microarch); ok {
			return m
		}
		why = fmt.Sprintf("%s is %s, which has no figures; ", signature(cpu), id.microarch)
	}
	for _, c := range t.clouds {
		if hasWords(name, c.fragment) {
			if m, ok := t.fromKey(cpu, c.microarch, c.powerKey, fmt.Sprintf("CPU name %q is %s", cpu.Name, c.microarch)); ok {
				return m
			}
		}
	}
	if watts, ok := t.tdpOf(name); ok {
		return t.fromTDP(cpu, "tdp", watts, 1, fmt.Sprintf("%sTDP of %g W listed for %q", why, watts, cpu.Name))
	}
	if cpu.Implementer != 0 {
		return t.armStandIn(cpu, id, known, why)
	}
	watts := t.constants["cpu_default_tdp"].value
	if why == "" {
		why = fmt.Sprintf("unknown CPU %q; ", cpu.Name)
	}
	return t.fromTDP(cpu, "default", watts, 2, fmt.Sprintf("%sdefault TDP of %g W", why, watts))
}

func (t *tableSet) identify(cpu CPU) (idRow, bool) {
	for _, r := range t.ids {
		switch {
		case r.implementer != 0:
			if cpu.Implementer == r.implementer && r.model.has(cpu.Part) {
				return r, true
			}
		case cpu.Implementer == 0 && r.vendor == cpu.Vendor && r.family == cpu.Family && r.model.has(cpu.Model) && r.stepping.has(cpu.Stepping):
			return r, true
		}
	}
	return idRow{}, false
}

func signature(cpu CPU) string {
	if cpu.Implementer != 0 {
		return fmt.Sprintf("Arm implementer %#x part %#x", cpu.Implementer, cpu.Part)
	}
	return fmt.Sprintf("%s family %d model %d stepping %d", cpu.Vendor, cpu.Family, cpu.Model, cpu.Stepping)
}

// isBaseline spots CPU models that hypervisors invent or keep for compatibility: no cloud runs hosts of 2011 and before,
// and a K8 row would charge 41 W per thread.
func (t *tableSet) isBaseline(id idRow, name string) bool {
	if strings.HasPrefix(name, "qemu ") || strings.HasPrefix(name, "common ") { // "Common KVM processor"
		return true
	}
	p, ok := t.power[id.powerKey]
	return ok && p.to <= 2011
}

// Least relative errors around a median, idle and full load. Of servers with the same CPU, the right model is off by 18 % at p95
// under load, and more at idle (data/README.md); few results show less spread than there is, and a relative's figures may be far off.
var (
	doubtMany     = [2]float64{0.25, 0.18}
	doubtFew      = [2]float64{0.40, 0.30}
	doubtRelative = [2]float64{0.60, 0.40}
)

const fewResults = 4

func doubt(results int) [2]float64 {
	if results < fewResults {
		return doubtFew
	}
	return doubtMany
}

func (t *tableSet) fromKey(cpu CPU, microarch, key, found string) (Model, bool) {
	p, ok := t.power[key]
	if !ok {
		return Model{}, false
	}
	d, how := doubt(p.results), fmt.Sprintf("%s: median of %d SPECpower results (%s)", found, p.results, p.example)
	if microarch != key {
		d, how = doubtRelative, fmt.Sprintf("%s, without results of its own: %s (%s) stands in", found, key, p.example)
	}
	m := Model{
		Key: key, Microarch: microarch, How: how,
		Idle: quartiles(p.idle, d[0]), Max: quartiles(p.max, d[1]),
	}
	return finish(m, t, cpu, p.vendor, p.from, p.threadsPerCore), true
}

func (t *tableSet) fromCPU(cpu CPU, c cpuRow, id idRow, known bool) Model {
	m := Model{Key: c.microarch, Microarch: c.microarch, How: fmt.Sprintf("%s is listed: median of %d SPECpower results", c.shown, c.results)}
	if known && id.powerKey != "" { // a few rows of the table are filed under the wrong line; the signature is not
		m.Key, m.Microarch = id.powerKey, id.microarch
	}
	d := doubt(c.results)
	idle, full := c.idle/c.threads, c.max/c.threads
	m.Idle, m.Max = quartiles([3]float64{idle, idle, idle}, d[0]), quartiles([3]float64{full, full, full}, d[1])
	p := t.power[m.Key]
	return finish(m, t, cpu, p.vendor, p.from, c.threads/c.cores)
}

// fromTDP spreads a socket's TDP over its threads. A guest does not see how many threads its host's socket has, so there
// no thread costs more than was measured on cloud metal.
func (t *tableSet) fromTDP(cpu CPU, key string, tdp, wider float64, how string) Model {
	idle, full := t.constants["server_idle_to_tdp"], t.constants["server_max_to_tdp"]
	perThread := tdp * float64(max(1, cpu.Sockets)) / float64(max(1, cpu.Threads))
	how = fmt.Sprintf("%s, idle %g and full %g of it", how, idle.value, full.value)
	if top := t.constants["pkg_max_w_per_vcpu"].value / full.value; (cpu.Hypervisor || cpu.Threads <= 0) && perThread > top {
		perThread = top
		how += fmt.Sprintf(", at most %g W per thread", top*full.value)
	}
	scaled := func(c constant) Range {
		return Range{units.Watts(perThread * c.value), units.Watts(perThread * c.low / wider), units.Watts(perThread * c.high * wider)}
	}
	m := Model{Key: key, How: how, Idle: scaled(idle), Max: scaled(full)}
	return finish(m, t, cpu, tableVendor(cpu.Vendor), 2017, 0)
}

// armStandIn serves Arm cores without a row: a Neoverse N1 core is nearer to them, from a Raspberry Pi to a server, than
// 85 W for whatever they are, and the bounds are wide.
func (t *tableSet) armStandIn(cpu CPU, id idRow, known bool, why string) Model {
	const key = "neoverse-n1"
	microarch := "unknown Arm core"
	if known {
		microarch = id.microarch
	} else {
		why = signature(cpu) + " is not listed; "
	}
	m, _ := t.fromKey(cpu, microarch, key, "")
	m.How = why + key + " (" + t.power[key].example + ") stands in, per core" + guestNote(cpu)
	for _, r := range []*Range{&m.Idle, &m.Max} {
		r.Low, r.High = r.Value*0.25, r.Value*2.5
	}
	return m
}

func tableVendor(vendorID string) string {
	switch vendorID {
	case "GenuineIntel":
		return "intel"
	case "AuthenticAMD", "HygonGenuine":
		return "amd"
	}
	return ""
}

func quartiles(q [3]float64, least float64) Range {
	return Range{
		Value: units.Watts(q[1]),
		Low:   units.Watts(min(q[0], q[1]*(1-least))),
		High:  units.Watts(max(q[2], q[1]*(1+least))),
	}
}

func guestNote(cpu CPU) string {
	if cpu.Hypervisor {
		return "; in a guest, so +-50 % at least"
	}
	return ""
}

// finish adds what all ways share: curve, scope, ratio, and SMT switched off. tableSMT is the threads per core behind the
// figures; where this machine runs fewer, each thread stands for more of a core. A guest's topology says nothing of it.
func finish(m Model, t *tableSet, cpu CPU, vendor string, from int, tableSMT float64) Model {
	if seen := float64(cpu.ThreadsPerCore); !cpu.Hypervisor && seen > 0 && tableSMT > seen {
		k := units.Watts(tableSMT / seen)
		m.Idle = Range{m.Idle.Value * k, m.Idle.Low * k, m.Idle.High * k}
		m.Max = Range{m.Max.Value * k, m.Max.Low * k * 0.8, m.Max.High * k} // one thread seldom fills a core
		m.How += "; SMT is off here, so per core"
	}
	group := groupCurve(vendor, from)
	m.CurveKey, m.Curve = group, t.curves[group]
	if m.Guest = cpu.Hypervisor; m.Guest {
		m.CurveKey, m.Curve = guestCurve, t.curves[guestCurve]
	}
	m.CurveLow, m.CurveHigh = envelope(t.curves[group], t.curves[guestCurve])
	m.Max.Low, m.Max.High = max(m.Max.Low, m.Idle.Low), max(m.Max.High, m.Idle.High)
	m.Scope = scopeWall // every row, and the ratios to TDP, are of whole servers
	m.How += guestNote(cpu)
	return m
}

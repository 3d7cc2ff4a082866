package powermodel

import (
	"fmt"
	"math"
	"strings"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// Resolve finds the figures for a CPU, at the wall; it never fails. Order: the exact CPU name where it has results of its own; cloud
// instance type; signature (CPUID or MIDR); CPU name of cloud parts; TDP by name; a default TDP. Where the signature contradicts the
// instance type it wins: clouds put newer CPUs under old names. Model.How tells which it was.
func Resolve(cpu CPU) Model { return tables().resolve(cpu) }

func (t *tableSet) resolve(cpu CPU) Model {
	name := normalName(cpu.Name)
	id, known := t.identify(cpu)
	why := ""
	if known && cpu.Hypervisor && t.isBaseline(id, name) {
		// "QEMU Virtual CPU" and "Westmere" are what a hypervisor shows so that guests can move between hosts.
		known, why = false, fmt.Sprintf("the %s that the hypervisor shows is not taken for its host's CPU; ", id.microarch)
	}
	if exact, ok := t.cpus[name]; ok && why == "" {
		return t.fromCPU(cpu, exact, id, known)
	}
	if microarch, key, ok := t.platformOf(cpu.Instance); ok && (!known || id.powerKey == "" || id.powerKey == key) {
		if m, ok := t.fromKey(cpu, microarch, key, fmt.Sprintf("instance type %s is %s", clean([]byte(cpu.Instance)), microarch)); ok {
			return m
		}
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
	cpu.Name = "" // it has told nothing
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

// Least doubt around a median, idle and full load, as a share: the bounds are value x (1 - doubt) and value / (1 - doubt). Of servers with the
// same CPU, the right model is off by 18 % at p95 under load, and more at idle (data/README.md). Parts of one line differ by more
// than that (TestErrorAgainstSPECpower); few results show less spread than there is, and a relative's figures may be far off.
var (
	doubtListed   = [2]float64{0.25, 0.18}
	doubtFew      = [2]float64{0.40, 0.30} // listed with few results
	doubtLine     = [2]float64{0.45, 0.25}
	doubtRelative = [2]float64{0.60, 0.40} // and a line with few results
)

const fewResults = 4

func doubt(results int, many, few [2]float64) [2]float64 {
	if results < fewResults {
		return few
	}
	return many
}

func (t *tableSet) fromKey(cpu CPU, microarch, key, found string) (Model, bool) {
	p, ok := t.power[key]
	if !ok {
		return Model{}, false
	}
	d, how := doubt(p.results, doubtLine, doubtRelative), fmt.Sprintf("%s: median of %d SPECpower results (%s)", found, p.results, p.example)
	if microarch != key {
		d, how = doubtRelative, fmt.Sprintf("%s, without results of its own: %s (%s) stands in", found, key, p.example)
	}
	m := Model{
		Key: key, Microarch: microarch, How: how,
		Idle: quartiles(p.idle, d[0]), Max: quartiles(p.max, d[1]),
	}
	smt := smtOff(cpu, p.threadsPerCore)
	m.Idle, m.Max = m.Idle.times(smt), m.Max.times(smt)
	th := thread{memoryGB: p.memoryGB * smt}
	if !cpu.Hypervisor && cpu.Threads > 0 {
		m = t.toSocket(m, cpu, p)
	}
	return t.finish(m, cpu, p.vendor, p.from, smt, th), true
}

// toSocket brings a line's medians to this machine's sockets. Parts of one line differ most by their TDP. At idle they differ less than their
// numbers of threads do, so there, what a socket takes is nearer to the truth than what a thread takes. Figures of servers say
// nothing of a desktop's board: there, idle follows the TDP by half.
func (t *tableSet) toSocket(m Model, cpu CPU, p powerRow) Model {
	name, sockets, threads := normalName(cpu.Name), float64(max(1, cpu.Sockets)), float64(cpu.Threads)
	tdp, listed := t.tdpOf(name)
	full, byTDP := believed(tdp * sockets / threads * p.maxToTDP / float64(m.Max.Value))
	idle, bySocket := believed(p.idleSocket * sockets / threads / float64(m.Idle.Value))
	if byTDP = byTDP && listed; byTDP {
		m.Max, m.How = m.Max.times(full), m.How+", scaled to its TDP"
	}
	switch {
	case bySocket && m.Microarch == m.Key && !clientName(name): // the socket of a relative is another one
		m.Idle = m.Idle.times(idle)
	case byTDP:
		m.Idle = m.Idle.times(math.Sqrt(full))
	}
	if most := m.Max.Value * units.Watts(max(0.5, p.idle[1]/p.max[1])); m.Idle.Value > most { // a line before 2010 idles at more than half
		m.Idle = m.Idle.times(float64(most / m.Idle.Value))
	}
	return m
}

// believed says whether a part can differ by so much from its line. Else its name is another's, or most of a socket's threads are hidden.
func believed(factor float64) (float64, bool) { return factor, factor > 1.0/16 && factor < 16 }

func (t *tableSet) fromCPU(cpu CPU, c cpuRow, id idRow, known bool) Model {
	m := Model{Key: c.microarch, Microarch: c.microarch, How: fmt.Sprintf("%s is listed: median of %d SPECpower results", c.shown, c.results)}
	if known && id.powerKey != "" { // a few rows of the table are filed under the wrong line; the signature is not
		m.Key, m.Microarch = id.powerKey, id.microarch
	}
	d := doubt(c.results, doubtListed, doubtFew)
	idle, full := c.idle/c.threads, c.max/c.threads
	m.Idle, m.Max = quartiles([3]float64{idle, idle, idle}, d[0]), quartiles([3]float64{full, full, full}, d[1])
	p := t.power[m.Key]
	smt := smtOff(cpu, c.threads/c.cores)
	m.Idle, m.Max = m.Idle.times(smt), m.Max.times(smt)
	th := thread{memoryGB: c.memoryGB / c.threads * smt}
	if c.memoryGB == 0 {
		th.memoryGB = p.memoryGB * smt
	}
	return t.finish(m, cpu, p.vendor, p.from, smt, th)
}

// fromTDP spreads a socket's TDP over its threads. A guest does not see how many threads its host's socket has, so there
// no thread costs more than was measured on cloud metal.
func (t *tableSet) fromTDP(cpu CPU, key string, tdp, wider float64, how string) Model {
	idle, full := t.constants["server_idle_to_tdp"], t.constants["server_max_to_tdp"]
	from := 2017
	if before2017(normalName(cpu.Name)) {
		idle, full, from = t.constants["server_idle_to_tdp_2012"], t.constants["server_max_to_tdp_2012"], 2012
	}
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
	th := thread{memoryGB: perThread * t.constants["server_gb_per_tdp"].value, tdp: perThread, tdpBy: "by its TDP"}
	return t.finish(m, cpu, tableVendor(cpu.Vendor), from, 1, th)
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
	m.how = why + key + " (" + t.power[key].example + ") stands in, per core" + guestNote(cpu)
	for _, f := range []*figures{&m.scopes.wall, &m.scopes.server, &m.scopes.pkg} {
		for _, r := range []*Range{&f.idle, &f.full} {
			r.Low, r.High = min(r.Low, r.Value*0.25), max(r.High, r.Value*2.5)
		}
	}
	return m.As(ScopeWall)
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
		High:  units.Watts(max(q[2], q[1]/(1-least))),
	}
}

func guestNote(cpu CPU) string {
	if cpu.Hypervisor {
		return "; in a guest, so +-50 % at least"
	}
	return ""
}

// smtOff is by how much each thread stands for more of a core here than behind the figures, which are of tableSMT threads per core. A
// guest's topology says nothing of it.
func smtOff(cpu CPU, tableSMT float64) float64 {
	if seen := float64(cpu.ThreadsPerCore); !cpu.Hypervisor && seen > 0 && tableSMT > seen {
		return tableSMT / seen
	}
	return 1
}

// finish adds what all ways share: the scopes and the curve.
func (t *tableSet) finish(m Model, cpu CPU, vendor string, from int, smt float64, th thread) Model {
	name := normalName(cpu.Name)
	if smt > 1 {
		m.Max.Low *= 0.8 // one thread seldom fills a core
		m.How += "; SMT is off here, so per core"
	}
	if th.tdp == 0 {
		th.tdp, th.tdpBy, th.relative = t.packageTDP(cpu, name, m.Key, float64(m.Max.Value), smt)
	}
	th.client = clientName(name)
	m.Guest, m.packageBy, m.how = cpu.Hypervisor, th.tdpBy, m.How
	if cpu.Hypervisor || cpu.Instance != "" {
		m.scopes = t.buildUp(th)
		m.how += ", as a cloud host, " + th.tdpBy
	} else {
		m.scopes = t.carveOut(ordered(figures{m.Idle, m.Max}), th)
	}
	m.how += guestNote(cpu)

	group := groupCurve(vendor, from)
	m.CurveKey, m.Curve = group, t.curves[group]
	if cpu.Hypervisor || cpu.Instance != "" || cpu.Governor == "performance" {
		m.CurveKey, m.Curve = hostCurve, t.curves[hostCurve]
	}
	m.CurveLow, m.CurveHigh = envelope(t.curves[group], t.curves[hostCurve])
	return m.As(ScopeWall)
}

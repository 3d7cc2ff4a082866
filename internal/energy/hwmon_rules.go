package energy

import (
	"fmt"
	"slices"
	"strings"
)

// verdict is what a channel is, by what is known of its driver. Nothing is guessed: a driver that is not listed here is told, and not counted.
type verdict struct {
	scope  string
	name   string // of the domain; empty: not counted
	socket int
	inside string // the part whose joules include its own
	why    string // why it is not counted
	ok     bool   // nothing is lost by that
	next   string
	rank   int // of a gauge of the whole machine: the lowest is counted
}

// Gauges of a whole machine, the one that sees most first.
const (
	rankACPI   = iota // what the power supplies take in, as the firmware says
	rankSupply        // what one power supply gives out
	rankInput         // the rail that feeds a board
)

// judge tells what one of the chip's channels is.
func (c *channel) judge(all []*channel, nodes int) verdict {
	switch {
	case c.supply:
		return verdict{scope: ScopeMachine, why: "it is a power supply, which is looked at as a battery", ok: true}
	case c.name == "amd_energy", c.name == "zenergy":
		return c.amdEnergy(all, nodes)
	case c.name == "amdgpu":
		return c.amdGPU()
	case c.name == "i915", c.name == "xe", strings.HasPrefix(c.name, "i915_gt"):
		return c.intelGPU(all)
	case c.name == "nouveau" && c.kind == channelPower:
		return verdict{scope: ScopeGPU, name: c.name + ":" + c.device, socket: -1}
	case c.name == "power_meter" && c.kind == channelPower:
		return c.acpiMeter(all)
	case c.name == "fam15h_power" && c.kind == channelPower:
		return c.fam15h(all)
	case c.name == "zenpower" && c.kind == channelPower:
		return verdict{scope: ScopeCore, inside: "package-0", why: "it is one rail of the package", ok: true}
	case c.name == "corsairpsu" && c.kind == channelPower:
		if c.label == "power total" {
			return c.machine(rankSupply)
		}
		return verdict{inside: "machine", why: c.quoted() + " is one of the power supply's outputs", ok: true}
	case c.name == "scmi_sensors", strings.HasPrefix(c.name, "ina2"), c.name == "ina3221":
		return c.board(all)
	case c.kind == channelRail:
		return verdict{ok: true} // a voltage beside a current: seldom power, never told
	}
	return verdict{why: fmt.Sprintf("what %q measures with %s is not known to this program", c.name, c.quoted()), next: nextTell}
}

const nextTell = "tell us what it measures: the driver's name, its labels and the machine"

func (c *channel) quoted() string {
	if c.label == "" {
		return "no label"
	}
	return fmt.Sprintf("label %.64q", c.label)
}

func (c *channel) machine(rank int) verdict {
	return verdict{scope: ScopeMachine, name: "machine", socket: -1, rank: rank}
}

// amdEnergy: Esocket is a package's counter and Ecore a core's (Documentation/hwmon/amd_energy.rst). The driver asks a CPU of the NUMA node of the
// socket's number, so with several nodes in a socket two of its sockets are the same one.
func (c *channel) amdEnergy(all []*channel, nodes int) verdict {
	if rest, ok := strings.CutPrefix(c.label, "Esocket"); ok && c.kind == channelEnergy {
		n, num := parseIndex(rest)
		sockets := 0
		for _, o := range all {
			if o.chip == c.chip && strings.HasPrefix(o.label, "Esocket") {
				sockets++
			}
		}
		switch {
		case !num:
		case nodes > 0 && nodes != sockets:
			return verdict{scope: ScopePackage, socket: n, next: nextDriver,
				why: fmt.Sprintf("the driver takes NUMA nodes (%d) for sockets (%d), so which it reads is not sure", nodes, sockets)}
		default:
			return verdict{scope: ScopePackage, name: fmt.Sprintf("package-%d", n), socket: n}
		}
	}
	if strings.HasPrefix(c.label, "Ecore") {
		v := verdict{scope: ScopeCore, why: "a core is inside its package", ok: true}
		if nodes == 1 {
			v.inside = "package-0"
		}
		return v
	}
	return verdict{why: c.quoted() + " is not known of this driver", next: nextTell}
}

const pciMI300A = "0x74a0"

// amdGPU: a discrete card's power; that of a chip with CPUs in it is of the whole chip, which is a package. The driver shows vddnb (in1) of
// those alone (amdgpu_pm.c), but not of MI300A, which is told by its PCI number.
func (c *channel) amdGPU() verdict {
	switch {
	case c.kind != channelPower:
		return verdict{ok: true}
	case c.has["in1_input"], c.pci == pciMI300A:
		return verdict{scope: ScopePackage, inside: "package-0", why: "graphics and CPUs are one chip, whose package has a counter of its own", ok: true}
	case c.index != 1:
		return verdict{scope: ScopeGPU, inside: c.name + ":" + c.device, why: "it is the same chip's power by another mean", ok: true}
	}
	return verdict{scope: ScopeGPU, name: c.name + ":" + c.device, socket: -1}
}

// intelGPU: the drivers register with hwmon for discrete cards only (i915_hwmon.c, xe_hwmon.c). energy1 is the card's, i915_gtN a tile's,
// and what xe labels pkg is the chip on the card; some cards have that alone.
func (c *channel) intelGPU(all []*channel) verdict {
	name := "i915:" + c.device
	if c.name == "xe" {
		name = "xe:" + c.device
	}
	switch {
	case c.kind != channelEnergy:
		return verdict{ok: true}
	case strings.HasPrefix(c.name, "i915_gt"):
		return verdict{scope: ScopeGPU, inside: name, why: "a tile is inside its card", ok: true}
	case c.name == "xe" && c.label == "pkg" && c.counted(all, "card"):
		return verdict{scope: ScopeGPU, inside: name, why: "the chip is inside its card", ok: true}
	case c.name == "xe" && c.label != "card" && c.label != "pkg" && c.label != "":
		return verdict{scope: ScopeGPU, inside: name, why: c.quoted() + " is a part of the card", ok: true}
	}
	return verdict{scope: ScopeGPU, name: name, socket: -1}
}

// counted tells whether the chip has a counter of that label.
func (c *channel) counted(all []*channel, label string) bool {
	return slices.ContainsFunc(all, func(o *channel) bool { return o.chip == c.chip && o.kind == channelEnergy && o.label == label })
}

// acpiMeter: on NVIDIA Grace there are four a socket, told by their OEM text; elsewhere one, of the machine.
func (c *channel) acpiMeter(all []*channel) verdict {
	if what, socket, ok := strings.Cut(c.label, " Power Socket "); ok {
		n, num := parseIndex(socket)
		own := fmt.Sprintf("psys-%d", n)
		switch {
		case !num:
		case what == "Grace": // CPUs, their memory, and the loss of its regulators
			return verdict{scope: ScopePsys, name: own, socket: n}
		case what == "CPU", what == "SysIO":
			return verdict{scope: ScopePackage, socket: n, inside: own, why: "it is a part of " + own, ok: true}
		case what == "Module":
			return verdict{scope: ScopeMachine, why: "it contains " + own + ", which is counted", ok: true}
		}
	}
	meters := 0
	for _, o := range all {
		if o.name == c.name && o.kind == channelPower {
			meters++
		}
	}
	if meters > 1 {
		return verdict{scope: ScopeMachine, why: fmt.Sprintf("there are %d ACPI meters, and which contains which is not told", meters), next: nextTell}
	}
	return c.machine(rankACPI)
}

// fam15h: a package's power; of several nothing tells which socket each is.
func (c *channel) fam15h(all []*channel) verdict {
	for _, o := range all {
		if o.name == c.name && o.chip != c.chip {
			return verdict{scope: ScopePackage, why: "there are several, and nothing tells which socket each is"}
		}
	}
	return verdict{scope: ScopePackage, name: "package-0", socket: 0}
}

// totals are labels of the rail that feeds all of a board, as device trees have them: those of NVIDIA's Jetson boards, and plain words.
var totals = []string{"vdd_in", "pom_5v_in", "total", "total power", "system", "system power"}

// board: shunts on a board's rails. What a rail feeds only its label says.
func (c *channel) board(all []*channel) verdict {
	switch {
	case c.kind == channelRail && (c.has["power1_input"] || c.name == "ina3221" && c.index > 3):
		return verdict{ok: true} // the chip knows its power; or it is no bus voltage (Documentation/hwmon/ina3221.rst)
	case c.kind == channelPower && c.counted(all, c.label):
		return verdict{why: "the same rail has a counter", ok: true}
	case slices.Contains(totals, strings.ToLower(c.label)):
		return c.machine(rankInput)
	case c.label == "":
		return verdict{why: "nothing tells which rail it is", next: nextTell}
	}
	return verdict{why: fmt.Sprintf("%s is one rail of the board", c.quoted()), ok: true}
}

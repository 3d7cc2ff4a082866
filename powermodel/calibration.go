package powermodel

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// CalibrationSchema is the version of a model file. Fields are only ever added to it.
const CalibrationSchema = "eco2-bpf/model/1"

// Calibration is what the counters of one machine said of its power by load, for where there are none: see docs/calibration.md.
type Calibration struct {
	Created    time.Time // to the second
	Kernel     string
	CPU        CPU
	Conditions Conditions
	Ladder     LadderFacts
	Domains    []CalibratedDomain
}

// Conditions are settings that change what the same load costs. Empty: the machine does not say.
type Conditions struct {
	Driver   string `json:"driver,omitempty"`   // of CPU frequencies, such as intel_pstate
	Governor string `json:"governor,omitempty"` // such as performance; several are joined by commas
	Turbo    string `json:"turbo,omitempty"`    // on or off: clocks above the nominal one
	SMT      string `json:"smt,omitempty"`      // on or off: several threads on a core
}

// LadderFacts say how a calibration was made.
type LadderFacts struct {
	Steps         []int   `json:"steps_percent"`
	HoldSeconds   float64 `json:"hold_seconds"`
	SettleSeconds float64 `json:"settle_seconds"`
	WindowSeconds float64 `json:"window_seconds"`
	Load          string  `json:"load"`
	BusySource    string  `json:"busy_source"`
}

// CalibratedDomain is one energy domain's power by the busy share of its CPUs.
type CalibratedDomain struct {
	Name             string
	Scope            string // as energy.Domain has it: package, dram and so on
	Socket, Die      int    // -1: the whole machine; all of the socket
	Method, Source   string
	Threads          int   // hardware threads that it was paid for
	Watts, Low, High Curve // watts at 0, 10, ... 100 % busy
	Residuals        Residuals
	Windows          int
}

// Idle is the domain's power with nothing to do.
func (d CalibratedDomain) Idle() Range { return d.At(0) }

// Max is its power with all threads busy.
func (d CalibratedDomain) Max() Range { return d.At(1) }

// At is its power when its threads are busy for this share of the time, 0 to 1.
func (d CalibratedDomain) At(busyShare float64) Range {
	return Range{units.Watts(d.Watts.At(busyShare)), units.Watts(d.Low.At(busyShare)), units.Watts(d.High.At(busyShare))}
}

// CalibratedZone is the power of one scope, on the socket and die of the machine that asks.
type CalibratedZone struct {
	Name        string // the domain's; or its scope and socket
	Scope       string
	Socket, Die int
	Detail      string // one line for people
	domains     []CalibratedDomain
	scale       float64
	doubt       float64 // least relative error
}

// Watts is the zone's power when its CPUs are busy for this share of the time, 0 to 1.
func (z CalibratedZone) Watts(busyShare float64) Range {
	var sum Range
	for _, d := range z.domains {
		r := d.At(busyShare)
		sum.Value, sum.Low, sum.High = sum.Value+r.Value, sum.Low+r.Low, sum.High+r.High
	}
	k := units.Watts(z.scale)
	sum.Value, sum.Low, sum.High = sum.Value*k, sum.Low*k, sum.High*k
	sum.Low = min(sum.Low, sum.Value*units.Watts(1-z.doubt))
	sum.High = max(sum.High, sum.Value*units.Watts(1+z.doubt))
	return sum
}

// ErrOtherCPU says that a calibration is of another kind of CPU.
var ErrOtherCPU = errors.New("the model is of another CPU")

// Zones fits a calibration to a machine: its CPU, its sockets, and how many CPUs are online on a socket and die (-1: any). On the machine that it
// is of, and its like, each domain is itself. On another number of threads of the same CPU, so in a guest, every socket has its threads' part of
// each scope, and at least the error of an estimate in a guest. Another CPU is ErrOtherCPU.
func (c Calibration) Zones(cpu CPU, sockets []int, threads func(socket, die int) int) ([]CalibratedZone, error) {
	if err := c.sameCPU(cpu); err != nil {
		return nil, err
	}
	if len(sockets) == 0 || threads(-1, -1) <= 0 {
		return nil, errors.New("fit the model to this machine: no CPU is online")
	}
	if c.sameMachine(cpu, threads) {
		return c.own(), nil
	}
	return c.perThread(cpu, sockets, threads), nil
}

// sameCPU compares what the kernel tells of the processors; a name only where there is no number.
func (c Calibration) sameCPU(cpu CPU) error {
	a, b := c.CPU, cpu
	switch {
	case signed(a) && signed(b):
		if signatureOf(a) == signatureOf(b) {
			return nil
		}
	case a.Name != "" && normalName(a.Name) == normalName(b.Name):
		return nil
	}
	return fmt.Errorf("%w: it is of %s, and this is %s", ErrOtherCPU, told(a), told(b))
}

func (c Calibration) sameMachine(cpu CPU, threads func(socket, die int) int) bool {
	if c.CPU.Hypervisor != cpu.Hypervisor || c.CPU.Name != cpu.Name || c.CPU.Threads != threads(-1, -1) {
		return false
	}
	for _, d := range c.Domains {
		if d.Threads != threads(d.Socket, d.Die) {
			return false
		}
	}
	return true
}

// own gives each domain as it is.
func (c Calibration) own() []CalibratedZone {
	var zones []CalibratedZone
	for _, d := range c.Domains {
		zones = append(zones, CalibratedZone{
			Name: d.Name, Scope: d.Scope, Socket: d.Socket, Die: d.Die, domains: []CalibratedDomain{d}, scale: 1,
			Detail: fmt.Sprintf("calibrated %s: %s, %d windows, held-out error %.1f %% at p95",
				c.day(), wattsRange(d.Watts), d.Windows, 100*d.Residuals.HeldOutP95),
		})
	}
	return zones
}

// perThread shares each scope out by threads.
func (c Calibration) perThread(cpu CPU, sockets []int, threads func(socket, die int) int) []CalibratedZone {
	scopes, parts := []string{}, map[string][]CalibratedDomain{}
	for _, d := range c.Domains {
		if parts[d.Scope] == nil {
			scopes = append(scopes, d.Scope)
		}
		parts[d.Scope] = append(parts[d.Scope], d)
	}
	var zones []CalibratedZone
	for _, socket := range sockets {
		here := threads(socket, -1)
		for _, scope := range scopes { // what feeds the whole machine, too: its parts by socket add up to its threads' part
			if here > 0 {
				zones = append(zones, c.part(cpu, scope, parts[scope], socket, here))
			}
		}
	}
	return zones
}

func (c Calibration) part(cpu CPU, scope string, domains []CalibratedDomain, socket, here int) CalibratedZone {
	of := 0
	for _, d := range domains {
		of += d.Threads
	}
	detail := fmt.Sprintf("calibrated %s on %d threads of the same CPU, by thread: %d here", c.day(), of, here)
	if c.CPU.Name != cpu.Name {
		detail += fmt.Sprintf(" (named %q there, %q here)", c.CPU.Name, cpu.Name)
	}
	return CalibratedZone{
		Name: fmt.Sprintf("%s-%d", scope, socket), Scope: scope, Socket: socket, Die: -1, domains: domains, scale: float64(here) / float64(of), doubt: guestDoubt,
		Detail: detail + "; +-50 % at least",
	}
}

func (c Calibration) day() string { return c.Created.UTC().Format("2006-01-02") }

func wattsRange(w Curve) string { return fmt.Sprintf("%.4g to %.4g W", w[0], w[10]) }

// signed tells that a CPU has numbers to be known by.
func signed(c CPU) bool { return c.Implementer != 0 || c.Family != 0 || c.Model != 0 }

func signatureOf(c CPU) [6]any {
	if c.Implementer != 0 {
		return [6]any{"Arm", c.Implementer, c.Part}
	}
	return [6]any{c.Vendor, c.Family, c.Model, c.Stepping}
}

// told names a CPU for people.
func told(c CPU) string {
	switch {
	case signed(c) && c.Name != "":
		return fmt.Sprintf("%q (%s)", c.Name, signature(c))
	case signed(c):
		return signature(c)
	case c.Name != "":
		return fmt.Sprintf("%q", c.Name)
	}
	return "an unknown CPU"
}

// Differs says which conditions are others than those of the calibration.
func (c Conditions) Differs(now Conditions) []string {
	var out []string
	for _, p := range []struct{ name, then, now string }{
		{"frequency driver", c.Driver, now.Driver}, {"governor", c.Governor, now.Governor}, {"turbo", c.Turbo, now.Turbo}, {"SMT", c.SMT, now.SMT},
	} {
		if p.then != "" && p.now != "" && p.then != p.now {
			out = append(out, fmt.Sprintf("%s was %s, is %s", p.name, p.then, p.now))
		}
	}
	return out
}

// String says the conditions on one line.
func (c Conditions) String() string {
	var out []string
	for _, p := range [][2]string{{"frequency driver", c.Driver}, {"governor", c.Governor}, {"turbo", c.Turbo}, {"SMT", c.SMT}} {
		if p[1] != "" {
			out = append(out, p[0]+" "+p[1])
		}
	}
	if len(out) == 0 {
		return "the machine does not tell its frequency settings"
	}
	return strings.Join(out, ", ")
}

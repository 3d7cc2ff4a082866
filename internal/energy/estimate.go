package energy

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

const sourceEstimate = "estimate"

// maxWatts is more than any machine: a model that says more is wrong, and is not added up.
const maxWatts = 1e6

// ZoneModel is what an estimate needs to know about one socket (or, with Socket -1, about a whole machine).
type ZoneModel struct {
	Name   string // of the domain, behind "estimate:"; empty: by the socket
	Socket int
	Die    int          // -1: all of the socket
	CPUs   []int        // numbers of the CPUs that are online, as Edge.Busy counts them
	Online func() []int // asked at each edge, for machines where CPUs come and go; nil: CPUs stay
	Detail string       // one line for people: the model and where its numbers are from
	Scope  string       // what the watts include; see Domain.Scope
	Watts  func(cpus int, busyShare float64) Bounds
}

// estimate integrates a power model over the kernel's busy time. It is for one goroutine.
type estimate struct {
	domains []Domain
	zones   []*estimateZone
}

type estimateZone struct {
	model     ZoneModel
	have      bool
	at        time.Duration
	busy      []time.Duration // of model.CPUs, at the time of at
	missed    bool            // edges since at had no busy time
	sum, idle sums
}

// joules adds up power in whole microjoules and carries the fraction, so that rounding never drifts, however short the windows are.
type joules struct {
	whole units.Microjoules
	rest  float64 // in microjoules, 0 to 1
}

func (j *joules) add(w units.Watts, dt time.Duration) {
	e := float64(w)*float64(dt)/1e3 + j.rest // W * ns = 1e-3 uJ
	whole := math.Floor(e)
	j.whole += units.Microjoules(whole)
	j.rest = e - whole
}

// NewEstimate gives a source with one domain for each model.
func NewEstimate(models []ZoneModel) Source {
	s := &estimate{}
	for _, m := range models {
		d := Domain{Name: "estimate:" + m.Name, Socket: m.Socket, Die: m.Die,
			Method: Estimated, Source: sourceEstimate, Scope: m.Scope, Detail: m.Detail, OwnIdle: true}
		switch {
		case m.Name != "":
		case m.Socket < 0:
			d.Name = "estimate:machine"
		default:
			d.Name = fmt.Sprintf("estimate:package-%d", m.Socket)
		}
		s.domains = append(s.domains, d)
		s.zones = append(s.zones, &estimateZone{model: m, busy: make([]time.Duration, len(m.CPUs))})
	}
	return s
}

func (s *estimate) Domains() []Domain { return s.domains }

func (s *estimate) Close() error { return nil }

func (s *estimate) Read(edge Edge, into []Sample) {
	for i, z := range s.zones {
		if i >= len(into) {
			return
		}
		mark, span := z.read(edge)
		out := Sample{At: edge.Time, Span: span, Mark: mark}
		out.Energy, out.Low, out.High = z.sum.bounds()
		out.Idle, out.IdleLow, out.IdleHigh = z.idle.bounds()
		into[i] = out
	}
}

func (z *estimateZone) read(edge Edge) (mark string, span time.Duration) {
	if len(z.model.CPUs) == 0 && z.model.Online == nil || z.model.Watts == nil {
		return "no model for this domain", 0
	}
	for _, cpu := range z.model.CPUs {
		if cpu < 0 || cpu >= len(edge.Busy) {
			z.missed = true // the next complete edge covers this window too
			return fmt.Sprintf("no busy time of cpu %d", cpu), 0
		}
	}
	if !z.have || edge.Time < z.at {
		if z.have {
			mark = "time went backwards: new baseline"
		}
		z.rebase(edge)
		return mark, 0
	}
	dt := edge.Time - z.at
	if dt == 0 {
		return "", 0 // no time, no energy; what was used meanwhile shows at the next edge
	}
	mark = z.integrate(edge, dt)
	if mark == "" && z.missed {
		mark = fmt.Sprintf("covers %s: there was no busy time before", seconds(dt))
	}
	z.rebase(edge)
	return mark, dt
}

// integrate adds the model's power at the mean load of the window.
func (z *estimateZone) integrate(edge Edge, dt time.Duration) string {
	mark, sure, unknown := "", time.Duration(0), time.Duration(0)
	for i, cpu := range z.model.CPUs {
		d := edge.Busy[cpu] - z.busy[i]
		if d < 0 { // seen when a CPU goes away and comes back: it may have been idle or busy
			mark = fmt.Sprintf("busy time of cpu %d went back", cpu)
			unknown += dt
			continue
		}
		sure += min(d, dt) // a late tick must not make one CPU busier than the window is long
	}
	if len(z.model.CPUs) == 0 { // none of this socket's is online: it is taken to be off
		return mark
	}
	all := float64(dt) * float64(len(z.model.CPUs))
	n := len(z.model.CPUs)
	power, idle := z.model.Watts(n, float64(sure)/all), z.model.Watts(n, 0)
	if unknown > 0 {
		power.High = z.model.Watts(n, float64(sure+unknown)/all).High
	}
	power.Low, power.High = min(power.Low, power.Value), max(power.High, power.Value)
	idle.Low, idle.High = min(idle.Low, idle.Value), max(idle.High, idle.Value)
	if !power.usable() || !idle.usable() {
		return fmt.Sprintf("model gives %.4g W (%.4g to %.4g): not counted", float64(power.Value), float64(power.Low), float64(power.High))
	}
	z.sum.add(power, dt)
	z.idle.add(idle, dt)
	return mark
}

// rebase begins a step with the CPUs that are online now. One that has just come counts from here; of one that went its last moments are
// not known, and it was hardly busy then.
func (z *estimateZone) rebase(edge Edge) {
	z.have, z.missed, z.at = true, false, edge.Time
	if z.model.Online != nil {
		if cpus := z.model.Online(); !slices.ContainsFunc(cpus, func(c int) bool { return c < 0 || c >= len(edge.Busy) }) {
			z.model.CPUs = cpus
		}
	}
	z.busy = z.busy[:0]
	for _, cpu := range z.model.CPUs {
		z.busy = append(z.busy, edge.Busy[cpu])
	}
}

func usable(w units.Watts) bool { return w >= 0 && w <= maxWatts } // false for NaN

package energy

import (
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// Bounds is an estimated power: Low <= Value <= High.
type Bounds struct{ Value, Low, High units.Watts }

func (b Bounds) usable() bool {
	return usable(b.Low) && usable(b.Value) && usable(b.High) && b.Low <= b.Value && b.Value <= b.High
}

func (b Bounds) plus(o Bounds) Bounds {
	return Bounds{b.Value + o.Value, b.Low + o.Low, b.High + o.High}
}

func (b Bounds) times(f float64) Bounds {
	return Bounds{b.Value * units.Watts(f), b.Low * units.Watts(f), b.High * units.Watts(f)}
}

// sums are estimated energies that add up.
type sums struct{ value, low, high joules }

func (s *sums) add(b Bounds, dt time.Duration) {
	s.value.add(b.Value, dt)
	s.low.add(b.Low, dt)
	s.high.add(b.High, dt)
}

// bounds gives the three sums with low <= value <= high for the integers too: each is floored apart.
func (s *sums) bounds() (value, low, high units.Microjoules) {
	return s.value.whole, min(s.low.whole, s.value.whole), max(s.high.whole, s.value.whole)
}

// memory is the constant power of what memory there is. It moves on only at edges where it is known who holds how much of it, so that
// no energy is split by what was true seconds ago.
type memory struct {
	domains []Domain
	power   Bounds
	have    bool
	at      time.Duration
	sum     sums
}

// NewMemory estimates the memory of the machine as a domain of its own.
func NewMemory(power Bounds, detail string) Source {
	return &memory{power: power, domains: []Domain{{
		Name: "estimate:ram", Socket: -1, Die: -1, Method: Estimated, Source: sourceEstimate, Scope: ScopeRAM, Detail: detail,
	}}}
}

func (m *memory) Domains() []Domain { return m.domains }

func (m *memory) Close() error { return nil }

func (m *memory) Read(edge Edge, into []Sample) {
	if len(into) == 0 {
		return
	}
	var span time.Duration
	mark := ""
	switch {
	case !m.power.usable():
		mark = "the model's power of memory makes no sense: not counted"
	case !m.have || edge.Look && edge.Time < m.at:
		if m.have {
			mark = "time went backwards: new baseline"
		}
		m.have, m.at = true, edge.Time
	case edge.Look:
		span = edge.Time - m.at
		m.sum.add(m.power, span)
		m.at = edge.Time
	}
	s := Sample{At: edge.Time, Span: span, Mark: mark}
	s.Energy, s.Low, s.High = m.sum.bounds()
	into[0] = s
}

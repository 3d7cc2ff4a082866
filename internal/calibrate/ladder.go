// Package calibrate puts a machine under known loads, reads what its counters say, and makes a model file of it: see docs/calibration.md.
package calibrate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/powermodel"
)

// DefaultSteps go up and down, as a warm machine draws more for the same load.
var DefaultSteps = []int{0, 10, 25, 50, 75, 100, 75, 50, 25, 10, 0}

const (
	DefaultHold = 10 * time.Second
	MinHold     = time.Second
	maxLadder   = 24 * time.Hour
	maxSteps    = 1000

	settlePart  = 5 // one part in so many of a rung is not used: clocks, voltage and the load itself settle
	minWindow   = 200 * time.Millisecond
	maxWindow   = time.Second
	rungWindows = 8 // that a rung is cut into, if they are no shorter or longer than that
)

// Ladder is a series of loads that are held one after the other.
type Ladder struct {
	Steps                []int // percent of all CPUs
	Hold, Settle, Window time.Duration
}

// NewLadder checks what was asked for. Rungs have four windows at least.
func NewLadder(steps []int, hold time.Duration) (Ladder, error) {
	low, high := 100, 0
	for _, s := range steps {
		if s < 0 || s > 100 {
			return Ladder{}, fmt.Errorf("a load of %d %%: from 0 to 100", s)
		}
		low, high = min(low, s), max(high, s)
	}
	switch {
	case len(steps) < 3 || len(steps) > maxSteps:
		return Ladder{}, fmt.Errorf("%d loads: from 3 to %d, such as 0,50,100,50,0", len(steps), maxSteps)
	case low > 10 || high < 90:
		return Ladder{}, fmt.Errorf("loads from %d to %d %%: some at most 10 and some at least 90, or idle and full power would be guesses", low, high)
	case hold < MinHold:
		return Ladder{}, fmt.Errorf("%v is too short for a load: at least %v", hold, MinHold)
	case hold > maxLadder/time.Duration(len(steps)):
		return Ladder{}, fmt.Errorf("%d loads of %v are longer than %v", len(steps), hold, maxLadder)
	}
	settle := hold / settlePart
	return Ladder{Steps: steps, Hold: hold, Settle: settle, Window: min(max((hold-settle)/rungWindows, minWindow), maxWindow)}, nil
}

// Takes is how long it takes to climb.
func (l Ladder) Takes() time.Duration { return time.Duration(len(l.Steps)) * l.Hold }

// Machine is what a ladder is climbed on.
type Machine struct {
	Source energy.Source
	Busy   interface {
		Read(into []time.Duration) error
	}
	CPUs   int                         // that there can be
	CPUsOf func(socket, die int) []int // that are online, as host.Topology has it
	Load   interface{ Set(percent int) error }
	Now    func() time.Duration // monotonic
	Sleep  func(ctx context.Context, d time.Duration) error
}

// Climbed is what a ladder saw.
type Climbed struct {
	Ladder  Ladder
	Domains []Domain
}

// Domain is one of the energy domains that were calibrated.
type Domain struct {
	energy.Domain
	CPUs    []int
	Windows []powermodel.LoadWindow
	Dropped int    // windows that had no whole energy or busy time
	Mark    string // why the last of them had none
	index   int    // in the source
}

// Suited are the domains that can be calibrated, and why the others cannot.
func Suited(source energy.Source, cpusOf func(socket, die int) []int) (domains []Domain, left []string) {
	for i, d := range source.Domains() {
		cpus := cpusOf(d.Socket, d.Die)
		switch {
		case d.Method != energy.Measured && d.Method != energy.Integrated:
			left = append(left, d.Name+" is "+d.Method)
		case !powermodel.Calibrates(d.Scope):
			left = append(left, d.Name+" (scope "+d.Scope+") does not follow the load of CPUs")
		case len(cpus) == 0:
			left = append(left, d.Name+" has no CPU online")
		default:
			domains = append(domains, Domain{Domain: d, CPUs: cpus, index: i})
		}
	}
	return domains, left
}

// Climb holds one load after the other and reads the counters. rung is called as each begins.
func (l Ladder) Climb(ctx context.Context, m *Machine, rung func(n int)) (*Climbed, error) {
	domains, _ := Suited(m.Source, m.CPUsOf)
	if len(domains) == 0 {
		return nil, errors.New("no domain can be calibrated")
	}
	r := newReader(m, domains)
	for n, percent := range l.Steps {
		rung(n)
		began := m.Now()
		if err := m.Load.Set(percent); err != nil {
			return nil, err
		}
		if err := m.Sleep(ctx, l.Settle); err != nil {
			return nil, err
		}
		r.read(-1)
		for m.Now()-began+l.Window <= l.Hold+l.Window/4 { // a late timer must not cost the last window
			if err := m.Sleep(ctx, l.Window); err != nil {
				return nil, err
			}
			r.read(n)
		}
	}
	// It tells of a load that has died, too: then the last rungs were not what they are taken for.
	if err := m.Load.Set(0); err != nil {
		return nil, err
	}
	return &Climbed{Ladder: l, Domains: r.domains}, nil
}

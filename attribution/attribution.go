// Package attribution splits the energy of a window over those who used the machine in it. It is pure: no I/O, no clock, no
// names. Its law: for every domain the cells add up to the domain's energy, exactly, in integer microjoules.
package attribution

import (
	"errors"
	"fmt"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// IdlePolicy says who pays for the energy that a domain would have used with nothing to do.
type IdlePolicy int

const (
	// Separate gives idle energy a row of its own.
	Separate IdlePolicy = iota
	// Active gives it to those who ran, by their share of busy time.
	Active
	// Equal gives every account that ran on the domain's CPUs the same part.
	Equal
)

// ParseIdlePolicy reads the name of a policy: separate, active or equal.
func ParseIdlePolicy(name string) (IdlePolicy, error) {
	for p, n := range policyNames {
		if n == name {
			return IdlePolicy(p), nil
		}
	}
	return 0, fmt.Errorf("unknown idle policy %q: one of separate, active, equal", name)
}

var policyNames = [...]string{Separate: "separate", Active: "active", Equal: "equal"}

func (p IdlePolicy) String() string { return policyNames[p] }

// Domain is the energy of one domain in one window.
type Domain struct {
	Energy  units.Microjoules // at least 0
	Idle    units.Microjoules // its idle part; with Earlier at most Energy
	Earlier units.Microjoules // used before this window by whoever ran then, and known only now: unattributed
	Places  []int             // the places whose CPU time it pays for; nil: all
	// Weights are by row what the active part is shared by, in any unit; nil: CPU time on Places. Equal then shares the idle part over the
	// rows that have some.
	Weights   []int64
	Unclaimed int64 // with Weights: what is nobody's, beside them
}

// Input is one window. A place is a set of CPUs that share a domain: a socket or a die.
type Input struct {
	Policy  IdlePolicy
	Rows    int             // accounts
	Places  int             // places
	Time    []time.Duration // Rows x Places, row by row: CPU time of an account on the CPUs of a place
	Shared  []bool          // by row: not an account of its own, so Equal passes it over (the overflow row); nil: none is
	Busy    []time.Duration // by place: the kernel's own busy time; what exceeds the rows' sum is nobody's: unattributed
	Domains []Domain
}

// Ledger holds the result: one cell for each row and domain, and two rows behind the accounts, Idle and Unattributed. Its storage
// is kept from window to window, so a steady state allocates nothing.
type Ledger struct {
	rows, domains int
	cells         []units.Microjoules
	weights       []int64
}

// Idle is the number of the row that holds idle energy no account pays for.
func (l *Ledger) Idle() int { return l.rows }

// Unattributed is the number of the row that holds what cannot be explained: busy time that no account has.
func (l *Ledger) Unattributed() int { return l.rows + 1 }

// Cell returns the energy of a row in a domain.
func (l *Ledger) Cell(row, domain int) units.Microjoules { return l.cells[row*l.domains+domain] }

// Row returns the energy of a row by domain. The slice is the ledger's own.
func (l *Ledger) Row(row int) []units.Microjoules {
	return l.cells[row*l.domains : (row+1)*l.domains]
}

// Apply splits one window. After an error the ledger holds nothing.
func (l *Ledger) Apply(in *Input) error {
	l.rows, l.domains = 0, 0
	if err := in.check(); err != nil {
		return err
	}
	l.rows, l.domains = in.Rows, len(in.Domains)
	l.cells = grow(l.cells, (in.Rows+2)*len(in.Domains))
	clear(l.cells)
	l.weights = grow(l.weights, in.Rows+1)
	for d := range in.Domains {
		l.split(in, d)
	}
	return nil
}

// split gives every row its part of one domain.
func (l *Ledger) split(in *Input, d int) {
	dom := &in.Domains[d]
	active := dom.Energy - dom.Idle - dom.Earlier
	l.add(l.Unattributed(), d, dom.Earlier)
	sum := l.weigh(in, dom)
	switch {
	case sum == 0: // nobody ran: there is no one to give it to
		l.add(l.Unattributed(), d, active)
		l.add(l.Idle(), d, dom.Idle)
		return
	case in.Policy == Active:
		active += dom.Idle
	case in.Policy == Separate || !l.shareEqually(in, d):
		l.add(l.Idle(), d, dom.Idle)
	}
	l.shareByWeight(d, active, sum)
}

// weigh puts every row's weight, and what nobody has behind them, into l.weights and returns the sum.
func (l *Ledger) weigh(in *Input, dom *Domain) int64 {
	if dom.Weights == nil {
		return l.weighTime(in, dom)
	}
	sum := dom.Unclaimed
	copy(l.weights, dom.Weights)
	l.weights[in.Rows] = dom.Unclaimed
	for _, w := range dom.Weights {
		sum += w
	}
	return sum
}

// weighTime is for the time on the domain's CPUs.
func (l *Ledger) weighTime(in *Input, dom *Domain) int64 {
	var seen int64
	var kernel time.Duration
	clear(l.weights)
	each := func(p int) {
		kernel += in.Busy[p]
		for r := range in.Rows {
			l.weights[r] += int64(in.Time[r*in.Places+p])
		}
	}
	if dom.Places == nil {
		for p := range in.Places {
			each(p)
		}
	}
	for _, p := range dom.Places {
		each(p)
	}
	for _, t := range l.weights[:in.Rows] {
		seen += t
	}
	l.weights[in.Rows] = max(0, int64(kernel)-seen)
	return seen + l.weights[in.Rows]
}

// shareByWeight shares e over the rows and Unattributed in proportion to l.weights, whose sum is total.
//
// Each row gets the difference of two neighbouring points of the rounded-down running sum. So the parts add up to e by
// construction, each is within one microjoule of its exact share, and no sorting is needed as it would be to hand out the
// largest remainders.
func (l *Ledger) shareByWeight(d int, e units.Microjoules, total int64) {
	var run int64
	var given units.Microjoules
	for r, w := range l.weights {
		if w == 0 {
			continue
		}
		run += w
		upTo := mulDiv(e, run, total)
		if r == l.rows {
			r = l.Unattributed()
		}
		l.add(r, d, upTo-given)
		given = upTo
	}
}

// shareEqually gives every account that ran on the domain's CPUs the same part of its idle energy; false when there is none.
func (l *Ledger) shareEqually(in *Input, d int) bool {
	n := int64(0)
	ran := func(r int) bool { return l.weights[r] > 0 && (in.Shared == nil || !in.Shared[r]) }
	for r := range in.Rows {
		if ran(r) {
			n++
		}
	}
	if n == 0 {
		return false
	}
	idle := in.Domains[d].Idle
	part, left := idle/units.Microjoules(n), idle%units.Microjoules(n)
	for r := range in.Rows {
		if !ran(r) {
			continue
		}
		e := part
		if left > 0 {
			e, left = e+1, left-1
		}
		l.add(r, d, e)
	}
	return true
}

func (l *Ledger) add(row, domain int, e units.Microjoules) { l.cells[row*l.domains+domain] += e }

// Check recomputes the law on the result: the cells of each domain add up to its energy and none is negative. A breach is a bug.
func (l *Ledger) Check(domains []Domain) error {
	var errs []error
	for d, dom := range domains {
		var sum units.Microjoules
		for r := range l.rows + 2 {
			if c := l.Cell(r, d); c < 0 {
				errs = append(errs, fmt.Errorf("domain %d: row %d has %v J", d, r, c))
			}
			sum += l.Cell(r, d)
		}
		if sum != dom.Energy {
			errs = append(errs, fmt.Errorf("domain %d: rows add up to %v J, energy is %v J", d, sum, dom.Energy))
		}
	}
	return errors.Join(errs...)
}

func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/2)
	}
	return s[:n]
}

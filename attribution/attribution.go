// Package attribution splits the energy of a window over those who used the machine in it. It is pure: no I/O, no clock, no
// names. Its law: for every domain the cells add up to the domain's energy, exactly, in integer microjoules.
package attribution

import (
	"errors"
	"fmt"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

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
	Range     Range // what is not known of the above; the zero value: nothing is unknown
}

// Input is one window. A place is a set of CPUs that share a domain: a socket or a die.
type Input struct {
	Policy   IdlePolicy
	Rows     int             // accounts
	Places   int             // places
	Time     []time.Duration // Rows x Places, row by row: CPU time of an account on the CPUs of a place; weighed, where Weights say so
	Shared   []bool          // by row: not an account of its own, so Equal passes it over (the overflow row); nil: none is
	Reserved []int64         // by row, for Reservation: its parts of all; nil: none has any
	All      int64           // for Reservation: the parts that there are; what no row has reserved stays idle
	Busy     []time.Duration // by place: the kernel's own busy time, weighed likewise; what exceeds the rows' sum is nobody's: unattributed
	Domains  []Domain
}

// Ledger holds the result: one cell for each row and domain, and two rows behind the accounts, Idle and Unattributed. Its storage
// is kept from window to window, so a steady state allocates nothing.
type Ledger struct {
	rows, domains int
	cells         []units.Microjoules
	idle          []units.Microjoules // of cells: what is of the idle part, where the policy gives it apart from the rest; else empty
	weights       []int64             // by domain, and in each by row; behind the rows what nobody has
	shared        []share             // by domain
}

// share is how a domain's energy was shared.
type share struct {
	policy  IdlePolicy
	energy  units.Microjoules
	idle    units.Microjoules
	earlier units.Microjoules
	active  units.Microjoules // what was shared by weight
	weights int64             // their sum
	is      Range
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

// IdlePart returns what of a row's cell is of the domain's idle part, where the policy gives that apart: 0 with Separate, but of the row Idle,
// and with Active, where it is shared as the rest is.
func (l *Ledger) IdlePart(row, domain int) units.Microjoules {
	switch {
	case row == l.Idle():
		return l.Cell(row, domain)
	case len(l.idle) == 0 || row > l.rows:
		return 0
	}
	return l.idle[row*l.domains+domain]
}

// Term is how the part of a domain that is shared by weight came to a row: it has Shared x Weight / AllWeights, rounded to a microjoule.
type Term struct {
	Shared, Part       units.Microjoules
	Weight, AllWeights int64
	Nobody             int64 // of AllWeights: no row has it
}

// Term tells it of one cell; of the row Idle it is empty.
func (l *Ledger) Term(row, domain int) Term {
	s := &l.shared[domain]
	t := Term{Shared: s.active, AllWeights: s.weights}
	w := l.weightsOf(domain)
	t.Nobody = w[l.rows]
	switch row {
	case l.Idle():
		return t
	case l.Unattributed():
		t.Weight, t.Part = t.Nobody, l.Cell(row, domain)-s.earlier
	default:
		t.Weight, t.Part = w[row], l.Cell(row, domain)-l.IdlePart(row, domain)
	}
	return t
}

func (l *Ledger) weightsOf(domain int) []int64 {
	return l.weights[domain*(l.rows+1) : (domain+1)*(l.rows+1)]
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
	l.idle = l.idle[:0]
	if in.Policy == Equal || in.Policy == Reservation {
		l.idle = grow(l.idle, in.Rows*len(in.Domains))
		clear(l.idle)
	}
	l.weights = grow(l.weights, (in.Rows+1)*len(in.Domains))
	clear(l.weights)
	l.shared = grow(l.shared, len(in.Domains))
	for d := range in.Domains {
		l.split(in, d)
	}
	return nil
}

// split gives every row its part of one domain.
func (l *Ledger) split(in *Input, d int) {
	dom := &in.Domains[d]
	s := share{policy: in.Policy, energy: dom.Energy, idle: dom.Idle, earlier: dom.Earlier, active: dom.Energy - dom.Idle - dom.Earlier, is: dom.Range}
	if s.is == (Range{}) {
		s.is = exact(dom)
	}
	l.add(l.Unattributed(), d, dom.Earlier)
	s.weights = l.weigh(in, d)
	switch {
	case s.weights == 0: // nobody ran: there is no one to give it to
		l.add(l.Unattributed(), d, s.active)
		if in.Policy != Reservation || !l.shareReserved(in, d) {
			l.add(l.Idle(), d, dom.Idle)
		}
		l.shared[d] = s
		return
	case in.Policy == Active:
		s.active += dom.Idle
	case in.Policy == Equal && l.shareEqually(in, d):
	case in.Policy == Reservation && l.shareReserved(in, d):
	default:
		l.add(l.Idle(), d, dom.Idle)
	}
	l.shareByWeight(d, s.active, s.weights)
	l.shared[d] = s
}

func (l *Ledger) add(row, domain int, e units.Microjoules) { l.cells[row*l.domains+domain] += e }

func (l *Ledger) addIdle(row, domain int, e units.Microjoules) {
	l.add(row, domain, e)
	l.idle[row*l.domains+domain] += e
}

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

package snapshot

import (
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// Range bounds joules.
type Range struct {
	Low  units.Microjoules `json:"low"`
	High units.Microjoules `json:"high"`
}

// MarshalJSON writes both bounds, with all their digits.
func (r Range) MarshalJSON() ([]byte, error) {
	return []byte(`{"low":` + r.Low.String() + `,"high":` + r.High.String() + `}`), nil
}

// Weight is one thing by which CPU time is weighed before energy is shared by it.
type Weight struct {
	Name   string  `json:"name"`   // frequency, smt, hybrid
	Factor float64 `json:"factor"` // frequency: the exponent; smt: what a second beside a busy sibling weighs; hybrid: one on an efficiency core
	From   string  `json:"from"`   // where it is read: aperf/mperf, cpufreq, the kernel's programs, sysfs
}

// Explanation tells how one row's joules came to be. It is complete: whoever does the sums again gets the row.
type Explanation struct {
	Row     int                 `json:"row"` // index in the snapshot's rows
	Domains []DomainExplanation `json:"domains"`
	Joules  units.Microjoules   `json:"joules"` // the sum of the domains'
	KWh     float64             `json:"kwh"`
	PUE     float64             `json:"pue"`
	GPerKWh float64             `json:"g_per_kwh"`
	CO2e    units.GramsCO2e     `json:"gco2e"`
}

// DomainExplanation is of one domain, over all steps of the snapshot: Energy = Idle + Earlier + Active, and the row has IdlePart of Idle and
// ActivePart of Active.
type DomainExplanation struct {
	Domain     string            `json:"domain"`
	Method     string            `json:"method"`
	Source     string            `json:"source"`
	Energy     units.Microjoules `json:"energy_joules"`
	Idle       units.Microjoules `json:"idle_joules"`
	IdleHow    string            `json:"idle_how"`
	Earlier    units.Microjoules `json:"earlier_joules"` // used before it could be read: unattributed
	Active     units.Microjoules `json:"active_joules"`
	IdlePolicy string            `json:"idle_policy"`
	IdlePart   units.Microjoules `json:"idle_part_joules"`
	ActivePart units.Microjoules `json:"active_part_joules"`
	Split      string            `json:"split"`
	Unit       string            `json:"unit"` // of the weights: ns, weighed ns, KiB x 100 us, bytes, misses
	// Steps is how many the snapshot has, and Biggest the one that gave the row most, so that one can be done again by hand.
	Steps   int             `json:"steps"`
	Biggest StepExplanation `json:"biggest_step"`
	// Bounds are those of the row's joules, with what makes them as wide, widest first.
	Low    units.Microjoules `json:"low"`
	High   units.Microjoules `json:"high"`
	Causes []Cause           `json:"causes"`
}

// StepExplanation is one step of a domain, exact: the row has Active x Weight / AllWeights, rounded to a microjoule.
type StepExplanation struct {
	End        time.Time         `json:"end"`
	Seconds    float64           `json:"seconds"`
	Energy     units.Microjoules `json:"energy_joules"`
	Idle       units.Microjoules `json:"idle_joules"`
	Earlier    units.Microjoules `json:"earlier_joules"`
	Shared     units.Microjoules `json:"shared_joules"` // what is shared by weight: the active part; with --idle active all but Earlier
	Weight     int64             `json:"weight"`        // the row's
	AllWeights int64             `json:"all_weights"`   // of all rows, and what nobody has
	Nobody     int64             `json:"nobody"`        // of AllWeights: by the kernel's count, and seen of no row
	Part       units.Microjoules `json:"part_joules"`   // of Shared
	CPUSeconds float64           `json:"cpu_seconds"`   // the row's, on the CPUs that the domain pays for
	MeanWeight float64           `json:"mean_weight"`   // of its CPU time, by --weights; 1: not weighed
	// Resident is the most memory that a process of the row held when it ran, in bytes: what memory goes by beside CPU time.
	Resident int64 `json:"resident_bytes,omitempty"`
	// Reserved is the row's part of the domain's idle energy, of 1,000,000, with --idle reservation; Payers is how many accounts pay the same with equal.
	Reserved int64 `json:"reserved_parts,omitempty"`
	Payers   int   `json:"payers,omitempty"`
}

// Cause is one reason why a row's joules are not known better, with the range that it alone would give.
type Cause struct {
	Name string            `json:"name"` // energy, idle, split, edges, missed
	Low  units.Microjoules `json:"low"`
	High units.Microjoules `json:"high"`
	Text string            `json:"text"`
}

package live

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Micro is an amount in microjoules, read from its decimal text without rounding.
type Micro int64

// UnmarshalJSON takes a decimal of six places.
func (m *Micro) UnmarshalJSON(b []byte) error {
	whole, part, ok := strings.Cut(string(b), ".")
	if !ok || len(part) != 6 {
		return fmt.Errorf("joules are %s: not a decimal of six places", b)
	}
	v, err := strconv.ParseInt(whole+part, 10, 64)
	*m = Micro(v)
	return err
}

// Joules rounds it.
func (m Micro) Joules() float64 { return float64(m) / 1e6 }

// Snapshot is what a reader of the schema sees; it shares no type with the program.
type Snapshot struct {
	Schema     string
	Kind       string
	Start, End time.Time
	Seconds    float64
	Energy     []Energy
	Idle       []struct {
		Domain string
		Watts  float64
		How    string
	}
	Rows   []Row
	Losses struct {
		Missed, Breaches uint64
		Unseen           float64 `json:"unseen_seconds"`
		Marked           int     `json:"marked_domains"`
	}
}

// Energy is that of a domain.
type Energy struct {
	Domain            string
	Joules, Low, High Micro
	Method            string
	Marks             []string
}

// Row is one of a Snapshot.
type Row struct {
	Kind     string
	PID      int
	PPID     int
	Start    string
	Comm     string
	UID      int
	Cgroup   string
	CgroupID uint64  `json:"cgroup_id"`
	CPU      float64 `json:"cpu_seconds"`
	Switches uint64
	Joules   Micro
	ByDomain map[string]Micro `json:"joules_by_domain"`
	Range    map[string]Range `json:"range_by_domain"`
}

// Range is what a domain's joules of a row lie in.
type Range struct{ Low, High Micro }

// Key tells rows of different windows apart; a process may change its name.
func (r *Row) Key() string {
	comm := ""
	if r.Kind == "group" {
		comm = r.Comm
	}
	return fmt.Sprint(r.Kind, r.PID, r.Start, r.UID, r.CgroupID, comm)
}

// Sum adds up the rows that a function picks, and counts them.
func (s *Snapshot) Sum(pick func(*Row) bool) (sum Row, n int) {
	sum.ByDomain, sum.Range = map[string]Micro{}, map[string]Range{}
	for i := range s.Rows {
		r := &s.Rows[i]
		if !pick(r) {
			continue
		}
		n++
		sum.Joules, sum.CPU = sum.Joules+r.Joules, sum.CPU+r.CPU
		for d, j := range r.ByDomain {
			sum.ByDomain[d] += j
		}
		for d, b := range r.Range {
			sum.Range[d] = Range{sum.Range[d].Low + b.Low, sum.Range[d].High + b.High}
		}
	}
	return sum, n
}

// Conserved is nil if the rows of each domain add up to its energy, to the microjoule, and each row's domains to the row.
func (s *Snapshot) Conserved() error {
	var all []error
	breach := func(format string, args ...any) {
		all = append(all, fmt.Errorf("%s from %v: "+format, append([]any{s.Kind, s.Start}, args...)...))
	}
	if s.Losses.Breaches != 0 {
		breach("the program itself saw %d breaches", s.Losses.Breaches)
	}
	for _, e := range s.Energy {
		var sum Micro
		for i := range s.Rows {
			j := s.Rows[i].ByDomain[e.Domain]
			if sum += j; j < 0 {
				breach("%+v has less than nothing", s.Rows[i])
			}
		}
		if sum != e.Joules {
			breach("rows of %s add up to %d uJ, its energy is %d uJ", e.Domain, sum, e.Joules)
		}
		if e.Low > e.Joules || e.Joules > e.High {
			breach("%s has %d uJ, out of its bounds %d and %d", e.Domain, e.Joules, e.Low, e.High)
		}
	}
	for _, r := range s.Rows {
		var sum Micro
		for _, j := range r.ByDomain {
			sum += j
		}
		if sum != r.Joules || len(r.ByDomain) != len(s.Energy) {
			breach("the domains of %+v add up to %d uJ", r, sum)
		}
	}
	return errors.Join(all...)
}

package snapshot

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// MarshalJSON writes the schema eco2-bpf/1: one object, its rows' joules by domain as an object keyed by the domain's name.
func (s *Snapshot) MarshalJSON() ([]byte, error) {
	rows := make([]row, len(s.Rows))
	for i := range s.Rows {
		rows[i] = newRow(&s.Rows[i], s.Energy)
	}
	return json.Marshal(struct {
		Schema        string        `json:"schema"`
		Kind          string        `json:"kind"`
		By            string        `json:"by"`
		Start         time.Time     `json:"start"`
		End           time.Time     `json:"end"`
		Seconds       float64       `json:"seconds"`
		Host          Host          `json:"host"`
		Energy        []Energy      `json:"energy"`
		IdlePolicy    string        `json:"idle_policy"`
		Idle          []IdlePower   `json:"idle"`
		Intensity     Intensity     `json:"intensity"`
		Rows          []row         `json:"rows"`
		ProcessesSeen int           `json:"processes_seen"`
		BusySource    string        `json:"busy_source"`
		Losses        Losses        `json:"losses"`
		Self          Self          `json:"self"`
		Weights       []Weight      `json:"weights"`
		Explained     []Explanation `json:"explained,omitempty"`
	}{
		Schema, s.Kind, s.By, s.Start, s.End, s.Seconds, s.Host, orEmpty(s.Energy), s.IdlePolicy, orEmpty(s.Idle),
		s.Intensity, rows, s.ProcessesSeen, s.BusySource, s.Losses, s.Self, orEmpty(s.Weights),
		explained(s.Explained),
	})
}

// explained has no null in it.
func explained(all []Explanation) []Explanation {
	out := slices.Clone(all)
	for i := range out {
		out[i].Domains = slices.Clone(orEmpty(out[i].Domains))
		for d := range out[i].Domains {
			out[i].Domains[d].Causes = orEmpty(out[i].Domains[d].Causes)
		}
	}
	return out
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}

// row is Row's JSON form. Fields that make no sense for a kind are left out.
type row struct {
	Kind      string     `json:"kind"`
	Group     *string    `json:"group,omitempty"`
	PID       int        `json:"pid,omitempty"`
	TID       int        `json:"tid,omitempty"`
	Start     *time.Time `json:"start,omitempty"`
	Comm      string     `json:"comm,omitempty"`
	User      string     `json:"user,omitempty"`
	UID       *int       `json:"uid,omitempty"`
	Cgroup    string     `json:"cgroup,omitempty"`
	CgroupID  uint64     `json:"cgroup_id,omitempty"`
	PPID      *int       `json:"ppid,omitempty"`
	Exe       string     `json:"exe,omitempty"`
	Args      []string   `json:"args,omitempty"`
	ArgsCut   bool       `json:"args_cut,omitempty"`
	Ancestors []Ancestor `json:"ancestors,omitempty"`
	Tenant
	Processes  int                         `json:"processes,omitempty"`
	CPUSeconds float64                     `json:"cpu_seconds"`
	Switches   uint64                      `json:"switches"`
	Joules     units.Microjoules           `json:"joules"`
	Low        units.Microjoules           `json:"joules_low"`
	High       units.Microjoules           `json:"joules_high"`
	ByDomain   byDomain[units.Microjoules] `json:"joules_by_domain"`
	Ranges     byDomain[Range]             `json:"range_by_domain"`
	CO2e       units.GramsCO2e             `json:"gco2e"`
}

func newRow(r *Row, domains []Energy) row {
	out := row{
		Kind: r.Kind, PID: r.PID, Comm: r.Comm, User: r.User, Cgroup: r.Cgroup, CgroupID: r.CgroupID,
		TID: r.TID, Exe: r.Exe, Args: r.Args, ArgsCut: r.ArgsCut, Ancestors: r.Ancestors, Tenant: r.Tenant,
		CPUSeconds: r.CPUSeconds, Switches: r.Switches, Joules: r.Joules, Low: r.Low, High: r.High, CO2e: r.CO2e, Processes: r.Processes,
		ByDomain: byDomain[units.Microjoules]{domains, r.ByDomain}, Ranges: byDomain[Range]{domains, r.Ranges},
	}
	if !r.Start.IsZero() {
		out.Start = &r.Start
	}
	if r.UID >= 0 {
		out.UID = &r.UID
	}
	if r.Kind == Group {
		out.Group = &r.Group
	}
	if r.PID > 0 {
		out.PPID = &r.PPID
	}
	return out
}

// byDomain writes what each domain has, keyed by the domain, in the domains' order.
type byDomain[T json.Marshaler] struct {
	domains []Energy
	each    []T
}

func (b byDomain[T]) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, e := range b.each {
		if i > 0 {
			out = append(out, ',')
		}
		name, err := json.Marshal(b.domains[i].Domain)
		if err != nil {
			return nil, err
		}
		value, err := e.MarshalJSON()
		if err != nil {
			return nil, err
		}
		out = append(append(append(out, name...), ':'), value...)
	}
	return append(out, '}'), nil
}

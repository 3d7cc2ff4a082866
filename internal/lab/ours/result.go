package ours

import (
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/score"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
	"github.com/eco2-bpf/eco2-bpf/internal/snapshot"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// Result is what the engine says of a run.
type Result struct {
	Kinds  map[string]*Kind  // by kind of energy: package, dram, gpu
	Rows   Kind              // rows as a whole: all of their domains together
	Off    units.Microjoules // how far rows are from the energy, over all domains and windows, without sign: law 1 says 0
	Losses snapshot.Losses
	CPU    time.Duration // that the engine took for the run, its reading of the counters included
	Steps  int
	Usages int // accounts' times that the kernel's programs handed over, in all steps
	Total  *snapshot.Snapshot
}

// Kind is one kind of energy, over all of its domains.
type Kind struct {
	Processes    map[score.Key]units.Microjoules // the sum of all windows
	Ranges       map[score.Key]score.Range       // likewise, or of the total, where that has the process
	Idle         units.Microjoules
	Interrupts   units.Microjoules
	Unattributed units.Microjoules // and all else that is no process's
	Energy       units.Microjoules // that the counters counted
}

// Told is in the form that is scored.
func (k *Kind) Told() *score.Told {
	t := &score.Told{Joules: make(map[score.Key]float64, len(k.Processes)), Ranges: k.Ranges, Window: interval}
	for key, e := range k.Processes {
		t.Joules[key] = e.Joules()
	}
	t.Rest = (k.Idle + k.Interrupts + k.Unattributed).Joules()
	return t
}

func newKind() *Kind {
	return &Kind{Processes: map[score.Key]units.Microjoules{}, Ranges: map[score.Key]score.Range{}}
}

// add takes a part of a process's energy, with its range.
func (k *Kind) add(key score.Key, e, low, high units.Microjoules) {
	k.Processes[key] += e
	was := k.Ranges[key]
	k.Ranges[key] = score.Range{Low: was.Low + low.Joules(), High: was.High + high.Joules()}
}

// narrow takes the ranges of the whole run for those of its windows together, of which none was folded there.
func (k *Kind) narrow(whole *Kind) {
	for key, bounds := range whole.Ranges {
		if whole.Processes[key] == k.Processes[key] {
			k.Ranges[key] = bounds
		}
	}
}

func (r *Result) kind(domain string) *Kind {
	if r.Kinds == nil {
		r.Kinds = map[string]*Kind{}
	}
	name := kindOf(domain)
	k := r.Kinds[name]
	if k == nil {
		k = newKind()
		r.Kinds[name] = k
	}
	return k
}

// keyOf is a row's process.
func keyOf(row *snapshot.Row) score.Key {
	k := score.Key{PID: row.PID}
	if !row.Start.IsZero() {
		k.Start = int64(row.Start.Sub(bootTime) / seen.Tick)
	}
	return k
}

// window adds a window's rows. The total would do, but that it folds the least rows where there are very many.
func (r *Result) window(s *snapshot.Snapshot) {
	r.rows(s)
	for d := range s.Energy {
		sum := units.Microjoules(0)
		for i := range s.Rows {
			sum += s.Rows[i].ByDomain[d]
		}
		r.Off += max(sum-s.Energy[d].Joules, s.Energy[d].Joules-sum)
	}
}

// rows adds those of a snapshot.
func (r *Result) rows(s *snapshot.Snapshot) {
	if r.Rows.Processes == nil {
		r.Rows = *newKind()
	}
	for d := range s.Energy {
		r.kind(s.Energy[d].Domain).Energy += s.Energy[d].Joules
	}
	for i := range s.Rows {
		row := &s.Rows[i]
		if row.PID != 0 {
			r.Rows.add(keyOf(row), row.Joules, row.Low, row.High)
		}
		for d := range s.Energy {
			k, e := r.kind(s.Energy[d].Domain), row.ByDomain[d]
			switch {
			case row.Kind == snapshot.Idle:
				k.Idle += e
			case row.Kind == snapshot.Interrupts:
				k.Interrupts += e
			case row.PID != 0:
				k.add(keyOf(row), e, row.Ranges[d].Low, row.Ranges[d].High)
			default:
				k.Unattributed += e
			}
		}
	}
}

// total takes the ranges of the whole run, which may be narrower than those of its windows together.
func (r *Result) total(s *snapshot.Snapshot) {
	r.Total, r.Losses = s, s.Losses
	var whole Result
	whole.rows(s)
	for name, k := range r.Kinds {
		k.narrow(whole.Kinds[name])
	}
	r.Rows.narrow(&whole.Rows)
}

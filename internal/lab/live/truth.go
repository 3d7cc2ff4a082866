package live

import (
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/host"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/score"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// report makes the report of an experiment that has ended.
func (e *bench) report() Report {
	r := Report{CPUs: runtime.NumCPU(), Kernel: host.Kernel()}
	for _, m := range e.machines {
		first := m.ours[0].total
		l := LawReport{Name: m.name, Words: m.words, Updates: m.Rate(), MaxGap: m.MaxGap, Busy: m.Busy(first.Start, first.End).Seconds() / first.Seconds,
			Quiet: m.Busy(e.from, e.to).Seconds() / e.to.Sub(e.from).Seconds()}
		for _, a := range m.ours {
			l.Tools = append(l.Tools, e.ours(m, a))
		}
		for _, f := range m.formulas {
			l.Tools = append(l.Tools, e.formula(m, f))
		}
		r.Laws = append(r.Laws, l)
	}
	return r
}

// shares calls do for each job and domain, and for what ended of those that have children. used is the CPU time in the interval.
func (e *bench) shares(m *machine, from, to time.Time, do func(job, zone int, ended bool, used time.Duration)) {
	for i := range e.jobs {
		used := m.Used(i, from, to)
		for z := range m.Zones {
			do(i, z, false, used)
			if l := e.loads[i]; l.Children > 0 {
				do(i, z, true, used-l.Own)
			}
		}
	}
}

// policies are those that a truth can be told by here; the tools that share idle energy equally are not here.
var policies = []score.Policy{score.Separate, score.Capacity, score.Busy}

// truth is a job's energy of a zone by the law: what used, its CPU time or a part of that, caused, and what a policy gives to it of the idle
// energy. edges are those of the windows in which it is given.
func (m *machine) truth(p score.Policy, job, zone int, used time.Duration, edges []time.Time) float64 {
	z := &m.Zones[zone]
	joules := z.Busy * m.Groups[job].Factor * used.Seconds()
	switch p {
	case score.Capacity:
		joules += z.Idle * used.Seconds() / float64(runtime.NumCPU())
	case score.Busy:
		idle := 0.0
		for i := 1; i < len(edges); i++ {
			from, to := edges[i-1], edges[i]
			if busy := m.Busy(from, to); busy > 0 {
				idle += z.Idle * to.Sub(from).Seconds() * float64(m.Used(job, from, to)) / float64(busy)
			}
		}
		if all := m.Used(job, edges[0], edges[len(edges)-1]); all > 0 {
			joules += idle * float64(used) / float64(all)
		}
	}
	return joules
}

// kind is what a zone's energy is called among those who tell: package, dram.
func (z *Zone) kind() string {
	name, _, _ := strings.Cut(z.Domain, "-")
	return name
}

func (e *bench) ours(m *machine, a *ours) Tool {
	from, to := a.total.Start, a.total.End
	t := Tool{Name: a.name, Words: a.words, Ours: true, Policy: a.policy, Seconds: a.total.Seconds, Breach: a.breach,
		Cost: Cost{Looks: len(a.edges) - 1, CPU: m.Used(a.group, from, to).Seconds()}}
	for _, d := range a.total.Energy {
		t.Total += d.Joules.Joules()
	}
	if idle := a.total.Idle; len(idle) > 0 {
		t.Floor = fmt.Sprintf("%.2f W, %s", idle[0].Watts, idle[0].How)
	}
	for z := range m.Zones {
		t.Counted += float64(m.Microjoules(z, to)-m.Microjoules(z, from)) / 1e6
	}
	e.shares(m, from, to, func(job, zone int, ended bool, used time.Duration) {
		l, domain := e.loads[job], m.Zones[zone].Domain
		sum, _ := a.total.Sum(func(r *Row) bool { return r.Cgroup == l.Path && (!ended || r.PID != l.PID()) })
		truth := m.truth(a.policy, job, zone, used, a.edges)
		bounds, ranged := sum.Range[domain]
		t.Told = append(t.Told, Told{Job: e.jobs[job].Name, Domain: m.Zones[zone].kind(), Ended: ended, Truth: truth, Joules: sum.ByDomain[domain].Joules(),
			Ranged: ranged, Low: bounds.Low.Joules(), High: bounds.High.Joules()})
	})
	return t
}

// formula compares a peer's numbers with the truth by each policy: the one by which its error is least stands.
func (e *bench) formula(m *machine, f *watched) Tool {
	first, last := f.looks[0], f.looks[len(f.looks)-1]
	t := Tool{Name: f.Name(), Words: f.Words(), Seconds: last.Sub(first).Seconds(),
		Cost: Cost{Looks: len(f.looks) - 1, CPU: f.spent.Seconds(), Files: f.files}}
	after := f.Result()
	for z := range m.Zones {
		kind := m.Zones[z].kind()
		if total, ok := after.Total[kind]; ok {
			t.Total += total - f.before.Total[kind]
			t.Counted += float64(m.Microjoules(z, last)-m.Microjoules(z, first)) / 1e6
		}
	}
	tells := map[string]bool{}
	for _, d := range after.Joules {
		for kind := range d {
			tells[kind] = true
		}
	}
	least := math.Inf(1)
	for _, policy := range policies {
		var told []Told
		e.shares(m, first, last, func(job, zone int, ended bool, used time.Duration) {
			one := Told{Job: e.jobs[job].Name, Domain: m.Zones[zone].kind(), Ended: ended,
				Truth: m.truth(policy, job, zone, used, f.looks)}
			if !tells[one.Domain] || ended && after.ByTree {
				return
			}
			root := e.loads[job].PID()
			for k, d := range after.Joules {
				of, ok := e.watch.jobs[k]
				if !ok || of != job || ended && k.PID == root || after.ByTree && k.PID != root { // by tree, it is in its root's
					continue
				}
				one.Joules += d[one.Domain] - f.before.Joules[k][one.Domain]
			}
			told = append(told, one)
		})
		if median := score.Quantile(errorsOf(told, "package"), 0.5); t.Told == nil || median < least {
			t.Policy, t.Told, least = policy, told, median
		}
	}
	return t
}

// seen is what others' programs can know of this machine from its tables. Its TDP is what the law draws with every CPU busy, which is kinder
// than any table.
func (m *machine) seen() seen.Machine {
	s := seen.Machine{CPUs: make([]seen.CPU, runtime.NumCPU()), MemoryBytes: memory()}
	s.TDPWatts = m.Zones[0].Idle + m.Zones[0].Busy*float64(len(s.CPUs))
	for i := range s.CPUs {
		s.CPUs[i].Sibling = -1
	}
	for _, z := range m.Zones {
		parent := -1
		if z.Domain != z.Name {
			parent = 0
		}
		s.Zones = append(s.Zones, seen.Zone{Name: z.Name, Parent: parent, Range: counterRange})
	}
	return s
}

// memory is MemTotal, in bytes; 0: not known.
func memory() int64 {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	var kb int64
	if _, err := fmt.Sscanf(string(b), "MemTotal: %d kB", &kb); err != nil {
		return 0
	}
	return kb << 10
}

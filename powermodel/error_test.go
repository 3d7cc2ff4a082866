package powermodel

import (
	"maps"
	"math"
	"slices"
	"testing"
)

// errors of an estimate against the truth, each |estimate / truth - 1|.
type errorList []float64

func (e *errorList) add(estimate, truth float64) { *e = append(*e, math.Abs(estimate/truth-1)) }

func (e errorList) quantile(q float64) float64 {
	s := slices.Sorted(slices.Values(e))
	return s[int(q*float64(len(s)-1)+0.5)]
}

// TestErrorAgainstSPECpower estimates each CPU that has published results as if it had none: from the other CPUs of its microarchitecture and
// its own TDP. The same TDP goes into the two formulas that other tools use: TDP x utilisation, and CodeCarbon's TDP x (0.1 + 0.9 u^3).
// Only idle and full load are published by CPU, so the shape of the curve is not tested here.
func TestErrorAgainstSPECpower(t *testing.T) {
	type load struct {
		name                     string
		ours, linear, codecarbon errorList
		within                   int
	}
	idle, full, all := &load{name: "idle"}, &load{name: "full"}, &load{name: "both"}
	for _, c := range tables().cpus {
		tdp, listed := tables().tdpOf(c.name)
		left, ok := leaveOut(c)
		if !ok || !listed {
			continue
		}
		cpu := cpuOf(t, c)
		m := left.resolve(cpu)
		if m.Key != c.microarch {
			t.Errorf("%s is estimated as %s: %s", c.shown, m.Key, m.How)
			continue
		}
		for _, x := range []struct {
			load               *load
			u, truth           float64
			linear, codecarbon float64
		}{{idle, 0, c.idle, 0, 0.1 * tdp}, {full, 1, c.max, tdp, tdp}} {
			r := m.Watts(cpu.Threads, x.u)
			for _, l := range []*load{x.load, all} {
				l.ours.add(float64(r.Value), x.truth)
				l.linear.add(x.linear, x.truth)
				l.codecarbon.add(x.codecarbon, x.truth)
				if float64(r.Low) <= x.truth && x.truth <= float64(r.High) {
					l.within++
				}
			}
		}
	}
	if len(full.ours) < 100 {
		t.Fatalf("only %d CPUs compared", len(full.ours))
	}
	for _, l := range []*load{idle, full, all} {
		for _, q := range []float64{0.5, 0.9} {
			t.Logf("%s, %3d values, |error| at p%g: ours %.3f, TDP x u %.3f, CodeCarbon %.3f", l.name, len(l.ours), 100*q,
				l.ours.quantile(q), l.linear.quantile(q), l.codecarbon.quantile(q))
		}
		t.Logf("%s: within our bounds %.0f %%", l.name, 100*float64(l.within)/float64(len(l.ours)))
		for _, q := range []float64{0.5, 0.9} {
			if ours := l.ours.quantile(q); ours >= l.linear.quantile(q) || ours >= l.codecarbon.quantile(q) {
				t.Errorf("%s: error at p%g is %.3f: no better than a formula", l.name, 100*q, ours)
			}
		}
		if share := float64(l.within) / float64(len(l.ours)); share < 0.8 {
			t.Errorf("%s: only %.0f %% of the values are within our bounds", l.name, 100*share)
		}
	}
}

// cpuOf is what the kernel would tell about a CPU of the table, by name and signature.
func cpuOf(t *testing.T, c cpuRow) CPU {
	t.Helper()
	for _, id := range tables().ids {
		if id.microarch == c.microarch && id.implementer == 0 {
			return CPU{
				Vendor: id.vendor, Family: id.family, Model: id.model.from, Stepping: id.stepping.from, Name: c.shown,
				Threads: int(c.threads), ThreadsPerCore: int(c.threads / c.cores), Sockets: 1,
			}
		}
	}
	t.Fatalf("no signature for %s", c.microarch)
	return CPU{}
}

// leaveOut gives the tables as they would be without a CPU: medians of the others of its line, by their number of results.
func leaveOut(c cpuRow) (*tableSet, bool) {
	left := *tables()
	left.cpus = maps.Clone(left.cpus)
	delete(left.cpus, c.name)
	var idle, full, ratio, socket []counted
	results := 0
	for _, o := range left.cpus {
		if o.microarch != c.microarch {
			continue
		}
		n := float64(o.results)
		results += o.results
		idle, full = append(idle, counted{o.idle / o.threads, n}), append(full, counted{o.max / o.threads, n})
		socket = append(socket, counted{o.idle, n})
		if tdp, ok := left.tdpOf(o.name); ok {
			ratio = append(ratio, counted{o.max / tdp, n})
		}
	}
	p, ok := left.power[c.microarch]
	if !ok || len(ratio) == 0 {
		return nil, false
	}
	left.power = maps.Clone(left.power)
	p.results = results
	for i, q := range []float64{0.25, 0.5, 0.75} {
		p.idle[i], p.max[i] = countedQuantile(idle, q), countedQuantile(full, q)
	}
	p.maxToTDP, p.idleSocket = countedQuantile(ratio, 0.5), countedQuantile(socket, 0.5)
	left.power[c.microarch] = p
	return &left, true
}

type counted struct{ value, weight float64 }

func countedQuantile(w []counted, q float64) float64 {
	slices.SortFunc(w, func(a, b counted) int {
		switch {
		case a.value < b.value:
			return -1
		case a.value > b.value:
			return 1
		}
		return 0
	})
	total, sum := 0.0, 0.0
	for _, x := range w {
		total += x.weight
	}
	for _, x := range w {
		if sum += x.weight; sum >= q*total {
			return x.value
		}
	}
	return w[len(w)-1].value
}

// TestMediansOfCPUs computes max_to_tdp and idle_w_socket of microarch_power.csv again from the CPUs and the TDPs listed.
func TestMediansOfCPUs(t *testing.T) {
	ratios, idle := map[string][]counted{}, map[string][]counted{}
	for _, c := range tables().cpus {
		idle[c.microarch] = append(idle[c.microarch], counted{c.idle, float64(c.results)})
		if tdp, ok := tables().tdpOf(c.name); ok {
			ratios[c.microarch] = append(ratios[c.microarch], counted{c.max / tdp, float64(c.results)})
		}
	}
	median := func(c []counted) float64 {
		if len(c) == 0 {
			return 0
		}
		return countedQuantile(c, 0.5)
	}
	for key, p := range tables().power {
		if want := median(ratios[key]); math.Abs(p.maxToTDP-want) > 0.001 {
			t.Errorf("%s: full load is %.3f of TDP in the table, %.3f by its CPUs", key, p.maxToTDP, want)
		}
		if want := median(idle[key]); math.Abs(p.idleSocket-want) > 0.06 {
			t.Errorf("%s: %.1f W idle per socket in the table, %.1f W by its CPUs", key, p.idleSocket, want)
		}
	}
}

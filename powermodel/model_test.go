package powermodel

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// checkModel holds every model to the promises of the package.
func checkModel(t testing.TB, m Model) {
	t.Helper()
	if m.How == "" || m.Key == "" || m.CurveKey == "" || (m.Scope != ScopeWall && m.Scope != ScopeServer && m.Scope != ScopePackage) {
		t.Fatalf("not told how: %+v", m)
	}
	if strings.ContainsAny(m.How, "\n\x1b") {
		t.Fatalf("not one line: %q", m.How)
	}
	if m.Idle.Low <= 0 || m.Max.Value <= m.Idle.Value {
		t.Fatalf("idle and full: %+v", m)
	}
	if m.Scope == ScopeWall { // then the other scopes hold them too, and each is inside the next
		server, pkg := m.As(ScopeServer), m.As(ScopePackage)
		checkModel(t, server)
		checkModel(t, pkg)
		if m.As(ScopeWall) != m || server.As(ScopeWall) != m || m.As("psys") != m {
			t.Fatalf("%s: the way back to the wall is lost", m.How)
		}
		for _, u := range []float64{0, 0.1, 0.5, 1} {
			if w, s, p := m.Watts(8, u).Value, server.Watts(8, u).Value, pkg.Watts(8, u).Value; !(p < s && s < w) {
				t.Fatalf("%s at %g: package %v, server %v, wall %v", m.How, u, p, s, w)
			}
		}
	}
	last, lastShare := Range{-1, -1, -1}, 1.0
	for i := range 101 {
		u := float64(i) / 100
		r := m.Watts(8, u)
		if !(0 < r.Low && r.Low <= r.Value && r.Value <= r.High && !math.IsInf(float64(r.High), 0)) {
			t.Fatalf("%s at %g: %+v", m.How, u, r)
		}
		if r.Value < last.Value || r.Low < last.Low || r.High < last.High {
			t.Fatalf("%s: falls at %g: %+v then %+v", m.How, u, last, r)
		}
		if m.Guest && (r.Low > r.Value*0.5+1e-9 || r.High < r.Value*1.5-1e-9) {
			t.Fatalf("%s: guest too sure at %g: %+v", m.How, u, r)
		}
		v, high := m.idleShareRange(u)
		if !(0 < v && v <= high && high <= 1 && v <= lastShare && v == m.IdleShareAt(u)) {
			t.Fatalf("%s: idle share at %g: %g (to %g)", m.How, u, v, high)
		}
		if math.Abs(float64(r.Value)*v-float64(m.IdleWatts(8).Value)) > 1e-9*float64(r.Value) {
			t.Fatalf("%s: idle share at %g does not give the idle power", m.How, u)
		}
		last, lastShare = r, v
	}
	if m.IdleShareAt(0) != 1 {
		t.Fatalf("%s: idle share of an idle CPU is %g", m.How, m.IdleShareAt(0))
	}
}

func TestWattsAtTheEdges(t *testing.T) {
	m := milan()
	if m.Watts(2, math.NaN()) != m.Watts(2, 0) || m.Watts(2, -3) != m.Watts(2, 0) || m.Watts(2, 7) != m.Watts(2, 1) || m.Watts(2, math.Inf(1)) != m.Watts(2, 1) {
		t.Error("busy share is not clamped")
	}
	if m.Watts(-1, 0.5) != (Range{}) || m.Watts(0, 0.5) != (Range{}) {
		t.Error("no threads, no power")
	}
	if got := (Model{}).IdleShareAt(0.5); got != 1 {
		t.Errorf("zero model: %g", got)
	}
	// One Milan thread by microarch_power.csv and the AMD curve: 0.424 + (1.916-0.424)*0.565.
	if got := m.Watts(1, 0.5).Value; math.Abs(float64(got)-1.26698) > 1e-6 {
		t.Errorf("half load: %v", got)
	}
	if got := m.Watts(1, 0.05).Value; math.Abs(float64(got)-(0.424+1.492*0.129)) > 1e-6 {
		t.Errorf("5 %% load: %v", got)
	}
}

// TestEverySignature resolves every row of the CPUID and MIDR table, as a machine and as a guest.
func TestEverySignature(t *testing.T) {
	own, relative, none, disbelieved := 0, 0, 0, 0
	for _, r := range tables().ids {
		cpu := CPU{Vendor: r.vendor, Family: r.family, Model: r.model.from, Stepping: r.stepping.from, Threads: 8, ThreadsPerCore: 2, Sockets: 1}
		if r.implementer != 0 {
			cpu = CPU{Vendor: "Arm", Implementer: r.implementer, Part: r.model.from, Threads: 8, Sockets: 1}
		}
		m := Resolve(cpu)
		checkModel(t, m)
		switch {
		case r.powerKey == "":
			none++
			if !strings.Contains(m.How, "no figures") {
				t.Errorf("%s: does not say that it has no figures: %s", r.microarch, m.How)
			}
		case m.Key != r.powerKey || m.Microarch != r.microarch:
			t.Errorf("%+v resolves to %s: %s", r, m.Key, m.How)
		case m.Key == m.Microarch:
			own++
		default:
			relative++
		}
		cpu.Hypervisor = true
		g := Resolve(cpu)
		checkModel(t, g)
		if g.CurveKey != hostCurve || !g.Guest {
			t.Errorf("guest on %s uses %s", r.microarch, g.CurveKey)
		}
		if r.powerKey != "" && g.Key != r.powerKey {
			disbelieved++
		}
	}
	t.Logf("%d signatures: %d with figures of their own, %d by a relative, %d without; %d not believed in a guest", len(tables().ids), own, relative, none, disbelieved)
}

func TestEveryName(t *testing.T) {
	tb := tables()
	for _, c := range tb.cpus {
		m := Resolve(CPU{Name: c.shown, Threads: int(c.threads), ThreadsPerCore: int(c.threads / c.cores), Sockets: 1})
		checkModel(t, m)
		if got, want := float64(m.IdleWatts(int(c.threads)).Value), c.idle; math.Abs(got-want) > 1e-9*want {
			t.Errorf("%s: idle %g, table %g", c.shown, got, want)
		}
		if _, ok := tb.power[m.Key]; !ok {
			t.Errorf("%s: no row %q", c.shown, m.Key)
		}
	}
	for _, c := range tb.clouds {
		m := Resolve(CPU{Name: "Maker(R) " + c.fragment + " 32-Core Processor", Threads: 8, Hypervisor: true})
		checkModel(t, m)
		if m.Key != c.powerKey {
			t.Errorf("%s: %s", c.fragment, m.How)
		}
	}
	tdps := 0
	for line := range strings.Lines(tb.tdp[1:]) {
		name, _, ok := strings.Cut(line, ",")
		if !ok || name == "cpu" {
			continue
		}
		if got := normalName(name); got != name {
			t.Errorf("cpu_tdp.csv: %q is not normal: %q", name, got)
		}
		if w, ok := tb.tdpOf(name); strings.ContainsAny(name, "0123456789") && (!ok || w > 600) {
			t.Errorf("cpu_tdp.csv: %q: %g %v", name, w, ok)
		}
		tdps++
	}
	t.Logf("%d CPUs with figures, %d cloud names, %d TDPs", len(tb.cpus), len(tb.clouds), tdps)
}

func TestCurvesRise(t *testing.T) {
	for _, vendor := range []string{"intel", "amd", "arm", ""} {
		for _, year := range []int{0, 2007, 2011, 2014, 2017, 2026} {
			for _, key := range []string{groupCurve(vendor, year), hostCurve} {
				c, ok := tables().curves[key]
				if !ok || c[0] != 0 || c[10] != 1 {
					t.Fatalf("%s: %v %v", key, ok, c)
				}
				for i := range 10 {
					if c[i+1] <= c[i] {
						t.Errorf("%s falls at %d0 %%", key, i+1)
					}
				}
			}
		}
	}
}

// TestResolveAnything throws random CPUs at Resolve: it never fails and always keeps its promises.
func TestResolveAnything(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	vendors := []string{"", "GenuineIntel", "AuthenticAMD", "HygonGenuine", "Arm", "CentaurHauls"}
	names := []string{"", "AMD EPYC", "Intel(R) Xeon(R) Platinum 8280 CPU @ 2.70GHz", "Intel Celeron N5105", "%!s(MISSING)", "AMD EPYC 9R14", "1075T"}
	for range 3000 {
		cpu := CPU{
			Vendor: vendors[rng.IntN(len(vendors))], Name: names[rng.IntN(len(names))],
			Family: rng.IntN(30) - 1, Model: rng.IntN(260) - 1, Stepping: rng.IntN(16), Threads: rng.IntN(600) - 1,
			ThreadsPerCore: rng.IntN(5) - 1, Sockets: rng.IntN(9) - 1, Hypervisor: rng.IntN(2) == 0,
		}
		if rng.IntN(3) == 0 {
			cpu.Implementer, cpu.Part = 0x41, 0xd00+rng.IntN(160)
		}
		checkModel(t, Resolve(cpu))
	}
}

func TestSMTOffCostsTheCore(t *testing.T) {
	on := Resolve(CPU{Vendor: "AuthenticAMD", Family: 25, Model: 17, Threads: 192, ThreadsPerCore: 2, Sockets: 1})
	off := Resolve(CPU{Vendor: "AuthenticAMD", Family: 25, Model: 17, Threads: 96, ThreadsPerCore: 1, Sockets: 1})
	if a, b := on.Watts(192, 1).Value, off.Watts(96, 1).Value; math.Abs(float64(a-b)) > 1e-9 {
		t.Errorf("full socket: %v W with SMT, %v W without", a, b)
	}
}

func TestDefaultIs85W(t *testing.T) {
	m := Resolve(CPU{Threads: 4, Sockets: 1})
	if got := m.Watts(4, 1).Value; math.Abs(float64(got)-85*1.05) > 1e-9 || !strings.Contains(m.How, "default TDP of 85 W") {
		t.Errorf("%v: %s", got, m.How)
	}
	if got := Resolve(CPU{}).Watts(1, 1).Value; got > units.Watts(5.0001) {
		t.Errorf("nothing known, not even how many threads: %v W for one", got)
	}
}

func TestNotices(t *testing.T) {
	n := Notices()
	for _, want := range []string{"SPECpower_ssj are trademarks", "they are not SPEC metrics", "Cloud Carbon Footprint", "Code Carbon NGO", "Apache License"} {
		if !strings.Contains(n, want) {
			t.Errorf("notices lack %q", want)
		}
	}
}

package powermodel

import (
	"math"
	"strings"
	"testing"
)

func isNear(got, want, rel float64) bool { return math.Abs(got-want) <= rel*math.Abs(want) }

// TestServerAndMemoryAreTheWall: what is carved out comes back with the memory of the machine and the boot disk, so that server and ram add up
// to C.4's wall + W/GB x (GB beyond the tables' servers), at each load; where the floor of tuned idle servers does not hold it back.
func TestServerAndMemoryAreTheWall(t *testing.T) {
	held, checked := 0, 0
	for _, p := range tables().power {
		for _, guest := range []bool{false, true} {
			m, ok := tables().fromKey(CPU{Threads: 1, Hypervisor: guest}, p.key, p.key, "")
			if !ok {
				t.Fatal(p.key)
			}
			const threads, gb = 16, 1000.0
			disk := threads * tables().constants["boot_disk_w_per_thread"].value
			for _, u := range []float64{0, 0.1, 0.5, 1} {
				wall, server := float64(m.Watts(threads, u).Value), float64(m.As(ScopeServer).Watts(threads, u).Value)
				want := wall + 0.38*(gb-p.memoryGB*threads)
				got := server + float64(RAM(gb).Value) + disk
				tuned := !guest && p.idle[1]-0.38*p.memoryGB-0.02 < p.idle[1]*leastServerIdle
				switch {
				case tuned && u == 0:
					held++
					if got <= want {
						t.Errorf("%s idle: the floor took %g W away", p.key, want-got)
					}
				case tuned && u < 1: // between the floor and the truth
				default:
					checked++
					if !isNear(got, want, 1e-12) {
						t.Errorf("%s at %g, guest %v: server and memory are %g W, the wall %g W", p.key, u, guest, got, want)
					}
				}
			}
		}
	}
	t.Logf("%d equal, %d idle figures held by the floor", checked, held)
	if checked < 200 || held < 5 || held > 15 {
		t.Errorf("%d equal, %d held", checked, held)
	}
}

// TestCloudPackage: the package of a cloud host by the one measurement on such hosts, 0.60 W idle, 3.6 at half load and 5.0 W at full load per
// thread of the two sockets of 24 cores whose TDP is listed as 240 W.
func TestCloudPackage(t *testing.T) {
	cpu := CPU{
		Vendor: "GenuineIntel", Family: 6, Model: 85, Stepping: 4, Name: "Intel(R) Xeon(R) Platinum 8175M CPU @ 2.50GHz",
		Threads: 2, ThreadsPerCore: 2, Sockets: 1, Hypervisor: true,
	}
	m := Resolve(cpu).As(ScopePackage)
	for u, want := range map[float64]float64{0: 0.60, 0.5: 3.6, 1: 5.0} {
		if r := m.Watts(1, u); !isNear(float64(r.Value), want, 0.02) {
			t.Errorf("at %g: %v W, measured %g W", u, r.Value, want)
		}
	}
	if !strings.Contains(m.How, "by its TDP and threads") || m.CurveKey != hostCurve {
		t.Errorf("%s, %s", m.How, m.CurveKey)
	}
	metal := cpu
	metal.Hypervisor, metal.Instance, metal.Threads, metal.Sockets = false, "m5.metal", 96, 2
	if got := Resolve(metal).As(ScopePackage); got.Guest || !isNear(float64(got.Watts(96, 1).Value), 480, 0.01) || got.CurveKey != hostCurve {
		t.Errorf("metal: %v W with %s: %s", got.Watts(96, 1).Value, got.CurveKey, got.How)
	}
}

func TestPackageOfMetal(t *testing.T) {
	cascadelake := CPU{Vendor: "GenuineIntel", Family: 6, Model: 85, Stepping: 7, ThreadsPerCore: 2, Sockets: 1}
	for _, c := range []struct {
		name       string
		cpu        CPU
		cpuName    string
		threads    int
		tdp        float64
		idle, full [2]float64 // of TDP, by what such packages do
	}{
		{"server", cascadelake, "Intel(R) Xeon(R) Platinum 8280 CPU @ 2.70GHz", 56, 205, [2]float64{0.03, 0.15}, [2]float64{0.7, 1}},
		{"unlisted server", cascadelake, "Intel(R) Xeon(R) Gold 6244 CPU @ 3.60GHz", 16, 150, [2]float64{0.03, 0.15}, [2]float64{0.6, 1}},
		{"desktop", CPU{Sockets: 1}, "Intel(R) Core(TM) i7-8700K CPU @ 3.70GHz", 12, 95, [2]float64{0.01, 0.05}, [2]float64{0.6, 1}},
		{
			"laptop", CPU{Vendor: "GenuineIntel", Family: 6, Model: 142, Stepping: 12, ThreadsPerCore: 2, Sockets: 1},
			"Intel(R) Core(TM) i7-8565U CPU @ 1.80GHz", 8, 15, [2]float64{0.01, 0.05}, [2]float64{0.5, 1},
		},
	} {
		c.cpu.Name, c.cpu.Threads = c.cpuName, c.threads
		m := Resolve(c.cpu).As(ScopePackage)
		idle, full := m.IdleWatts(c.threads), m.Watts(c.threads, 1)
		t.Logf("%s: idle %.1f (%.1f-%.1f), full %.1f (%.1f-%.1f) W: %s",
			c.name, idle.Value, idle.Low, idle.High, full.Value, full.Low, full.High, m.How)
		if r := float64(idle.Value) / c.tdp; r < c.idle[0] || r > c.idle[1] {
			t.Errorf("%s: idle is %.3f of TDP", c.name, r)
		}
		if r := float64(full.Value) / c.tdp; r < c.full[0] || r > c.full[1] || float64(full.High) < c.tdp {
			t.Errorf("%s: full load is %.3f of TDP, at most %.3f", c.name, r, float64(full.High)/c.tdp)
		}
	}
}

// TestPackageOfHiddenParts: a guest that sees only a signature gets about the TDP per thread that the makers state for the largest parts.
func TestPackageOfHiddenParts(t *testing.T) {
	for _, c := range []struct {
		vendor                  string
		family, model, stepping int
		name                    string
		want                    float64 // TDP and threads as the makers state them
	}{
		{"AuthenticAMD", 25, 17, 1, "AMD EPYC", 360.0 / 192},                      // 9654
		{"GenuineIntel", 6, 106, 6, "Intel Xeon Processor (Icelake)", 270.0 / 80}, // 8380
		{"GenuineIntel", 6, 143, 8, "Intel Xeon Processor", 350.0 / 120},          // 8490H
		{"GenuineIntel", 6, 207, 2, "Intel Xeon Processor", 350.0 / 128},          // 8592+
		// Its TDP is listed, its threads are not: TDP by the guest's own 8 threads would be 18.75 W.
		{"GenuineIntel", 6, 85, 7, "Intel(R) Xeon(R) Gold 6244 CPU @ 3.60GHz", 205.0 / 56}, // as an 8280
	} {
		m := Resolve(CPU{
			Vendor: c.vendor, Family: c.family, Model: c.model, Stepping: c.stepping, Name: c.name,
			Threads: 8, ThreadsPerCore: 2, Sockets: 1, Hypervisor: true,
		}).As(ScopePackage)
		if got := float64(m.Watts(1, 1).Value); !isNear(got, c.want, 0.1) {
			t.Errorf("%s model %d: %.2f W per thread, largest part %.2f W: %s", c.vendor, c.model, got, c.want, m.How)
		}
		if r := m.Watts(1, 1); float64(r.High) < 1.9*float64(r.Value) { // clouds have parts made with nearly twice the TDP of their line
			t.Errorf("%s model %d: at most %v W for %v W is too sure", c.vendor, c.model, r.High, r.Value)
		}
	}
}

func TestRelativesKeepTheirThreads(t *testing.T) {
	n1 := tables().power["neoverse-n1"]
	for _, part := range []int{0xd49, 0xfff} { // a Neoverse N2, and one that nobody knows
		m := Resolve(CPU{Vendor: "Arm", Implementer: 0x41, Part: part, Threads: 16, Sockets: 1})
		if got := float64(m.IdleWatts(1).Value); !isNear(got, n1.idle[1], 1e-9) {
			t.Errorf("part %#x: %g W idle per thread: %s", part, got, m.How)
		}
		if part == 0xfff {
			for _, scope := range []string{ScopeWall, ScopeServer, ScopePackage} {
				if r := m.As(scope).Watts(1, 1); r.Low > r.Value*0.25 || r.High < r.Value*2.5 {
					t.Errorf("%s of an unknown core is too sure: %+v", scope, r)
				}
			}
		}
	}
}

func TestClientNames(t *testing.T) {
	for name, want := range map[string]bool{
		"13th Gen Intel(R) Core(TM) i7-1365U": true, "AMD Ryzen 7 7840U w/ Radeon 780M Graphics": true, "Intel(R) Celeron(R) N5105 @ 2.00GHz": true,
		"Intel(R) Xeon(R) Gold 6148 CPU @ 2.40GHz": false, "AMD EPYC 7763 64-Core Processor": false,
		"AMD Ryzen Threadripper PRO 5995WX 64-Cores": false, "": false,
	} {
		if clientName(normalName(name)) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
}

// TestLess: a cut never takes more than the floor leaves, and the bounds stay around the value.
func TestLess(t *testing.T) {
	for _, c := range []struct{ r, want Range }{
		{Range{10, 8, 15}, Range{6, 4, 14}},
		{Range{5, 4.5, 6}, Range{1.5, 1.35, 5}},
		{Range{1, 1, 1}, Range{0.3, 0.3, 0.3}},
	} {
		got := less(c.r, 4, 1, 0.3)
		if !isNear(float64(got.Value), float64(c.want.Value), 1e-9) || !isNear(float64(got.Low), float64(c.want.Low), 1e-9) ||
			!isNear(float64(got.High), float64(c.want.High), 1e-9) {
			t.Errorf("%+v: %+v", c.r, got)
		}
	}
}

func TestGovernorChoosesTheCurve(t *testing.T) {
	cpu := CPU{Vendor: "AuthenticAMD", Family: 25, Model: 17, Threads: 192, ThreadsPerCore: 2, Sockets: 1}
	const spec = "spec_amd_2017"
	for governor, want := range map[string]string{"": spec, "powersave": spec, "schedutil": spec, "performance": hostCurve} {
		cpu.Governor = governor
		if m := Resolve(cpu); m.CurveKey != want || m.Curve != tables().curves[want] {
			t.Errorf("governor %q: %s", governor, m.CurveKey)
		}
	}
}

// TestYearsOfTDPRatios: servers of 2012 to 2016 took more per watt of TDP; the name tells the years.
func TestYearsOfTDPRatios(t *testing.T) {
	for name, want := range map[string]bool{
		"Intel(R) Xeon(R) CPU E5-2670 0 @ 2.60GHz": true, "Intel(R) Xeon(R) CPU E3-1240 v3 @ 3.40GHz": true,
		"Intel(R) Xeon(R) CPU E7-8880 v4 @ 2.20GHz": true, "AMD Opteron(tm) Processor 6376": true,
		"Intel(R) Xeon(R) CPU E3-1240 v5 @ 3.50GHz": false, "Intel(R) Xeon(R) CPU E3-1240 v6 @ 3.70GHz": false,
		"AMD EPYC 7763 64-Core Processor": false, "Intel(R) Xeon(R) Gold 6148": false, "AMD E2-9000 RADEON R2": false, "": false,
	} {
		if before2017(normalName(name)) != want {
			t.Errorf("%q: %v", name, !want)
		}
	}
	m := Resolve(CPU{Vendor: "GenuineIntel", Family: 6, Model: 250, Name: "Intel(R) Xeon(R) CPU E5-2667 v2 @ 3.30GHz", Threads: 16, Sockets: 1})
	if got := float64(m.Watts(16, 1).Value); !isNear(got, 130*1.26, 1e-9) || m.CurveKey != "spec_intel_2012_2016" {
		t.Errorf("E5-2667 v2 of 130 W: %g W at full load, curve %s: %s", got, m.CurveKey, m.How)
	}
}

// TestModelsOfOthersKeepTheirScope: a model that has no figures but its own is not to become zero.
func TestModelsOfOthersKeepTheirScope(t *testing.T) {
	m := Model{Scope: ScopePackage, How: "fitted", Idle: Range{1, 1, 1}, Max: Range{2, 2, 2}}
	if m.As(ScopeWall) != m {
		t.Errorf("%+v", m.As(ScopeWall))
	}
}

package host

import "testing"

func TestSpread(t *testing.T) {
	for _, tt := range []struct {
		name      string
		cpus      int
		put       map[string]string // below devices/system/cpu
		low, high int64
		ok        bool
	}{
		{name: "server-smt", cpus: 8, low: 2_100_000, high: 3_900_000, ok: true},
		{name: "server-smt", cpus: 8, put: map[string]string{"cpu3/cpufreq/scaling_governor": "powersave"}, low: 800_000, high: 3_900_000, ok: true},
		{name: "server-smt", cpus: 8, put: map[string]string{"cpu3/cpufreq/base_frequency": "junk"}, low: 800_000, high: 3_900_000, ok: true},
		{name: "server-smt", cpus: 8, put: map[string]string{"cpu3/cpufreq/scaling_max_freq": "1000000"}, low: 1_000_000, high: 3_900_000, ok: true},
		{name: "server-smt", cpus: 8, put: map[string]string{"cpu3/cpufreq/scaling_min_freq": "9000000"}},
		{name: "server-smt", cpus: 8, put: map[string]string{"cpu3/cpufreq/scaling_min_freq": "9000000", "online": "0-2,4-7"}, low: 2_100_000, high: 3_900_000, ok: true},
		{name: "server-smt", cpus: 9, put: map[string]string{"online": "0-8"}}, // CPU 8 tells nothing
		{name: "hybrid", cpus: 10, low: 400_000, high: 4_700_000, ok: true},
		{name: "big-little", cpus: 8, low: 300_000, high: 2_900_000, ok: true},
		{name: "amd-boost", cpus: 4, low: 2_200_000, high: 4_900_000, ok: true},
		{name: "amd-boost", cpus: 4, put: map[string]string{"cpufreq/boost": "0"}, low: 2_200_000, high: 3_400_000, ok: true},
		{name: "amd-boost", cpus: 1, put: map[string]string{"cpu0/cpufreq/boost": "0", "online": "0"}, low: 2_200_000, high: 3_400_000, ok: true},
		{name: "amd-boost", cpus: 1, put: map[string]string{"cpu0/cpufreq/scaling_max_freq": "2800000", "online": "0"}, low: 2_200_000, high: 2_800_000, ok: true},
		{name: "amd-boost", cpus: 4, put: map[string]string{"cpu0/acpi_cppc/nominal_perf": "0"}}, // how high it goes is not told
		{name: "amd-boost", cpus: 4, put: map[string]string{"cpu0/cpufreq/scaling_driver": "amd-pstate-epp", "cpu0/acpi_cppc/nominal_perf": "0"}, low: 2_200_000, high: 4_900_000, ok: true},
		{name: "amd-boost", cpus: 4, put: map[string]string{"cpu0/acpi_cppc/highest_perf": "20000000"}},
		{name: "vm", cpus: 2},
		{name: "power-smt4", cpus: 16},
		{name: "garbage", cpus: 4},
	} {
		root := machine(t, tt.name)
		for file, text := range tt.put {
			write(t, root, map[string]string{"devices/system/cpu/" + file: text + "\n"})
		}
		topo, _ := ReadTopology(root, tt.cpus)
		low, high, ok := Spread(root, topo)
		if low != tt.low || high != tt.high || ok != tt.ok {
			t.Errorf("%s, %v: %d to %d, %v; want %d to %d, %v", tt.name, tt.put, low, high, ok, tt.low, tt.high, tt.ok)
		}
	}
	if _, _, ok := Spread(t.TempDir(), nil); ok {
		t.Error("no CPU has a spread")
	}
}

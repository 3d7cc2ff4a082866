package host

import "path/filepath"

// limits are what cpufreq says of one CPU, in kHz.
type limits struct{ low, high int64 }

// Spread is the lowest and the highest frequency at which the CPUs that are online may run, in kHz, by the limits that the user or the governor set.
// With the governor "performance" the lowest is what the processor guarantees, where that is told. ok is false where the limits of one of them are
// not known.
func Spread(sysfs string, topo Topology) (low, high int64, ok bool) {
	return spread(topo, func(cpu int) (limits, bool) {
		dir := filepath.Join(cpuDir(sysfs, cpu), "cpufreq")
		low, okLow := readKHz(filepath.Join(dir, "scaling_min_freq"))
		high, okHigh := readKHz(filepath.Join(dir, "scaling_max_freq"))
		if !okLow || !okHigh || low > high {
			return limits{}, false
		}
		if governor, _ := readText(filepath.Join(dir, "scaling_governor")); governor == "performance" {
			if base, ok := readKHz(filepath.Join(dir, "base_frequency")); ok && base > low {
				low = min(base, high)
			}
		}
		if driver, _ := readText(filepath.Join(dir, "scaling_driver")); driver == "acpi-cpufreq" && boosts(sysfs, cpu) {
			// It knows no frequency above the nominal one; where the limit is that, the processor goes beyond it by itself.
			if top, ok := readKHz(filepath.Join(dir, "cpuinfo_max_freq")); !ok || high >= top {
				if top = boosted(sysfs, cpu); top == 0 {
					return limits{}, false
				}
				high = max(high, top)
			}
		}
		return limits{low, high}, true
	})
}

func spread(topo Topology, of func(cpu int) (limits, bool)) (low, high int64, ok bool) {
	for i, c := range topo {
		if !c.Online {
			continue
		}
		l, told := of(i)
		if !told {
			return 0, 0, false
		}
		if !ok || l.low < low {
			low = l.low
		}
		high, ok = max(high, l.high), true
	}
	return low, high, ok
}

// boosts tells whether a CPU may go beyond its nominal frequency, by the switch of all or its own.
func boosts(sysfs string, cpu int) bool {
	for _, file := range []string{filepath.Join(cpuDir(sysfs, cpu), "cpufreq/boost"), filepath.Join(sysfs, "devices/system/cpu/cpufreq/boost")} {
		if v, err := readInt(file); err == nil {
			return v == 1
		}
	}
	return false
}

// boosted is the highest frequency beyond the nominal one by ACPI CPPC: performance goes with frequency there. 0: not told, or switched off.
func boosted(sysfs string, cpu int) int64 {
	if !boosts(sysfs, cpu) {
		return 0
	}
	dir := filepath.Join(cpuDir(sysfs, cpu), "acpi_cppc")
	var v [3]int64
	for i, file := range []string{"nominal_freq", "nominal_perf", "highest_perf"} { // the first in MHz
		n, err := readInt(filepath.Join(dir, file))
		if err != nil || n <= 0 || n > maxKHz {
			return 0
		}
		v[i] = int64(n)
	}
	if f := v[0] * 1000 * v[2] / v[1]; f <= maxKHz {
		return f
	}
	return 0
}

func readKHz(path string) (int64, bool) {
	text, err := readText(path)
	if err != nil {
		return 0, false
	}
	return parseKHz([]byte(text))
}

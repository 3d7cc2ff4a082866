package host

import (
	"path/filepath"
	"strconv"
)

// Governor tells the frequency governor of the online CPUs of SYSFS/devices/system/cpu, such as "performance", if they all have the same one.
// Empty where they differ, or where none is told: most guests have none.
func Governor(sysfs string, topo Topology) string {
	same := ""
	for i, c := range topo {
		if !c.Online {
			continue
		}
		governor := firmwareString(filepath.Join(sysfs, "devices/system/cpu", "cpu"+strconv.Itoa(i), "cpufreq/scaling_governor"))
		if (same != "" && governor != same) || !instanceWord(governor) {
			return ""
		}
		same = governor
	}
	return same
}

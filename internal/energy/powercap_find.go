package energy

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Control types whose zones are RAPL counters. AMD's zones and those of Intel's newer servers (drivers/powercap/intel_rapl_tpmi.c) are
// registered as intel-rapl too, and never beside those of the MSRs: there can be one control type of a name.
const (
	controlRAPL = "intel-rapl"
	controlMMIO = "intel-rapl-mmio"
)

// zoneDir is one zone's directory; its id, such as intel-rapl:0:1, is its place in the tree and says nothing about which socket it is.
type zoneDir struct {
	id      string
	control string
	index   []int
	path    string
}

// parent gives the id of the zone above; empty for a top-level zone.
func (z zoneDir) parent() string {
	if len(z.index) < 2 {
		return ""
	}
	return z.id[:strings.LastIndexByte(z.id, ':')]
}

// parseZoneID takes CONTROL:N, CONTROL:N:M and so on.
func parseZoneID(id string) (control string, index []int, ok bool) {
	parts := strings.Split(id, ":")
	if len(parts) < 2 || len(parts) > 4 || parts[0] == "" {
		return "", nil, false
	}
	for _, p := range parts[1:] {
		n, ok := parseIndex(p)
		if !ok {
			return "", nil, false
		}
		index = append(index, n)
	}
	return parts[0], index, true
}

// findZones lists the zones below dir. The class directory holds a link to each zone, sub-zones too; the document draws them nested
// (Documentation/power/powercap/powercap.rst), and both views hold the same ids. So each id counts once, wherever it is seen first.
func findZones(dir string) ([]zoneDir, []Reason, error) {
	var zones []zoneDir
	var reasons []Reason
	seen := map[string]bool{}
	var walk func(dir string, depth int) error
	walk = func(dir string, depth int) error {
		entries, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		var below []string
		for _, e := range entries {
			name := e.Name()
			control, index, ok := parseZoneID(name)
			rapl := name == controlRAPL || name == controlMMIO
			switch {
			case depth == 0 && rapl:
				below = append(below, name)
			case !strings.Contains(name, ":"), seen[name]: // a zone's own files, or another control type
			case !ok:
				reasons = append(reasons, skipped(false, fmt.Sprintf("%.64q", name), "is no zone that this program knows"))
			case strings.HasPrefix(control, controlRAPL+"-") && control != controlMMIO:
				seen[name] = true
				reasons = append(reasons, skipped(false, fmt.Sprintf("%.64q", name), "its control type is not known, and may show the same counters once more"))
			case control != controlRAPL && control != controlMMIO:
				seen[name] = true
				reasons = append(reasons, skipped(true, fmt.Sprintf("%.64q", name), "is not a RAPL counter"))
			default:
				seen[name] = true
				zones = append(zones, zoneDir{name, control, index, filepath.Join(dir, name)})
				below = append(below, name)
			}
		}
		for _, name := range below {
			if depth < 4 {
				_ = walk(filepath.Join(dir, name), depth+1) // a zone that cannot be listed still shows when its name is read
			}
		}
		return nil
	}
	if err := walk(dir, 0); err != nil {
		return nil, nil, err
	}
	// intel-rapl before its mmio doubles, then by number: which of two equal names is kept must not depend on how a directory is sorted.
	slices.SortFunc(zones, func(a, b zoneDir) int {
		if a.control != b.control {
			return strings.Compare(a.control, b.control)
		}
		return slices.Compare(a.index, b.index)
	})
	return zones, reasons, nil
}

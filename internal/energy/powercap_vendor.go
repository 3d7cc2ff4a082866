package energy

import (
	"path/filepath"
	"strings"
)

// oneOnAMD is why several zones or events show one counter.
const oneOnAMD = "on AMD a package has one"

func sameCounter(as string) string { return "the same counter as " + as }

// onePerSocket tells that the CPUs are AMD's or Hygon's. Those have one energy counter for each package, and none of a die or of memory that these
// drivers read. To Linux 6.9 to 6.11 each chiplet (CCD) of a Zen 4 and later is a die (CPUID leaf 0x80000026), and its drivers show the package's
// counter once for each, as if it were the die's ("perf/x86/rapl: Fix the energy-pkg event for AMD CPUs", 2024). Intel's dies have counters of their own.
func onePerSocket(sysfs string) bool {
	text := readHead(filepath.Join(sysfs, "devices/system/cpu/modalias"))
	rest, isX86 := strings.CutPrefix(text, "cpu:type:x86,ven")
	vendor, _, ok := strings.Cut(rest, "fam")
	return isX86 && ok && (vendor == vendorAMD || vendor == vendorHygon)
}

// Vendors as modalias has them: X86_VENDOR_AMD and X86_VENDOR_HYGON of arch/x86/include/asm/processor.h.
const (
	vendorAMD   = "0002"
	vendorHygon = "0009"
)

package energy

import (
	"fmt"
	"strconv"
	"strings"
)

// Kinds of zone, by what the name file says. Which one contains which is the driver's domain tree (drivers/powercap/intel_rapl_common.c):
// a package contains core and uncore, psys contains packages; dram is hung below its package but is not part of its joules.
const (
	kindUnknown = ""
	kindPackage = "package"
	kindDram    = "dram"
	kindInside  = "inside" // core, uncore
	kindPsys    = "psys"
)

// maxName bounds a zone's name. The names come from a file, and they end on terminals and in labels: nothing but [a-z0-9-] passes.
const maxName = 64

// zoneName is what a zone's name file says.
type zoneName struct {
	text   string
	kind   string
	socket int
	die    int // -1: the name has no die
}

// parseName takes the text of a name file, with the newline that the kernel ends it with.
func parseName(raw string) (zoneName, error) {
	text := strings.TrimSuffix(raw, "\n")
	if text == "" {
		return zoneName{}, fmt.Errorf("name is empty")
	}
	if len(text) > maxName {
		return zoneName{}, fmt.Errorf("name is longer than %d bytes", maxName)
	}
	for i := 0; i < len(text); i++ {
		if c := text[i]; c != '-' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return zoneName{}, fmt.Errorf("name has other characters than a-z, 0-9 and -")
		}
	}
	n := zoneName{text: text, socket: -1, die: -1}
	switch {
	case text == "dram":
		n.kind = kindDram
	case text == "core" || text == "uncore":
		n.kind = kindInside
	case text == "psys" || strings.HasPrefix(text, "psys-"): // psys-N: several platform domains on one machine
		n.kind = kindPsys
	default:
		n.kind, n.socket, n.die = parsePackage(text)
	}
	return n, nil
}

// parsePackage takes package-N, and package-N-die-M as the driver writes where a package has several dies.
func parsePackage(text string) (kind string, socket, die int) {
	rest, ok := strings.CutPrefix(text, "package-")
	if !ok {
		return kindUnknown, -1, -1
	}
	s, d, hasDie := strings.Cut(rest, "-die-")
	socket, ok = parseIndex(s)
	if !ok {
		return kindUnknown, -1, -1
	}
	if !hasDie {
		return kindPackage, socket, -1
	}
	if die, ok = parseIndex(d); !ok {
		return kindUnknown, -1, -1
	}
	return kindPackage, socket, die
}

// parseIndex takes a number as the kernel writes it: no sign and no leading zero, so that one zone has one spelling.
func parseIndex(s string) (int, bool) {
	if s == "" || len(s) > 6 || (len(s) > 1 && s[0] == '0') || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}

// dramName names a package's memory after the package: the kernel calls every one of them just dram.
func dramName(parent zoneName) string {
	return kindDram + strings.TrimPrefix(parent.text, kindPackage)
}

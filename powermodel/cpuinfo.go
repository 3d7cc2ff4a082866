package powermodel

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
)

// CPU is what the kernel tells about the processors of this machine. The zero value means "nothing known".
type CPU struct {
	Vendor                  string // x86 vendor_id ("GenuineIntel"); "Arm" where an implementer is given
	Family, Model, Stepping int    // x86
	Implementer, Part       int    // Arm MIDR: 0x41 and 0xd0c are a Neoverse N1
	Name                    string // x86 "model name"; on Arm boards "Model"; may be empty
	Threads                 int    // hardware threads = CPUs seen
	ThreadsPerCore          int    // 0: not told (Arm)
	Sockets                 int    // at least 1 once parsed; a guest sees what its host invented
	Hypervisor              bool   // a guest; Arm has no such flag in cpuinfo, so callers ask the firmware
	Instance                string // cloud instance type, such as m5.large; not in cpuinfo, callers ask the firmware; empty: none known
	Governor                string // of CPU frequency, the same on all CPUs; not in cpuinfo; empty: none, or several
}

// ErrNoCPU says that a text lists no processor.
var ErrNoCPU = errors.New("no processor found in cpuinfo")

const (
	maxCPUInfo = 32 << 20 // 8192 CPUs at 4 KiB each
	maxSockets = 1024
	maxField   = 1 << 20 // no identifier of a CPU is larger; guards later arithmetic
)

// ParseCPUInfo reads /proc/cpuinfo of x86 and arm64. The first processor speaks for all of them, since on mixed parts
// (hybrid x86, big.LITTLE) one table row stands for the chip anyway. Bytes beyond 32 MiB are not read.
func ParseCPUInfo(text []byte) (CPU, error) {
	if len(text) > maxCPUInfo {
		text = text[:maxCPUInfo]
	}
	var c CPU
	var seen [8]bool // which of the fields below the first processor has set
	siblings, cores := 0, 0
	packages := make(map[int]struct{}, 8)
	for len(text) > 0 {
		line := text
		if i := bytes.IndexByte(text, '\n'); i >= 0 {
			line, text = text[:i], text[i+1:]
		} else {
			text = nil
		}
		key, value, found := bytes.Cut(line, []byte{':'})
		if !found {
			continue
		}
		value = bytes.TrimSpace(value)
		set := func(field int, to *int) {
			if v, ok := number(value); ok && !seen[field] {
				*to, seen[field] = v, true
			}
		}
		switch string(bytes.TrimSpace(key)) {
		case "processor":
			if _, ok := number(value); ok && c.Threads < maxField {
				c.Threads++
			}
		case "vendor_id":
			if c.Vendor == "" {
				c.Vendor = clean(value)
			}
		case "model name":
			if c.Name == "" {
				c.Name = clean(value)
			}
		case "Model": // arm64 boards name themselves once, at the end
			if c.Name == "" {
				c.Name = clean(value)
			}
		case "cpu family":
			set(0, &c.Family)
		case "model":
			set(1, &c.Model)
		case "stepping":
			set(2, &c.Stepping)
		case "CPU implementer":
			set(3, &c.Implementer)
		case "CPU part":
			set(4, &c.Part)
		case "siblings":
			set(5, &siblings)
		case "cpu cores":
			set(6, &cores)
		case "physical id":
			if v, ok := number(value); ok && len(packages) < maxSockets {
				packages[v] = struct{}{}
			}
		case "flags":
			if !seen[7] {
				seen[7], c.Hypervisor = true, hasFlag(value, "hypervisor")
			}
		}
	}
	if c.Threads == 0 {
		return CPU{}, ErrNoCPU
	}
	c.Sockets = max(1, len(packages))
	if siblings > 0 && cores > 0 {
		c.ThreadsPerCore = (siblings + cores - 1) / cores // hybrid parts: 24 threads on 16 cores have SMT
	}
	if c.Vendor == "" && c.Implementer != 0 {
		c.Vendor = "Arm"
	}
	return c, nil
}

// number reads a decimal or 0x number that a CPU identifier can have.
func number(b []byte) (int, bool) {
	if len(b) == 0 || len(b) > 12 {
		return 0, false
	}
	v, err := strconv.ParseUint(string(b), 0, 31)
	if err != nil || v > maxField {
		return 0, false
	}
	return int(v), true
}

// clean makes a name safe to show: printable ASCII, single blanks, bounded. A hypervisor's owner chooses this text.
func clean(b []byte) string {
	if len(b) > maxName {
		b = b[:maxName]
	}
	s := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, string(b))
	return strings.Join(strings.Fields(s), " ")
}

func hasFlag(flags []byte, name string) bool {
	for len(flags) > 0 {
		var word []byte
		word, flags, _ = bytes.Cut(flags, []byte{' '})
		if string(word) == name {
			return true
		}
	}
	return false
}

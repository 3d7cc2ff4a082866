package host

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Cgroups says which cgroup hierarchy tells tasks apart on this machine, and where it is mounted.
type Cgroups struct {
	V1    bool   // the cpu controller is on a v1 hierarchy; else v2 is used
	Mount string // directory of that hierarchy's root; empty: not mounted
	// Hierarchy is its number in /proc/PID/cgroup; 0: v2.
	Hierarchy int
	// CPUAcct is the directory of the v1 cpuacct root, whose totals cover the whole machine; empty: there is none.
	CPUAcct string
}

// ReadCgroups reads PROCFS/self/mountinfo.
func ReadCgroups(procfs string) (Cgroups, error) {
	b, err := os.ReadFile(filepath.Join(procfs, "self/mountinfo"))
	if err != nil {
		return Cgroups{}, fmt.Errorf("look for cgroup mounts: %w", err)
	}
	c := parseCgroups(string(b))
	if c.V1 {
		b, err := os.ReadFile(filepath.Join(procfs, "self/cgroup"))
		if err != nil {
			return Cgroups{}, fmt.Errorf("look for the cgroup hierarchy of the cpu controller: %w", err)
		}
		c.Hierarchy = parseHierarchy(string(b))
	}
	if !rootCgroupNamespace(procfs) {
		// Inside a cgroup namespace the root directory is only a part of the machine.
		c.CPUAcct = ""
	}
	return c, nil
}

// initCgroupNS is the inode of the first cgroup namespace: PROC_CGROUP_INIT_INO in include/linux/proc_ns.h.
const initCgroupNS = "cgroup:[4026531835]"

func rootCgroupNamespace(procfs string) bool {
	ns, err := os.Readlink(filepath.Join(procfs, "self/ns/cgroup"))
	return err == nil && ns == initCgroupNS
}

// InitialPIDs tells whether this process is in the first pid namespace (PROC_PID_INIT_INO in include/linux/proc_ns.h), or nobody can
// tell.
func InitialPIDs(procfs string) bool {
	ns, err := os.Readlink(filepath.Join(procfs, "self/ns/pid"))
	return err != nil || ns == "pid:[4026531836]"
}

func parseCgroups(mountinfo string) Cgroups {
	var c Cgroups
	v2 := ""
	for line := range strings.Lines(mountinfo) {
		before, after, ok := strings.Cut(line, " - ")
		head, tail := strings.Fields(before), strings.Fields(after)
		if !ok || len(head) < 5 || len(tail) < 3 || head[3] != "/" {
			continue // a bind mount of a part is not a root
		}
		dir, options := unescapeMount(head[4]), strings.Split(tail[2], ",")
		switch {
		case tail[0] == "cgroup2" && v2 == "":
			v2 = dir
		case tail[0] == "cgroup" && slices.Contains(options, "cpu") && !c.V1:
			c.V1, c.Mount = true, dir
		}
		if tail[0] == "cgroup" && slices.Contains(options, "cpuacct") && c.CPUAcct == "" {
			c.CPUAcct = dir
		}
	}
	if !c.V1 {
		c.Mount = v2
	}
	return c
}

// parseHierarchy finds the number of the cpu controller's hierarchy in /proc/PID/cgroup, see cgroups(7); 0: it is in none of v1.
func parseHierarchy(cgroup string) int {
	for line := range strings.Lines(cgroup) {
		f := strings.SplitN(line, ":", 3)
		if len(f) == 3 && slices.Contains(strings.Split(f[1], ","), "cpu") {
			n, err := strconv.Atoi(f[0])
			if err == nil {
				return n
			}
		}
	}
	return 0
}

// PIDMax is the highest process id that there can be; 0: not known.
func PIDMax(procfs string) int {
	b, err := os.ReadFile(filepath.Join(procfs, "sys/kernel/pid_max"))
	if err != nil {
		return 0
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// unescapeMount undoes the octal escapes of mountinfo: space, tab, newline, backslash.
func unescapeMount(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

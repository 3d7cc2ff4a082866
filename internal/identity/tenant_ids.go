package identity

import "strings"

func isDigit(c byte) bool    { return '0' <= c && c <= '9' }
func isHexDigit(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'f' }
func isBase36(c byte) bool   { return isDigit(c) || 'a' <= c && c <= 'z' }
func isAlnum(c byte) bool    { return isBase36(c) || 'A' <= c && c <= 'Z' }

// all tells whether s is of such bytes only, and not empty.
func all(s string, of func(byte) bool) bool {
	for i := range len(s) {
		if !of(s[i]) {
			return false
		}
	}
	return s != ""
}

// printable bounds names that their makers choose: none of those that LXC and systemd-machined take is outside of it, but a cgroup's
// name may be any bytes.
func printable(s string) bool {
	return len(s) <= 255 && all(s, func(c byte) bool { return ' ' < c && c < 0x7f })
}

// isContainerID: 256 bits, of Docker, containerd's CRI, CRI-O, Podman.
func isContainerID(s string) bool { return len(s) == 64 && all(s, isHexDigit) }

// isBuildKitID: 128 bits in base 36 (identity.NewID).
func isBuildKitID(s string) bool { return len(s) == 25 && all(s, isBase36) }

// isFargateID: the task's id of 32 digits, and a number.
func isFargateID(s string) bool {
	task, n, ok := strings.Cut(s, "-")
	return ok && len(task) == 32 && all(task, isHexDigit) && len(n) <= 20 && all(n, isDigit)
}

// isUUID: in lower case, with that between its groups.
func isUUID(s string, between byte) bool {
	return isGroups(s, between, 8, 4, 4, 4, 12)
}

// isGardenHandle: a UUID, or one that is cut to the length which Diego gives it.
func isGardenHandle(s string) bool {
	return isUUID(s, '-') || isGroups(s, '-', 8, 4, 4, 4, 4)
}

// isNomadTask: ALLOCATION.TASK.
func isNomadTask(s string) bool {
	alloc, task, ok := strings.Cut(s, ".")
	return ok && isUUID(alloc, '-') && printable(task)
}

// isNomadGroup: Nomad's root with version 1 and 2, and its partitions of the CPUs, by whether a task has cores of its own.
func isNomadGroup(s string) bool {
	switch strings.TrimSuffix(s, ".slice") {
	case "nomad", "share", "reserve":
		return true
	}
	return false
}

// isGroups: groups of so many hexadecimal digits.
func isGroups(s string, between byte, groups ...int) bool {
	for i, n := range groups {
		if i > 0 {
			if s == "" || s[0] != between {
				return false
			}
			s = s[1:]
		}
		if len(s) < n || !all(s[:n], isHexDigit) {
			return false
		}
		s = s[n:]
	}
	return s == ""
}

package powermodel

import "strings"

// DiskKind is the kind of a disk by the kernel's name of it. One that is not in this machine is virtual: what it is made of is not known. So are all of
// a guest, and those that are reached over a network or by several paths at once (dm), whatever the caller knows of them.
func DiskKind(name string, rotational, elsewhere bool) string {
	switch {
	case elsewhere, hasAnyPrefix(name, "vd", "xvd", "nbd", "rbd", "dm-"):
		return DiskVirtual
	case strings.HasPrefix(name, "nvme"):
		return DiskNVMe
	case strings.HasPrefix(name, "mmcblk"):
		return DiskMMC
	case rotational:
		return DiskHDD
	}
	return DiskSSD
}

func hasAnyPrefix(s string, prefixes ...string) bool {
	for _, p := range prefixes {
		if strings.HasPrefix(s, p) {
			return true
		}
	}
	return false
}

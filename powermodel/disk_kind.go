package powermodel

import "strings"

// DiskKind is the kind of a disk by the kernel's name of it. In a guest every one is virtual.
func DiskKind(name string, rotational, guest bool) string {
	switch {
	case guest, strings.HasPrefix(name, "vd"), strings.HasPrefix(name, "xvd"):
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

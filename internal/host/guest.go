package host

import (
	"os"
	"path/filepath"
	"strings"
)

// Virtual tells a virtual machine by what its firmware shows: on Arm /proc/cpuinfo has no flag for it. known is false where there is
// neither a DMI table nor a device tree, so nobody can tell.
func Virtual(sysfs, procfs string) (virtual, known bool) {
	if exists(filepath.Join(sysfs, "hypervisor/type")) || virtualTree(filepath.Join(procfs, "device-tree")) {
		return true, true
	}
	dmi := func(file string) string {
		b, err := os.ReadFile(filepath.Join(sysfs, "class/dmi/id", file))
		if err != nil {
			return ""
		}
		known = true
		return strings.TrimSpace(string(b))
	}
	vendor, product := dmi("sys_vendor"), dmi("product_name")
	switch {
	case vendor == "Amazon EC2":
		return !strings.Contains(product, ".metal"), true // and m8g.metal-24xl
	case vendor == "Microsoft Corporation": // its laptops are from the same vendor
		return product == "Virtual Machine", true
	}
	for _, name := range virtualMachines {
		if strings.HasPrefix(vendor, name) || strings.HasPrefix(product, name) {
			return true, true
		}
	}
	return false, known || exists(filepath.Join(procfs, "device-tree"))
}

// virtualTree tells by a device tree: one of the machine types that only a hypervisor makes, or its configuration device.
func virtualTree(dir string) bool {
	if fw, err := filepath.Glob(filepath.Join(dir, "fw-cfg*")); err == nil && len(fw) > 0 || exists(filepath.Join(dir, "hypervisor")) {
		return true
	}
	compatible, err := os.ReadFile(filepath.Join(dir, "compatible"))
	if err != nil {
		return false
	}
	for name := range strings.SplitSeq(string(compatible), "\x00") {
		if name == "linux,dummy-virt" || strings.HasPrefix(name, "qemu,") {
			return true
		}
	}
	return false
}

// virtualMachines are beginnings of the vendor or product names that hypervisors put into their guests' DMI tables.
var virtualMachines = []string{
	"QEMU", "KVM", "VMware", "innotek GmbH", "VirtualBox", "Xen", "Bochs", "Parallels", "BHYVE", "Apple Virtualization",
	"Google Compute Engine", "OpenStack", "Alibaba Cloud", "Tencent Cloud", "DigitalOcean", "Hetzner", "Scaleway", "Vultr", "OVMF",
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

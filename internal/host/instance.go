package host

import (
	"io"
	"os"
	"path/filepath"
	"strings"
)

// maxFirmware bounds what is read of one DMI string; the kernel shows at most a page.
const maxFirmware = 4096

// Instance tells the cloud instance type of this machine by what its firmware shows, such as "aws", "m5.large". Of the clouds only AWS, on Nitro
// and on metal, names the type there: Google and Microsoft show one name for all. Both are empty where it is not told.
func Instance(sysfs string) (provider, instance string) {
	dmi := func(file string) string { return firmwareString(filepath.Join(sysfs, "class/dmi/id", file)) }
	if dmi("sys_vendor") != "Amazon EC2" {
		return "", ""
	}
	name := dmi("product_name")
	if family, size, found := strings.Cut(name, "."); !found || !instanceWord(family) || !instanceWord(size) {
		return "", "" // "HVM domU" before Nitro
	}
	return "aws", name
}

// instanceWord says whether a part of an instance type can be one: "u7in-24tb", "metal-48xl". A hostile hypervisor chooses this text.
func instanceWord(s string) bool {
	if s == "" || len(s) > 32 {
		return false
	}
	for _, r := range s {
		if (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-' {
			return false
		}
	}
	return true
}

func firmwareString(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFirmware))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}

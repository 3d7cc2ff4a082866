package energy

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// maxDisks bounds memory whatever diskstats says.
const maxDisks = 4096

// add looks once whether a name is a disk: what is made of others (md, dm), of files (loop) or of memory (ram, zram) has no device behind
// it, and a partition is listed under its disk.
func (s *storage) add(name string) *disk {
	d := &disk{}
	if len(s.disks) >= maxDisks {
		return d
	}
	s.disks[name] = d
	if name == "" || name == "." || name == ".." || isNoDisk(name) {
		return d
	}
	dir := filepath.Join(s.sysfs, "block", name)
	size := readNumber(filepath.Join(dir, "size"))
	if size <= 0 || size >= 1<<53 {
		if _, err := os.Stat(filepath.Join(dir, "device")); err == nil || isNumbered(name, "nbd") { // an empty drive: it may get one
			delete(s.disks, name)
		}
		return d
	}
	remote := ""
	switch {
	case isMultipath(dir):
		remote = "dm-multipath"
		for _, path := range links(filepath.Join(dir, "slaves")) {
			if p := s.disks[path]; p != nil { // it was seen before it became a path
				p.counted = false
			}
		}
	case isNumbered(name, "nbd"):
		remote = "nbd"
	default:
		if _, err := os.Stat(filepath.Join(dir, "device")); err != nil {
			return d
		}
		if readNumber(filepath.Join(dir, "hidden")) == 1 || s.isPath(dir) { // a path of a multipath device, which is listed too
			return d
		}
		remote = s.transport(name, dir)
	}
	d.counted = true
	d.model = s.model(Disk{Name: name, Bytes: size * sectorBytes, Rotational: readNumber(filepath.Join(dir, "queue/rotational")) == 1, Remote: remote})
	return d
}

// isNoDisk tells by the name: optical and floppy drives, of which no model tells; flash that a driver shows block by block; and what is a part of an
// MMC chip that is listed as well (mmcblk0boot0, mmcblk0rpmb, mmcblk0gp0).
func isNoDisk(name string) bool {
	if isNumbered(name, "sr") || isNumbered(name, "fd") || isNumbered(name, "mtdblock") {
		return true
	}
	return strings.HasPrefix(name, "mmcblk") && !isNumbered(name, "mmcblk")
}

// isNumbered takes nbd0 for "nbd".
func isNumbered(name, prefix string) bool {
	number, ok := strings.CutPrefix(name, prefix)
	return ok && number != "" && strings.Trim(number, "0123456789") == ""
}

// isMultipath tells that dm-multipath made this disk of the paths to one.
func isMultipath(dir string) bool {
	return strings.HasPrefix(readHead(filepath.Join(dir, "dm/uuid")), "mpath-")
}

// isPath tells that dm-multipath has made a disk of this one and others.
func (s *storage) isPath(dir string) bool {
	for _, holder := range links(filepath.Join(dir, "holders")) {
		if isMultipath(filepath.Join(s.sysfs, "block", holder)) {
			return true
		}
	}
	return false
}

// transport tells over what a disk is reached that is not in this machine; empty: it is, as far as sysfs tells. SCSI disks hang below a session of
// iSCSI (sessionN) or a remote port of Fibre Channel (rport-H:B-R); an NVMe controller has a file that tells, and where the kernel makes one disk of
// several controllers, they are listed under it.
func (s *storage) transport(name, dir string) string {
	if isNumbered(name, "rbd") {
		return "rbd"
	}
	device := filepath.Join(dir, "device")
	for _, controller := range append(links(device), ".") {
		if controller != "." && !isNumbered(controller, "nvme") {
			continue
		}
		switch readHead(filepath.Join(device, controller, "transport")) {
		case "tcp", "rdma", "fc":
			return "NVMe over fabrics"
		}
	}
	path, err := filepath.EvalSymlinks(device)
	if err != nil {
		return ""
	}
	_, path, _ = strings.Cut(path, "/devices/")
	for part := range strings.SplitSeq(path, "/") {
		switch {
		case isNumbered(part, "session"):
			return "iSCSI"
		case strings.HasPrefix(part, "rport-"):
			return "Fibre Channel"
		}
	}
	return ""
}

// maxLinks bounds what is looked at in one folder: paths to one disk, or disks made of one.
const maxLinks = 256

// links are the names in a folder; none where there is none.
func links(dir string) []string {
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := f.Readdirnames(maxLinks)
	return names
}

// readNumber is 0 where there is none.
func readNumber(path string) int64 {
	v, err := strconv.ParseInt(readHead(path), 10, 64)
	if err != nil {
		return 0
	}
	return v
}

package energy

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// link makes a symbolic link in the tree, and the folder that it leads to.
func (d *disks) link(from, to string) {
	d.t.Helper()
	from, to = filepath.Join(d.root, from), filepath.Join(d.root, to)
	if err := errors.Join(os.MkdirAll(to, 0o755), os.MkdirAll(filepath.Dir(from), 0o755), os.Symlink(to, from)); err != nil {
		d.t.Fatal(err)
	}
}

// scsi adds a disk whose device is at that path below devices.
func (d *disks) scsi(name, device string) {
	d.add(name, "size=2000 queue/rotational=0")
	d.link("block/"+name+"/device", "devices/"+device)
}

// stats lists disks that have done nothing.
func (d *disks) stats(names ...string) {
	var lines []string
	for _, name := range names {
		lines = append(lines, diskLine(name, 0, 0))
	}
	d.stat(lines...)
}

// What is a disk, and over what it is reached.
func TestWhatIsADisk(t *testing.T) {
	const pci = "pci0000:00/0000:00:1f.2/"
	for name, c := range map[string]struct {
		disks func(d *disks)
		want  []string
	}{
		"ordinary ones": {func(d *disks) {
			d.scsi("sda", pci+"ata1/host0/target0:0:0/0:0:0:0")
			d.scsi("sdb", pci+"host1/port-1:0/end_device-1:0/target1:0:0/1:0:0:0") // SAS
			d.add("mmcblk0", "device/x=1 size=2000")
			d.add("nvme0n1", "device/transport=pcie size=2000")
			d.add("vda", "device/x=1 size=2000")
		}, []string{"mmcblk0", "nvme0n1", "sda", "sdb", "vda"}},
		"no disks": {func(d *disks) {
			for _, name := range []string{"sr0", "sr11", "fd0", "mtdblock3", "mmcblk0boot0", "mmcblk0boot1", "mmcblk0rpmb", "mmcblk0gp0"} {
				d.add(name, "device/x=1 size=2000")
			}
			d.add("loop0", "size=2000")
			d.add("md0", "size=2000")
			d.add("dm-0", "size=2000 dm/uuid=LVM-mpath-x")
			d.add("dm-1", "size=2000 dm/uuid=CRYPT-LUKS2-0123")
			d.add("nbd1", "size=0")
			d.add("nvme0c0n1", "device/x=1 size=2000 hidden=1")
		}, nil},
		"those that begin like them": {func(d *disks) {
			d.add("srx", "device/x=1 size=2000")
			d.add("fdx", "device/x=1 size=2000")
			d.add("nbdx", "size=2000") // without a device
			d.add("nbd", "size=2000")
		}, []string{"fdx", "srx"}},
		"over a network": {func(d *disks) {
			d.scsi("sda", "platform/host3/session1/target3:0:0/3:0:0:0")
			d.scsi("sdb", pci+"host5/rport-5:0-2/target5:0:0/5:0:0:1")
			d.scsi("sdc", pci+"host6/sessions/rport/6:0:0:1") // is neither
			d.add("nbd0", "size=2000")
			d.add("rbd0", "device/x=1 size=2000")
			d.add("nvme1n1", "device/transport=tcp size=2000")
			d.add("nvme2n1", "device/nvme2/transport=rdma size=2000")
			d.add("nvme3n1", "device/nvme3/transport=pcie device/other/transport=tcp size=2000")
		}, []string{"nbd0 nbd", "nvme1n1 NVMe over fabrics", "nvme2n1 NVMe over fabrics", "nvme3n1", "rbd0 rbd", "sda iSCSI", "sdb Fibre Channel", "sdc"}},
		"by several paths": {func(d *disks) {
			for _, name := range []string{"sda", "sdb"} {
				d.scsi(name, pci+"host5/rport-5:0-2/target5:0:0/"+name)
				d.link("block/"+name+"/holders/dm-0", "block/dm-0")
				d.link("block/dm-0/slaves/"+name, "block/"+name)
			}
			d.add("dm-0", "size=2000 dm/uuid=mpath-3600a098038303053753f463045716433")
			d.link("block/dm-0/holders/dm-1", "block/dm-1")
			d.add("dm-1", "size=2000 dm/uuid=LVM-abc")
			d.scsi("sdc", pci+"ata1/host0/target0:0:0/0:0:0:0")
			d.link("block/sdc/holders/dm-1", "block/dm-1")
		}, []string{"dm-0 dm-multipath", "sdc"}},
	} {
		d := newDisks(t)
		c.disks(d)
		var names, got []string
		entries, err := os.ReadDir(filepath.Join(d.root, "block"))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			names = append(names, e.Name())
		}
		d.stats(names...)
		s, found, err := OpenStorage(d.root, d.root, testModel)
		if c.want == nil && errors.Is(err, ErrAbsent) {
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		defer s.Close()
		for _, f := range found {
			got = append(got, strings.TrimSpace(f.Name+" "+f.Remote))
		}
		if slices.Sort(got); !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// A disk that becomes a path of another while the program runs is counted no more: that other one is.
func TestDiskBecomesAPath(t *testing.T) {
	d := newDisks(t)
	d.scsi("sda", "pci0000:00/host5/rport-5:0-2/5:0:0:1")
	d.stats("sda")
	s, out := d.open(), make([]Sample, 1)
	read := func(at time.Duration, watts int64) {
		t.Helper()
		before := out[0].Energy
		s.Read(Edge{Time: at, Look: true}, out)
		if got := int64(out[0].Energy-before) / 1e6; got != watts {
			t.Errorf("at %v: %d J, want %d", at, got, watts)
		}
	}
	read(1*time.Second, 0)
	read(2*time.Second, 1)
	d.add("dm-0", "size=2000 dm/uuid=mpath-1")
	d.link("block/dm-0/slaves/sda", "block/sda")
	d.link("block/sda/holders/dm-0", "block/dm-0")
	d.stats("sda", "dm-0")
	read(3*time.Second, 1) // sda's last; of dm-0 the baseline
	read(4*time.Second, 1)
}

func TestDetailOfDisks(t *testing.T) {
	for n, want := range map[int]string{1: "sda", 4: "sda; sdb; sdc; sdd", 5: "sda; sdb; sdc; sdd; and 1 more", 7: "sda; sdb; sdc; sdd; and 3 more"} {
		d := newDisks(t)
		var names []string
		for i := range n {
			names = append(names, "sd"+string(rune('a'+i)))
			d.add(names[i], "device/x=1 size=2000")
		}
		d.stats(names...)
		s, _, err := OpenStorage(d.root, d.root, func(d Disk) DiskModel { return DiskModel{Idle: watts(1), Busy: watts(4), Detail: d.Name} })
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if _, got, _ := strings.Cut(s.Domains()[0].Detail, "; "); got != want {
			t.Errorf("%d disks: %q, want %q", n, got, want)
		}
	}
	d := newDisks(t)
	d.scsi("sda", "platform/host3/session1/target3:0:0/3:0:0:0")
	d.stats("sda")
	if detail := d.open().Domains()[0].Detail; !strings.HasSuffix(detail, "(not in this machine: by iSCSI)") {
		t.Errorf("%q", detail)
	}
}

package powermodel

import "testing"

func TestDiskKind(t *testing.T) {
	for _, c := range []struct {
		name                  string
		rotational, elsewhere bool
		want                  string
	}{
		{"sda", true, false, DiskHDD}, {"sda", false, false, DiskSSD}, {"nvme0n1", false, false, DiskNVMe}, {"mmcblk0", false, false, DiskMMC},
		{"sda", true, true, DiskVirtual}, {"nvme0n1", false, true, DiskVirtual}, {"mmcblk0", false, true, DiskVirtual}, // in a guest, or remote
		{"vda", true, false, DiskVirtual}, {"xvda", false, false, DiskVirtual},
		{"nbd0", true, false, DiskVirtual}, {"rbd0", false, false, DiskVirtual}, {"dm-3", true, false, DiskVirtual},
		{"", false, false, DiskSSD},
	} {
		if got := DiskKind(c.name, c.rotational, c.elsewhere); got != c.want {
			t.Errorf("%q, rotational %v, elsewhere %v: %s, want %s", c.name, c.rotational, c.elsewhere, got, c.want)
		}
	}
}

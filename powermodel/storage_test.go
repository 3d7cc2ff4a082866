package powermodel

import (
	"math"
	"testing"
)

func TestRAM(t *testing.T) {
	// 64 GB by the bounds that were measured: 0.17 to 0.92 W per GB.
	r := RAM(64)
	for got, want := range map[float64]float64{float64(r.Value): 24.32, float64(r.Low): 10.88, float64(r.High): 58.88} {
		if !isNear(got, want, 1e-9) {
			t.Errorf("64 GB: %+v", r)
		}
	}
	for _, gb := range []float64{0, -1, math.NaN(), math.Inf(-1)} {
		if RAM(gb) != (Range{}) {
			t.Errorf("%g GB: %+v", gb, RAM(gb))
		}
	}
	if r := RAM(math.Inf(1)); !(r.Value > 0 && r.High < 1e6) {
		t.Errorf("endless memory: %+v", r)
	}
}

func TestDisk(t *testing.T) {
	for _, c := range []struct {
		kind         string
		bytes        int64
		idle, active float64
	}{
		{DiskHDD, 16e12, 6.4, 9}, {DiskSSD, 1e12, 0.6, 3}, {DiskNVMe, 1e12, 1, 6}, {DiskMMC, 32e9, 0.01, 0.36},
		{DiskVirtual, 500e9, 0.6, 3}, {"md", 2e12, 2.4, 4.8}, {"", 0, 0, 2.4}, {DiskVirtual, -5, 0, 2.4},
	} {
		idle, active, how := Disk(c.kind, c.bytes)
		if !isNear(float64(idle.Value), c.idle, 1e-9) || !isNear(float64(active.Value), c.active, 1e-9) || how == "" {
			t.Errorf("%s of %d bytes: %+v %+v %q", c.kind, c.bytes, idle, active, how)
		}
	}
}

// TestDiskKinds holds each row to what makes a figure usable: bounds around it, and work that costs no less than rest.
func TestDiskKinds(t *testing.T) {
	if n := len(tables().disks); n != 5 {
		t.Errorf("%d kinds", n)
	}
	for _, r := range rows("storage.csv") {
		if r["source"] == "" {
			t.Errorf("%s: no source", r["kind"])
		}
		for _, bytes := range []int64{math.MinInt64, 1, 1e12, math.MaxInt64} {
			idle, active, _ := Disk(r["kind"], bytes)
			for _, x := range []Range{idle, active} {
				if !(0 <= x.Low && x.Low <= x.Value && x.Value <= x.High && x.High < 1e6) || (bytes > 0 && x.Low <= 0) {
					t.Errorf("%s of %d bytes: %+v", r["kind"], bytes, x)
				}
			}
			if active.Value < idle.Value || active.Low < idle.Low || active.High < idle.High {
				t.Errorf("%s: %+v idle, %+v at work", r["kind"], idle, active)
			}
		}
	}
}

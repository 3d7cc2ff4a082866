package energy

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestBatteryDomain(t *testing.T) {
	src, reasons, err := OpenSupply(tree(t, "battery"))
	if err != nil {
		t.Fatal(err, reasons)
	}
	defer src.Close()
	d := src.Domains()
	if len(d) != 1 || d[0].Name != "battery" || d[0].Socket != -1 || d[0].Scope != ScopeMachine || d[0].Method != Integrated || d[0].Source != "battery" ||
		!strings.Contains(d[0].Detail, "BAT0, ") || !strings.HasSuffix(d[0].Detail, "BAT1") {
		t.Errorf("%+v", d)
	}
	checkParts(t, "battery", reasons, []string{"*battery machine", "hidpp_battery_0", "BAT2"})
}

// On mains an estimate of the machine is better than a battery that tells nothing.
func TestBatteryOnMainsIsAbsent(t *testing.T) {
	src, reasons, err := OpenSupply(tree(t, "battery-mains"))
	if src != nil || !errors.Is(err, ErrAbsent) || !strings.Contains(err.Error(), "on mains") || len(reasons) != 1 || reasons[0].Next == "" {
		t.Errorf("%v %v %+v", src, err, reasons)
	}
	if src, _, err := OpenSupply(t.TempDir()); src != nil || !errors.Is(err, ErrAbsent) {
		t.Errorf("%v %v", src, err)
	}
}

func TestBrokenBatteryIsNotAbsent(t *testing.T) {
	for file, text := range map[string]string{"BAT0/type": "Batt\x1bery\n", "BAT0/power_now": "x\n"} {
		root := tree(t, "battery")
		if err := os.WriteFile(filepath.Join(root, "class/power_supply", file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		if src, reasons, err := OpenSupply(root); src != nil || err == nil || errors.Is(err, ErrAbsent) || len(reasons) == 0 {
			t.Errorf("%s: %v %v %+v", file, src, err, reasons)
		}
	}
	f := kernelFiles
	f.open = func(path string) (int, error) {
		if strings.HasSuffix(path, "BAT0/power_now") {
			return -1, unix.EACCES
		}
		return openRead(path)
	}
	if g, reasons, err := openSupply(tree(t, "battery"), f); g != nil || !errors.Is(err, fs.ErrPermission) || countNext(reasons, nextRoot) != 1 {
		t.Errorf("%v %v %+v", g, err, reasons)
	}
}

// A USB charger's supply goes away with its plug: that is no failed reading.
func TestUnpluggedChargerIsOffline(t *testing.T) {
	root := tree(t, "battery")
	src := openTree(t, root, noSleep)
	defer src.Close()
	s := src.(*gauges).channels[0].input.(*supplies)
	i := slices.IndexFunc(s.mains, func(c *counterFile) bool { return strings.Contains(c.path, "ucsi") })
	if err := os.RemoveAll(filepath.Join(root, "class/power_supply/ucsi-source-psy-USBC000:001")); err != nil {
		t.Fatal(err)
	}
	s.mains[i].pread = func(int, []byte, int64) (int, error) { return 0, unix.ENODEV }
	if w, err := s.power(); err != nil || w != 8 {
		t.Errorf("%v W, %v", w, err)
	}
}

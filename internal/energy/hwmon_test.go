package energy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestDomainsOfHwmonTrees(t *testing.T) {
	for name, c := range map[string]struct {
		domains []string // name socket scope method
		parts   []string
		reasons []string // + nothing is lost, - joules are missing
	}{
		"hwmon-amd": {[]string{"package-0 0 package measured", "package-1 1 package measured", "amdgpu:0000:03:00.0 -1 gpu integrated"},
			[]string{"*package-0 package", "*package-1 package", "*amdgpu:0000:03:00.0 gpu", "hwmon0/energy1 core", "hwmon0/energy2 core"},
			[]string{"+hwmon0/energy1 of amd_energy skipped: a core is inside its package", "+amdgpu:0000:03:00.0 is read from hwmon1/power1_average; while it is read it does not go to sleep"}},
		"hwmon-intel": {[]string{"i915:0000:03:00.0 -1 gpu measured", "xe:0000:04:00.0 -1 gpu measured", "xe:0000:05:00.0 -1 gpu measured"},
			[]string{"*i915:0000:03:00.0 gpu", "*xe:0000:04:00.0 gpu", "*xe:0000:05:00.0 gpu", "hwmon2/energy1 gpu in i915:0000:03:00.0", "hwmon3/energy2 gpu in xe:0000:04:00.0"}, nil},
		"hwmon-acpi": {[]string{"machine -1 machine integrated", "amdgpu:0000:03:00.0 -1 gpu integrated"},
			[]string{"*machine machine", "*amdgpu:0000:03:00.0 gpu in machine"}, []string{"+machine is read from hwmon0/power1_average$"}},
		"hwmon-grace": {[]string{"psys-0 0 psys integrated"},
			[]string{"*psys-0 psys", "hwmon0/power1 machine", "hwmon2/power1 package in psys-0", "hwmon3/power1 package in psys-0"},
			[]string{"+hwmon0/power1 of power_meter skipped: it contains psys-0"}},
		"hwmon-jetson": {[]string{"machine -1 machine integrated"},
			[]string{"*machine machine", "hwmon0/in2", "hwmon0/in3", "hwmon1/power1"},
			[]string{`+hwmon0/in2 of ina3221 skipped: label "VDD_CPU_GPU_CV" is one rail`, "-hwmon1/power1 of ina219 skipped: nothing tells which rail"}},
		"hwmon-scmi": {[]string{"machine -1 machine integrated"},
			[]string{"*machine machine", "hwmon0/energy1 machine in machine", "hwmon0/power1", "hwmon0/power2", "hwmon1/power2 in machine"},
			[]string{"+hwmon0/energy1 of scmi_sensors skipped: the machine is counted by hwmon1/power1", "+hwmon0/power1 of scmi_sensors skipped: the same rail has a counter"}},
		"hwmon-fam15h": {[]string{"package-0 0 package integrated"}, []string{"*package-0 package", "hwmon1/power1 machine"},
			[]string{"+hwmon1/power1 of power_meter skipped: it contains package-0, which is counted"}},
	} {
		t.Run(name, func(t *testing.T) {
			src, reasons, err := OpenHwmon(tree(t, name))
			if err != nil {
				t.Fatal(err, reasons)
			}
			defer src.Close()
			var got []string
			for _, d := range src.Domains() {
				got = append(got, fmt.Sprintf("%s %d %s %s", d.Name, d.Socket, d.Scope, d.Method))
				if d.Source != "hwmon" || d.Die != -1 || d.OwnIdle || !strings.Contains(d.Detail, "/hwmon") && !strings.Contains(d.Detail, "ACPI000D:00") {
					t.Errorf("%+v", d)
				}
			}
			if !slices.Equal(got, c.domains) {
				t.Errorf("domains\n got %q\nwant %q", got, c.domains)
			}
			checkParts(t, name, reasons, c.parts)
			checkReasons(t, reasons, c.reasons)
		})
	}
}

func checkReasons(t *testing.T, reasons []Reason, want []string) {
	t.Helper()
	for _, w := range want {
		if !slices.ContainsFunc(reasons, func(r Reason) bool {
			return r.OK == (w[0] == '+') && (strings.HasPrefix(r.Text, w[1:]) || r.Text+"$" == w[1:])
		}) {
			t.Errorf("no reason %q in %+v", w, reasons)
		}
	}
}

// What this program does not know, or cannot tell apart, is told and not counted.
func TestUnknownGaugesAreNotCounted(t *testing.T) {
	for name, c := range map[string]struct{ parts, reasons []string }{
		"hwmon-two-meters": {[]string{"hwmon0/power1 machine", "hwmon1/power1 machine", "hwmon2/power1", "hwmon3"},
			[]string{"-hwmon0/power1 of power_meter skipped: there are 2 ACPI meters", `-hwmon2/power1 of pmbus skipped: what "pmbus" measures with label "pin" is not known`, "-hwmon3: name: "}},
		"hwmon-nps4": {[]string{"hwmon0/energy1 core", "hwmon0/energy2 package", "hwmon0/energy3 package"},
			[]string{"-hwmon0/energy2 of amd_energy skipped: the driver takes NUMA nodes (4) for sockets (2)"}},
		"battery": {[]string{"hwmon5/power1 machine"}, []string{"+hwmon5/power1 of BAT0 skipped: it is a power supply"}},
		"hwmon-apu": {[]string{"hwmon3/power1 package in package-0", "hwmon4/power1 core in package-0", "hwmon4/power2 core in package-0"},
			[]string{"+hwmon3/power1 of amdgpu skipped: graphics and CPUs are one chip"}},
	} {
		src, reasons, err := OpenHwmon(tree(t, name))
		if !errors.Is(err, ErrAbsent) || src != nil {
			t.Errorf("%s: %v %v", name, src, err)
		}
		checkParts(t, name, reasons, c.parts)
		checkReasons(t, reasons, c.reasons)
	}
}

// MI300A has no vddnb, and is known by its number.
func TestMI300AIsNoCard(t *testing.T) {
	root := tree(t, "hwmon-acpi")
	if err := os.WriteFile(filepath.Join(root, "devices/pci0000:00/0000:03:00.0/device"), []byte("0x74a0\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	src, _, err := OpenHwmon(root)
	if err != nil || len(src.Domains()) != 1 || src.Domains()[0].Scope != ScopeMachine {
		t.Fatal(src, err)
	}
	src.Close()
}

func TestHwmonAbsentIsNotBroken(t *testing.T) {
	root := t.TempDir()
	for range 2 {
		src, reasons, err := OpenHwmon(root)
		if !errors.Is(err, ErrAbsent) || src != nil || len(reasons) != 1 {
			t.Errorf("%v %v %v", src, reasons, err)
		}
		if err := os.MkdirAll(filepath.Join(root, "class/hwmon/hwmon0/device"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, "class/hwmon/hwmon0/name"), []byte("coretemp\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// amd_energy's counters are root's alone (CVE-2020-12912): that is not "not here".
func TestRootOnlyHwmon(t *testing.T) {
	f := kernelFiles
	f.open = func(path string) (int, error) {
		if strings.HasSuffix(path, "_input") || strings.HasSuffix(path, "_average") {
			return -1, unix.EACCES
		}
		return openRead(path)
	}
	g, reasons, err := openHwmon(tree(t, "hwmon-amd"), f)
	if g != nil || errors.Is(err, ErrAbsent) || !errors.Is(err, fs.ErrPermission) || countNext(reasons, nextRoot) != 3 {
		t.Errorf("%v %+v", err, reasons)
	}
	checkParts(t, "root only", reasons, []string{"hwmon0/energy3 package", "hwmon0/energy4 package", "hwmon1/power1 gpu", "hwmon0/energy1 core", "hwmon0/energy2 core"})
}

// The number of a chip may be given to another: what is open goes by the device's own path.
func TestChipNumbersAreNotTrusted(t *testing.T) {
	root := tree(t, "hwmon-amd")
	src := openTree(t, root, noSleep)
	defer src.Close()
	for i, d := range src.Domains() {
		if strings.Contains(d.Detail, "class") {
			t.Errorf("domain %d: %s", i, d.Detail)
		}
	}
}

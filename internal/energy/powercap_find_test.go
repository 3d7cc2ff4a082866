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

func TestDomainsOfTrees(t *testing.T) {
	for _, c := range []struct {
		tree    string
		domains []string // name socket die file
		skipped []string // parts of reasons: + nothing is lost, - joules are missing
	}{
		{"single", []string{"package-0 0 -1 intel-rapl:0", "dram-0 0 -1 intel-rapl:0:2"},
			[]string{"+intel-rapl:0:0 skipped: core is inside", "+intel-rapl:0:1 skipped: uncore is inside"}},
		{"two-sockets", []string{"package-0 0 -1 intel-rapl:0", "dram-0 0 -1 intel-rapl:0:0",
			"package-1 1 -1 intel-rapl:1", "dram-1 1 -1 intel-rapl:1:0"}, nil},
		{"multi-die", []string{"package-0-die-0 0 0 intel-rapl:2", "package-0-die-1 0 1 intel-rapl:1", "package-1-die-0 1 0 intel-rapl:3",
			"package-1-die-1 1 1 intel-rapl:0", "dram-1-die-1 1 1 intel-rapl:0:0"}, nil},
		{"mmio", []string{"package-0 0 -1 intel-rapl:0", "package-1 1 -1 intel-rapl-mmio:1"},
			[]string{"+intel-rapl-mmio:0 skipped: it is the same counter as intel-rapl:0"}},
		{"mmio-dram", []string{"package-0 0 -1 intel-rapl:0", "dram-0 0 -1 intel-rapl:0:0", "package-1 1 -1 intel-rapl:1", "dram-1 1 -1 intel-rapl-mmio:1:0"},
			[]string{"+intel-rapl-mmio:0 skipped: it is the same counter as intel-rapl:0", "+intel-rapl-mmio:0:0 skipped: it is the same counter as intel-rapl:0:0",
				"+intel-rapl-mmio:1 skipped: it is the same counter as intel-rapl:1", `-"intel-rapl-other:0" skipped: its control type is not known`}},
		{"tpmi", []string{"package-0 0 -1 intel-rapl:0", "dram-0 0 -1 intel-rapl:0:1", "package-1 1 -1 intel-rapl:1", "dram-1 1 -1 intel-rapl:1:0"},
			[]string{"+intel-rapl:0:0 skipped: psys contains"}},
		{"psys-first", []string{"package-0 0 -1 intel-rapl:1"},
			[]string{"+intel-rapl:0 skipped: psys contains", "+intel-rapl:1:0 skipped: psys-1 contains"}},
		{"amd", []string{"package-0 0 -1 intel-rapl:0"}, []string{"+intel-rapl:0:0 skipped: core is inside"}},
		{"amd-ccd", []string{"package-0 0 -1 intel-rapl:0", "package-1 1 -1 intel-rapl:1"}, []string{
			"+intel-rapl:0:0 skipped: core is inside", "+intel-rapl:2:0 skipped: core is inside",
			"+intel-rapl:2 skipped: it is the same counter as intel-rapl:0: on AMD a package has one", "+intel-rapl:3 skipped: it is the same counter as intel-rapl:1",
			"+intel-rapl:10 skipped: it is the same counter as intel-rapl:0"}},
		{"odd", []string{"package-0 0 -1 intel-rapl:0", "package-3 3 -1 intel-rapl:8"}, []string{
			`-"intel-rapl:x" skipped: is no zone`, `+"dtpm:0" skipped: is not a RAPL`, "-intel-rapl:0:0 skipped: package-7 is below",
			"-intel-rapl:0:1 skipped: a zone of name gpu", "-intel-rapl:1 skipped: package-0 is the name of intel-rapl:0 too",
			"-intel-rapl:2 skipped: package-0-die-1 overlaps", "-intel-rapl:3 skipped: dram is not below", "-intel-rapl:4 skipped: name has other",
			"-intel-rapl:5 skipped: a zone of name package-00", "-intel-rapl:6 skipped: intel-rapl:6/name: no such file",
			"-package-2 cannot be read: intel-rapl:7/energy_uj: is a directory", "-package-3: intel-rapl:8/max_energy_range_uj: is 0: a wrap cannot"}},
	} {
		t.Run(c.tree, func(t *testing.T) {
			root := tree(t, c.tree)
			src, reasons, err := OpenPowercap(root)
			if err != nil {
				t.Fatal(err)
			}
			defer src.Close()
			var got []string
			for _, d := range src.Domains() {
				got = append(got, fmt.Sprintf("%s %d %d %s", d.Name, d.Socket, d.Die, filepath.Base(filepath.Dir(d.Detail))))
				if scope, _, _ := strings.Cut(d.Name, "-"); d.Scope != scope || d.Method != Measured || d.Source != "powercap" {
					t.Errorf("domain %+v", d)
				}
			}
			if !slices.Equal(got, c.domains) {
				t.Errorf("domains\n got %q\nwant %q", got, c.domains)
			}
			var texts []string
			for _, r := range reasons {
				if !strings.Contains(r.Text, " is read from intel-rapl") || strings.Contains(r.Text, "skipped") {
					texts = append(texts, map[bool]string{true: "+", false: "-"}[r.OK]+r.Text)
				}
			}
			for _, want := range c.skipped {
				if !slices.ContainsFunc(texts, func(s string) bool { return strings.HasPrefix(s, want) }) {
					t.Errorf("no reason %q in %q", want, texts)
				}
			}
			if len(texts) < len(c.skipped) || (c.tree != "mmio" && len(texts) != len(c.skipped)) {
				t.Errorf("%d reasons, want %d: %q", len(texts), len(c.skipped), texts)
			}
		})
	}
}

// Each zone is a line of the containment table: its name, what it includes, what includes it; * is counted.
func TestPartsOfTrees(t *testing.T) {
	for name, want := range map[string][]string{
		"single": {"*package-0 package", "*dram-0 dram", "intel-rapl:0:0 core in package-0", "intel-rapl:0:1 uncore in package-0"},
		"mmio":   {"*package-0 package", "*package-1 package", "intel-rapl-mmio:0 package in package-0"},
		"mmio-dram": {"*package-0 package", "*dram-0 dram", "*package-1 package", "*dram-1 dram", "intel-rapl-mmio:0 package in package-0",
			"intel-rapl-mmio:0:0 dram in dram-0", "intel-rapl-mmio:1 package in package-1", `"intel-rapl-other:0"`},
		"tpmi":       {"*package-0 package in psys", "*dram-0 dram in psys", "*package-1 package in psys", "*dram-1 dram in psys", "psys psys"},
		"psys-first": {"*package-0 package in psys", "psys psys", "psys-1 psys"},
		"amd":        {"*package-0 package", "intel-rapl:0:0 core in package-0"},
		"amd-ccd": {"*package-0 package", "*package-1 package", "intel-rapl:0:0 core in package-0", "intel-rapl:2:0 core in package-0", "intel-rapl:2 package in package-0",
			"intel-rapl:3 package in package-1", "intel-rapl:10 package in package-0"},
		"odd": {"*package-0 package", "*package-3 package", "package-2 package", `"intel-rapl:x"`, `"dtpm:0"`, "intel-rapl:0:0 package in package-0",
			"intel-rapl:0:1 in package-0", "intel-rapl:1 package in package-0", "intel-rapl:2 package", "intel-rapl:3 dram", "intel-rapl:4", "intel-rapl:5", "intel-rapl:6"},
	} {
		_, reasons, err := openPowercap(tree(t, name), kernelFiles)
		if err != nil {
			t.Fatal(name, err)
		}
		checkParts(t, name, reasons, want)
	}
	// A package that only its twin can read, and memory that has no package beside it.
	_, reasons, err := openPowercap(tree(t, "mmio"), failing("intel-rapl:0"))
	if err != nil {
		t.Fatal(err)
	}
	checkParts(t, "twin", reasons, []string{"*package-0 package", "*package-1 package", "intel-rapl:0 package in package-0"})
	_, reasons, _ = openPowercap(tree(t, "single"), failing("intel-rapl:0"))
	checkParts(t, "dram alone", reasons, []string{"package-0 package", "dram-0 dram", "intel-rapl:0:0 core in package-0", "intel-rapl:0:1 uncore in package-0"})
}

// checkParts compares the parts that reasons tell, each once.
func checkParts(t *testing.T, name string, reasons []Reason, want []string) {
	t.Helper()
	var got []string
	for _, r := range reasons {
		if r.Part.Name == "" {
			continue
		}
		s := map[bool]string{true: "*"}[r.Part.Counted] + r.Part.Name
		if r.Part.Scope != "" {
			s += " " + r.Part.Scope
		}
		if r.Part.Inside != "" {
			s += " in " + r.Part.Inside
		}
		if !slices.Contains(got, s) {
			got = append(got, s)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s:\n got %q\nwant %q", name, got, want)
	}
}

func TestEnabledZeroIsRead(t *testing.T) {
	root := tree(t, "single")
	if b, err := os.ReadFile(zonePath(root, "intel-rapl:0", "enabled")); err != nil || string(b) != "0\n" {
		t.Fatal("the tree must have enabled = 0", err)
	}
	if d := mustOpen(t, root).Domains(); d[0].Name != "package-0" {
		t.Errorf("domains %v", d)
	}
}

func TestAbsentIsNotBroken(t *testing.T) {
	root := t.TempDir()
	_, reasons, err := OpenPowercap(root)
	if !errors.Is(err, ErrAbsent) || !strings.Contains(err.Error(), root+"/class/powercap") || len(reasons) != 1 || reasons[0].Next == "" {
		t.Errorf("no tree: %v %v", err, reasons)
	}
	if err := os.MkdirAll(filepath.Join(root, "class/powercap/intel-rapl"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, _, err := OpenPowercap(root); !errors.Is(err, ErrAbsent) {
		t.Errorf("control type without zones: %v", err)
	}
}

// root reads everything, so the refusal comes from the system call that a test replaces.
func TestRootOnlyCounter(t *testing.T) {
	f := kernelFiles
	f.open = func(path string) (int, error) {
		if filepath.Base(path) == "energy_uj" {
			return -1, unix.EACCES
		}
		return openRead(path)
	}
	_, reasons, err := openPowercap(tree(t, "single"), f)
	if err == nil || errors.Is(err, ErrAbsent) || !errors.Is(err, fs.ErrPermission) {
		t.Errorf("error %v", err)
	}
	if n := countNext(reasons, nextRoot); n != 2 {
		t.Errorf("%d reasons with the next step, want 2: %+v", n, reasons)
	}
	for _, part := range []string{nextRoot, "run with --source estimate", "intel-rapl:0/energy_uj: permission denied"} {
		if msg := explain(err, reasons).Error(); !strings.Contains(msg, part) {
			t.Errorf("choice rapl: %q has no %q", msg, part)
		}
	}
	t.Log(explain(err, reasons))
}

func countNext(reasons []Reason, next string) (n int) {
	for _, r := range reasons {
		if r.Next == next && !r.OK {
			n++
		}
	}
	return n
}

// failing gives the kernel's files, but for the counters of some zones, which give EIO.
func failing(zones ...string) files {
	f := kernelFiles
	f.open = func(path string) (int, error) {
		if filepath.Base(path) == "energy_uj" && slices.Contains(zones, filepath.Base(filepath.Dir(path))) {
			return -1, unix.EIO
		}
		return openRead(path)
	}
	return f
}

// A package that the MSR driver cannot read is read by way of MMIO.
func TestTwinStandsIn(t *testing.T) {
	p, reasons, err := openPowercap(tree(t, "mmio"), failing("intel-rapl:0"))
	if err != nil {
		t.Fatal(err, reasons)
	}
	defer p.Close()
	if d := p.Domains(); len(d) != 2 || d[0].Name != "package-0" || !strings.Contains(d[0].Detail, "intel-rapl-mmio:0") {
		t.Errorf("%+v", d)
	}
	for _, r := range reasons {
		if strings.Contains(r.Text, "same counter") {
			t.Errorf("%+v", r)
		}
	}
}

// Memory without its package is not the machine's energy.
func TestDramAloneIsNoSource(t *testing.T) {
	_, reasons, err := openPowercap(tree(t, "single"), failing("intel-rapl:0"))
	if !errors.Is(err, unix.EIO) || !strings.Contains(err.Error(), "no package") {
		t.Errorf("%v %+v", err, reasons)
	}
	for _, r := range reasons {
		if strings.Contains(r.Text, "dram-0") && r.OK {
			t.Errorf("it says that dram is read: %+v", r)
		}
	}
}

func TestHiddenByContainer(t *testing.T) {
	root := tree(t, "two-sockets")
	if err := os.RemoveAll(filepath.Join(root, "devices")); err != nil {
		t.Fatal(err)
	}
	_, reasons, err := OpenPowercap(root)
	if err == nil || errors.Is(err, ErrAbsent) || countNext(reasons, nextHidden) != 4 {
		t.Errorf("%v %+v", err, reasons)
	}
}

func TestNames(t *testing.T) {
	for raw, want := range map[string]string{
		"package-0\n": "package 0 -1", "package-12-die-3": "package 12 3", "dram\n": "dram -1 -1", "core\n": "inside -1 -1", "psys-1\n": "psys -1 -1",
		"package--1": " -1 -1", "package-0-die-": " -1 -1", "package-0-die-01": " -1 -1", "package-9999999": " -1 -1", "package": " -1 -1", "dram-0": " -1 -1",
		strings.Repeat("a", 64): " -1 -1", strings.Repeat("a", 65): "error", "": "error", "\n": "error", "a b": "error", "package-0\n\n": "error",
		"Package-0": "error", "\x1b[2J": "error", "package-٣": "error",
	} {
		n, err := parseName(raw)
		got := fmt.Sprintf("%s %d %d", n.kind, n.socket, n.die)
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("%q: %q, want %q", raw, got, want)
		}
	}
}

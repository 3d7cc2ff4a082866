package energy

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestOnePerSocketByVendor(t *testing.T) {
	for text, want := range map[string]bool{
		"cpu:type:x86,ven0002fam0019mod0011:feature:,0000,0001\n":                      true,  // AMD
		"cpu:type:x86,ven0009fam0018mod0001:feature:,0000\n":                           true,  // Hygon
		"cpu:type:x86,ven0000fam0006mod0055:feature:,0000\n":                           false, // Intel
		"cpu:type:aarch64:feature:,0002\n":                                             false,
		"cpu:type:x86,ven0002fam0019mod0011:feature:" + strings.Repeat(",00FF", 1<<20): true,
		"cpu:type:x86,ven" + strings.Repeat("0002", 1<<20) + "fam":                     false,
		"cpu:type:x86,ven00029fam0006":                                                 false, "cpu:type:x86,ven0002": false, "cpu:type:x86,ven": false, "ven0002fam": false, "0002fam0019": false,
		" cpu:type:x86,ven0002fam": false, "\x00": false, "\n": false, "": false,
	} {
		root := t.TempDir()
		writeModalias(t, root, text)
		if got := onePerSocket(root); got != want {
			t.Errorf("%.60q: %v", text, got)
		}
	}
	root := t.TempDir()
	if onePerSocket(root) {
		t.Error("without a file")
	}
	path := filepath.Join(root, "devices/system/cpu/modalias")
	if err := os.MkdirAll(path, 0o755); err != nil || onePerSocket(root) {
		t.Error("a folder", err)
	}
	if err := errors.Join(os.Remove(path), unix.Mkfifo(path, 0o644)); err != nil || onePerSocket(root) { // it does not hang
		t.Error("a pipe", err)
	}
}

func writeModalias(t *testing.T, root, text string) {
	t.Helper()
	dir := filepath.Join(root, "devices/system/cpu")
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, "modalias"), []byte(text), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// A package that uses 100 J has used 100 J, by however many chiplets its counter is shown.
func TestChipletsAreCountedOnce(t *testing.T) {
	root := tree(t, "amd-ccd")
	p := mustOpen(t, root)
	out := make([]Sample, len(p.Domains()))
	p.Read(Edge{Time: time.Second}, out)
	for _, id := range []string{"intel-rapl:0", "intel-rapl:2", "intel-rapl:10"} {
		set(t, root, id, 101_000_000)
	}
	p.Read(Edge{Time: 2 * time.Second}, out)
	if sum := totalOf(out); sum != 100_000_000 {
		t.Errorf("powercap: %d uJ", sum)
	}

	f := newFakePMU(t, "perf-amd-ccd")
	f.oneEach = true
	q := f.mustPerf()
	f.samples(q, 0)
	f.counter(0, 11, 2).spend(100)
	if sum := totalOf(f.samples(q, time.Second)); sum != 100_000_000 {
		t.Errorf("perf: %d uJ", sum)
	}
}

func totalOf(samples []Sample) (sum int64) {
	for _, s := range samples {
		sum += int64(s.Energy)
	}
	return sum
}

// The dies of a vendor who gives each a counter stay what they are, whether the vendor is known or not.
func TestDiesThatCountStay(t *testing.T) {
	for _, modalias := range []string{"", "cpu:type:x86,ven0000fam0006mod0055:feature:,0000\n"} {
		f := newFakePMU(t, "perf-multi-die")
		root := tree(t, "multi-die")
		if modalias != "" {
			writeModalias(t, f.root, modalias)
			writeModalias(t, root, modalias)
		}
		if d := mustOpen(t, root).Domains(); len(d) != 5 || d[1].Name != "package-0-die-1" || d[1].Die != 1 {
			t.Errorf("%q: powercap: %+v", modalias, d)
		}
		if d := f.mustPerf().Domains(); len(d) != 4 || d[1].Name != "package-0-die-1" || d[1].Die != 1 {
			t.Errorf("%q: perf: %+v", modalias, d)
		}
	}
}

// Cores of an AMD package have counters of their own.
func TestCoresAreNotOnePerSocket(t *testing.T) {
	root := tree(t, "perf-amd")
	writeModalias(t, root, "cpu:type:x86,ven0002fam001Amod0011:feature:,0000\n")
	for name, want := range map[string]bool{pmuPower: true, pmuCore: false} {
		u, err := findPMU(root, name, &perfCalls{files: kernelFiles})
		if err != nil {
			t.Fatal(err)
		}
		if got := u.same(perfPlace{socket: 1, die: 0, core: 3}, perfPlace{socket: 1, die: 1, core: 3}); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// When the chiplet whose CPU reads the package goes offline, another's CPU goes on.
func TestPerfAnotherChipletTakesOver(t *testing.T) {
	f := newFakePMU(t, "perf-amd-ccd")
	f.oneEach = true
	p := f.mustPerf()
	f.samples(p, 0)
	f.counter(0, 11, 2).spend(10)
	f.offline(0)
	f.mask("power", "8,16,24,32")
	f.samples(p, time.Second)
	if s := f.samples(p, time.Second)[0]; s.Energy != 10e6 || !strings.Contains(s.Mark, "package-0: off for 1 s: opened again on CPU 8: new baseline") {
		t.Errorf("%+v", s)
	}
	f.counter(8, 11, 2).spend(5)
	if s := f.samples(p, time.Second)[0]; s.Energy != 15e6 || s.Mark != "" {
		t.Errorf("%+v", s)
	}
}

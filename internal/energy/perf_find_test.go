package energy

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestPerfDomainsOfTrees(t *testing.T) {
	for _, c := range []struct {
		tree    string
		domains []string // name socket die: what is read
		opened  []string // type:config@CPU, +CPU of the leader
		parts   []string // name scope inside, + for counted
		reasons []string // parts of those without a Part: + nothing is lost, - joules are missing
	}{
		{"perf-two-sockets",
			[]string{"package-0 0 -1: perf power/energy-pkg/ on CPU 0", "dram-0 0 -1: perf power/energy-ram/ on CPU 0",
				"package-1 1 -1: perf power/energy-pkg/ on CPU 24", "dram-1 1 -1: perf power/energy-ram/ on CPU 24"},
			[]string{"27:2@0", "27:2@24", "27:3@0+0", "27:3@24+24"},
			[]string{"+package-0 package ", "+dram-0 dram ", "energy-cores-0 core package-0", "+package-1 package ", "+dram-1 dram ",
				"energy-cores-1 core package-1"}, nil},
		{"perf-client",
			[]string{"package-0 0 -1: perf power/energy-pkg/ on CPU 0", "dram-0 0 -1: perf power/energy-ram/ on CPU 0"},
			[]string{"9:2@0", "9:3@0+0"},
			[]string{"energy-psys-0 psys ", "+package-0 package energy-psys-0", "+dram-0 dram energy-psys-0", "energy-cores-0 core package-0",
				"energy-gpu-0 uncore package-0"}, nil},
		{"perf-multi-die",
			[]string{"package-0-die-0 0 0: perf power/energy-pkg/ on CPU 8", "package-0-die-1 0 1: perf power/energy-pkg/ on CPU 1",
				"package-1-die-0 1 0: perf power/energy-pkg/ on CPU 4", "package-1-die-1 1 1: perf power/energy-pkg/ on CPU 0"},
			[]string{"27:2@0", "27:2@1", "27:2@4", "27:2@8"},
			[]string{"+package-0-die-0 package ", "+package-0-die-1 package ", "+package-1-die-0 package ", "+package-1-die-1 package "}, nil},
		{"perf-amd",
			[]string{"package-0 0 -1: perf power/energy-pkg/ on CPU 0", "package-1 1 -1: perf power/energy-pkg/ on CPU 2"},
			[]string{"11:2@0", "11:2@2"},
			[]string{"+package-0 package ", "+package-1 package ", "energy-core-0 core package-0", "energy-core-1 core package-1"}, nil},
		{"perf-amd-ccd",
			[]string{"package-0 0 -1: perf power/energy-pkg/ on CPU 0", "package-1 1 -1: perf power/energy-pkg/ on CPU 24"},
			[]string{"11:2@0", "11:2@24"},
			[]string{"+package-0 package ", "package-0-die-1 package package-0", "package-0-die-2 package package-0", "+package-1 package ",
				"package-1-die-4 package package-1"}, nil},
		{"perf-odd",
			[]string{"package-0 0 -1: perf power/energy-pkg/ on CPU 0", "package-1 1 -1: perf power/energy-pkg/ on CPU 3"},
			[]string{"27:2@0", "27:2@3"},
			[]string{"+package-0 package ", "+package-1 package "},
			[]string{"-power/energy-cores/ skipped: event: 0x101 does not fit into 8 bits", "-power/energy-gpu/ skipped: energy-gpu.scale: not a number",
				`-power/"energy-npu" skipped: an event of this name is not known`, `-power/energy-ram/ skipped: energy-ram.unit: unit "Watts" is not Joules`,
				"-package of CPU 2: not a number"}},
	} {
		t.Run(c.tree, func(t *testing.T) {
			f := newFakePMU(t, c.tree)
			p, reasons, err := openPerf(f.root, f.calls())
			if err != nil {
				t.Fatal(err, reasons)
			}
			defer p.Close()
			var domains, parts, texts []string
			for _, d := range p.Domains() {
				domains = append(domains, fmt.Sprintf("%s %d %d: %s", d.Name, d.Socket, d.Die, d.Detail))
				if scope, _, _ := strings.Cut(d.Name, "-"); d.Scope != scope || d.Method != Measured || d.Source != "perf" {
					t.Errorf("domain %+v", d)
				}
			}
			for _, r := range reasons {
				switch {
				case r.Part == Part{}:
					texts = append(texts, map[bool]string{true: "+", false: "-"}[r.OK]+r.Text)
				case !r.OK || !strings.Contains(r.Text, r.Part.Name) || r.Part.Counted != strings.Contains(r.Text, "is read from"):
					t.Errorf("reason %+v", r)
				default:
					parts = append(parts, map[bool]string{true: "+"}[r.Part.Counted]+r.Part.Name+" "+r.Part.Scope+" "+r.Part.Inside)
				}
			}
			for what, pair := range map[string][2][]string{"domains": {domains, c.domains}, "parts": {parts, c.parts},
				"events": {sortedStrings(f.opened), c.opened}} {
				if !slices.Equal(pair[0], pair[1]) {
					t.Errorf("%s\n got %q\nwant %q", what, pair[0], pair[1])
				}
			}
			if len(texts) != len(c.reasons) {
				t.Errorf("reasons %q", texts)
			}
			for i, want := range c.reasons {
				if i < len(texts) && !strings.HasPrefix(texts[i], want) {
					t.Errorf("reason %q, want %q", texts[i], want)
				}
			}
		})
	}
}

// Whichever of the two the machine offers, its domains are called the same.
func TestPerfNamesDomainsAsPowercap(t *testing.T) {
	for perfTree, powercapTree := range map[string]string{"perf-two-sockets": "two-sockets", "perf-client": "single", "perf-amd": "amd"} {
		byPerf := newFakePMU(t, perfTree).mustPerf().Domains()
		byPowercap := mustOpen(t, tree(t, powercapTree)).Domains()
		if perfTree == "perf-amd" { // that of powercap has one socket
			byPerf = byPerf[:1]
		}
		same := slices.EqualFunc(byPerf, byPowercap, func(a, b Domain) bool {
			return a.Name == b.Name && a.Socket == b.Socket && a.Die == b.Die && a.Scope == b.Scope && a.Method == b.Method
		})
		if !same {
			t.Errorf("%s\n%+v\n%s\n%+v", perfTree, byPerf, powercapTree, byPowercap)
		}
	}
}

func TestPerfOpenErrors(t *testing.T) {
	all := func(err error) func(*unix.PerfEventAttr, int) error {
		return func(*unix.PerfEventAttr, int) error { return err }
	}
	only := func(config uint64, err error) func(*unix.PerfEventAttr, int) error {
		return func(a *unix.PerfEventAttr, _ int) error {
			if a.Config == config {
				return err
			}
			return nil
		}
	}
	for _, c := range []struct {
		name    string
		refuse  func(*unix.PerfEventAttr, int) error
		domains int // 0: an error
		text    string
		next    string
	}{
		{"paranoid", all(unix.EACCES), 0, "package-0 cannot be read: open power/energy-pkg/ on CPU 0: permission denied", "CAP_PERFMON"},
		{"container", all(unix.EPERM), 0, "operation not permitted", "kernel.perf_event_paranoid"},
		{"no such event", all(unix.ENOENT), 0, "no such file", ""},
		{"no such config", all(unix.EINVAL), 0, "invalid argument", ""},
		{"out of files", all(unix.EMFILE), 0, "too many open files", "ulimit -n"},
		{"no memory counter", only(3, unix.EINVAL), 2, "dram-0 cannot be read: open power/energy-ram/ on CPU 0: invalid argument", ""},
		{"one package", func(_ *unix.PerfEventAttr, cpu int) error {
			if cpu == 24 {
				return unix.ENODEV
			}
			return nil
		}, 2, "package-1 cannot be read: open power/energy-pkg/ on CPU 24: no such device", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFakePMU(t, "perf-two-sockets")
			f.refuse = c.refuse
			p, reasons, err := openPerf(f.root, f.calls())
			if (err != nil) != (c.domains == 0) || errors.Is(err, ErrAbsent) {
				t.Fatal(err)
			}
			if err == nil && len(p.Domains()) != c.domains {
				t.Errorf("domains %+v", p.Domains())
			}
			i := slices.IndexFunc(reasons, func(r Reason) bool { return !r.OK && strings.Contains(r.Text, c.text) })
			if i < 0 || !strings.Contains(reasons[i].Next, c.next) || (c.next == "") != (reasons[i].Next == "") {
				t.Errorf("no reason %q, %q in %+v", c.text, c.next, reasons)
			}
			if err != nil && !strings.Contains(err.Error(), c.text) {
				t.Errorf("error %q lacks %q", err, c.text)
			}
			if err == nil {
				f.samples(p, 0)
				p.Close()
			}
			if len(f.events) != 0 {
				t.Errorf("%d events stay open", len(f.events))
			}
		})
	}
}

// A counter is read once before it becomes a domain.
func TestPerfUnreadableIsNoDomain(t *testing.T) {
	for _, tree := range []string{"perf-two-sockets", "perf-amd"} {
		f := newFakePMU(t, tree)
		f.readErr = unix.ENODEV
		p, reasons, err := openPerf(f.root, f.calls())
		if p != nil || err == nil || !strings.Contains(reasons[0].Text, "package-0 cannot be read: read power/energy-pkg/ on CPU 0: no such device") {
			t.Error(tree, p, reasons, err)
		}
		if len(f.events) != 0 {
			t.Errorf("%s: %d events stay open", tree, len(f.events))
		}
	}
}

// A machine without the PMU is a normal one; one whose PMU cannot be read is not.
func TestPerfAbsentIsNotBroken(t *testing.T) {
	src, reasons, err := OpenPerf(t.TempDir())
	if src != nil || !errors.Is(err, ErrAbsent) || len(reasons) != 1 || reasons[0].OK || !strings.Contains(reasons[0].Next, "modprobe rapl") {
		t.Error(src, reasons, err)
	}
	longMask := "0,10,24" // what of it is in a page ends with a whole number
	for cpu := 1000; len(longMask) <= maxText+1; cpu++ {
		longMask += fmt.Sprintf(",%d", cpu)
	}
	for _, c := range [][2]string{{"type", "x\n"}, {"cpumask", "\n"}, {"cpumask", "0,0\n"}, {"cpumask", longMask}, {"events/energy-pkg", "event=\n"},
		{"events/energy-pkg.scale", "0\n"}} {
		f := newFakePMU(t, "perf-two-sockets")
		file, text := c[0], c[1]
		if err := os.WriteFile(filepath.Join(f.root, "bus/event_source/devices/power", file), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		p, reasons, err := openPerf(f.root, f.calls())
		if p != nil || err == nil || errors.Is(err, ErrAbsent) || len(reasons) == 0 || reasons[len(reasons)-1].OK {
			t.Errorf("%s: %v %v %v", file, p, reasons, err)
		}
	}
}

// A sum that lacks a core would pass for all of them.
func TestPerfCoresAreAllOrNone(t *testing.T) {
	f := newFakePMU(t, "perf-amd")
	f.refuse = func(attr *unix.PerfEventAttr, cpu int) error {
		if attr.Type == 11 || cpu == 1 {
			return unix.EINVAL
		}
		return nil
	}
	p := f.mustPerf()
	if d := p.Domains(); len(d) != 1 || d[0].Name != "core-1" {
		t.Errorf("domains %+v", d)
	}
	if len(f.events) != 2 {
		t.Errorf("%d events are open", len(f.events))
	}
}

// Without a package the cores of AMD are better than nothing, and said to be less than the package.
func TestPerfCoresWithoutPackages(t *testing.T) {
	f := newFakePMU(t, "perf-amd")
	f.refuse = func(attr *unix.PerfEventAttr, _ int) error {
		if attr.Type == 11 {
			return unix.EINVAL
		}
		return nil
	}
	p, reasons, err := openPerf(f.root, f.calls())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range p.Domains() {
		got = append(got, fmt.Sprintf("%s %d %d %s %s", d.Name, d.Socket, d.Die, d.Scope, d.Detail))
	}
	if want := []string{"core-0 0 -1 core sum of 2 cores, each by perf power_core/energy-core/ on a CPU of its own",
		"core-1 1 -1 core sum of 2 cores, each by perf power_core/energy-core/ on a CPU of its own"}; !slices.Equal(got, want) {
		t.Errorf("domains %q", got)
	}
	if want := []string{"12:1@0", "12:1@1", "12:1@2", "12:1@3"}; !slices.Equal(sortedStrings(f.opened), want) {
		t.Errorf("opened %q, want %q: a core once, and its sibling not", f.opened, want)
	}
	if !slices.ContainsFunc(reasons, func(r Reason) bool {
		return !r.OK && strings.Contains(r.Text, "package-0 has no counter: the joules of its other parts")
	}) {
		t.Errorf("reasons %+v", reasons)
	}
	f.samples(p, 0)
	for cpu := range 4 {
		f.counter(cpu, 12, 1).spend(float64(1 + cpu))
	}
	if out := f.samples(p, 1e9); out[0].Energy != 3_000_000 || out[1].Energy != 7_000_000 || out[0].Mark != "" {
		t.Errorf("%+v", out)
	}
	// A core that goes offline for good is said in each window, and the others go on.
	f.offline(1)
	f.mask("power_core", "0,2-4")
	f.counter(0, 12, 1).spend(1)
	if out := f.samples(p, 1e9); out[0].Energy != 4_000_000 || out[0].Mark != "core-0: the kernel did not count for 1 s" {
		t.Errorf("%+v", out)
	}
	f.counter(0, 12, 1).spend(3)
	if out := f.samples(p, 1e9); out[0].Energy != 7_000_000 || out[0].Span.Round(time.Millisecond) != time.Second || !strings.Contains(out[0].Mark, "core-0: off for 1 s: core 8 not counted: no CPU of it is in power_core/cpumask") {
		t.Errorf("%+v", out)
	}
	f.counter(0, 12, 1).spend(5)
	if out := f.samples(p, 1e9); out[0].Energy != 12_000_000 || !strings.Contains(out[0].Mark, "core-0: core 8 not counted: no CPU of it is in") {
		t.Errorf("%+v", out)
	}
	delete(f.dead, 1)
	f.mask("power_core", "0-4")
	f.counter(0, 12, 1).spend(6)
	f.counter(1, 12, 1).spend(100) // whose events were not open
	if out := f.samples(p, 1e9); out[0].Energy != 18_000_000 || !strings.Contains(out[0].Mark, "core-0: opened again on CPU 1: new baseline") {
		t.Errorf("%+v", out)
	}
	f.counter(1, 12, 1).spend(7)
	if out := f.samples(p, 1e9); out[0].Energy != 25_000_000 || out[0].Mark != "" {
		t.Errorf("%+v", out)
	}
}

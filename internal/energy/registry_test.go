package energy

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func oneModel(scope string) ([]ZoneModel, error) {
	return []ZoneModel{{Die: -1, CPUs: []int{0}, Detail: "test model", Scope: scope, Watts: linear}}, nil
}

func failingModel(string) ([]ZoneModel, error) { return nil, errors.New("cpu is not in the table") }

func TestDetect(t *testing.T) {
	with, without := tree(t, "single"), t.TempDir()
	for name, c := range map[string]struct {
		opts    Options
		domain  string // the first one
		err     []string
		absent  bool
		reasons []string
	}{
		"auto with a counter":    {Options{Choice: "auto", Sysfs: with, Estimate: oneModel}, "package-0", nil, false, []string{"+estimate of the CPUs is not needed", "+package-0 is read"}},
		"no choice is auto":      {Options{Sysfs: with}, "package-0", nil, false, nil},
		"auto without a counter": {Options{Choice: "auto", Sysfs: without, Estimate: oneModel}, "estimate:package-0", nil, false, []string{"-no powercap zones", "+estimate:package-0 is estimated: test model"}},
		"auto without anything":  {Options{Choice: "auto", Sysfs: without, Estimate: failingModel}, "", []string{"no powercap zones", "estimate power: cpu is not in the table"}, true, []string{"-no powercap zones", "-estimate power"}},
		"rapl with a counter":    {Options{Choice: "rapl", Sysfs: with}, "package-0", nil, false, []string{"+intel-rapl:0:0 skipped"}},
		"rapl never falls back":  {Options{Choice: "rapl", Sysfs: without, Estimate: oneModel}, "", []string{"no powercap zones under " + without + "/class/powercap", nextDriver, "run with --source estimate"}, true, []string{"-no powercap zones"}},
		"estimate by choice":     {Options{Choice: "estimate", Sysfs: with, Estimate: oneModel}, "estimate:package-0", nil, false, []string{"+estimate:package-0"}},
		"estimate without model": {Options{Choice: "estimate", Sysfs: with}, "", []string{"no power model"}, true, []string{"-no power model"}},
		"estimate of no zones":   {Options{Choice: "estimate", Estimate: func(string) ([]ZoneModel, error) { return nil, nil }}, "", []string{"no power model"}, true, nil},
		"unknown choice":         {Options{Choice: "guess\n", Sysfs: with}, "", []string{`"guess\n"`, "auto, rapl, powercap"}, false, nil},
	} {
		t.Run(name, func(t *testing.T) {
			src, reasons, err := Detect(c.opts)
			if c.domain != "" {
				if err != nil {
					t.Fatal(err)
				}
				defer src.Close()
				if d := src.Domains(); d[0].Name != c.domain {
					t.Errorf("domains %+v", d)
				}
			} else if err == nil || src != nil {
				t.Fatalf("source %v, error %v", src, err)
			}
			for _, part := range c.err {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q has no %q", err, part)
				}
			}
			if errors.Is(err, ErrAbsent) != c.absent {
				t.Errorf("absent: %v", err)
			}
			for _, want := range c.reasons {
				if !slices.ContainsFunc(reasons, func(r Reason) bool {
					return r.OK == (want[0] == '+') && strings.HasPrefix(r.Text, want[1:]) && r.Source != ""
				}) {
					t.Errorf("no reason %q in %+v", want, reasons)
				}
			}
		})
	}
}

// fake is a source of domains that read nothing.
type fake struct {
	domains []Domain
	closed  int
}

func (f *fake) Domains() []Domain   { return f.domains }
func (f *fake) Read(Edge, []Sample) {}
func (f *fake) Close() error        { f.closed++; return nil }

func domainNames(s Source) (names []string) {
	for _, d := range s.Domains() {
		names = append(names, d.Name)
	}
	return names
}

// What is counted beside what, by what the user asks for and what the machine has.
func TestKinds(t *testing.T) {
	d := newDisks(t)
	d.add("sda", "device/x=1 size=2000")
	d.stat(diskLine("sda", 0, 0))
	gpu := func(string) (Source, []Reason, error) {
		return &fake{domains: []Domain{{Name: "gpu-0", Socket: -1, Scope: ScopeGPU}, {Name: "gpu-1", Socket: -1, Scope: ScopeGPU}}}, nil, nil
	}
	noGPU := func(string) (Source, []Reason, error) {
		return nil, []Reason{{Source: "nvml", OK: true, Text: "no driver"}}, ErrAbsent
	}
	opts := func(choice, scope string, kinds ...string) Options {
		return Options{
			Choice: choice, Scope: scope, Kinds: kinds, Sysfs: d.root, Procfs: d.root, Estimate: oneModel, GPU: []Opener{noGPU, gpu},
			Memory: func() (Bounds, string, error) { return watts(3), "3 W", nil }, Disk: testModel,
		}
	}
	bare := tree(t, "single") // package and dram
	onBare := func(o Options) Options { o.Sysfs, o.Procfs = bare, d.root; return o }
	for name, c := range map[string]struct {
		opts    Options
		want    string
		reasons []string
	}{
		"an estimate is of all there is": {opts("", ""), "estimate:package-0 gpu-0 gpu-1 estimate:ram estimate:storage", []string{"no driver"}},
		"wall has memory and disks":      {opts("", ScopeWall), "estimate:package-0 gpu-0 gpu-1", []string{"memory is not estimated: its joules are in estimate:package-0", "disks are not estimated: their joules are in estimate:package-0"}},
		"wall, asked for all":            {opts("", ScopeWall, Kinds...), "estimate:package-0 gpu-0 gpu-1", nil},
		"package has neither":            {opts("", ScopePackage), "estimate:package-0 gpu-0 gpu-1 estimate:ram estimate:storage", nil},
		"CPUs alone":                     {opts("", "", KindCPU), "estimate:package-0", nil},
		"memory alone":                   {opts("", "", KindRAM), "estimate:ram", []string{"estimate:package-0 left out by --domains"}},
		"disks alone":                    {opts("", "", KindStorage), "estimate:storage", nil},
		"GPUs alone":                     {opts("", "", KindGPU), "gpu-0 gpu-1", nil},
		"measured is not mixed":          {onBare(opts("", "")), "package-0 dram-0 gpu-0 gpu-1", []string{"memory is not estimated: its joules are in dram-0", "what disks use is in no row"}},
		"measured and estimated":         {onBare(opts("", "", Kinds...)), "package-0 dram-0 gpu-0 gpu-1", nil}, // no disks in that tree
		"measured memory alone":          {onBare(opts("", "", KindRAM)), "dram-0", []string{"package-0 left out by --domains"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, reasons, err := Detect(c.opts)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			if got := strings.Join(domainNames(s), " "); got != c.want {
				t.Errorf("domains %s, want %s; reasons %+v", got, c.want, reasons)
			}
			for _, want := range c.reasons {
				if !slices.ContainsFunc(reasons, func(r Reason) bool { return strings.HasPrefix(r.Text, want) && r.OK }) {
					t.Errorf("no reason %q in %+v", want, reasons)
				}
			}
			for _, r := range reasons {
				if r.Part.Counted && !slices.Contains(domainNames(s), r.Part.Name) {
					t.Errorf("%s is said to be counted", r.Part.Name)
				}
			}
		})
	}
}

// Of every pair of domains that could be found, one that holds the other's joules keeps it out, in whichever order they are found.
func TestNothingIsCountedTwice(t *testing.T) {
	scopes := []string{ScopePackage, ScopeCore, ScopeUncore, ScopeDRAM, ScopePsys, ScopeMachine, ScopeWall, ScopeServer, ScopeGPU, ScopeRAM, ScopeStorage}
	beside := map[string]bool{ // what may stand beside what, in alphabetical order
		"dram package": true, "dram core": true, "core dram": true, "dram uncore": true, "dram server": true, "dram gpu": true, "dram storage": true, "core uncore": true,
		"package ram": true, "core ram": true, "ram uncore": true, "ram server": true, "gpu ram": true, "ram storage": true,
		"package storage": true, "core storage": true, "storage uncore": true, "psys storage": true, "server storage": true, "gpu storage": true,
		"gpu package": true, "core gpu": true, "gpu uncore": true, "gpu psys": true, "gpu wall": true, "gpu server": true, "gpu gpu": true, "storage storage": true,
	}
	for _, a := range scopes {
		for _, b := range scopes {
			x, y := Domain{Name: "x", Socket: -1, Scope: a}, Domain{Name: "y", Socket: -1, Scope: b}
			names := []string{a, b}
			slices.Sort(names)
			want := !beside[strings.Join(names, " ")]
			if got := overlap(&x, &y) || overlap(&y, &x); got != want {
				t.Errorf("%s and %s: overlap %v, want %v", a, b, got, want)
			}
		}
	}
	for name, c := range map[string]struct {
		a, b Domain
		want bool
	}{
		"sockets":         {Domain{Socket: 0, Die: -1, Scope: ScopePackage}, Domain{Socket: 1, Die: -1, Scope: ScopePackage}, false},
		"dies":            {Domain{Socket: 0, Die: 0, Scope: ScopePackage}, Domain{Socket: 0, Die: 1, Scope: ScopePackage}, false},
		"a die of it":     {Domain{Socket: 0, Die: -1, Scope: ScopePackage}, Domain{Socket: 0, Die: 1, Scope: ScopePackage}, true},
		"the same twice":  {Domain{Socket: 0, Die: -1, Scope: ScopePackage}, Domain{Socket: 0, Die: -1, Scope: ScopePackage}, true},
		"another's core":  {Domain{Socket: 0, Die: -1, Scope: ScopePackage}, Domain{Socket: 1, Die: -1, Scope: ScopeCore}, false},
		"all of them":     {Domain{Socket: -1, Die: -1, Scope: ScopeMachine}, Domain{Socket: 1, Die: -1, Scope: ScopePackage}, true},
		"one GPU twice":   {Domain{Name: "gpu-0", Socket: -1, Scope: ScopeGPU}, Domain{Name: "gpu-0", Socket: -1, Scope: ScopeGPU}, true},
		"memory and dram": {Domain{Socket: 1, Die: -1, Scope: ScopeDRAM}, Domain{Socket: -1, Die: -1, Scope: ScopeRAM}, true},
	} {
		if got := overlap(&c.a, &c.b) || overlap(&c.b, &c.a); got != c.want {
			t.Errorf("%s: overlap %v", name, got)
		}
	}
}

// A part of a source reads and shares what the whole does.
func TestSome(t *testing.T) {
	two := NewEstimate([]ZoneModel{{Socket: 0, Die: -1, CPUs: []int{0}, Watts: linear}, {Socket: 1, Die: -1, CPUs: []int{1}, Watts: linear}})
	src := &fake{domains: two.Domains()}
	if s := Some(src, func(*Domain) bool { return true }); s != Source(src) {
		t.Error("all of a source is another one")
	}
	if s := Some(src, func(*Domain) bool { return false }); s != nil {
		t.Error("nothing of a source is one")
	}
	s := Some(sharing{two}, func(d *Domain) bool { return d.Socket == 1 })
	out := make([]Sample, 1)
	s.Read(Edge{Busy: busy(0, 0)}, out)
	s.Read(Edge{Time: 1e9, Busy: busy(0, 1000)}, out)
	if out[0].Energy != 25e6 {
		t.Errorf("%+v", out[0])
	}
	if got := s.(Sharer).Shares(nil); len(got) != 1 || got[0].Domain != 0 {
		t.Errorf("shares %+v", got)
	}
	other := Some(sharing{two}, func(d *Domain) bool { return d.Socket == 0 })
	if got := other.(Sharer).Shares(nil); len(got) != 0 {
		t.Errorf("shares of a domain that is left out: %+v", got)
	}
}

// A failed powercap must not be a typed nil in the interface.
func TestFailedOpenIsNil(t *testing.T) {
	if src, _, err := OpenPowercap(t.TempDir()); src != nil || err == nil {
		t.Errorf("%v %v", src, err)
	}
}

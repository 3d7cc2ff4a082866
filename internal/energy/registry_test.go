package energy

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func oneModel() ([]ZoneModel, error) {
	return []ZoneModel{{CPUs: []int{0}, Detail: "test model", Scope: "package", Watts: linear}}, nil
}

func failingModel() ([]ZoneModel, error) { return nil, errors.New("cpu is not in the table") }

func TestDetect(t *testing.T) {
	with, without := tree(t, "single"), t.TempDir()
	for name, c := range map[string]struct {
		opts    Options
		domain  string // the first one
		err     []string
		absent  bool
		reasons []string
	}{
		"auto with a counter":    {Options{Choice: "auto", Sysfs: with, Estimate: oneModel}, "package-0", nil, false, []string{"+estimate is not needed", "+package-0 is read"}},
		"no choice is auto":      {Options{Sysfs: with}, "package-0", nil, false, nil},
		"auto without a counter": {Options{Choice: "auto", Sysfs: without, Estimate: oneModel}, "estimate:package-0", nil, false, []string{"-no powercap zones", "+estimate:package-0 is estimated: test model"}},
		"auto without anything":  {Options{Choice: "auto", Sysfs: without, Estimate: failingModel}, "", []string{"no powercap zones", "estimate power: cpu is not in the table"}, true, []string{"-no powercap zones", "-estimate power"}},
		"rapl with a counter":    {Options{Choice: "rapl", Sysfs: with}, "package-0", nil, false, []string{"+intel-rapl:0:0 skipped"}},
		"rapl never falls back":  {Options{Choice: "rapl", Sysfs: without, Estimate: oneModel}, "", []string{"no powercap zones under " + without + "/class/powercap", nextDriver, "run with --source estimate"}, true, []string{"-no powercap zones"}},
		"estimate by choice":     {Options{Choice: "estimate", Sysfs: with, Estimate: oneModel}, "estimate:package-0", nil, false, []string{"+estimate:package-0"}},
		"estimate without model": {Options{Choice: "estimate", Sysfs: with}, "", []string{"no power model"}, true, []string{"-no power model"}},
		"estimate of no zones":   {Options{Choice: "estimate", Estimate: func() ([]ZoneModel, error) { return nil, nil }}, "", []string{"no power model"}, true, nil},
		"unknown choice":         {Options{Choice: "guess\n", Sysfs: with}, "", []string{`"guess\n"`, "auto, rapl or estimate"}, false, nil},
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

// A failed powercap must not be a typed nil in the interface.
func TestFailedOpenIsNil(t *testing.T) {
	if src, _, err := OpenPowercap(t.TempDir()); src != nil || err == nil {
		t.Errorf("%v %v", src, err)
	}
}

package host

import (
	"strings"
	"testing"
)

func TestInstance(t *testing.T) {
	for name, c := range map[string]struct{ vendor, product, want string }{
		"nitro":                 {"Amazon EC2", "m5.large", "m5.large"},
		"metal":                 {"Amazon EC2", "c7g.metal", "c7g.metal"},
		"dashes":                {"Amazon EC2", "u7in-24tb.224xlarge", "u7in-24tb.224xlarge"},
		"Xen, before Nitro":     {"Xen", "HVM domU", ""},
		"another's name":        {"Google", "m5.large", ""},
		"Google names no type":  {"Google", "Google Compute Engine", ""},
		"Azure neither":         {"Microsoft Corporation", "Virtual Machine", ""},
		"no type":               {"Amazon EC2", "Not Specified", ""},
		"no size":               {"Amazon EC2", "m5.", ""},
		"hostile":               {"Amazon EC2", "m5.\x1b[31mlarge", ""},
		"hostile length":        {"Amazon EC2", "m5." + strings.Repeat("x", 5000), ""},
		"capitals are no type":  {"Amazon EC2", "M5.Large", ""},
		"more than one is told": {"Amazon EC2", "m5.large m5.xlarge", ""},
	} {
		root := write(t, t.TempDir(), map[string]string{"class/dmi/id/sys_vendor": c.vendor + "\n", "class/dmi/id/product_name": c.product + "\n"})
		provider, instance := Instance(root)
		if instance != c.want || (provider == "aws") != (c.want != "") {
			t.Errorf("%s: %q of %q", name, instance, provider)
		}
	}
	if provider, instance := Instance(t.TempDir()); provider != "" || instance != "" {
		t.Errorf("no DMI: %q %q", provider, instance)
	}
}

func TestGovernor(t *testing.T) {
	file := func(cpu string) string { return "devices/system/cpu/" + cpu + "/cpufreq/scaling_governor" }
	on, off := CPU{Online: true}, CPU{}
	for name, c := range map[string]struct {
		files map[string]string
		topo  Topology
		want  string
	}{
		"all the same":         {map[string]string{file("cpu0"): "performance\n", file("cpu1"): "performance\n"}, Topology{on, on}, "performance"},
		"they differ":          {map[string]string{file("cpu0"): "performance\n", file("cpu1"): "powersave\n"}, Topology{on, on}, ""},
		"the other is offline": {map[string]string{file("cpu0"): "performance\n", file("cpu1"): "powersave\n"}, Topology{on, off}, "performance"},
		"one does not tell":    {map[string]string{file("cpu0"): "performance\n"}, Topology{on, on}, ""},
		"first does not tell":  {map[string]string{file("cpu1"): "performance\n"}, Topology{on, on}, ""},
		"a guest":              {nil, Topology{on, on}, ""},
		"no CPUs":              {nil, nil, ""},
		"hostile":              {map[string]string{file("cpu0"): "perf\x1b[31m\n"}, Topology{on}, ""},
	} {
		if got := Governor(write(t, t.TempDir(), c.files), c.topo); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

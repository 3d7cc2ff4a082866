package powermodel

import (
	"strings"
	"testing"
)

func TestInstanceTypes(t *testing.T) {
	skylake := CPU{Vendor: "GenuineIntel", Family: 6, Model: 85, Stepping: 4, Threads: 4, Hypervisor: true}
	cascadelake, unknown, hidden := skylake, skylake, skylake
	cascadelake.Stepping = 7
	unknown.Model = 250
	hidden.Model, hidden.Name = 44, "Westmere E56xx/L56xx/X56xx (Nehalem-C)"
	for _, c := range []struct {
		name, instance string
		cpu            CPU
		key, how       string
	}{
		{"agrees", "m5.large", skylake, "skylake", "instance type m5.large is skylake"},
		{"the signature contradicts: newer CPUs come under old names", "m5.large", cascadelake, "cascadelake", "stepping 7 is cascadelake"},
		{"unknown signature", "m7a.large", unknown, "zen4", "instance type m7a.large is zen4"},
		{"a hypervisor's baseline", "c7i.large", hidden, "sapphirerapids", "instance type"},
		{"by type within a mixed family", "c5.12xlarge", unknown, "cascadelake", "instance type"},
		{"another type of it", "c5.18xlarge", unknown, "skylake", "instance type"},
		{"no such type in a mixed family", "c5.huge", unknown, "default", "default TDP"},
		{"nothing known at all", "m8g.large", CPU{Threads: 4, Hypervisor: true}, "neoverse-v2", "instance type"},
		{"a relative's figures", "m7g.large", CPU{Threads: 4, Hypervisor: true}, "neoverse-n1", "without results of its own"},
		{"not listed", "zz9.large", skylake, "skylake", "stepping 4 is skylake"},
		{"hostile", "m5\x1b[31m.\n" + strings.Repeat("x", 9999), skylake, "skylake", "stepping 4 is skylake"},
		{"hostile size of a listed family", "m5.\x1b[31m\n", skylake, "skylake", "instance type m5. [31m is"},
	} {
		c.cpu.Instance = c.instance
		m := Resolve(c.cpu)
		checkModel(t, m)
		if m.Key != c.key || !strings.Contains(m.How, c.how) {
			t.Errorf("%s: %s by %q", c.name, m.Key, m.How)
		}
	}
}

func TestEveryInstance(t *testing.T) {
	for instance, r := range tables().instances {
		m := Resolve(CPU{Threads: 8, Hypervisor: true, Instance: instance})
		checkModel(t, m)
		if m.Key != r.powerKey || m.Microarch != r.microarch {
			t.Errorf("%s: %s for %s", instance, m.Key, m.Microarch)
		}
	}
	if n := len(tables().instances); n < 150 {
		t.Errorf("only %d instance types and families", n)
	}
}

func FuzzInstance(f *testing.F) {
	for _, s := range []string{"m5.large", "c5.metal", ".", "", "m5", "m5.", strings.Repeat("m", 200)} {
		f.Add(s, "performance")
	}
	f.Fuzz(func(t *testing.T, instance, governor string) {
		checkModel(t, Resolve(CPU{Threads: 4, Hypervisor: true, Instance: instance, Governor: governor}))
	})
}

package powermodel

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// cpuinfo writes the text that the kernel would: the fields of one processor, for each.
func cpuinfo(threads, sockets int, fields ...string) string {
	var b strings.Builder
	for i := range threads {
		fmt.Fprintf(&b, "processor\t: %d\n", i)
		for _, f := range fields {
			b.WriteString(strings.Replace(f, "$SOCKET", fmt.Sprint(i*sockets/threads), 1) + "\n")
		}
		b.WriteString("\n")
	}
	return b.String()
}

func x86(vendor string, family, model int, name string, stepping, siblings, cores int, flags string) []string {
	return []string{
		"vendor_id\t: " + vendor, fmt.Sprintf("cpu family\t: %d", family), fmt.Sprintf("model\t\t: %d", model),
		"model name\t: " + name, fmt.Sprintf("stepping\t: %d", stepping), "microcode\t: 0x1000065", "cpu MHz\t\t: 2445.424",
		"cache size\t: 512 KB", "physical id\t: $SOCKET", fmt.Sprintf("siblings\t: %d", siblings), "core id\t\t: 0",
		fmt.Sprintf("cpu cores\t: %d", cores), "fpu\t\t: yes", "flags\t\t: fpu vme de pse tsc msr " + flags,
		"vmx flags\t: vnmi preemption_timer", "bugs\t\t: spectre_v1 spectre_v2", "bogomips\t: 4890.84", "power management:",
	}
}

func neoverse(part string) []string {
	return []string{
		"BogoMIPS\t: 243.75", "Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics", "CPU implementer\t: 0x41",
		"CPU architecture: 8", "CPU variant\t: 0x3", "CPU part\t: " + part, "CPU revision\t: 1",
	}
}

var machines = []struct {
	name, text string
	want       CPU
	key        string
}{
	{
		"Skylake-SP, two sockets",
		cpuinfo(96, 2, x86("GenuineIntel", 6, 85, "Intel(R) Xeon(R) Platinum 8175M CPU @ 2.50GHz", 4, 48, 24, "ht avx512f")...),
		CPU{Vendor: "GenuineIntel", Family: 6, Model: 85, Stepping: 4, Name: "Intel(R) Xeon(R) Platinum 8175M CPU @ 2.50GHz", Threads: 96, ThreadsPerCore: 2, Sockets: 2},
		"skylake",
	}, {
		"Sapphire Rapids, listed",
		cpuinfo(120, 1, x86("GenuineIntel", 6, 143, "Intel(R) Xeon(R) Platinum 8490H", 8, 120, 60, "ht amx_tile")...),
		CPU{Vendor: "GenuineIntel", Family: 6, Model: 143, Stepping: 8, Name: "Intel(R) Xeon(R) Platinum 8490H", Threads: 120, ThreadsPerCore: 2, Sockets: 1},
		"sapphirerapids",
	}, {
		"Milan, listed",
		cpuinfo(128, 1, x86("AuthenticAMD", 25, 1, "AMD EPYC 7763 64-Core Processor", 1, 128, 64, "ht rapl")...),
		CPU{Vendor: "AuthenticAMD", Family: 25, Model: 1, Stepping: 1, Name: "AMD EPYC 7763 64-Core Processor", Threads: 128, ThreadsPerCore: 2, Sockets: 1},
		"zen3",
	}, {
		"Genoa, SMT off",
		cpuinfo(96, 1, x86("AuthenticAMD", 25, 17, "AMD EPYC 9654 96-Core Processor", 1, 96, 96, "ht")...),
		CPU{Vendor: "AuthenticAMD", Family: 25, Model: 17, Stepping: 1, Name: "AMD EPYC 9654 96-Core Processor", Threads: 96, ThreadsPerCore: 1, Sockets: 1},
		"zen4",
	}, {
		"guest that hides its name",
		cpuinfo(2, 1, x86("AuthenticAMD", 25, 1, "AMD EPYC", 1, 2, 2, "ht hypervisor lahf_lm")...),
		CPU{Vendor: "AuthenticAMD", Family: 25, Model: 1, Stepping: 1, Name: "AMD EPYC", Threads: 2, ThreadsPerCore: 1, Sockets: 1, Hypervisor: true},
		"zen3",
	}, {
		"hybrid: 24 threads on 16 cores",
		cpuinfo(24, 1, x86("GenuineIntel", 6, 151, "12th Gen Intel(R) Core(TM) i9-12900K", 2, 24, 16, "ht")...),
		CPU{Vendor: "GenuineIntel", Family: 6, Model: 151, Stepping: 2, Name: "12th Gen Intel(R) Core(TM) i9-12900K", Threads: 24, ThreadsPerCore: 2, Sockets: 1},
		"raptorlake",
	}, {
		"Graviton2",
		cpuinfo(64, 1, neoverse("0xd0c")...),
		CPU{Vendor: "Arm", Implementer: 0x41, Part: 0xd0c, Threads: 64, Sockets: 1},
		"neoverse-n1",
	}, {
		"Graviton4",
		cpuinfo(8, 1, neoverse("0xd4f")...),
		CPU{Vendor: "Arm", Implementer: 0x41, Part: 0xd4f, Threads: 8, Sockets: 1},
		"neoverse-v2",
	}, {
		"Raspberry Pi 3",
		cpuinfo(4, 1, neoverse("0xd03")...) + "Hardware\t: BCM2835\nRevision\t: a02082\nModel\t\t: Raspberry Pi 3 Model B Rev 1.2\n",
		CPU{Vendor: "Arm", Implementer: 0x41, Part: 0xd03, Name: "Raspberry Pi 3 Model B Rev 1.2", Threads: 4, Sockets: 1},
		"neoverse-n1",
	}, {
		"qemu64: a K8 of 2007 is not the host",
		cpuinfo(1, 1, x86("AuthenticAMD", 15, 107, "QEMU Virtual CPU version 2.5+", 1, 1, 1, "hypervisor")...),
		CPU{Vendor: "AuthenticAMD", Family: 15, Model: 107, Stepping: 1, Name: "QEMU Virtual CPU version 2.5+", Threads: 1, ThreadsPerCore: 1, Sockets: 1, Hypervisor: true},
		"default",
	}, {
		"unknown signature, TDP by name",
		cpuinfo(16, 1, x86("GenuineIntel", 6, 250, "Intel(R) Core(TM) i7-8700K CPU @ 3.70GHz", 1, 12, 6, "ht")...),
		CPU{Vendor: "GenuineIntel", Family: 6, Model: 250, Stepping: 1, Name: "Intel(R) Core(TM) i7-8700K CPU @ 3.70GHz", Threads: 16, ThreadsPerCore: 2, Sockets: 1},
		"tdp",
	}, {
		"unknown signature, cloud name",
		cpuinfo(2, 1, x86("GenuineIntel", 6, 250, "Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz", 1, 2, 1, "hypervisor")...),
		CPU{Vendor: "GenuineIntel", Family: 6, Model: 250, Stepping: 1, Name: "Intel(R) Xeon(R) Platinum 8375C CPU @ 2.90GHz", Threads: 2, ThreadsPerCore: 2, Sockets: 1, Hypervisor: true},
		"icelake",
	}, {
		"nothing but processors", cpuinfo(4, 1), CPU{Threads: 4, Sockets: 1}, "default",
	}, {
		"unlisted Arm core",
		cpuinfo(4, 1, neoverse("0xfff")...), CPU{Vendor: "Arm", Implementer: 0x41, Part: 0xfff, Threads: 4, Sockets: 1}, "neoverse-n1",
	},
}

func TestParseCPUInfoAndResolve(t *testing.T) {
	for _, m := range machines {
		t.Run(m.name, func(t *testing.T) {
			got, err := ParseCPUInfo([]byte(m.text))
			if err != nil {
				t.Fatal(err)
			}
			if got != m.want {
				t.Errorf("got  %+v\nwant %+v", got, m.want)
			}
			model := Resolve(got)
			idle, half, full := model.IdleWatts(got.Threads), model.Watts(got.Threads, 0.5), model.Watts(got.Threads, 1)
			t.Logf("%s\n  idle %.1f (%.1f-%.1f) half %.1f (%.1f-%.1f) full %.1f (%.1f-%.1f) W %s, %s", model.How,
				idle.Value, idle.Low, idle.High, half.Value, half.Low, half.High, full.Value, full.Low, full.High, model.Scope, model.CurveKey)
			if model.Key != m.key {
				t.Errorf("key %q, want %q", model.Key, m.key)
			}
			checkModel(t, model)
		})
	}
}

func TestParseCPUInfoGarbage(t *testing.T) {
	for _, text := range []string{"", "\n\n", "garbage", ":", "processor", "processor: x", "processor\t: -1\n", "processor : 99999999999999999999\n", "\x00\xff:\xfe"} {
		if cpu, err := ParseCPUInfo([]byte(text)); !errors.Is(err, ErrNoCPU) || cpu != (CPU{}) {
			t.Errorf("%q: %+v, %v", text, cpu, err)
		}
	}
	cpu, err := ParseCPUInfo([]byte("processor: 0\nmodel name: \x1b[31mred\x00\xff " + strings.Repeat("x", 9999) + "\nmodel: 12x\nmodel: 3\nphysical id: 7"))
	if err != nil || cpu.Model != 3 || len(cpu.Name) > maxName || strings.ContainsAny(cpu.Name, "\x1b\x00") {
		t.Errorf("%+v, %v", cpu, err)
	}
}

func TestNormalName(t *testing.T) {
	for in, want := range map[string]string{
		"Intel(R) Xeon(R) CPU E5-2680 v2 @ 2.80GHz":        "intel xeon e5-2680v2",
		"Intel Xeon E3-1240V2":                             "intel xeon e3-1240v2",
		"Intel(R) Xeon(R) CPU E5-2670 0 @ 2.60GHz":         "intel xeon e5-2670",
		"AMD EPYC 7763 64-Core Processor":                  "amd epyc 7763",
		"AMD Ryzen Threadripper PRO 5995WX 64-Cores":       "amd ryzen threadripper pro 5995wx",
		"AMD Ryzen 7 PRO 4750G with Radeon Graphics":       "amd ryzen 7 pro 4750g",
		"13th Gen Intel(R) Core(TM) i7-1365U":              "intel core i7-1365u",
		"Intel(R) Core(TM)2 Duo CPU     E8400  @ 3.00GHz":  "intel core 2 duo e8400",
		"AMD FX(tm)-8350 Eight-Core Processor":             "amd fx-8350",
		"AMD Ryzen 7 7840U w/ Radeon 780M Graphics":        "amd ryzen 7 7840u",
		"AMD A10-9700 RADEON R7, 10 COMPUTE CORES 4C+6G  ": "amd a10-9700",
		"": "",
	} {
		if got := normalName(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
	if hasWords("intel xeon e5-2650v3", "e5-2650") {
		t.Error("a Sandy Bridge name was found in a Haswell's")
	}
}

func FuzzParseCPUInfo(f *testing.F) {
	for _, m := range machines {
		f.Add([]byte(m.text[:min(len(m.text), 1200)]))
	}
	f.Add([]byte("processor: 0\nsiblings: 1048576\ncpu cores: 1\nphysical id: 4"))
	f.Fuzz(func(t *testing.T, text []byte) {
		cpu, err := ParseCPUInfo(text)
		if err != nil {
			if cpu != (CPU{}) {
				t.Fatalf("error with a value: %+v", cpu)
			}
		} else if cpu.Threads < 1 || cpu.Sockets < 1 || cpu.ThreadsPerCore < 0 || !utf8.ValidString(cpu.Name+cpu.Vendor) {
			t.Fatalf("%+v", cpu)
		}
		checkModel(t, Resolve(cpu))
	})
}

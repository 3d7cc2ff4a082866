package main

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/eco2-bpf/eco2-bpf/attribution"
	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/engine"
	"github.com/eco2-bpf/eco2-bpf/internal/host"
	"github.com/eco2-bpf/eco2-bpf/internal/recording"
)

// splitOfArgs reads flags as a command does.
func splitOfArgs(args ...string) (s splitFlags, err error) {
	f := newFlags("test", "")
	s.addSplit(f)
	if err := parse(f, args); err != nil {
		return s, err
	}
	return s, s.checkSplit()
}

// isUsage checks that an error is of the command line and says all of want.
func isUsage(t *testing.T, what string, err error, want string) {
	t.Helper()
	var usage *usageError
	if !errors.As(err, &usage) {
		t.Errorf("%s: %v is no mistake of usage", what, err)
		return
	}
	for w := range strings.SplitSeq(want, "|") {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%s: does not say %q: %v", what, w, err)
		}
	}
}

func TestWeightsFlag(t *testing.T) {
	for text, want := range map[string]attribution.Weights{
		"none":                             {},
		"auto":                             {Frequency: 1.5, SMT: 0.6, Hybrid: 0.5},
		"frequency":                        {Frequency: 1.5},
		"frequency=0.1":                    {Frequency: 0.1},
		"frequency=4":                      {Frequency: 4},
		"smt":                              {SMT: 0.6},
		"smt=1":                            {SMT: 1},
		"hybrid,smt=0.001":                 {SMT: 0.001, Hybrid: 0.5},
		"hybrid=0.5,frequency=1.5,smt=.61": {Frequency: 1.5, SMT: 0.61, Hybrid: 0.5},
	} {
		s, err := splitOfArgs("--weights", text)
		if err != nil || s.weights != want || s.weighAuto != (text == "auto") {
			t.Errorf("%s: %+v, auto %t, %v; want %+v", text, s.weights, s.weighAuto, err, want)
		}
	}
	for text, want := range map[string]string{
		"":                  "--weights|frequency[=EXPONENT]",
		"speed":             "--weights|speed|frequency[=EXPONENT],smt[=FACTOR],hybrid[=FACTOR]",
		"Frequency":         "--weights|frequency[=EXPONENT]",
		"smt,":              "--weights|frequency[=EXPONENT]",
		"frequency=4.01":    "--weights frequency=4.01|from 0.1 to 4|such as 1.5",
		"frequency=-1":      "--weights frequency=-1|from 0.1 to 4",
		"frequency=0":       "--weights frequency=0|from 0.1 to 4",
		"frequency=":        "--weights frequency=|from 0.1 to 4",
		"frequency=NaN":     "frequency=NaN|from 0.1 to 4",
		"smt=0":             "smt=0|from 0.001 to 1|such as 0.6",
		"smt=1.1":           "smt=1.1|from 0.001 to 1",
		"smt=-0.5":          "smt=-0.5|from 0.001 to 1",
		"smt=+Inf":          "smt=+Inf|from 0.001 to 1",
		"hybrid=0":          "hybrid=0|from 0.001 to 1|such as 0.5",
		"hybrid=2":          "hybrid=2|from 0.001 to 1",
		"smt=x":             "smt=x|from 0.001 to 1",
		"smt=1=1":           "smt=1=1|from 0.001 to 1",
		"smt,smt=1":         "smt stands twice",
		"auto,smt":          "give auto alone",
		"smt,none":          "give none alone",
		"auto=1":            "give auto alone",
		"frequency smt":     "--weights|frequency[=EXPONENT]",
		"smt=0.5,speed=0.5": "--weights|frequency[=EXPONENT]",
	} {
		s, err := splitOfArgs("--weights", text)
		isUsage(t, text, err, want)
		if err != nil && (s.weights.Frequency < 0 || s.weights.SMT > 1) {
			t.Errorf("%s: %+v", text, s.weights)
		}
	}
}

func TestSplitDefaults(t *testing.T) {
	s, err := splitOfArgs()
	if err != nil || s.weights.Any() || s.weighAuto || s.dram != "" || len(s.explain) > 0 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestExplainAndDRAMFlags(t *testing.T) {
	s, err := splitOfArgs("--explain", "123,idle", "--explain", ` postgres , "a"`, "--dram", "cache_misses")
	if want := []string{"123", "idle", "postgres", `"a"`}; err != nil || !slices.Equal(s.explain, want) {
		t.Errorf("%q, %v, want %q", s.explain, err, want)
	}
	for dram, want := range map[string]string{"auto": "", "cpu_time": "cpu_time", "resident_set": "resident_set", "resident_set_cpu_time": "resident_set_cpu_time", "cache_misses": "cache_misses"} {
		if s, err := splitOfArgs("--dram", dram); err != nil || s.dram != want {
			t.Errorf("%s: %+v, %v", dram, s, err)
		}
	}
	_, err = splitOfArgs("--dram", "magic")
	isUsage(t, "--dram magic", err, `--dram|"magic"|auto, resident_set_cpu_time, resident_set, cache_misses, cpu_time`)
	for _, none := range []string{" ", "a,,b"} {
		_, err := splitOfArgs("--explain", none)
		isUsage(t, none, err, "--explain|a PID|idle, unattributed, interrupts, reserved, others, overflow, kernel")
	}
}

func TestRecordingsWithoutWhatASplitNeeds(t *testing.T) {
	ram := []energy.Domain{{Name: "estimate:ram", Scope: energy.ScopeRAM, Method: energy.Estimated, OwnIdle: true}}
	all := recording.Header{Domains: ram, Siblings: true, Frequency: "cpufreq", Counter: "cache-misses", Reserved: true, Resident: true, Topology: host.Topology{{}, {Efficient: true}}}
	lacks := func(change func(*recording.Header)) *recording.Header {
		h := all
		change(&h)
		return &h
	}
	for _, tt := range []struct {
		args string
		idle attribution.IdlePolicy
		h    *recording.Header
		want string
	}{
		{"--weights frequency", 0, lacks(func(h *recording.Header) { h.Frequency = "" }), "--weights frequency|the CPUs' frequencies|eco2-bpf record --weights frequency FILE"},
		{"--weights smt=0.5", 0, lacks(func(h *recording.Header) { h.Siblings = false }), "--weights smt|busy sibling|eco2-bpf record --weights smt FILE"},
		{"--weights hybrid", 0, lacks(func(h *recording.Header) { h.Topology = host.Topology{{}, {}} }), "--weights hybrid|no efficiency cores"},
		{"--dram cache_misses", 0, lacks(func(h *recording.Header) { h.Counter = "" }), "--dram cache_misses|cache misses|eco2-bpf record --dram cache_misses FILE"},
		{"--dram resident_set", 0, lacks(func(h *recording.Header) { h.Domains = nil }), "--dram resident_set|memory that processes hold"},
		{"--dram resident_set_cpu_time", 0, lacks(func(h *recording.Header) { h.Resident = false }), "--dram resident_set_cpu_time|memory that processes hold"},
		{"", attribution.Reservation, lacks(func(h *recording.Header) { h.Reserved = false }), "--idle reservation|what cgroups reserve|eco2-bpf record --idle reservation FILE"},
	} {
		s, err := splitOfArgs(strings.Fields(tt.args)...)
		if err != nil {
			t.Fatal(err)
		}
		isUsage(t, tt.args, s.checkRecorded(tt.h, tt.idle), tt.want)
		if err := s.checkRecorded(&all, tt.idle); err != nil {
			t.Errorf("%s: %v", tt.args, err)
		}
		if s, _ = splitOfArgs(); tt.idle == attribution.Separate && s.checkRecorded(tt.h, tt.idle) != nil {
			t.Errorf("%s: refused without being asked for", tt.args)
		}
	}
	s, err := splitOfArgs("--weights", "auto")
	if err != nil {
		t.Fatal(err)
	}
	one := lacks(func(h *recording.Header) { h.Siblings, h.Topology = false, nil })
	if err := s.checkRecorded(one, attribution.Equal); err != nil || s.weights != (attribution.Weights{Frequency: 1.5}) {
		t.Errorf("auto: %+v, %v", s.weights, err)
	}
	if s, _ = splitOfArgs("--weights", "auto"); s.checkRecorded(&recording.Header{}, attribution.Separate) != nil || s.weights.Any() {
		t.Errorf("auto of nothing: %+v", s.weights)
	}
}

// Without --dram a recording is split as its recorder would have done, and by CPU time where that was all.
func TestDRAMOfRecordings(t *testing.T) {
	dram := []energy.Domain{{Name: "dram-0", Scope: energy.ScopeDRAM, Method: energy.Measured}}
	for _, tt := range []struct {
		h    recording.Header
		want string
	}{
		{recording.Header{Domains: dram}, "cpu_time"},
		{recording.Header{Domains: dram, Resident: true}, "resident_set_cpu_time"},
		{recording.Header{Domains: dram, Resident: true, DRAM: "cpu_time"}, "cpu_time"},
		{recording.Header{Domains: dram, DRAM: "resident_set"}, "resident_set"},
		{recording.Header{Domains: dram, DRAM: "cache_misses", Counter: "cache-misses"}, "cache_misses"},
		{recording.Header{Domains: dram, DRAM: "cache_misses"}, "cpu_time"},
		{recording.Header{Domains: dram, DRAM: "of a later day", Resident: true}, "cpu_time"},
	} {
		s, err := splitOfArgs()
		if err == nil {
			err = s.checkRecorded(&tt.h, attribution.Separate)
		}
		if err != nil || s.dram != tt.want {
			t.Errorf("%+v: %s, want %s; %v", tt.h, s.dram, tt.want, err)
		}
	}
	all := append([]string{dramTime}, dramResidentTime, dramResident, dramMisses)
	for _, name := range engine.DRAMSplits {
		if !slices.Contains(all, name) || len(all) != len(engine.DRAMSplits) {
			t.Errorf("an engine splits by %s; flags know %s", engine.DRAMSplits, all)
		}
	}
}

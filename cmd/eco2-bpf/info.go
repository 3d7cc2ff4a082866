package main

import (
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/eco2-bpf/eco2-bpf/bpf"
	"github.com/eco2-bpf/eco2-bpf/intensity"
	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/output"
	"github.com/eco2-bpf/eco2-bpf/powermodel"
)

// version is set by the build.
var version = ""

func runVersion(args []string) (int, error) {
	var licenses bool
	f := newFlags("version", "[--licenses]")
	f.BoolVar(&licenses, "licenses", false, "print where the embedded data comes from, and its licences")
	if err := parse(f, args); err != nil {
		return 0, err
	}
	if err := noArgs(f); err != nil {
		return 0, err
	}
	v := version
	if v == "" {
		v = "unknown"
		if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
			v = info.Main.Version
		}
	}
	put("eco2-bpf %s (%s %s/%s)\n", v, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if licenses {
		put("\n%s\n\n%s\n", strings.TrimSpace(intensity.Notices()), strings.TrimSpace(powermodel.Notices()))
	}
	return exitOK, nil
}

func runRegions(args []string) (int, error) {
	f := newFlags("regions", "[QUERY]")
	if err := parse(f, args); err != nil {
		return 0, err
	}
	query := strings.Join(f.Args(), " ")
	found := intensity.Search(query)
	if len(found) == 0 {
		_, err := intensity.Lookup(query)
		if err == nil {
			err = usagef("no region matches %q", query)
		}
		return 0, err
	}
	put("%-7s %-32s %9s  %-5s %-10s %s\n", "REGION", "NAME", "g/kWh", "YEAR", "BASIS", "NOTE")
	for _, r := range found {
		put("%-7s %-32s %9.2f  %-5d %-10s %s\n", r.Region, output.Clean(r.Name), r.GramsPerKWh, r.Year, r.Basis, r.Note)
	}
	say("data: %s; its licences: eco2-bpf version --licenses", intensity.World("").Source)
	return exitOK, nil
}

func runSources(args []string) (int, error) {
	var m machineFlags
	f := newFlags("sources", "[flags]")
	m.add(f)
	if err := parse(f, args); err != nil {
		return 0, err
	}
	if err := noArgs(f); err != nil {
		return 0, err
	}
	if err := m.check(); err != nil {
		return 0, err
	}
	cpus, err := bpf.PossibleCPUs()
	if err != nil {
		return 0, err
	}
	machine := readMachine(&m, cpus)
	source, reasons, err := machine.detect(&m)
	if err != nil {
		return 0, err
	}
	defer source.Close()
	printReasons(reasons)
	put("\nin use:\n")
	for _, d := range source.Domains() {
		put("  %-22s %-9s by %-8s scope %-8s %s\n", d.Name, d.Method, d.Source, d.Scope, output.Clean(d.Detail))
	}
	return exitOK, nil
}

func printReasons(reasons []energy.Reason) {
	for _, r := range reasons {
		state := "no"
		if r.OK {
			state = "ok"
		}
		put("%-10s %-3s %s\n", r.Source, state, output.Clean(r.Text))
		if r.Next != "" {
			put("%14s next: %s\n", "", output.Clean(r.Next))
		}
	}
}

package main

import (
	"cmp"
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
	var verbose bool
	var replay string
	f := newFlags("sources", "[flags]")
	f.BoolVarP(&verbose, "verbose", "v", false, "also what of all that could be read is inside what, and counted or not")
	f.StringVar(&replay, "replay", "", replayUsage)
	m.add(f)
	m.addChoice(f)
	if err := parse(f, args); err != nil {
		return 0, err
	}
	if err := noArgs(f); err != nil {
		return 0, err
	}
	if f.Changed("replay") {
		return replaySources(replay, f, verbose)
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
	printSources(reasons, source.Domains(), verbose)
	return exitOK, nil
}

// printSources prints why these domains, if verbose the containment table, and the domains.
func printSources(reasons []energy.Reason, domains []energy.Domain, verbose bool) {
	printReasons(reasons)
	if verbose {
		printParts(reasons)
	}
	put("\nin use:\n")
	for _, d := range domains {
		put("  %-22s %-10s by %-8s scope %-8s %s\n", d.Name, d.Method, d.Source, d.Scope, output.Clean(d.Detail))
	}
}

// printParts is the containment table of this machine: nothing that is inside something counted is counted too.
func printParts(reasons []energy.Reason) {
	put("\n%-28s %-9s %-10s %-9s %s\n", "PART", "SOURCE", "SCOPE", "COUNTED", "INSIDE")
	said := map[string]bool{}
	for _, r := range reasons {
		p := r.Part
		if p.Name == "" || said[r.Source+" "+p.Name] {
			continue
		}
		said[r.Source+" "+p.Name] = true
		counted := "no"
		if p.Counted {
			counted = "yes"
		}
		put("%-28s %-9s %-10s %-9s %s\n", output.Clean(p.Name), r.Source, cmp.Or(p.Scope, "-"), counted, output.Clean(cmp.Or(p.Inside, "-")))
	}
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

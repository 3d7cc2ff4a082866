// Command accuracy compares what this program and others tell of processes with the truth, on simulated machines where that is known. It prints
// tables, and writes plots and the page of docs.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/live"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/sim"
)

func main() {
	if err := mainly(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "accuracy:", err)
		if errors.Is(err, live.ErrUnable) {
			os.Exit(exitUnable)
		}
		os.Exit(1)
	}
}

func mainly(args []string, out io.Writer) error {
	f := flag.NewFlagSet("accuracy", flag.ContinueOnError)
	short := f.Bool("short", false, "30 s of small machines in place of 90 s of larger ones")
	dir := f.String("o", "", "folder for accuracy.md, whose tables are written anew, and accuracy/*.svg; empty: they are not written")
	only := f.String("only", "", "one scenario")
	program := f.String("live", "", "path of eco2-bpf: run it on this machine, beside the peers' formulas, and nothing else; needs root")
	population := f.Bool("population", false, "learn weights on machines that are drawn, show them on others, and nothing else; -short: on few")
	drawn := f.String("drawn", "", "file with what -population has printed, for the page; empty: what the page has stays")
	with := f.String("with", "", "file with what -live has printed, for the page; empty: what the page has stays")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *program != "" {
		return runLive(out, *program, *short)
	}
	if *population {
		machines := shown
		if *short {
			machines = 4
		}
		return runPopulation(out, machines)
	}
	scenarios := sim.Scenarios()
	if *short {
		scenarios = sim.Small()
	}
	reports, err := runAll(withWraps(scenarios), *only)
	if err != nil {
		return err
	}
	writeText(out, reports)
	all := goals(reports)
	if *only == "" {
		p, err := newPopulation(drawnOf(showFrom, shown))
		if err != nil {
			return err
		}
		all = append(all, p.goal())
	}
	missed := 0
	for _, g := range all {
		fmt.Fprintf(out, "%-3s  %s: %s\n", yes(g.Met), g.Words, g.told())
		if g.failed() {
			missed++
		}
	}
	if *dir != "" {
		texts := parts(reports)
		texts["goals"] = goalList(all)
		if *with != "" {
			text, err := os.ReadFile(*with)
			if err != nil {
				return err
			}
			texts["live"] = "```text\n" + string(text) + "```\n"
		}
		if *drawn != "" {
			text, err := os.ReadFile(*drawn)
			if err != nil {
				return err
			}
			texts["population"] = string(text)
		}
		if err := write(*dir, reports, texts); err != nil {
			return err
		}
	}
	if missed > 0 {
		return fmt.Errorf("%d goals are not met", missed)
	}
	return nil
}

// runAll runs scenarios at once, as many as there are CPUs.
func runAll(scenarios []sim.Scenario, only string) ([]*Report, error) {
	var jobs []int
	for i := range scenarios {
		if only == "" || scenarios[i].Name == only {
			jobs = append(jobs, i)
		}
	}
	if len(jobs) == 0 {
		return nil, fmt.Errorf("no scenario is called %q", only)
	}
	reports, errs := make([]*Report, len(jobs)), make([]error, len(jobs))
	next := make(chan int)
	var wait sync.WaitGroup
	for range min(len(jobs), runtime.GOMAXPROCS(0)) {
		wait.Go(func() {
			for k := range next {
				reports[k], errs[k] = run(&scenarios[jobs[k]])
			}
		})
	}
	for k := range jobs {
		next <- k
	}
	close(next)
	wait.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	settle(reports)
	return reports, nil
}

// write makes the plots and the page.
func write(dir string, reports []*Report, texts map[string]string) error {
	plots := filepath.Join(dir, "accuracy")
	if err := os.MkdirAll(plots, 0o755); err != nil {
		return err
	}
	for name, svg := range map[string][]byte{"errors.svg": barPlot(reports), "scatter.svg": scatterPlot(reports),
		"ranges.svg": coveragePlot(reports, packages), "ranges-dram.svg": coveragePlot(reports, memory)} {
		if err := os.WriteFile(filepath.Join(plots, name), svg, 0o644); err != nil {
			return err
		}
	}
	path := filepath.Join(dir, "accuracy.md")
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for name, text := range texts {
		if page, err = replacePart(page, name, text); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return os.WriteFile(path, page, 0o644)
}

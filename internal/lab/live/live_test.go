package live

import (
	"errors"
	"flag"
	"math"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// able skips where the truth cannot be known or the program cannot attach, and ends the test at any other error.
func able(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, ErrUnable) {
		t.Skip(err) // it begins with what is needed
	}
	if err != nil {
		t.Fatal(err)
	}
}

var given = flag.String("program", "", "eco2-bpf, for machines without go; else it is built")

// program builds eco2-bpf.
func program(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("-short: takes some seconds of both CPUs")
	}
	able(t, Able())
	if *given != "" {
		return *given
	}
	path := filepath.Join(t.TempDir(), "eco2-bpf")
	out, err := exec.Command("go", "build", "-buildvcs=false", "-o", path, "github.com/eco2-bpf/eco2-bpf/cmd/eco2-bpf").CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("need go: ", err)
	}
	if err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	return path
}

// find returns what a tool told of a job's energy in the package.
func find(t *testing.T, tool *Tool, job string, ended bool) Told {
	t.Helper()
	for _, told := range tool.Told {
		if told.Job == job && told.Domain == "package" && told.Ended == ended {
			return told
		}
	}
	t.Errorf("%s tells nothing of %s", tool.Name, job)
	return Told{}
}

// By a law that counts all CPU time the same, each job has its joules, the ended ones, too, and none are lost.
func TestRun(t *testing.T) {
	r, err := Run(Options{Program: program(t), Quiet: 500 * time.Millisecond, Load: 3 * time.Second, Beat: 2500 * time.Millisecond})
	able(t, err)
	r.Print(t.Output())
	linear, mixed := &r.Laws[0], &r.Laws[1]
	for i := range linear.Tools {
		tool := &linear.Tools[i]
		if len(tool.Told) == 0 || tool.Cost.Looks < 1 || tool.Cost.CPU <= 0 {
			t.Errorf("%s has told of %d jobs, %+v", tool.Name, len(tool.Told), tool.Cost)
		}
		for _, told := range tool.Told {
			if math.IsNaN(told.Joules) || math.IsInf(told.Joules, 0) || told.Joules < 0 || told.Truth < 0 {
				t.Errorf("%s: %+v", tool.Name, told)
			}
		}
		if !tool.Ours {
			if tool.Cost.Files < int64(tool.Cost.Looks)*10 {
				t.Errorf("%s has read %d files in %d looks", tool.Name, tool.Cost.Files, tool.Cost.Looks)
			}
			continue
		}
		if tool.Breach != nil {
			t.Errorf("%s: %v", tool.Name, tool.Breach)
		}
		if ratio := tool.Total / tool.Counted; ratio < 0.98 || ratio > 1.02 {
			t.Errorf("%s: %.3f J in all, the counters say %.3f J", tool.Name, tool.Total, tool.Counted)
		}
	}
	most := 0.03
	if c, err := hierarchies(); err == nil && !c.V1 {
		most = 0.1 // the program, too, knows busy time by ticks there, and kernel threads are in no law
	}
	for _, tool := range linear.Tools[1:3] { // the first has to learn the idle power, and may have had no quiet to
		if in, of := tool.Covered(); in < of-1 {
			t.Errorf("%s: %d of %d truths are in its ranges: %+v", tool.Name, in, of, tool.Told)
		}
		for _, told := range tool.Told {
			if e := math.Abs(told.Error()); !tool.Ours || told.Truth >= 0.5 && e > most {
				t.Errorf("%s: %s: %s: %.4f J, the law says %.4f J", tool.Name, told.name(), told.Domain, told.Joules, told.Truth)
			}
		}
	}
	exact := &linear.Tools[1]
	if sleeper := find(t, exact, "sleeper", false); sleeper.Joules > 0.5 {
		t.Errorf("the sleeper has %.3f J", sleeper.Joules)
	}
	// What only looks from time to time cannot see the storm's children. If it did, this would not be a storm.
	for i := range linear.Tools {
		if tool := &linear.Tools[i]; tool.Name == "Kepler 0.10+" {
			if told := find(t, tool, "storm", true); told.Joules > told.Truth/2 || told.Truth < 1 {
				t.Errorf("%s gives the storm's children %.3f J of %.3f J", tool.Name, told.Joules, told.Truth)
			}
		}
	}
	// Of what is not in CPU time nobody here can know: the same time cost 1.6 times as much.
	a, b := find(t, exact, "burner B", false), find(t, &mixed.Tools[1], "burner B", false)
	if ratio := b.Truth / a.Truth; ratio < 1.55 || ratio > 1.65 || b.Error() > -0.05 {
		t.Errorf("burner B: %+v by the linear law, %+v by the other", a, b)
	}
}

// The same work is the same energy, whatever runs beside it.
func TestBeside(t *testing.T) {
	c, err := RunBeside(Options{Program: program(t), Quiet: 300 * time.Millisecond, Load: 1200 * time.Millisecond, Beat: 2 * time.Second}, Steady)
	able(t, err)
	c.Print(t.Output())
	if len(c.Phases) != 2 || c.Phases[1].Beside != Steady {
		t.Fatalf("%+v", c.Phases)
	}
	for _, p := range c.Phases {
		for _, tool := range p.Report.Laws[0].Tools {
			if tool.Ours && tool.Breach != nil {
				t.Errorf("%s: %v", tool.Name, tool.Breach)
			}
		}
		beside := find(t, &p.Report.Laws[0].Tools[0], workName, false)
		if p.CPUSeconds < 0.3 || p.CPUSeconds > 6 || math.Abs(beside.Truth/p.CPUSeconds-10) > 0.1 {
			t.Errorf("%s: it took %.3f s, and %.3f J by the law", p.Beside, p.CPUSeconds, beside.Truth)
		}
	}
	exact := c.Phases[0].Report.Laws[0].Tools[1].Name
	for _, domain := range []string{"package", "dram"} {
		if ratio := c.Ratio(1, exact, domain); !(ratio > 0.95 && ratio < 1.05) {
			t.Errorf("%s: %s: beside a burner the work has %.4f of what it has alone", exact, domain, ratio)
		}
	}
	if ratio := c.Ratio(1, "nobody", "package"); !math.IsNaN(ratio) {
		t.Errorf("nobody told %g", ratio)
	}
}

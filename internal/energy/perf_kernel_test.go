package energy

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// perf-software is a tree whose PMU is the kernel's own for software events: cpu-clock counts the nanoseconds of a CPU, so at 1e-9 J each a package
// draws exactly 1 W, and dummy never counts. That is all of this source but the hardware.
func softwarePMU(t testing.TB) string {
	if os.Geteuid() != 0 {
		t.Skip("need root: to count what a whole CPU does")
	}
	return tree(t, "perf-software")
}

// reads takes a Sample of each domain, with the clock before and after.
func reads(p *perf) (out []Sample, before, after time.Duration) {
	out = make([]Sample, len(p.Domains()))
	before = perfClock()
	p.Read(Edge{Time: before}, out)
	return out, before, perfClock()
}

func TestPerfGroupOnRealKernel(t *testing.T) {
	root := softwarePMU(t)
	p, reasons, err := openPerf(root, kernelPerf)
	if err != nil {
		t.Fatal(err, reasons)
	}
	defer p.Close()
	if len(p.sets) != 1 || len(p.sets[0].groups[0].fds) != 2 {
		t.Fatalf("not one group of two: %+v", p.sets)
	}
	first, before, after := reads(p)
	if first[0].Energy != 0 || first[0].Mark != "" {
		t.Errorf("baseline %+v", first[0])
	}
	for range 3 {
		time.Sleep(60 * time.Millisecond)
		out, from, to := reads(p)
		// The clock of events and ours may differ by their rates.
		least, most := units.Watts(0.999).Over(from-after), units.Watts(1.001).Over(to-before)
		if e := out[0].Energy; e < least || e > most || out[0].Mark != "" {
			t.Errorf("package: %d uJ at 1 W, of %d to %d, mark %q", e, least, most, out[0].Mark)
		}
		if out[1].Energy != 0 || !strings.Contains(out[1].Mark, "counter has not moved") {
			t.Errorf("memory, which is the event that never counts: %+v", out[1])
		}
	}
}

// An event that was closed behind the source's back stands for one that the kernel took away.
func TestPerfReopensOnRealKernel(t *testing.T) {
	root := softwarePMU(t)
	p, _, err := openPerf(root, kernelPerf)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	reads(p)
	g := p.sets[0].groups[0]
	if err := kernelPerf.close(g.fds[1]); err != nil { // the kernel takes it out of the group
		t.Fatal(err)
	}
	g.fds = g.fds[:1]
	time.Sleep(60 * time.Millisecond)
	out, _, after := reads(p)
	if out[0].Energy != 0 || !strings.Contains(out[0].Mark, "the group of events was taken apart: opened again on CPU 0: new baseline") {
		t.Errorf("%+v", out[0])
	}
	time.Sleep(60 * time.Millisecond)
	out, from, _ := reads(p)
	if out[0].Energy < units.Watts(0.999).Over(from-after) || out[0].Mark != "" {
		t.Errorf("%+v", out[0])
	}
}

func TestPerfErrorsOfRealKernel(t *testing.T) {
	for file, c := range map[string][2]string{
		"type":              {"99999", "no such file"},       // ENOENT: no such PMU
		"cpumask":           {"4000", "invalid argument"},    // EINVAL: no such CPU
		"events/energy-pkg": {"config=0x77", "no such file"}, // ENOENT: no such event
	} {
		root := softwarePMU(t)
		if err := os.WriteFile(filepath.Join(root, "bus/event_source/devices/power", file), []byte(c[0]+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		p, reasons, err := openPerf(root, kernelPerf)
		if err == nil {
			p.Close()
			t.Errorf("%s = %s: no error", file, c[0])
		} else if !strings.Contains(err.Error(), c[1]) || !slices.ContainsFunc(reasons, func(r Reason) bool { return !r.OK && strings.Contains(r.Text, c[1]) }) {
			t.Errorf("%s = %s: %v, reasons %+v", file, c[0], err, reasons)
		}
	}
}

// Every window of every machine pays this: two groups of two events. Reading CPU 1 interrupts it, as a counter of another package does.
func BenchmarkPerfReadTwoSockets(b *testing.B) {
	root := softwarePMU(b)
	if err := os.WriteFile(filepath.Join(root, "bus/event_source/devices/power/cpumask"), []byte("0-1\n"), 0o644); err != nil {
		b.Fatal(err)
	}
	p, reasons, err := openPerf(root, kernelPerf)
	if err != nil {
		b.Fatal(err, reasons)
	}
	defer p.Close()
	out := make([]Sample, len(p.Domains()))
	p.Read(Edge{}, out)
	b.ReportAllocs()
	for b.Loop() {
		p.Read(Edge{}, out) // no time passes: a mark for counters that stand still would cost more
	}
	b.ReportMetric(float64(len(out)), "domains")
}

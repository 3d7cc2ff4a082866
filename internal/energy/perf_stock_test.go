package energy

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// Where the kernel has both of its ways to the counters (a real machine, or a guest whose RDMSR is answered), they must say the same. What they may
// differ by: the time between the two reads at each end, how stale a counter may be, and the step that each driver takes memory to count in, which
// is 15.3 uJ to powercap and 2^-16 J to perf on some servers, 0.27 % less.
func TestPerfAgreesWithPowercapOnStockDrivers(t *testing.T) {
	byPerf, reasons, err := openPerf("/sys", kernelPerf)
	if errors.Is(err, ErrAbsent) {
		t.Skip("no RAPL here: most virtual machines have none")
	}
	if err != nil {
		t.Fatal(err, reasons)
	}
	defer byPerf.Close()
	byPowercap, reasons, err := openPowercap("/sys", kernelFiles)
	if err != nil {
		t.Fatal(err, reasons)
	}
	defer byPowercap.Close()
	a, b := make([]Sample, len(byPowercap.Domains())), make([]Sample, len(byPerf.Domains()))
	both := func() (took time.Duration) {
		at := perfClock()
		byPowercap.Read(Edge{Time: at}, a)
		byPerf.Read(Edge{Time: at}, b)
		return perfClock() - at
	}
	skew, began := both(), perfClock()
	for range 5 {
		time.Sleep(500 * time.Millisecond)
		took := both()
		span := perfClock() - began
		for i, d := range byPerf.Domains() {
			for j, same := range byPowercap.Domains() {
				if same.Name != d.Name {
					continue
				}
				most := max(a[j].Energy, b[i].Energy)
				slack := 2*most.Per(span).Over(skew+took+2*refresh) + most*3/1000
				if diff := a[j].Energy - b[i].Energy; diff > slack || diff < -slack || a[j].Mark != "" || b[i].Mark != "" {
					t.Errorf("%s after %v: powercap %v J %q, perf %v J %q, may differ by %v J", d.Name, span, a[j].Energy, a[j].Mark, b[i].Energy, b[i].Mark, units.Microjoules(slack))
				}
				t.Logf("%s after %v: powercap %v J, perf %v J", d.Name, span, a[j].Energy, b[i].Energy)
			}
		}
	}
	for _, d := range byPerf.Domains() {
		found := d.Scope == ScopeCore // which powercap has not
		for _, same := range byPowercap.Domains() {
			found = found || same.Name == d.Name && same.Socket == d.Socket && same.Die == d.Die && same.Scope == d.Scope
		}
		if !found {
			t.Errorf("%s is not among those of powercap: %+v", d.Name, byPowercap.Domains())
		}
	}
}

// offlineCPUs is the environment variable that allows a test to take CPUs offline: for guests.
const offlineCPUs = "ECO2_TEST_OFFLINE_CPUS"

// The kernel moves the events to another CPU of the package; without one they go off, and come back when one does.
func TestPerfHotplugOnStockDrivers(t *testing.T) {
	if os.Getenv(offlineCPUs) == "" {
		t.Skipf("takes CPUs offline: set %s=1 in a guest with two packages of two CPUs and RAPL", offlineCPUs)
	}
	p, reasons, err := openPerf("/sys", kernelPerf)
	if err != nil {
		t.Fatal(err, reasons)
	}
	defer p.Close()
	domains := p.Domains()
	last := slices.IndexFunc(domains, func(d Domain) bool { return d.Name == "package-1" })
	out := make([]Sample, len(domains))
	total := units.Microjoules(0)
	const moved = "package-1: the kernel did not count for"
	window := func(mark string, counts bool) {
		t.Helper()
		time.Sleep(500 * time.Millisecond)
		p.Read(Edge{Time: perfClock()}, out)
		s := out[last]
		if mark == moved && s.Mark == "" { // it took less than what is told from a clock that goes by ticks
			mark = ""
		}
		if (s.Energy > total) != counts || (mark == "") != (s.Mark == "") || !strings.Contains(s.Mark, mark) {
			t.Errorf("%v J after %v J, mark %q, want %q", s.Energy, total, s.Mark, mark)
		}
		if strings.Contains(out[0].Mark, "off") || strings.Contains(out[0].Mark, "opened") {
			t.Errorf("the other package has %q", out[0].Mark)
		}
		total = s.Energy
	}
	turn := func(cpu, on string) {
		t.Helper()
		if err := os.WriteFile("/sys/devices/system/cpu/cpu"+cpu+"/online", []byte(on), 0); err != nil {
			t.Fatal(err)
		}
	}
	window("", false)
	window("", true)
	turn("2", "0")
	window(moved, true)
	window("", true)
	turn("3", "0")
	time.Sleep(100 * time.Millisecond)
	p.Read(Edge{Time: perfClock()}, out)
	total = out[last].Energy
	window("not counted: no CPU of it is in power/cpumask", false)
	turn("3", "1")
	window("package-1: opened again on CPU 3: new baseline", false)
	window("", true)
	turn("2", "1")
	window("", true)
}

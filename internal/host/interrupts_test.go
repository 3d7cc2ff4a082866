package host

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const tick = 10 * time.Millisecond

// Columns of /proc/stat: user nice system idle iowait irq softirq steal guest guest_nice.
func TestInterrupts(t *testing.T) {
	steps := []struct {
		name, stat string
		want       []time.Duration // by CPU, in ticks since the first read
		bad        bool
	}{
		{"what was before is in no step", "cpu  9 9 9 9 9 900 900 9 9 9\ncpu0 1 2 3 100 5 60 7 8 9 10\ncpu2 0 0 0 100 0 5 5 0 0 0\nintr 1\n", []time.Duration{0, 0, 0}, false},
		{"both kinds", "cpu0 1 2 3 100 5 70 9 8 9 10\ncpu2 0 0 0 100 0 5 6 0 0 0\n", []time.Duration{12, 0, 1}, false},
		{"one goes offline, one comes with an old count", "cpu0 1 2 3 100 5 70 9 8 9 10\ncpu1 0 0 0 100 0 500 500 0 0 0\n", []time.Duration{12, 0, 1}, false},
		{"and back", "cpu0 1 2 3 100 5 71 9 8 9 10\ncpu1 0 0 0 100 0 501 502 0 0 0\ncpu2 0 0 0 100 0 8 6 0 0 0\n", []time.Duration{13, 3, 4}, false},
		{"never down", "cpu0 1 2 3 100 5 1 1 8 9 10\ncpu1 0 0 0 100 0 0 0 0 0 0\n", []time.Duration{13, 3, 4}, false},
		{"from where it was", "cpu0 1 2 3 100 5 72 9 8 9 10\n", []time.Duration{14, 3, 4}, false},
		{"one odd count, the others go on", "cpu0 1 2 3 100 5 x 9 8 9 10\ncpu1 0 0 0 100 0 502 502 0 0 0\n", []time.Duration{14, 4, 4}, false},
		{"a count below zero", "cpu0 1 2 3 100 5 -90 990 8 9 10\ncpu1 0 0 0 100 0 502 503 0 0 0\n", []time.Duration{14, 5, 4}, false},
		{"more than a century", "cpu0 1 2 3 100 5 9999999999999 9 8 9 10\ncpu1 0 0 0 100 0 502 504 0 0 0\n", []time.Duration{14, 6, 4}, false},
		{"beyond the machine", "cpu0 1 2 3 100 5 73 9 8 9 10\ncpu3 0 0 0 100 0 9 9 0 0 0\n", []time.Duration{15, 6, 4}, false},
		{"no lines", "intr 1 2 3\n", []time.Duration{15, 6, 4}, true},
	}
	for _, how := range []string{"stat", "cpuacct"} {
		root := t.TempDir()
		c := Cgroups{}
		if how == "cpuacct" {
			c.CPUAcct = write(t, t.TempDir(), map[string]string{"cpuacct.usage_percpu": "1000 2000 3000\n"})
		}
		write(t, root, map[string]string{"stat": steps[0].stat})
		b, err := OpenBusy(root, c)
		if err != nil || b.How != how {
			t.Fatal(err, b)
		}
		t.Cleanup(func() { b.Close() })
		into, busy := make([]time.Duration, 3), make([]time.Duration, 3)
		if err := b.Interrupts(into); !errors.Is(err, errNotAsked) {
			t.Errorf("%s: not asked for: %v", how, err)
		}
		for _, s := range steps {
			if err := b.CountInterrupts(); err != nil { // asking again is asking once
				t.Fatal(err)
			}
			write(t, root, map[string]string{"stat": s.stat})
			errBusy := b.Read(busy)
			if how == "cpuacct" && (errBusy != nil || busy[2] != 3000) {
				t.Errorf("%s: %s: busy %v, %v", how, s.name, busy, errBusy)
			}
			if how == "stat" && (errBusy != nil) != s.bad {
				t.Errorf("%s: %s: busy: %v", how, s.name, errBusy)
			}
			err := b.Interrupts(into)
			if (err != nil) != s.bad {
				t.Errorf("%s: %s: %v", how, s.name, err)
			}
			for i, want := range s.want {
				if into[i] != want*tick {
					t.Errorf("%s: %s: CPU %d: %v, want %v", how, s.name, i, into[i], want*tick)
				}
			}
		}
		wide := []time.Duration{0, 0, 0, 5}
		_ = b.Interrupts(wide)
		if !slices.Equal(wide, []time.Duration{15 * tick, 6 * tick, 4 * tick, 5}) {
			t.Errorf("%s: %v", how, wide)
		}
	}
}

// Busy time is well where /proc/stat is not, and the other way round.
func TestInterruptsBesideCPUAcct(t *testing.T) {
	root := t.TempDir()
	c := Cgroups{CPUAcct: write(t, t.TempDir(), map[string]string{"cpuacct.usage_percpu": "1000 2000\n"})}
	b, err := OpenBusy(root, c)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.CountInterrupts(); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without stat: %v", err)
	}
	write(t, root, map[string]string{"stat": "cpu0 0 0 0 0 0 1 1 0 0 0\n"})
	if err := b.CountInterrupts(); err != nil {
		t.Fatal(err)
	}
	into := make([]time.Duration, 2)
	if err := b.Read(into); err != nil {
		t.Fatal(err)
	}
	write(t, root, map[string]string{"stat": "cpu0 0 0 0 0 0 1 4 0 0 0\n"})
	write(t, c.CPUAcct, map[string]string{"cpuacct.usage_percpu": "rubble\n"})
	if err := b.Read(into); err == nil {
		t.Error("busy time of rubble")
	}
	if err := b.Interrupts(into); err != nil || into[0] != 3*tick {
		t.Errorf("%v, %v", into, err)
	}
}

func TestBusyReadsWithoutAllocations(t *testing.T) {
	b, err := OpenBusy("/proc", Cgroups{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.CountInterrupts(); err != nil {
		t.Fatal(err)
	}
	into := make([]time.Duration, 64)
	if n := testing.AllocsPerRun(20, func() { _, _ = b.Read(into), b.Interrupts(into) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// The kernel's own sum, on the line "cpu ", is made of the same counts. It is taken before and after; each CPU is rounded to a tick by itself.
func TestInterruptsOfThisMachine(t *testing.T) {
	sum := func() (ticks time.Duration, cpus int) {
		text, err := os.ReadFile("/proc/stat")
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			f := strings.Fields(string(line))
			if f[0] == "cpu" {
				for _, word := range f[6:8] {
					v, err := strconv.Atoi(word)
					if err != nil {
						t.Fatal(err)
					}
					ticks += time.Duration(v)
				}
			} else if strings.HasPrefix(f[0], "cpu") {
				cpus++
			}
		}
		return ticks, cpus
	}
	b, err := OpenBusy("/proc", Cgroups{})
	if err == nil {
		err = b.CountInterrupts()
	}
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	busy, into := make([]time.Duration, maxCPUs), make([]time.Duration, maxCPUs)
	outer, _ := sum()
	if err := b.Read(busy); err != nil {
		t.Fatal(err)
	}
	inner, _ := sum()
	for deadline := time.Now().Add(200 * time.Millisecond); time.Now().Before(deadline); {
		_, _ = os.Stat("/") // something that interrupts may hit
	}
	innerEnd, _ := sum()
	if err := b.Read(busy); err != nil {
		t.Fatal(err)
	}
	outerEnd, cpus := sum()
	if err := b.Interrupts(into); err != nil {
		t.Fatal(err)
	}
	var got time.Duration
	for _, v := range into {
		got += v
	}
	slack := time.Duration(4*cpus + 4) // both columns, both ends
	if least, most := innerEnd-inner-slack, outerEnd-outer+slack; got < least*tick || got > most*tick {
		t.Errorf("%v, the kernel's sum grew by %v to %v", got, (innerEnd-inner)*tick, (outerEnd-outer)*tick)
	}
}

// The line "intr" may be long, and is of no use.
func TestBusyLeavesInterruptsByNumber(t *testing.T) {
	root := write(t, t.TempDir(), map[string]string{"stat": "cpu0 0 0 0 0 0 1 1 0 0 0\nintr 0" + strings.Repeat(" 0", 1<<20) + "\n"})
	for _, c := range []Cgroups{{}, {CPUAcct: write(t, t.TempDir(), map[string]string{"cpuacct.usage_percpu": "1000\n"})}} {
		b, err := OpenBusy(root, c)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		before := len(b.buf)
		if err := errors.Join(b.CountInterrupts(), b.Read(make([]time.Duration, 1)), b.Interrupts(make([]time.Duration, 1))); err != nil || len(b.buf) != before {
			t.Errorf("%s: %v, a buffer of %d bytes", b.How, err, len(b.buf))
		}
	}
}

// The text is of /proc/stat with thousands of CPUs, read whole and once.
func TestInterruptsOfManyCPUs(t *testing.T) {
	const cpus = 4096
	text := func(soft int) string {
		var s strings.Builder
		for i := range cpus {
			s.WriteString("cpu" + strconv.Itoa(i) + " 123456789 123456789 123456789 123456789 123456789 12345 " + strconv.Itoa(soft+i) + " 0 0 0\n")
		}
		return s.String() + "intr 0" + strings.Repeat(" 0", 1<<16) + "\n"
	}
	root := write(t, t.TempDir(), map[string]string{"stat": text(0)})
	b, err := OpenBusy(root, Cgroups{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.CountInterrupts(); err != nil {
		t.Fatal(err)
	}
	busy, into := make([]time.Duration, cpus), make([]time.Duration, cpus)
	for soft := range 2 {
		if err := os.WriteFile(filepath.Join(root, "stat"), []byte(text(soft)), 0o644); err != nil {
			t.Fatal(err)
		}
		if err := b.Read(busy); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Interrupts(into); err != nil || slices.ContainsFunc(into, func(v time.Duration) bool { return v != tick }) {
		t.Error(err, into[:3], into[cpus-1])
	}
}

func FuzzInterrupts(f *testing.F) {
	f.Add([]byte("cpu0 1 0 1 100 10 3 4 5 0 0\n"), []byte("cpu0 1 0 1 100 10 4 4 5 0 0\ncpu1 0 0 0 0 0 0 0 0\n"))
	f.Add([]byte("cpu3 0 0 0 0 0 315360000000 315360000000 0"), []byte("cpu3 0 0 0 0 0 0 0 0"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		s := &statInterrupts{}
		stat := statTimes{interrupts: s}
		busy := make([]time.Duration, 4)
		var before [4]time.Duration
		for i, text := range [][]byte{a, b, a, b} {
			_ = stat.parse(text, time.Duration(i)*time.Second, busy)
			for cpu, v := range s.total {
				if v < before[cpu] || busy[cpu] < 0 {
					t.Fatalf("CPU %d: %v, before %v; busy %v", cpu, v, before[cpu], busy[cpu])
				}
				before[cpu] = v
			}
		}
	})
}

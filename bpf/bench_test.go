package bpf

import (
	"bytes"
	"os/exec"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// BenchmarkSwitch prints what one context switch costs: the attached program, less an empty program on the same hook in the same
// run, as the kernel's own BPF statistics report it. Both figures hold the two clock reads of the statistics, so the difference
// does not. With -smt and -counter it does so for the costlier program, see Options.Siblings and Options.Counter; those counters are the
// kernel's own, which cost more to read than the processor's. It also prints how many instructions the verifier walked.
//
// above-empty-ns is the median over intervals of 100 ms of the load, each with its own difference. On a machine that is shared, a
// program is now and then interrupted, or its virtual CPU taken away, for milliseconds in the midst of a run of some 60 ns: one such
// run moves the mean of a million, and hits one of the two programs, not both. It spoils its interval only, and the median does not
// see it. mean-above-empty-ns is the difference of the plain means, to see how quiet the machine was.
func BenchmarkSwitch(b *testing.B) {
	loads := []struct {
		name string
		args []string
	}{
		{"pipe-pinned", []string{"taskset", "-c", "0", "perf", "bench", "sched", "pipe", "-l", "400000"}},
		{"hackbench-160-tasks", []string{"perf", "bench", "sched", "messaging", "-g", "4", "-l", "2000"}},
	}
	for _, load := range loads {
		for _, costly := range []struct {
			name string
			Options
		}{
			{"", Options{}},
			{"-smt", Options{Siblings: benchSiblings()}},
			{"-counter", Options{Counter: faults}},
		} {
			b.Run(load.name+costly.name, func(b *testing.B) { benchmarkSwitch(b, costly.Options, load.args) })
		}
	}
	c := open(b, Options{Follow: true, Events: func(*Event) {}, Look: true}) // all that attach turns on but --by thread
	info, err := c.coll.Programs[eco2ProgSchedSwitch].Info()
	if err != nil {
		b.Fatal(err)
	}
	if n, ok := info.VerifiedInstructions(); ok {
		b.Logf("sched_switch: %d instructions walked by the verifier", n)
	}
	if n, err := info.TranslatedSize(); err == nil {
		b.Logf("sched_switch: %d instructions in the kernel", n/8)
	}
}

// benchSiblings says that the first CPU shares its core with the last.
func benchSiblings() []int {
	n := runtime.NumCPU()
	siblings := slices.Repeat([]int{-1}, n)
	if n > 1 {
		siblings[0], siblings[n-1] = n-1, 0
	}
	return siblings
}

func benchmarkSwitch(b *testing.B, o Options, load []string) {
	if _, err := exec.LookPath("perf"); err != nil {
		b.Skip("need linux-perf: ", err)
	}
	var ours, empty, above []float64
	var sum interval
	for range b.N {
		for _, i := range measureSwitch(b, o, load) {
			ours, empty = append(ours, i.ours.mean()), append(empty, i.empty.mean())
			above = append(above, i.ours.mean()-i.empty.mean())
			sum.ours.add(i.ours)
			sum.empty.add(i.empty)
		}
	}
	b.ReportMetric(median(ours), "ns/switch")
	b.ReportMetric(median(empty), "empty-ns/switch")
	b.ReportMetric(median(above), "above-empty-ns")
	b.ReportMetric(sum.ours.mean()-sum.empty.mean(), "mean-above-empty-ns")
	b.ReportMetric(float64(len(above)), "intervals")
	b.ReportMetric(0, "ns/op")
}

// cost is what the kernel's statistics say of some runs of a program.
type cost struct {
	runs uint64
	time time.Duration
}

func (c cost) mean() float64 { return float64(c.time) / float64(c.runs) }

func (c *cost) add(d cost) { c.runs, c.time = c.runs+d.runs, c.time+d.time }

// interval is the same stretch of a load for both programs.
type interval struct{ ours, empty cost }

const (
	intervalTime = 100 * time.Millisecond
	intervalRuns = 1000 // fewer are no measurement: the load begins or ends there
)

// measureSwitch runs a load with both programs attached and returns what they cost in each interval of it.
func measureSwitch(b *testing.B, o Options, load []string) []interval {
	b.Helper()
	o.Follow, o.Events, o.Look = true, func(*Event) {}, true
	c, err := Open(o)
	if err != nil {
		b.Skip("need root: ", err)
	}
	defer c.Close() // before the next measurement
	none, l := attachEmpty(b)
	defer l.Close()
	defer none.Close()
	stats, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		b.Skip("need root: bpf statistics: ", err)
	}
	defer stats.Close()
	defer drainEvery(b, c, time.Second)()
	return measureRuns(b, c.switchProgram(), none, load)
}

const (
	leastIntervals = 10
	// A fast machine is through with one run of a load before there are that many intervals; one that needs more runs than this has
	// too few switches in any interval.
	mostRuns = 20
)

// measureRuns runs the load until there are enough intervals of it.
func measureRuns(b *testing.B, ours, none *ebpf.Program, load []string) []interval {
	b.Helper()
	var all []interval
	for range mostRuns {
		if all = append(all, measureRun(b, ours, none, load)...); len(all) >= leastIntervals {
			return all
		}
	}
	b.Fatalf("only %d intervals with enough switches in %d runs of %v: not a measurement", len(all), mostRuns, load)
	return nil
}

// measureRun runs the load once.
func measureRun(b *testing.B, ours, none *ebpf.Program, load []string) []interval {
	b.Helper()
	cmd := exec.Command(load[0], load[1:]...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()

	var all []interval
	was := interval{costOf(b, ours), costOf(b, none)}
	tick := time.NewTicker(intervalTime)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			if err != nil {
				b.Fatalf("%v: %v\n%s", load, err, out.String())
			}
			return all
		case <-tick.C:
		}
		now := interval{costOf(b, ours), costOf(b, none)}
		i := interval{now.ours.since(was.ours), now.empty.since(was.empty)}
		if was = now; i.ours.runs >= intervalRuns && i.empty.runs >= intervalRuns {
			all = append(all, i)
		}
	}
}

func (c cost) since(was cost) cost { return cost{c.runs - was.runs, c.time - was.time} }

func median(v []float64) float64 {
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// switchProgram is the one of the two that is loaded.
func (c *Collector) switchProgram() *ebpf.Program {
	if p := c.coll.Programs[eco2ProgSchedSwitch]; p != nil {
		return p
	}
	return c.coll.Programs[eco2ProgCostlySwitch]
}

func costOf(b *testing.B, p *ebpf.Program) cost {
	b.Helper()
	st, err := p.Stats()
	if err != nil {
		b.Fatal(err)
	}
	return cost{st.RunCount, st.Runtime}
}

func attachEmpty(b *testing.B) (*ebpf.Program, link.Link) {
	b.Helper()
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "empty", Type: ebpf.Tracing, AttachType: ebpf.AttachTraceRawTp, AttachTo: "sched_switch", License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		b.Skip("need root: ", err)
	}
	l, err := link.AttachTracing(link.TracingOptions{Program: p})
	if err != nil {
		b.Fatal(err)
	}
	return p, l
}

// drainEvery keeps windows turning while a load runs, as the program does.
func drainEvery(tb testing.TB, c *Collector, every time.Duration) (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		var u []Usage
		t := time.NewTicker(every)
		defer t.Stop()
		for {
			select {
			case <-done:
				return
			case <-t.C:
				var err error
				if u, err = c.Drain(u[:0]); err != nil {
					tb.Error(err)
					return
				}
			}
		}
	}()
	return func() { close(done); <-ended }
}

package bpf

import (
	"fmt"
	"testing"
	"time"
)

// A machine of any size: its tables without the kernel, every CPU idle, a third of the possible ones never online.

const simulatedFilled = 20 // slots of a CPU in each window

var simulatedCPUs = []int{1, 2, 64, 256, 1024}

func simulatedOffline(cpu int) bool { return cpu%3 == 2 }

func simulated(tb testing.TB, ncpu int) *Collector {
	tb.Helper()
	s, err := SizesFor(DefaultMemory, ncpu, pidMaxDefault)
	if err != nil {
		tb.Fatal(err)
	}
	c := &Collector{sizes: s, overflow: newOverflow(ncpu)}
	mem := make([]byte, tableSize(s.Slots)*ncpu)
	for cpu := range ncpu {
		c.cpus = append(c.cpus, newCPUTable(mem, cpu, s.Slots))
	}
	return c
}

// fillSimulated does what the programs do in a window, and returns the rows and the time that are to come out.
func fillSimulated(c *Collector, n int) (rows int, sum time.Duration) {
	for cpu, t := range c.cpus {
		if simulatedOffline(cpu) {
			continue
		}
		parity := t.state.Epoch & 1
		for i := range n {
			tgid := uint32(i*7 + cpu + 1)
			at := int(tgid) & (len(t.slots[parity]) - 1)
			s := &t.slots[parity][at]
			for s.Id != 0 {
				at = (at + 1) & (len(t.slots[parity]) - 1)
				s = &t.slots[parity][at]
			}
			s.Id, s.Tgid, s.LeaderStart, s.Ns, s.Switches = tgid, tgid, uint64(tgid), uint64(1000*cpu+i+1), 3
			s.Comm = [16]int8{'p', int8('a' + i)}
			s.Next, t.state.Head[parity] = t.state.Head[parity], uint32(at+1)
			rows++
			sum += time.Duration(s.Ns)
		}
	}
	return rows, sum
}

// All that was filled comes out, once, on each size of machine.
func TestDrainSimulated(t *testing.T) {
	for _, ncpu := range simulatedCPUs {
		c := simulated(t, ncpu)
		for window := range 5 {
			n := min(simulatedFilled, c.sizes.Slots)
			if window == 3 {
				n = c.sizes.Slots // all of them
			}
			want, sum := fillSimulated(c, n)
			rows, err := c.Drain(nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := total(rows, anyone); len(rows) != want || got != sum {
				t.Errorf("%d cpus, window %d: %v in %d rows, want %v in %d", ncpu, window, got, len(rows), sum, want)
			}
			for _, u := range rows {
				if simulatedOffline(u.CPU) || u.Start != time.Duration(u.TGID) || u.Comm == "" || u.Comm[0] != 'p' {
					t.Fatalf("%+v", u)
				}
			}
		}
		for range 2 { // either parity
			if rows, _ := c.Drain(nil); len(rows) != 0 {
				t.Errorf("%d cpus: %d rows came twice", ncpu, len(rows))
			}
		}
	}
}

func BenchmarkDrainSimulated(b *testing.B) {
	for _, ncpu := range simulatedCPUs {
		b.Run(fmt.Sprint(ncpu, "cpus"), func(b *testing.B) {
			c := simulated(b, ncpu)
			n := min(simulatedFilled, c.sizes.Slots)
			var rows []Usage
			var spent time.Duration // StopTimer would cost more than a small machine's drain
			for range b.N {
				want, _ := fillSimulated(c, n)
				began := time.Now()
				var err error
				rows, err = c.Drain(rows[:0])
				spent += time.Since(began)
				if err != nil || len(rows) != want {
					b.Fatalf("%d rows, want %d: %v", len(rows), want, err)
				}
			}
			op := float64(spent) / float64(b.N)
			b.ReportMetric(op, "ns/op")
			b.ReportMetric(op/float64(ncpu), "ns/cpu")
			b.ReportMetric(op/float64(max(len(rows), 1)), "ns/row")
		})
	}
}

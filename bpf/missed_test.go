package bpf

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"
)

const nobody = 0x7ffffff0 // no pid is that high

// A switch that was not traced leaves another task on record than the one that runs. Charged from that record, the one that runs
// would get a lifetime, or the other one's slice. It gets what the scheduler noted when it came, and the other's slice is missed.
//
// The test writes into the record while that CPU may be writing it, so once in a while it spoils a good one: only three failures in
// a row are one. The load sleeps in between, as a record can be wrong only about a task that came after the last edge.
func TestSwitchInNotSeen(t *testing.T) {
	c := open(t, Options{})
	for _, load := range []string{"bursts", "fifobursts"} { // the scheduler's note, and our own
		t.Run(load, func(t *testing.T) { switchInNotSeen(t, c, load) })
	}
}

func switchInNotSeen(t *testing.T, c *Collector, load string) {
	_, cpu := cpus(t)
	l := start(t, pinned(cpu), load, "30s").release(t)
	time.Sleep(200 * time.Millisecond) // of a lifetime that could be charged
	err := errors.New("not tried")
	for try := 0; err != nil && try < 3; try++ {
		if err = spoil(t, c, cpu, l); err != nil {
			t.Log(err)
		}
	}
	if err != nil {
		t.Error(err)
	}
	if err := l.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-l.done
}

// spoil puts nobody on record in the load's place 50 times.
func spoil(t *testing.T, c *Collector, cpu int, l *load) error {
	const times = 50
	st, pid := c.cpus[cpu].state, uint32(l.pid())
	p := newTap(t, c)
	p.lenient = true // what is wrong shows below
	began := processTime(t, l.pid())
	for done := 0; done < times; {
		time.Sleep(time.Millisecond)
		if atomic.LoadUint32(&st.Pid) != pid {
			continue
		}
		atomic.StoreUint32(&st.Pid, nobody)
		atomic.StoreUint32(&st.Tgid, nobody)
		atomic.StoreUint64(&st.Start, 0)
		if atomic.LoadUint32(&st.Pid) != nobody {
			return errors.New("a switch came in between, and what was spoilt is a good record")
		}
		for done++; atomic.LoadUint32(&st.Pid) == nobody; {
			time.Sleep(100 * time.Microsecond) // for the next switch
		}
	}
	p.drain()
	missed, truth := c.Losses().Missed-p.missed0, processTime(t, l.pid())-began
	ours := total(p.rows, process(l.pid()))
	t.Logf("%d spoilt, %d missed; %v of %v charged", times, missed, ours, truth)
	switch {
	case missed < times*9/10 || missed >= 2*times: // the machine may add its own
		return fmt.Errorf("%d missed, want %d", missed, times)
	case ours > truth+20*time.Millisecond: // two ticks; one lifetime is 200 ms
		return fmt.Errorf("more charged than was used: %v of %v", ours, truth)
	case ours < truth-20*time.Millisecond:
		return fmt.Errorf("less charged than was used: %v of %v", ours, truth)
	}
	return nil
}

// The first switch that is seen on a CPU ends a slice whose beginning was not: an old process gets only what it ran after Open.
func TestRunningBeforeOpen(t *testing.T) {
	open(t, Options{}) // or skip, before it gets slow
	first, last := cpus(t)
	loads := []*load{start(t, pinned(first), "spin", "20s").release(t), start(t, pinned(last), "spin", "20s").release(t)}
	time.Sleep(time.Second)
	const tick = 10 * time.Millisecond
	clean := false
	for range 3 {
		var before, within, after [2]time.Duration
		for i, l := range loads {
			before[i] = processTime(t, l.pid())
		}
		c := open(t, Options{})
		for i, l := range loads {
			within[i] = processTime(t, l.pid())
		}
		clean = clean || c.Losses().Missed == 0
		missed := time.Duration(c.Losses().Missed)
		time.Sleep(200 * time.Millisecond)
		rows, err := c.Drain(nil)
		if err != nil {
			t.Fatal(err)
		}
		missed += time.Duration(c.Losses().Missed)
		for i, l := range loads {
			after[i] = processTime(t, l.pid())
			ours := total(rows, process(l.pid()))
			t.Logf("%v of an old process's %v charged", ours, after[i])
			if most, least := after[i]-before[i]+2*tick, after[i]-within[i]-2*tick-missed*missCosts; ours > most || ours < least {
				t.Errorf("%v charged, want %v to %v", ours, least, most)
			}
		}
	}
	if !clean {
		t.Error("the first switches count as missed")
	}
}

// Open puts what runs on each CPU on record: a task that goes on running is counted from there.
func TestOpenRecordsWhoRuns(t *testing.T) {
	open(t, Options{}) // or skip
	first, last := cpus(t)
	start(t, pinned(first), "spin", "20s").release(t)
	start(t, pinned(last), "spin", "20s").release(t)
	for range 10 {
		c, err := Open(Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, cpu := range []int{first, last} {
			if c.cpus[cpu].state.Task == 0 {
				t.Errorf("nothing on record for cpu %d", cpu)
			}
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Idle time is nobody's: no row for pid 0, and no more than the machine has (which every tap checks). Most of this run is idle.
func TestIdle(t *testing.T) {
	c := open(t, Options{})
	p := newTap(t, c)
	start1 := time.Now()
	l := start(t, nil, "bursts", "300ms").release(t)
	rows := p.until(100*time.Millisecond, l)
	for range 5 {
		time.Sleep(100 * time.Millisecond)
		p.drain()
	}
	wall := time.Since(start1)
	t.Logf("%v used in %v on %d cpus, %d rows", total(p.rows, anyone), wall, c.CPUs(), len(p.rows))
	if total(rows, process(l.pid())) == 0 {
		t.Error("the load is missing")
	}
}

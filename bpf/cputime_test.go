package bpf

import (
	"testing"
	"time"
)

// CPU time of four kinds of load against the kernel's own count of each: at exit (rusage), and of all in their cgroup.
func TestCPUTime(t *testing.T) {
	group := countingGroup(t)
	first, last := cpus(t)
	c := open(t, Options{Follow: true})
	type kind struct {
		what string
		env  []string
		args []string
	}
	for _, kinds := range [][]kind{
		{{"SCHED_FIFO", append(pinned(first), joined(group)...), []string{"fifo", "5s"}},
			{"pinned burner", append(pinned(last), joined(group)...), []string{"spin", "5s"}}},
		{{"64 threads", joined(group), []string{"threads", "64", "5s"}},
			{"pipe ping-pong", joined(group), []string{"ping", "5s"}}},
	} {
		p := newTap(t, c)
		var loads []*load
		for i, k := range kinds {
			loads = append(loads, p.followed(uint32(i+1), k.env, k.args[0], k.args[1:]...))
		}
		released, before := p.mark(), groupTime(t, group)
		for _, l := range loads {
			l.release(t)
		}
		rows := p.until(500*time.Millisecond, loads...)
		p.agree("all in the cgroup", total(rows[released:], func(u Usage) bool { return u.Root != 0 }),
			groupTime(t, group)-before, 0.005)
		for i, k := range kinds {
			p.agree(k.what, total(rows, rooted(uint32(i+1))), loads[i].used(t), 0.005)
		}
	}
}

// A task that never switches shows up in each window with what it ran in that window: its slice is open at both edges. Only the
// real-time shell is never preempted, but for a moment each second: other threads of its process, as Go has, would switch to.
func TestOpenSlices(t *testing.T) {
	c := open(t, Options{})
	openSlices(t, c, "spin", "30s")
	if quiet := openSlices(t, c, "sh", "chrt -f -p 1 $$; while :; do :; done"); quiet == 0 {
		t.Error("the load switched in each window: no slice was open at both edges")
	}
}

// openSlices returns in how many windows the load did not switch.
func openSlices(t *testing.T, c *Collector, load string, arg string) (quiet int) {
	_, cpu := cpus(t)
	l := start(t, pinned(cpu), load, arg).release(t)
	p := newTap(t, c)
	const tick = 10 * time.Millisecond // the longest there is
	began := processTime(t, l.pid())
	var most time.Duration
	for range 20 {
		time.Sleep(100 * time.Millisecond)
		from := len(p.rows)
		earliest := processTime(t, l.pid()) - began // a drain takes its time, on a shared machine now and then much of it
		p.drain()
		truth := processTime(t, l.pid()) - began
		off := total(p.rows, process(l.pid())) - truth // of all windows so far
		least := earliest - truth - 2*tick - time.Duration(c.Losses().Missed-p.missed0)*missCosts - hiddenSlice()
		if off > 2*tick || off < least {
			t.Errorf("%s: off by %v after %v, not within %v and %v", load, off, truth, least, 2*tick)
		}
		most = max(most, off.Abs())
		if switches(filter(p.rows[from:], process(l.pid()))) == 0 {
			quiet++
		}
	}
	t.Logf("%s: at most %v off the process's clock at 20 edges; %d windows without a single switch", load, most, quiet)
	if err := l.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-l.done
	return quiet
}

func switches(us []Usage) (n uint64) {
	for _, u := range us {
		n += u.Switches
	}
	return n
}

// Windows lose nothing and count nothing twice, however short they are and whatever happens at their edges: short slices and long.
func TestDrainConserves(t *testing.T) {
	group := countingGroup(t)
	c := open(t, Options{Follow: true})
	for _, storm := range []struct {
		what  string
		loads [][]string
	}{
		{"short lives, many threads, many switches", [][]string{
			{"sh", `i=0; while [ $i -lt 800 ]; do /bin/true; ( : ); i=$((i+1)); done`}, {"threads", "64", "2s"}, {"ping", "2s"}}},
		{"burners", [][]string{{"threads", "8", "2s"}, {"bursts", "2s"}}},
	} {
		p := newTap(t, c)
		var loads []*load
		for _, args := range storm.loads {
			loads = append(loads, p.followed(1, joined(group), args[0], args[1:]...))
		}
		released, before, windows := p.mark(), groupTime(t, group), 0
		for _, l := range loads {
			l.release(t)
		}
		p.each = func([]Usage) { windows++ }
		rows := p.until(20*time.Millisecond, loads...)[released:]
		p.agree(storm.what, total(rows, rooted(1)), groupTime(t, group)-before, 0.005)
		if windows < 40 {
			t.Errorf("only %d windows", windows)
		}
		t.Logf("%d windows, %d rows", windows, len(rows))
	}
}

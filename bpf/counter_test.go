package bpf

import (
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Page faults are what every kernel counts on each CPU, and by process as well: the truth.
var faults = &Counter{Type: unix.PERF_TYPE_SOFTWARE, Config: unix.PERF_COUNT_SW_PAGE_FAULTS}

func counted(us []Usage, keep func(Usage) bool) (sum uint64) {
	for _, u := range us {
		if keep(u) {
			sum += u.Counted
		}
	}
	return sum
}

// about is for counts: some of a process's faults are in its start and end, where the kernel counts a few here and not there.
func about(t testing.TB, what string, got, want, slack uint64) {
	t.Helper()
	t.Logf("%s: %d, want %d, give or take %d", what, got, want, slack)
	if got+slack < want || got > want+slack {
		t.Errorf("%s: %d is not within %d of %d", what, got, slack, want)
	}
}

// Two that share a CPU, in windows long and short: one has all of the events, however often they take turns.
func TestCounter(t *testing.T) {
	_, cpu := cpus(t)
	for _, o := range []Options{{}, {Threads: true}, {Sizes: Sizes{Slots: 1}}} {
		o.Counter = faults
		c := open(t, o)
		for _, every := range []time.Duration{never, 20 * time.Millisecond} {
			p := newTap(t, c)
			p.lenient = true // a guest may stand still for longer than these windows
			l, burner := start(t, pinned(cpu), "faults", "1000", "20"), start(t, pinned(cpu), "bursts", "300ms")
			from := p.mark()
			rows := p.until(every, l.release(t), burner.release(t))[from:]
			want := uint64(l.cmd.ProcessState.SysUsage().(*syscall.Rusage).Minflt)
			in := scanUint(t, l)
			if in < 20*1000 || want < in {
				t.Fatalf("%d faults of %d in the load itself", in, want)
			}
			missed := c.Losses().Missed - p.missed0
			about(t, "the one with faults", counted(rows, process(l.pid())), in, 200+missed*in/100)
			about(t, "the other", counted(rows, process(burner.pid())), 0, 200)
		}
		if n := c.Losses().Uncounted; n != 0 {
			t.Errorf("%d slices were not counted", n)
		}
	}
}

// All rows together, the overflow with them, have what the kernel's counters have; the idle task has none of these.
func TestCounterSum(t *testing.T) {
	for _, o := range []Options{{}, {Sizes: Sizes{Slots: 8, Spill: 16}}} {
		o.Counter = faults
		c := open(t, o)
		p := newTap(t, c)
		sum := func() (n uint64) {
			for cpu := range c.counters {
				if c.counters[cpu] < 0 {
					continue
				}
				v, err := c.counters.read(cpu)
				if err != nil {
					t.Fatal(err)
				}
				n += v
			}
			return n
		}
		var over uint64
		p.each = func([]Usage) {
			for _, n := range c.OverflowCounted() {
				over += n
			}
		}
		l := start(t, nil, "sh", `i=0; while [ $i -lt 400 ]; do /bin/true; ( : ); i=$((i+1)); done`)
		from := p.mark()
		over = 0
		least := sum()
		rows := p.until(100*time.Millisecond, l.release(t))[from:]
		p.drain()
		most := sum() - least
		got := counted(rows, anyone) + over
		about(t, fmt.Sprintf("all, %d of it in the overflow", over), got, most, most/50+200)
		if most < 10000 || o.Spill > 0 && over == 0 {
			t.Errorf("only %d events, %d in the overflow: nothing is tested", most, over)
		}
	}
}

// What runs where there is no counter is nobody's, and is said; and what the first look after that finds, is not charged at once.
func TestCounterGone(t *testing.T) {
	_, cpu := cpus(t)
	c := open(t, Options{Counter: faults})
	p := newTap(t, c)
	if err := c.coll.Maps[eco2MapCounters].Delete(uint32(cpu)); err != nil {
		t.Fatal(err)
	}
	l := start(t, pinned(cpu), "faults", "1000", "20")
	from := p.mark()
	rows := p.until(50*time.Millisecond, l.release(t))[from:]
	if n := counted(rows, process(l.pid())); n != 0 || total(rows, process(l.pid())) == 0 {
		t.Errorf("%d events without a counter, in %v", n, total(rows, process(l.pid())))
	}
	if n := c.Losses().Uncounted; n == 0 {
		t.Error("nobody says that there is no counter")
	}
	from = p.mark()
	if err := c.coll.Maps[eco2MapCounters].Put(uint32(cpu), uint32(c.counters[cpu])); err != nil {
		t.Fatal(err)
	}
	l = start(t, pinned(cpu), "bursts", "100ms")
	rows = p.until(50*time.Millisecond, l.release(t))[from:]
	if n := counted(rows, onCPU(cpu)); n > 15000 {
		t.Errorf("%d events: what was not read before is charged when it is", n)
	}
}

// A slice whose beginning was not seen may have time, from the scheduler's notes, but what happened in it cannot be told from what happened in
// the one before: nobody has its events.
func TestCounterUnseen(t *testing.T) {
	_, cpu := cpus(t)
	c := open(t, Options{Counter: faults})
	p := newTap(t, c)
	p.lenient = true // what is wrong shows below
	st, spoilt := c.cpus[cpu].state, 0
	kill := start(t, pinned(cpu), "bursts", "1h").release(t).cmd.Process.Kill // makes it switch
	for try := 0; spoilt < 3 && try < 10; try++ {                             // this process may get no time while the load runs
		l := start(t, pinned(cpu), "faults", "1000", "300")
		from := p.mark()
		l.release(t)
		for ended := false; !ended; time.Sleep(time.Millisecond) {
			if atomic.LoadUint32(&st.Pid) == uint32(l.pid()) {
				atomic.StoreUint32(&st.Pid, nobody)
				atomic.StoreUint32(&st.Tgid, nobody)
				spoilt++
			}
			select {
			case <-l.done:
				ended = true
			default:
			}
		}
		in, got := scanUint(t, l), counted(p.until(never, l)[from:], process(l.pid()))
		t.Logf("%d slices spoilt; %d events of %d counted", spoilt, got, in)
		if spoilt >= 3 && got+uint64(spoilt)*50 > in { // a slice has some hundreds
			t.Errorf("%d slices were spoilt, and %d events of %d counted", spoilt, got, in)
		}
	}
	if spoilt < 3 {
		t.Error("nothing was spoilt")
	}
	if err := kill(); err != nil {
		t.Fatal(err)
	}
}

func TestNoCounter(t *testing.T) {
	open(t, Options{}) // or skip
	for _, none := range []*Counter{
		{Type: unix.PERF_TYPE_SOFTWARE, Config: 12345},
		{Type: 1 << 30},
	} {
		_, err := Open(Options{Counter: none})
		var u *UnavailableError
		if !errors.Is(err, ErrNoCounter) || !errors.As(err, &u) || u.Next == "" {
			t.Errorf("%+v: %v", none, err)
		}
	}
}

func TestExplainCounter(t *testing.T) {
	for _, e := range []struct {
		err  error
		none bool
	}{
		{unix.ENOENT, true}, {unix.EOPNOTSUPP, true}, {unix.ENODEV, true}, {unix.ENOSYS, true}, {unix.EINVAL, true}, {unix.EBUSY, true}, {unix.ENOSPC, true},
		{unix.EPERM, false}, {unix.EACCES, false}, {unix.EMFILE, false}, {unix.ENOMEM, false},
	} {
		err := explainCounter("count", e.err)
		if errors.Is(err, ErrNoCounter) != e.none || !e.none && e.err != unix.EPERM && e.err != unix.EACCES && !errors.Is(err, e.err) {
			t.Errorf("%v: %v", e.err, err)
		}
	}
}

func scanUint(t testing.TB, l *load) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(l.line(t), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

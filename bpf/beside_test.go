package bpf

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Any two CPUs may be said to be siblings: whether they really share a core changes nothing in how long both are busy.

// pair is the first and the last CPU, and a claim that they share a core.
func pair(t testing.TB) (a, b int, siblings []int) {
	t.Helper()
	if a, b = cpus(t); a == b {
		t.Skip("two CPUs are needed, and this process may use one")
	}
	for range b + 1 {
		siblings = append(siblings, -1)
	}
	siblings[a], siblings[b] = b, a
	return a, b, siblings
}

// busyTimes is the time in which each CPU ran any task, by the kernel's own count.
func busyTimes(t testing.TB) []time.Duration {
	t.Helper()
	var all []time.Duration
	parse := func(s string) {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, time.Duration(n))
	}
	if mount := cgroupMount(t, "cpuacct"); mount != "" {
		b, err := os.ReadFile(filepath.Join(mount, "cpuacct.usage_percpu"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range strings.Fields(string(b)) {
			parse(f)
		}
		return all
	}
	b, err := os.ReadFile("/proc/schedstat") // Documentation/scheduler/sched-stats.rst
	if err != nil {
		t.Skip("neither cpuacct nor schedstat here: no exact count of a CPU's busy time")
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); strings.HasPrefix(line, "cpu") {
			parse(f[7])
		}
	}
	return all
}

// stolen is the time that the CPUs were taken away by a hypervisor, so far.
func stolen(t testing.TB) time.Duration {
	t.Helper()
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(b))
	n, err := strconv.ParseInt(f[8], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(n) * 10 * time.Millisecond
}

// beside sums up like total.
func beside(us []Usage, keep func(Usage) bool) (sum time.Duration) {
	for _, u := range us {
		if keep(u) {
			sum += u.Beside
		}
	}
	return sum
}

func onCPU(cpu int) func(Usage) bool { return func(u Usage) bool { return u.CPU == cpu } }

// watch is a tap with what the kernel says of the same time.
type watch struct {
	*tap
	a, b   int
	from   int
	began  time.Duration
	busy   []time.Duration
	stolen time.Duration
}

func newWatch(t testing.TB, o Options) *watch {
	t.Helper()
	var w watch
	w.a, w.b, o.Siblings = pair(t)
	w.tap = newTap(t, open(t, o))
	return &w
}

// release opens the gates and notes the time.
func (w *watch) release(loads ...*load) {
	w.t.Helper()
	w.from, w.began, w.busy, w.stolen = w.mark(), monotonic(), busyTimes(w.t), stolen(w.t)
	for _, l := range loads {
		l.release(w.t)
	}
}

// truth is what the kernel counted while the loads ran.
type truth struct {
	rows  []Usage
	wall  time.Duration
	a, b  time.Duration // busy time of either CPU
	slack time.Duration // what no count can know: where steal fell, and the edges
}

func (w *watch) truth(every time.Duration, loads ...*load) truth {
	w.t.Helper()
	rows := w.until(every, loads...)[w.from:]
	busy, steal := busyTimes(w.t), stolen(w.t)-w.stolen
	tr := truth{rows: rows, wall: monotonic() - w.began, a: busy[w.a] - w.busy[w.a], b: busy[w.b] - w.busy[w.b]}
	tr.slack = tr.wall/100 + 20*time.Millisecond + steal + time.Duration(w.c.Losses().Missed-w.missed0)*missCosts
	w.t.Logf("in %v cpu %d was busy for %v and cpu %d for %v, %v were stolen; beside: %v and %v", tr.wall, w.a, tr.a, w.b, tr.b, steal,
		beside(rows, onCPU(w.a)), beside(rows, onCPU(w.b)))
	return tr
}

func between(t testing.TB, what string, got, least, most, slack time.Duration) {
	t.Helper()
	t.Logf("%s: %v, of %v to %v, give or take %v", what, got, least, most, slack)
	if got < least-slack || got > most+slack {
		t.Errorf("%s: %v is not within %v and %v", what, got, least-slack, most+slack)
	}
}

// Two CPUs that are both busy nearly always: for how long at least and at most, follows from how long each was. Seen from either it is the
// same time.
func TestBesideBurners(t *testing.T) {
	w := newWatch(t, Options{})
	w.lenient = true // a guest may stand still for longer than these windows
	loads := []*load{start(t, pinned(w.a), "spin", "2s"), start(t, pinned(w.b), "spin", "2s")}
	w.release(loads...)
	tr := w.truth(300*time.Millisecond, loads...)
	least, most := tr.a+tr.b-tr.wall, min(tr.a, tr.b)
	between(t, "on the one", beside(tr.rows, onCPU(w.a)), least, most, tr.slack)
	between(t, "on the other", beside(tr.rows, onCPU(w.b)), least, most, tr.slack)
	between(t, "the difference", beside(tr.rows, onCPU(w.a))-beside(tr.rows, onCPU(w.b)), 0, 0, tr.slack)
	if b := beside(tr.rows, anyone); b < time.Second {
		t.Errorf("%v for two burners of 2 s", b)
	}
}

// One that is alone has no more beside it than the other CPU was busy with whatever else the machine does.
func TestBesideAlone(t *testing.T) {
	w := newWatch(t, Options{})
	for _, cpus := range [][2]int{{w.a, w.b}, {w.b, w.a}} {
		l := start(t, pinned(cpus[0]), "spin", "1500ms")
		w.release(l)
		tr := w.truth(300*time.Millisecond, l)
		other := tr.a
		if cpus[1] == w.b {
			other = tr.b
		}
		between(t, "of the burner", beside(tr.rows, process(l.pid())), 0, other, tr.slack)
		between(t, "on the idle one", beside(tr.rows, onCPU(cpus[1])), 0, other, tr.slack)
	}
}

// Two that work and rest by the clock: when, they note themselves. What is beside either is what both have in common, and whatever else
// ran on the other CPU.
func TestBesideDuty(t *testing.T) {
	w := newWatch(t, Options{})
	w.lenient = true // a guest may stand still for longer than these windows
	const (
		busy, period = 6 * time.Millisecond, 10 * time.Millisecond
		times        = 200
	)
	for _, shift := range []time.Duration{0, 3 * time.Millisecond, 5 * time.Millisecond} {
		begin := monotonic() + 300*time.Millisecond
		duty := func(cpu int, at time.Duration) *load {
			return start(t, pinned(cpu), "duty", at.String(), busy.String(), period.String(), strconv.Itoa(times))
		}
		la, lb := duty(w.a, begin), duty(w.b, begin+shift)
		w.release(la, lb)
		tr := w.truth(70*time.Millisecond, la, lb)
		atA, atB := stretches(t, la, times), stretches(t, lb, times)
		common := overlap(atA, atB)
		// What else there was: they run for a moment before and after each stretch.
		restA, restB := total(tr.rows, process(la.pid()))-overlap(atA, atA), total(tr.rows, process(lb.pid()))-overlap(atB, atB)
		what := fmt.Sprintf("shifted by %v, ", shift)
		between(t, what+"the one", beside(tr.rows, process(la.pid())), common, common+restA+tr.b-overlap(atB, atB), tr.slack)
		between(t, what+"the other", beside(tr.rows, process(lb.pid())), common, common+restB+tr.a-overlap(atA, atA), tr.slack)
	}
}

func stretches(t testing.TB, l *load, n int) (all []stretch) {
	t.Helper()
	for range n {
		var s stretch
		if _, err := fmt.Sscan(l.line(t), (*int64)(&s.from), (*int64)(&s.to)); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	return all
}

// overlap is how long both lists were at it.
func overlap(a, b []stretch) (sum time.Duration) {
	for len(a) > 0 && len(b) > 0 {
		if d := min(a[0].to, b[0].to) - max(a[0].from, b[0].from); d > 0 {
			sum += d
		}
		if a[0].to < b[0].to {
			a = a[1:]
		} else {
			b = b[1:]
		}
	}
	return sum
}

// Short lives beside a burner, in windows short and long and tables large and small: the children have it in their rows, in the spill map's
// or in the overflow.
func TestBesideForkStorm(t *testing.T) {
	for _, o := range []struct {
		what string
		Options
	}{
		{"slots", Options{Follow: true}},
		{"threads", Options{Follow: true, Threads: true}},
		{"spill map", Options{Follow: true, Sizes: Sizes{Slots: 8}}},
		{"overflow", Options{Follow: true, Sizes: Sizes{Slots: 8, Spill: 16}}},
	} {
		t.Run(o.what, func(t *testing.T) {
			w := newWatch(t, o.Options)
			storm := w.followed(1, pinned(w.a), "sh", `i=0
while [ $i -lt 200 ]; do
	/bin/true
	(j=0; while [ $j -lt 1000 ]; do j=$((j+1)); done)
	i=$((i+1))
done`)
			burner := start(t, pinned(w.b), "spin", "1h").release(t)
			w.release(storm)
			var over, overTime time.Duration
			w.each = func([]Usage) {
				over, overTime = over+w.c.OverflowBeside()[w.a], overTime+w.c.Overflow()[w.a]
			}
			tr := w.truth(200*time.Millisecond, storm)
			kill(t, burner)
			mine := func(u Usage) bool { return u.Root == 1 && u.CPU == w.a }
			time, part := total(tr.rows, mine)+overTime, beside(tr.rows, mine)+over
			if part < over || over > overTime || over < 0 {
				t.Errorf("%v of the overflow's %v", over, overTime)
			}
			if o.Spill > 0 && over == 0 {
				t.Error("nothing of the overflow")
			}
			between(t, "of the storm", part, time-(tr.wall-tr.b), time, tr.slack)
			if part < time/2 {
				t.Errorf("%v of %v beside a burner", part, time)
			}
		})
	}
}

// Of a slice the same part is beside as of the time by the clock, however the two differ: as with steal, or interrupts. The time is here
// made longer or shorter than it was, for a task that is not switched out in between. Both CPUs are busy since before Open, which sees that.
func TestBesideScales(t *testing.T) {
	a, b, _ := pair(t)
	la, lb := start(t, pinned(a), "fifo", "1h").release(t), start(t, pinned(b), "spin", "1h").release(t)
	time.Sleep(50 * time.Millisecond)
	w := newWatch(t, Options{})
	w.lenient = true // its slices begin before the windows do
	const window, hours = 50 * time.Millisecond, 5 * time.Hour
	for _, s := range []struct {
		longer, common time.Duration // how much longer the time is, and the part of it when the other was busy
		want           func(slice float64) float64
	}{
		{0, 0, func(f float64) float64 { return f }},
		{window, 0, func(f float64) float64 { return f * f / (f + float64(window)) }},
		{3 * window, 0, func(f float64) float64 { return f * f / (f + float64(3*window)) }},
		{-window / 2, 0, func(f float64) float64 { return f }},
		{2 * hours, hours, func(f float64) float64 { return f / 2 }},
		{100 * window, -window, func(float64) float64 { return 0 }},
	} {
		quiet := 0 // now and then the kernel lets others run for a moment
		for try := 0; quiet < 2 && try < 40; try++ {
			w.drain()
			st, from := w.c.cpus[w.a].state, len(w.rows)
			if atomic.LoadUint32(&st.Pid) != uint32(la.pid()) {
				time.Sleep(window)
				continue
			}
			atomic.StoreUint64(&st.Since, st.Since-uint64(s.longer))
			atomic.StoreUint64(&st.SiblingBusy, st.SiblingBusy-uint64(s.common))
			time.Sleep(window)
			w.drain()
			rows := filter(filter(w.rows[from:], process(la.pid())), onCPU(w.a)) // its other threads are elsewhere
			slice := total(rows, anyone)
			if switches(filter(w.rows[from:], onCPU(w.a))) > 0 || slice < window*3/4 {
				continue
			}
			quiet++
			got, want := beside(rows, anyone), time.Duration(s.want(float64(slice)))
			if d := (got - want).Abs(); d > slice/20 {
				t.Errorf("%v longer, %v of it in common: %v of a slice of %v, want %v", s.longer, s.common, got, slice, want)
			}
		}
		if quiet == 0 {
			t.Errorf("%v longer: there was no window without a switch", s.longer)
		}
	}
	kill(t, la)
	kill(t, lb)
}

// What each CPU shows the other, where the other tests need a machine that is idle now and then: a CPU that was made to look idle shows that
// it is busy from its next switch or edge on, with what it was busy for before, and until then nothing is beside it.
func TestBesideShown(t *testing.T) {
	w := newWatch(t, Options{})
	w.lenient = true // its slices begin before the windows do
	shown := w.c.cpus[w.b].state
	// shows waits until the CPU says that it is busy.
	shows := func(how string, wait int, since, before time.Duration) {
		t.Helper()
		for range wait {
			if word := atomic.LoadUint64(&shown.Busy); word>>63 == 1 {
				at := time.Duration(word&^(1<<63)) + before
				if now := monotonic(); at < since-time.Microsecond || at > now {
					t.Errorf("after %s it is shown busy since %v, not between %v and %v, or not for what it was before", how, at, since, now)
				}
				return
			}
			time.Sleep(time.Millisecond)
		}
		t.Errorf("after %s it is shown as idle", how)
	}
	l := start(t, pinned(w.b), "bursts", "1h").release(t)
	for range 20 {
		const before = 123 * time.Millisecond
		since := monotonic()
		atomic.StoreUint64(&shown.Busy, uint64(before))
		shows("a switch", 2000, since, before)
	}
	kill(t, l)

	la, lb := start(t, pinned(w.a), "spin", "1h").release(t), start(t, pinned(w.b), "fifo", "1h").release(t)
	quiet := 0
	for try := 0; quiet < 5 && try < 100; try++ {
		w.drain()
		from, since := len(w.rows), monotonic()
		atomic.StoreUint64(&shown.Busy, 0) // never: less than what was seen of it before
		time.Sleep(20 * time.Millisecond)
		if atomic.LoadUint32(&shown.Pid) != uint32(lb.pid()) || atomic.LoadUint64(&shown.Busy) != 0 {
			continue // there was a switch
		}
		w.drain()
		rows := filter(w.rows[from:], onCPU(w.a))
		if switches(filter(w.rows[from:], onCPU(w.b))) > 0 || switches(rows) == 0 {
			continue
		}
		quiet++
		shows("an edge", 1, since, 0)
		if got, all := beside(rows, anyone), total(rows, anyone); got > all/10 { // what it ran before it was changed
			t.Errorf("%v of %v beside a CPU that looks idle", got, all)
		}
	}
	if quiet == 0 {
		t.Error("there was no window without a switch")
	}
	kill(t, la)
	kill(t, lb)

	idle := 0
	for range 2000 {
		since := atomic.LoadUint64(&shown.Since)
		pid, word := atomic.LoadUint32(&shown.Pid), atomic.LoadUint64(&shown.Busy)
		if pid == 0 && since == atomic.LoadUint64(&shown.Since) && atomic.LoadUint32(&shown.Pid) == 0 {
			if idle++; word>>63 == 1 {
				t.Fatal("an idle CPU is shown as busy")
			}
		}
		time.Sleep(time.Millisecond)
	}
	t.Logf("%d quiet windows; seen idle %d times", quiet, idle)
}

func kill(t testing.TB, l *load) {
	t.Helper()
	if err := l.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-l.done
}

// Whatever a CPU reads of the other one, it charges no more than the slice.
func TestBesideGarbage(t *testing.T) {
	w := newWatch(t, Options{})
	loads := []*load{start(t, pinned(w.a), "bursts", "1s"), start(t, pinned(w.a), "spin", "1s"), start(t, pinned(w.b), "bursts", "1s")}
	w.release(loads...)
	for i := 0; ; i++ {
		atomic.StoreUint64(&w.c.cpus[w.b].state.Busy, []uint64{0, 1<<64 - 1, 1 << 63, 1<<63 - 1, uint64(monotonic()), 1<<63 | uint64(monotonic())}[i%6])
		time.Sleep(500 * time.Microsecond)
		if i%50 == 0 {
			w.drain() // every window is held against what must be so
		}
		select {
		case <-loads[0].done:
			if b := beside(w.rows, process(loads[0].pid())); b == 0 {
				t.Error("nothing was beside: not tested")
			}
			return
		default:
		}
	}
}

// A CPU that goes offline is not busy any more, and its events are not counted when it is back. It takes a machine of its own.
func TestBesideOffline(t *testing.T) {
	if os.Getenv("ECO2_BPF_TEST_OFFLINE") == "" {
		t.Skip("only where a CPU may be taken offline: in the guests of scripts/vm")
	}
	w := newWatch(t, Options{Counter: faults})
	online := fmt.Sprintf("/sys/devices/system/cpu/cpu%d/online", w.b)
	set := func(s string) {
		t.Helper()
		if err := os.WriteFile(online, []byte(s), 0); err != nil {
			t.Fatal(err)
		}
	}
	l := start(t, pinned(w.a), "spin", "700ms")
	set("0")
	w.drain()
	w.release(l)
	rows := w.until(100*time.Millisecond, l)[w.from:]
	between(t, "beside a CPU that is offline", beside(rows, process(l.pid())), 0, 0, time.Millisecond)
	set("1")
	lost := w.c.Losses().Uncounted
	loads := []*load{start(t, pinned(w.a), "spin", "1s"), start(t, pinned(w.b), "spin", "1s")}
	w.release(loads...)
	tr := w.truth(300*time.Millisecond, loads...)
	between(t, "and when it is back", beside(tr.rows, onCPU(w.b)), tr.a+tr.b-tr.wall, min(tr.a, tr.b), tr.slack)
	if n := counted(tr.rows, onCPU(w.b)); n != 0 || w.c.Losses().Uncounted == lost {
		t.Errorf("%d events of a counter that does not run, %+v", n, w.c.Losses())
	}
}

// Where nobody asks, or nobody has a sibling, nothing is counted and the clock is not read.
func TestBesideNotAsked(t *testing.T) {
	for _, siblings := range [][]int{nil, {}, {-1, -1}} {
		c := open(t, Options{Siblings: siblings})
		if c.coll.Programs[eco2ProgSchedSwitch] == nil || c.coll.Programs[eco2ProgCostlySwitch] != nil {
			t.Errorf("%v: the costly program is used", siblings)
		}
		p := newTap(t, c)
		rows := p.until(never, start(t, nil, "threads", "4", "100ms").release(t))
		if b := beside(rows, anyone); b != 0 {
			t.Errorf("%v: %v", siblings, b)
		}
	}
}

func TestCheckSiblings(t *testing.T) {
	for _, s := range []struct {
		siblings []int
		ok       bool
	}{
		{nil, true}, {[]int{}, true}, {[]int{-1}, true}, {[]int{1, 0}, true}, {[]int{2, 3, 0, 1}, true}, {[]int{-1, 3, -1, 1}, true},
		{[]int{-1, -1, -1, -1, -1, -1}, true}, // more CPUs than there are, but none that shares a core
		{[]int{0}, false}, {[]int{0, -1}, false}, {[]int{1}, false}, {[]int{1, -1}, false}, {[]int{1, 2, 0}, false}, {[]int{1, 1}, false},
		{[]int{-2, -1}, false}, {[]int{4, -1, -1, -1}, false}, {[]int{-1, -1, -1, -1, 5, 4}, false}, {[]int{1 << 40, -1}, false},
	} {
		if err := checkSiblings(s.siblings, 4); (err == nil) != s.ok {
			t.Errorf("%v: %v", s.siblings, err)
		}
	}
	if _, err := Open(Options{Siblings: []int{0}}); err == nil || !strings.Contains(err.Error(), "itself") {
		t.Errorf("Open: %v", err)
	}
}

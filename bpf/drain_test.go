package bpf

import (
	"os"
	"testing"
	"time"
)

// open opens a Collector for the time of a test.
func open(t testing.TB, o Options) *Collector {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("need root: the programs cannot be loaded without")
	}
	if err := checkBTF(""); err != nil {
		t.Skip("need btf: ", err)
	}
	c, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		t.Logf("losses: %+v", c.Losses())
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// edgeSlack is what the two edges of a window may be off by, on one CPU: a tick each (at most 10 ms), and a virtual CPU that was
// away from its own.
const edgeSlack = 50 * time.Millisecond

// tap drains a Collector and holds every window against what must always be true.
type tap struct {
	t       testing.TB
	c       *Collector
	last    time.Time
	rows    []Usage
	each    func(window []Usage)
	missed0 uint64
	lenient bool // windows are not held against a clock
}

// newTap drops what ran so far, in a window that began who knows when.
func newTap(t testing.TB, c *Collector) *tap {
	t.Helper()
	p := &tap{t: t, c: c, last: time.Now().Add(-time.Hour)}
	p.drain()
	p.rows, p.missed0 = nil, c.Losses().Missed
	return p
}

func (p *tap) drain() {
	p.t.Helper()
	began := time.Now()
	from := len(p.rows)
	var err error
	if p.rows, err = p.c.Drain(p.rows); err != nil {
		p.t.Fatal(err)
	}
	wall := time.Since(p.last)
	p.last = began
	window := p.rows[from:]
	for _, u := range window {
		if u.Beside < 0 || u.Beside > u.Time {
			p.t.Errorf("%v of %v beside a busy sibling: %+v", u.Beside, u.Time, u)
		}
	}
	if p.lenient {
		return
	}
	most := (wall + edgeSlack) * time.Duration(p.c.CPUs())
	if sum := total(window, anyone); sum > most {
		p.t.Errorf("%v used in %v on %d cpus", sum, wall, p.c.CPUs())
	}
	for _, u := range window {
		if u.TGID == 0 {
			p.t.Errorf("a row for the idle task: %+v", u)
		}
		if u.Time < 0 || u.Time > wall+edgeSlack {
			p.t.Errorf("in a window of %v: %+v", wall, u)
		}
	}
	if p.each != nil {
		p.each(window)
	}
}

// mark ends a window and returns where the rows of the next one begin.
func (p *tap) mark() int {
	p.t.Helper()
	p.drain()
	return len(p.rows)
}

// agree is check for what this tap saw.
func (p *tap) agree(what string, got, want time.Duration, tolerance float64) {
	p.t.Helper()
	check(p.t, what, got, want, tolerance, p.c.Losses().Missed-p.missed0)
}

// agreeMachine is agree for sums over all tasks.
func (p *tap) agreeMachine(what string, got, want time.Duration, tolerance float64) {
	p.t.Helper()
	checkMachine(p.t, what, got, want, tolerance, p.c.Losses().Missed-p.missed0)
}

// count wants so many processes, however many switch-outs were not traced.
func (p *tap) count(n, want int) {
	p.t.Helper()
	if n != want {
		p.t.Errorf("%d processes, want %d (missed %d)", n, want, p.c.Losses().Missed-p.missed0)
	}
}

// until drains while the loads run, and once more when they have left their CPUs: the parent can know of a death first.
func (p *tap) until(every time.Duration, loads ...*load) []Usage {
	p.t.Helper()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for _, l := range loads {
		for ended := false; !ended; {
			select {
			case <-l.done:
				ended = true
			case <-tick.C:
				p.drain()
			}
		}
	}
	time.Sleep(20 * time.Millisecond)
	p.drain()
	return p.rows
}

const never = time.Hour // one window for the whole run

func total(us []Usage, keep func(Usage) bool) time.Duration {
	var sum time.Duration
	for _, u := range us {
		if keep(u) {
			sum += u.Time
		}
	}
	return sum
}

func filter(us []Usage, keep func(Usage) bool) []Usage {
	var out []Usage
	for _, u := range us {
		if keep(u) {
			out = append(out, u)
		}
	}
	return out
}

func anyone(Usage) bool                     { return true }
func rooted(root uint32) func(Usage) bool   { return func(u Usage) bool { return u.Root == root } }
func process(tgid int) func(Usage) bool     { return func(u Usage) bool { return int(u.TGID) == tgid } }
func startless(u Usage) bool                { return u.Start == 0 }
func withCgroup(id uint64) func(Usage) bool { return func(u Usage) bool { return u.Cgroup == id } }

// processes returns each process once, and its time. A row whose start is not known is that of the process with its TGID.
func processes(us []Usage, keep func(Usage) bool) map[Account]time.Duration {
	seen, started := map[Account]time.Duration{}, map[uint32]Account{}
	for _, u := range us {
		if keep(u) && u.Start != 0 {
			started[u.TGID] = Account{TGID: u.TGID, Start: u.Start}
			seen[started[u.TGID]] += u.Time
		}
	}
	for _, u := range us {
		if !keep(u) || u.Start != 0 {
			continue
		}
		a, ok := started[u.TGID]
		if !ok {
			a = Account{TGID: u.TGID}
		}
		seen[a] += u.Time
	}
	return seen
}

// followed starts a helper and follows it, but not what this process starts later.
func (p *tap) followed(root uint32, env []string, name string, args ...string) *load {
	p.t.Helper()
	if err := p.c.FollowChildrenOf(os.Getpid(), root); err != nil {
		p.t.Fatal(err)
	}
	l := start(p.t, env, name, args...)
	if err := p.c.Unfollow(os.Getpid()); err != nil {
		p.t.Fatal(err)
	}
	return l
}

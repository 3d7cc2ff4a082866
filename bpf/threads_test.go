package bpf

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// otherName is this binary by another name: what exec takes comm from.
func otherName(t testing.TB) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "eco2-after")
	if err := os.Symlink(self, name); err != nil {
		t.Fatal(err)
	}
	return name
}

func newest(us []Usage) (n Usage) {
	for _, u := range us {
		if u.Execs >= n.Execs {
			n = u
		}
	}
	return n
}

// A thread that is not the leader execs in the middle of a slice and takes over its leader's pid: nothing is lost, it is one process,
// and it has the new name.
func TestExecByThread(t *testing.T) {
	const times = 20
	c := open(t, Options{Follow: true})
	group := countingGroup(t)
	p := newTap(t, c)
	name := otherName(t)
	var truth, inGroup, ours time.Duration
	short := 0
	for i := range times {
		root := uint32(i + 1)
		l := p.followed(root, joined(group), "execthread", "20ms", "20ms", name)
		from := p.mark()
		fromGroup := groupTime(t, group)
		p.until(never, l.release(t))
		rows := p.rows[from:]
		here, hereTruth := total(rows, rooted(root)), groupTime(t, group)-fromGroup
		truth, inGroup, ours = truth+l.used(t), inGroup+hereTruth, ours+here
		if here < hereTruth-hereTruth/100 {
			short++
		}
		oneProcess(t, l, rows, root)
		if n := newest(filter(rows, process(l.pid()))); !strings.HasPrefix(n.Comm, "eco2-after") {
			t.Errorf("the newest name is %q", n.Comm)
		}
	}
	p.agree("exec by a thread, against the cgroup", ours, inGroup, 0.005)
	p.agree("against rusage", total(p.rows, func(u Usage) bool { return u.Root != 0 }), truth, 0.01)
	if short >= times/2 { // more than this machine's own misses could hit
		t.Errorf("%d of %d execs lost more than 1%%", short, times)
	}
}

// oneProcess: all rows of a root are of one process, but for a trifle whose start is not known.
func oneProcess(t testing.TB, l *load, rows []Usage, root uint32) {
	t.Helper()
	all := processes(rows, rooted(root))
	for a := range all {
		if len(all) != 1 || int(a.TGID) != l.pid() || a.Start == 0 {
			t.Errorf("process %d appears as %v", l.pid(), all)
			break
		}
	}
	unknown := total(rows, func(u Usage) bool { return u.Root == root && startless(u) })
	if sum := total(rows, rooted(root)); unknown > sum/100 {
		t.Errorf("the start of %v of %v is not known", unknown, sum)
	}
}

// The leader exits while other threads go on: their time is the process's.
func TestLeaderExitsFirst(t *testing.T) {
	const times = 10
	c := open(t, Options{Follow: true})
	group := countingGroup(t)
	p := newTap(t, c)
	var truth, inGroup, ours time.Duration
	for i := range times {
		root := uint32(i + 1)
		l := p.followed(root, joined(group), "leaderfirst", "100ms")
		from := p.mark()
		fromGroup := groupTime(t, group)
		p.until(50*time.Millisecond, l.release(t))
		truth += l.used(t)
		inGroup += groupTime(t, group) - fromGroup
		ours += total(p.rows[from:], rooted(root))
		oneProcess(t, l, p.rows[from:], root)
	}
	p.agree("leader exits first, against the cgroup", ours, inGroup, 0.005)
	p.agree("against rusage", total(p.rows, func(u Usage) bool { return u.Root != 0 }), truth, 0.01)
	t.Logf("%v of it without a start", total(p.rows, func(u Usage) bool { return u.Root != 0 && startless(u) }))
}

// The last slice of a thread may be all that a CPU has seen of its process in this window. The thread is released by then, but it is
// known whose it was.
func TestThreadsLastSlice(t *testing.T) {
	const times = 10
	c := open(t, Options{})
	_, cpu := cpus(t)
	p := newTap(t, c)
	var all, unknown time.Duration
	for range times {
		l := start(t, nil, "lastslice", strconv.Itoa(cpu), "3ms") // shorter than a time slice
		from := p.mark()
		rows := filter(p.until(never, l.release(t))[from:], process(l.pid()))
		onCPU := filter(rows, func(u Usage) bool { return u.CPU == cpu })
		all += total(onCPU, anyone)
		unknown += total(onCPU, startless)
		for _, u := range onCPU {
			if !strings.HasPrefix(filepath.Base(l.cmd.Path), u.Comm) || u.Start != 0 && int(u.PPID) != os.Getpid() {
				t.Errorf("%+v", u)
			}
		}
	}
	t.Logf("%v, %v of it without a start", all, unknown)
	if all < times*time.Millisecond || unknown > all/10 {
		t.Errorf("the start of %v of %v is not known", unknown, all)
	}
}

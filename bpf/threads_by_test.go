package bpf

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func init() { // runs after that of helpers_test.go
	helpers["workers"] = helperWorkers
	helpers["survivor"] = helperSurvivor
}

func setName(name string) {
	b := append([]byte(name), 0)
	must(unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&b[0])), 0, 0, 0))
}

// workers DURATION NAME...: a named thread each that burns. Prints their ids, then "burnt"; all sleep before and after.
func helperWorkers(args []string) {
	names := args[1:]
	runtime.GOMAXPROCS(len(names) + 1)
	tids, gone := make([]string, len(names)), make(chan struct{})
	var ready, burnt sync.WaitGroup
	ready.Add(len(names))
	for i, name := range names {
		burnt.Add(1)
		go func() {
			runtime.LockOSThread()
			setName(name)
			tids[i] = strconv.Itoa(unix.Gettid())
			ready.Done()
			<-gone
			burn(duration(args[0]))
			burnt.Done()
			select {}
		}()
	}
	ready.Wait()
	time.Sleep(20 * time.Millisecond)
	fmt.Println("ready")
	fmt.Println(strings.Join(tids, " "))
	var b [1]byte
	_, _ = os.Stdin.Read(b[:])
	close(gone)
	burnt.Wait()
	time.Sleep(20 * time.Millisecond)
	fmt.Println("burnt")
	time.Sleep(time.Hour) // the test kills it
}

// survivor DURATION: a thread that burns when its leader is gone, and stays.
func helperSurvivor(args []string) {
	runtime.GOMAXPROCS(4)
	gate()
	go func() {
		runtime.LockOSThread()
		setName("survivor")
		sleep(50 * time.Millisecond)
		fmt.Println(unix.Gettid())
		var b [1]byte
		_, _ = os.Stdin.Read(b[:])
		burn(duration(args[0]))
		sleep(20 * time.Millisecond)
		fmt.Println("burnt")
		sleep(time.Hour) // the test kills it
	}()
	_, _, _ = unix.Syscall(unix.SYS_EXIT, 0, 0, 0) // ends this thread only
}

// threadTime is what the scheduler counted for a thread; exact when it sleeps.
func threadTime(t testing.TB, pid, tid int) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/schedstat", pid, tid))
	if err != nil {
		t.Fatal(err)
	}
	ns, err := strconv.ParseInt(strings.Fields(string(b))[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(ns)
}

func thread(tid int) func(Usage) bool { return func(u Usage) bool { return int(u.TID) == tid } }

// checkThread holds the rows of one thread against the scheduler's count.
func checkThread(t testing.TB, rows []Usage, tid int, comm string, truth time.Duration) {
	t.Helper()
	mine := filter(rows, thread(tid))
	sum := total(mine, anyone)
	t.Logf("%s: %v / %v in %d rows", comm, sum, truth, len(mine))
	if off := (sum - truth).Abs(); off > truth/100+10*time.Millisecond || truth < 10*time.Millisecond {
		t.Errorf("thread %d: %v, want %v", tid, sum, truth)
	}
	cpus := map[int]bool{}
	for _, u := range mine {
		if u.Comm != comm || cpus[u.CPU] {
			t.Errorf("want %q once on each CPU: %+v", comm, u)
		}
		cpus[u.CPU] = true
	}
}

func TestThreadsToldApart(t *testing.T) {
	c := open(t, Options{Threads: true})
	names := []string{"red", "green", "blue", "a-name-15-chars"}
	l := start(t, nil, "workers", append([]string{"200ms"}, names...)...)
	var tids []int
	for _, s := range strings.Fields(l.line(t)) {
		tids = append(tids, atoi(s))
	}
	if len(tids) != len(names) {
		t.Fatalf("%d threads", len(tids))
	}
	st := statOf(t, l.pid())
	p := newTap(t, c)
	from := p.mark()
	before := make([]time.Duration, len(tids))
	for i, tid := range tids {
		before[i] = threadTime(t, l.pid(), tid)
	}
	l.release(t).line(t)
	after := make([]time.Duration, len(tids))
	for i, tid := range tids {
		after[i] = threadTime(t, l.pid(), tid)
	}
	p.drain()
	rows := filter(p.rows[from:], process(l.pid()))
	for i, tid := range tids {
		checkThread(t, rows, tid, names[i], after[i]-before[i])
	}
	for _, u := range rows {
		if _, err := os.Stat(fmt.Sprintf("/proc/%d/task/%d", l.pid(), u.TID)); err != nil || u.Start.Truncate(clockTick) != st.start {
			t.Errorf("no thread of %+v: %+v (%v)", st, u, err)
		}
	}
	for _, u := range filter(p.rows[from:], func(u Usage) bool { return int(u.TGID) != l.pid() }) {
		for _, tid := range tids {
			if int(u.TID) == tid {
				t.Errorf("not of process %d: %+v", l.pid(), u)
			}
		}
	}
}

// A thread whose leader is gone is its process's still.
func TestThreadsOutliveLeader(t *testing.T) {
	c := open(t, Options{Threads: true})
	l := start(t, nil, "survivor", "100ms")
	st := statOf(t, l.pid())
	tid := atoi(l.release(t).line(t))
	if s := statOf(t, l.pid()).state; s != "Z" {
		t.Fatalf("the leader's state is %s", s)
	}
	p := newTap(t, c)
	from, before := p.mark(), threadTime(t, l.pid(), tid)
	l.release(t).line(t)
	truth := threadTime(t, l.pid(), tid) - before
	p.drain()
	rows := filter(p.rows[from:], process(l.pid()))
	checkThread(t, rows, tid, "survivor", truth)
	for _, u := range rows {
		if u.Start != 0 && u.Start.Truncate(clockTick) != st.start {
			t.Errorf("another start than %v: %+v", st.start, u)
		}
	}
	if d := total(rows, startless); d > truth/100 {
		t.Errorf("the start of %v is not known", d)
	}
}

// Without Threads they are one account.
func TestThreadsTogether(t *testing.T) {
	c := open(t, Options{})
	l := start(t, nil, "workers", "50ms", "red", "green", "blue")
	l.line(t)
	p := newTap(t, c)
	from := p.mark()
	l.release(t).line(t)
	p.drain()
	rows := filter(p.rows[from:], process(l.pid()))
	cpus := map[int]bool{}
	for _, u := range rows {
		if u.TID != 0 || cpus[u.CPU] || !strings.HasPrefix(filepath.Base(l.cmd.Path), u.Comm) {
			t.Errorf("want one row on each CPU with the leader's name: %+v", u)
		}
		cpus[u.CPU] = true
	}
	if len(rows) == 0 {
		t.Error("no rows")
	}
}

package bpf

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// sleepers starts so many processes that do nothing; ended by stop, which waits for them.
func sleepers(tb testing.TB, n int) (parent int, stop func()) {
	tb.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command("/bin/sh", "-c", fmt.Sprintf(`exec 3<&0; i=0; while [ $i -lt %d ]; do { read x; } <&3 & i=$((i+1)); done; echo ready; wait`, n))
	cmd.Stdin = r
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	r.Close()
	if _, err := out.Read(make([]byte, 16)); err != nil {
		tb.Fatal(err)
	}
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		w.Close()
		_ = cmd.Wait()
	}
	tb.Cleanup(stop)
	return cmd.Process.Pid, stop
}

// BenchmarkLook prints what a look costs for each process there is, against reading the same of each from /proc, in one run; and what the
// program costs at each end of a process.
func BenchmarkLook(b *testing.B) {
	for _, n := range []int{200, 5000} {
		b.Run(fmt.Sprint(n, "-sleepers"), func(b *testing.B) {
			c := open(b, Options{Look: true})
			_, stop := sleepers(b, n)
			var tasks []Task
			var ours, proc time.Duration
			look := func() {
				var err error
				if tasks, err = c.Look(tasks[:0]); err != nil {
					b.Fatal(err)
				}
			}
			look()
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			var pids, rows int
			for b.Loop() {
				began := ownTime()
				look()
				ours += ownTime() - began
				rows += len(tasks)
				began = ownTime()
				pids += readProc(b)
				proc += ownTime() - began
			}
			stats, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
			if err != nil {
				b.Skip("need root: bpf statistics: ", err)
			}
			look()
			walk := costOf(b, c.coll.Programs[eco2ProgLookAtTasks])
			stop()
			ends := costOf(b, c.coll.Programs[eco2ProgTellEnd])
			stats.Close()
			b.ReportMetric(float64(ours)/float64(rows), "ns/task")
			b.ReportMetric(float64(proc)/float64(pids), "proc-ns/task")
			b.ReportMetric(float64(proc)/float64(pids)/(float64(ours)/float64(rows)), "times-cheaper")
			b.ReportMetric(walk.mean(), "program-ns/thread")
			b.ReportMetric(ends.mean(), "ns/end")
			b.ReportMetric(testing.AllocsPerRun(5, look), "allocs/look")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// ownTime is the CPU time of this thread.
func ownTime() time.Duration {
	var ts unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts)
	return time.Duration(ts.Nano())
}

// readProc reads statm and io of each process, and says how many.
func readProc(b *testing.B) (n int) {
	b.Helper()
	dir, err := os.Open("/proc")
	if err != nil {
		b.Fatal(err)
	}
	defer dir.Close()
	names, err := dir.Readdirnames(-1)
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 4096)
	for _, name := range names {
		if name[0] < '0' || name[0] > '9' {
			continue
		}
		for _, file := range []string{"/statm", "/io"} {
			fd, err := unix.Open("/proc/"+name+file, unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				continue // it is gone
			}
			_, _ = unix.Read(fd, buf)
			unix.Close(fd)
		}
		n++
	}
	return n
}

// However many processes there are, a look allocates no more than to open the iterator takes.
func TestLookAllocates(t *testing.T) {
	c := open(t, Options{Look: true})
	var tasks []Task
	look := func() {
		var err error
		if tasks, err = c.Look(tasks[:0]); err != nil {
			t.Fatal(err)
		}
	}
	var was float64
	for _, n := range []int{0, 300} {
		_, stop := sleepers(t, n)
		look()
		look()
		if len(tasks) < n {
			t.Fatalf("%d tasks", len(tasks))
		}
		allocs := testing.AllocsPerRun(20, look)
		t.Logf("%d tasks: %v allocations", len(tasks), allocs)
		if n > 0 && allocs > was+5 { // others may begin meanwhile
			t.Errorf("%v allocations, %v with %d fewer processes", allocs, was, n)
		}
		was = allocs
		stop()
	}
}

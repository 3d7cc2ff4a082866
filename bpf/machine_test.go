package bpf

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The whole machine under a mixed load: all rows together are what the kernel counts for all tasks together.
func TestWholeMachine(t *testing.T) {
	c := open(t, Options{})
	machineTime(t) // or skip
	loads := []*load{
		start(t, nil, "sh", `i=0; while [ $i -lt 1500 ]; do /bin/true; ( : ); i=$((i+1)); done`),
		start(t, nil, "threads", "64", "3s"),
		start(t, nil, "ping", "4s"),
		start(t, nil, "bursts", "5s"),
	}
	p := newTap(t, c)
	before, tasks := machineTime(t), taskTimes(t)
	for _, l := range loads {
		l.release(t)
	}
	rows := p.until(time.Second, loads...)
	truth := machineTime(t) - before
	explain := unexplained(rows, tasks, taskTimes(t))
	p.agreeMachine("all rows, against all CPU time", total(rows, anyone), truth, 0.005)
	if missed := c.Losses().Missed - p.missed0; missed > 0 {
		t.Logf("missed %d slices, %v of the truth; processes that lack the most: %s", missed, truth-total(rows, anyone), explain)
	}
}

// taskTimes is the run time of each thread by process, as of its last tick.
func taskTimes(t testing.TB) map[int]map[int]time.Duration {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/task/[0-9]*/schedstat")
	if err != nil {
		t.Fatal(err)
	}
	all := map[int]map[int]time.Duration{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // it is gone
		}
		part := strings.Split(f, "/")
		tgid, _ := strconv.Atoi(part[2])
		tid, _ := strconv.Atoi(part[4])
		ns, _, _ := strings.Cut(string(b), " ")
		n, err := strconv.ParseInt(ns, 10, 64)
		if err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		if all[tgid] == nil {
			all[tgid] = map[int]time.Duration{}
		}
		all[tgid][tid] = time.Duration(n)
	}
	return all
}

// unexplained names the processes with the same threads before and after whose rows are the shortest of the kernel's count.
func unexplained(rows []Usage, before, after map[int]map[int]time.Duration) string {
	type gap struct {
		tgid int
		lack time.Duration
	}
	var gaps []gap
	for tgid, threads := range after {
		if !slices.Equal(slices.Sorted(maps.Keys(threads)), slices.Sorted(maps.Keys(before[tgid]))) {
			continue
		}
		lack := -total(rows, process(tgid))
		for tid, d := range threads {
			lack += d - before[tgid][tid]
		}
		gaps = append(gaps, gap{tgid, lack})
	}
	slices.SortFunc(gaps, func(a, b gap) int { return int(b.lack - a.lack) })
	return fmt.Sprint(gaps[:min(3, len(gaps))])
}

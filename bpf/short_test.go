package bpf

import (
	"testing"
	"time"
)

// Processes that live for a moment: /bin/true, forks that never exec, and forks that burn about 1 ms. Ten in each turn.
const shortScript = `i=0
while [ $i -lt 500 ]; do
	/bin/true; /bin/true; /bin/true; /bin/true; /bin/true; /bin/true; /bin/true; /bin/true
	( : )
	(j=0; while [ $j -lt 1000 ]; do j=$((j+1)); done)
	i=$((i+1))
done`

func TestShortProcesses(t *testing.T) {
	c := open(t, Options{Follow: true})
	p := newTap(t, c)
	group := countingGroup(t)
	l := p.followed(7, joined(group), "sh", shortScript)
	released := p.mark()
	before := groupTime(t, group)
	rows := p.until(time.Second, l.release(t))
	p.agree("against their cgroup", total(rows[released:], rooted(7)), groupTime(t, group)-before, 0.002)
	p.agree("against their rusage", total(rows, rooted(7)), l.used(t), 0.002)
	p.count(len(processes(rows[released:], rooted(7))), 5001) // and the shell
}

// Processes whose whole life is one slice, which ends after sched_process_exit: forks that burn about 2 ms, and programs that leave
// the unmapping of 64 MiB to their exit. The parent is on the same CPU, so that it cannot reap a child whose run time was not
// brought up to date by a switch: rusage would lack it.
func TestDying(t *testing.T) {
	c := open(t, Options{Follow: true})
	_, cpu := cpus(t)
	for i, load := range []struct {
		name string
		args []string
		n    int
	}{
		{"sh", []string{`i=0; while [ $i -lt 500 ]; do (j=0; while [ $j -lt 2000 ]; do j=$((j+1)); done); i=$((i+1)); done`}, 500},
		{"bigexit", []string{"30"}, 30},
	} {
		root := uint32(i + 1)
		p := newTap(t, c)
		l := p.followed(root, pinned(cpu), load.name, load.args...)
		released := p.mark()
		rows := p.until(time.Second, l.release(t))
		p.agree(load.name+", against rusage", total(rows, rooted(root)), l.used(t), 0.01)
		all := processes(rows[released:], rooted(root))
		p.count(len(all), load.n+1)
		var sum, most time.Duration
		for a, d := range all {
			if int(a.TGID) != l.pid() {
				sum, most = sum+d, max(most, d)
			}
		}
		t.Logf("%s: each used %v, at most %v", load.name, sum/time.Duration(load.n), most)
	}
}

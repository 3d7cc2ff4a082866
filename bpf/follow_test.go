package bpf

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"
)

const burnScript = `j=0; while [ $j -lt 20000 ]; do j=$((j+1)); done`

// A grandchild whose parent is gone at once still descends from the followed process.
func TestFollowOrphan(t *testing.T) {
	c := open(t, Options{Follow: true})
	p := newTap(t, c)
	l := p.followed(5, nil, "sh", `( /bin/sh -c 'echo $$; sleep 0.1; `+burnScript+`' & ); sleep 0.5`)
	l.release(t)
	grandchild := 0
	if _, err := fmt.Sscan(l.line(t), &grandchild); err != nil {
		t.Fatal(err)
	}
	rows := filter(p.until(50*time.Millisecond, l), process(grandchild))
	if sum := total(rows, rooted(5)); sum < time.Millisecond || sum != total(rows, anyone) {
		t.Errorf("%v of %v followed", sum, total(rows, anyone))
	}
	orphan := false
	for _, u := range rows {
		orphan = orphan || int(u.PPID) != l.pid() && int(u.PPID) != os.Getpid()
	}
	if !orphan {
		t.Errorf("not reparented: %+v", rows)
	}
}

// Follow begins with the next slot, Unfollow keeps the children, and nobody else is followed.
func TestFollowOnlyWhoWasAsked(t *testing.T) {
	c := open(t, Options{Follow: true})
	p := newTap(t, c)
	other := start(t, nil, "spin", "300ms")
	p.mark()
	if err := c.Follow(other.pid(), 9); err != nil {
		t.Fatal(err)
	}
	if err := c.FollowChildrenOf(os.Getpid(), 9); err != nil {
		t.Fatal(err)
	}
	from := p.mark()
	burn(20 * time.Millisecond)
	p.drain()
	own := filter(p.rows[from:], process(os.Getpid()))
	if total(own, anyone) == 0 || total(own, rooted(9)) != 0 {
		t.Errorf("its children only were to be followed: %+v", own)
	}
	if err := c.Unfollow(os.Getpid()); err != nil {
		t.Fatal(err)
	}
	stranger := start(t, nil, "spin", "300ms")
	from = p.mark()
	other.release(t)
	stranger.release(t)
	rows := p.until(100*time.Millisecond, other, stranger)[from:]
	if sum := total(rows, rooted(9)); sum == 0 || sum != total(rows, process(other.pid())) {
		t.Errorf("%v followed, want %v", sum, total(rows, process(other.pid())))
	}
	if sum := total(rows, rooted(0)); sum < total(rows, process(stranger.pid())) {
		t.Error("a stranger is followed")
	}
}

func TestFollowNeedsOption(t *testing.T) {
	c := open(t, Options{})
	for _, err := range []error{c.Follow(1, 1), c.FollowChildrenOf(1, 1), c.Unfollow(1)} {
		if !errors.Is(err, errNoFollow) {
			t.Errorf("%v", err)
		}
	}
}

// Processes that a full map cannot follow are counted.
func TestFollowOverflow(t *testing.T) {
	const children = 20
	c := open(t, Options{Follow: true, Sizes: Sizes{Followed: 4}})
	p := newTap(t, c)
	l := p.followed(1, nil, "sh", fmt.Sprintf(`i=0; while [ $i -lt %d ]; do sleep 0.3 & i=$((i+1)); done; wait`, children))
	from := p.mark()
	rows := p.until(never, l.release(t))[from:]
	seen, lost := len(processes(rows, rooted(1))), c.Losses().Unfollowed
	t.Logf("%d followed, %d not", seen, lost)
	if lost < children-4 {
		t.Errorf("only %d lost", lost)
	}
	p.count(seen+int(lost), children+1)
}

// A small map lasts for any number of processes, as long as the exited ones are forgotten.
func TestFollowForgetsTheExited(t *testing.T) {
	c := open(t, Options{Follow: true, Sizes: Sizes{Followed: 64}})
	p := newTap(t, c)
	l := p.followed(1, nil, "sh", `i=0; while [ $i -lt 100 ]; do `+
		`/bin/true;/bin/true;/bin/true;/bin/true;/bin/true;/bin/true;/bin/true;/bin/true;/bin/true;/bin/true;`+
		`echo batch; read go; i=$((i+1)); done`)
	from := p.mark()
	l.release(t)
	for range 100 {
		l.line(t)
		p.drain()
		if _, err := l.gate.WriteString("go\n"); err != nil {
			t.Fatal(err)
		}
	}
	rows := p.until(never, l)[from:]
	p.count(len(processes(rows, rooted(1))), 1001) // and the shell
	if n := c.Losses().Unfollowed; n != 0 {
		t.Errorf("%d were not followed", n)
	}
}

// What a process uses after its exit was seen is still followed, even when a window ends in between: it is forgotten one window
// later.
func TestFollowUntilTheLastSlice(t *testing.T) {
	c := open(t, Options{Follow: true, Sizes: Sizes{Followed: 8}}) // so small that every drain sweeps
	p := newTap(t, c)
	l := p.followed(1, nil, "bigexit", "60")
	from := p.mark()
	rows := p.until(50*time.Millisecond, l.release(t))[from:]
	mine := processes(rows, rooted(1))
	for a, d := range processes(rows, rooted(0)) {
		if _, both := mine[a]; both {
			t.Errorf("%v of process %d was no longer followed", d, a.TGID)
		}
	}
	t.Logf("%d followed, %d not", len(mine), c.Losses().Unfollowed)
	if len(mine) < 50 {
		t.Errorf("only %d processes were followed", len(mine))
	}
}

// Living processes that fill a good part of the map are not looked at in every window.
func TestFollowSweepsSeldom(t *testing.T) {
	c := open(t, Options{Follow: true, Sizes: Sizes{Followed: 400}})
	f := c.follow
	for pid := range 200 {
		if err := f.put(1<<22-1-pid, eco2FollowState{Root: 1}); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.sweep(0, 5); err != nil {
		t.Fatal(err)
	}
	if f.sweepAt != 300 {
		t.Errorf("200 of 400 are alive, and the next look is at %d", f.sweepAt)
	}
	for pid := range 150 { // the same pids again: no more entries
		if err := f.put(1<<22-1-pid, eco2FollowState{Root: 1, Exited: 5}); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.sweep(0, 5); err != nil {
		t.Fatal(err)
	}
	if f.added != 200 || f.sweepAt != 300 {
		t.Errorf("%d counted, next look at %d", f.added, f.sweepAt)
	}
	if err := f.sweep(100, 6); err != nil { // a window later
		t.Fatal(err)
	}
	if n := f.added + 100; n != 50 || f.sweepAt != 100 {
		t.Errorf("%d kept, next look at %d", n, f.sweepAt)
	}
}

// A process that gets the pid of a followed one that exited is somebody else.
func TestFollowPIDReuse(t *testing.T) {
	const last = "/proc/sys/kernel/ns_last_pid"
	c := open(t, Options{Follow: true})
	if _, err := os.Stat(last); err != nil {
		t.Skip("need ns_last_pid: ", err)
	}
	p := newTap(t, c)
	l := p.followed(3, nil, "spin", "1ms").release(t)
	<-l.done
	for range 50 {
		if err := os.WriteFile(last, []byte(fmt.Sprint(l.pid()-1)), 0); err != nil {
			t.Skip("need ns_last_pid: ", err)
		}
		again := start(t, nil, "spin", "5ms")
		if again.pid() != l.pid() { // another fork was faster
			continue
		}
		from := p.mark()
		rows := p.until(never, again.release(t))[from:]
		if total(rows, process(l.pid())) == 0 || total(rows, rooted(3)) != 0 {
			t.Errorf("%+v", filter(rows, process(l.pid())))
		}
		return
	}
	t.Skip("no chance to reuse a pid on this busy machine")
}

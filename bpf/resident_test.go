package bpf

import (
	"fmt"
	"os"
	"syscall"
	"testing"
	"time"
)

// What a process holds when it runs is what /proc says of it then; kernel threads hold nothing.
func TestResident(t *testing.T) {
	c := open(t, Options{})
	p := newTap(t, c)
	for _, mib := range []int64{16, 64} {
		l := start(t, nil, "holds", fmt.Sprint(mib<<20)).release(t)
		if line := l.line(t); line != "ready" {
			t.Fatal(line)
		}
		from := p.mark()
		if err := l.cmd.Process.Signal(syscall.SIGURG); err != nil { // which it ignores, but it runs
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", l.pid()))
		if err != nil {
			t.Fatal(err)
		}
		var size, want int64
		if _, err := fmt.Sscan(string(b), &size, &want); err != nil {
			t.Fatal(err)
		}
		want *= int64(os.Getpagesize())
		p.drain()
		rows := filter(p.rows[from:], process(l.pid()))
		if len(rows) == 0 {
			t.Fatal("it did not run")
		}
		for _, u := range rows {
			t.Logf("%d of %d bytes", u.Resident, want)
			if d := u.Resident - want; d < -2<<20 || d > 2<<20 || want < mib<<20 {
				t.Errorf("%d bytes, want %d", u.Resident, want)
			}
		}
	}
	for _, u := range p.rows {
		if u.Kernel && u.Resident != 0 {
			t.Errorf("a kernel thread: %+v", u)
		}
	}
}

// Of one that is seen for the first time when it has ended already, it is the most that it held.
func TestResidentShort(t *testing.T) {
	c := open(t, Options{Follow: true})
	p := newTap(t, c)
	l := p.followed(1, nil, "sh", `i=0; while [ $i -lt 300 ]; do ( : ); i=$((i+1)); done`)
	rows := p.until(50*time.Millisecond, l.release(t))
	most := map[Account]int64{}
	for _, u := range filter(rows, rooted(1)) {
		if int(u.TGID) != l.pid() {
			most[u.Account] = max(most[u.Account], u.Resident)
		}
	}
	none := 0
	for a, n := range most {
		if n == 0 {
			none++
		}
		if n > 64<<20 {
			t.Errorf("%+v held %d bytes", a, n)
		}
	}
	t.Logf("%d of %d held nothing", none, len(most))
	if len(most) < 300 || none > len(most)/20 {
		t.Errorf("%d of %d held nothing", none, len(most))
	}
}

package bpf

import (
	"fmt"
	"testing"
)

func rawComm(s string) (raw [16]int8) {
	for i := range len(s) {
		raw[i] = int8(s[i])
	}
	return raw
}

func TestIntern(t *testing.T) {
	var c commCache
	for _, x := range []struct{ raw, want string }{
		{"sh\x00der/0:1-events", "sh"},
		{"sh\x00other remains", "sh"},
		{"\x00all of it", ""},
		{"sixteen bytes!!!", "sixteen bytes!!!"},
		{"\x1b[31m\n\xff", "\x1b[31m\n\xff"},
	} {
		raw := rawComm(x.raw[:min(len(x.raw), 16)])
		for range 2 { // the second time from the cache
			if got := c.intern(&raw); got != x.want {
				t.Errorf("%q gives %q, want %q", x.raw, got, x.want)
			}
		}
	}
}

// A process that takes a new name in each window must not fill the memory.
func TestInternIsBounded(t *testing.T) {
	var c commCache
	for window := range 9 {
		for i := range commCacheMax / 4 {
			raw := rawComm(fmt.Sprint(window, " ", i))
			c.intern(&raw)
		}
		c.endWindow()
		if len(c.names) > commCacheMax {
			t.Fatalf("%d names after window %d", len(c.names), window)
		}
	}
	if len(c.names) == 0 {
		t.Error("nothing is kept")
	}
}

// Names are bytes, whatever a process makes of them.
func TestHostileNames(t *testing.T) {
	c := open(t, Options{})
	for _, name := range []string{"\x1b[31mred\x1b[0m", "two\nlines", "\xff\xfe\x80bad", "<b>&'\";,=", "fifteen bytes!!", " "} {
		l := start(t, nil, "named", name, "20ms")
		p := newTap(t, c)
		rows := filter(p.until(never, l.release(t)), process(l.pid()))
		for _, u := range rows {
			if u.Comm != name {
				t.Errorf("%q, want %q", u.Comm, name)
			}
		}
		if len(rows) == 0 {
			t.Errorf("no rows of %q", name)
		}
	}
}

// exec in the middle of a window: the row of the CPU that saw it has the new name, and the highest Execs.
func TestExecRenames(t *testing.T) {
	c := open(t, Options{})
	_, cpu := cpus(t)
	name := otherName(t)
	l := start(t, pinned(cpu), "exec", "20ms", "20ms", name)
	p := newTap(t, c)
	rows := filter(p.until(never, l.release(t)), process(l.pid()))
	if n := newest(rows); n.Comm != "eco2-after" {
		t.Errorf("%+v", rows)
	}
}

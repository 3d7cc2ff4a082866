package bpf

import "testing"

const overflowScript = `i=0
while [ $i -lt 300 ]; do
	/bin/true
	(j=0; while [ $j -lt 2000 ]; do j=$((j+1)); done)
	i=$((i+1))
done`

// With no room for hundreds of accounts in one window, what has no row is in the overflow: no time is lost.
func TestOverflow(t *testing.T) {
	c := open(t, Options{Sizes: Sizes{Slots: 8, Spill: 16}, Follow: true})
	p := newTap(t, c)
	l := p.followed(1, nil, "sh", overflowScript)
	machineTime(t) // or skip
	released, before, lost := p.mark(), machineTime(t), c.Losses()
	rows := p.until(never, l.release(t))
	truth, after := machineTime(t)-before, c.Losses()
	rest := after.Overflow - lost.Overflow
	t.Logf("%v in rows, %v in the overflow", total(rows[released:], anyone), rest)
	p.agreeMachine("rows and overflow, against the machine", total(rows[released:], anyone)+rest, truth, 0.005)
	if after.Spilled == lost.Spilled || rest < truth/10 || after.OverflowSwitches == lost.OverflowSwitches {
		t.Errorf("not much of an overflow: %+v, before %+v", after, lost)
	}
}

// The spill map holds what the slots cannot.
func TestSpill(t *testing.T) {
	c := open(t, Options{Sizes: Sizes{Slots: 8}, Follow: true})
	group := countingGroup(t)
	p := newTap(t, c)
	l := p.followed(1, joined(group), "sh", overflowScript)
	for window := range 2 { // of both parities: the second one's rows come with the next load
		released, before := p.mark(), groupTime(t, group)
		rows := p.until(never, l.release(t))[released:]
		p.agree("with the spill map, against the cgroup", total(rows, rooted(uint32(window+1))), groupTime(t, group)-before, 0.005)
		p.count(len(processes(rows, rooted(uint32(window+1)))), 601) // and the shell
		if window == 0 {
			p.drain() // the other parity
			l = p.followed(2, joined(group), "sh", overflowScript)
		}
	}
	if got := c.Losses(); got.Spilled < 1000 || got.Overflow != 0 {
		t.Errorf("%+v: want spilled accounts and no overflow", got)
	}
	from := p.mark()
	p.drain()
	p.drain()
	if again := total(p.rows[from:], func(u Usage) bool { return u.Root != 0 }); again != 0 {
		t.Errorf("%v came out of the spill maps once more", again)
	}
}

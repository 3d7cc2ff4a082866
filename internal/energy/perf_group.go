package energy

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// perfGroup is events of one PMU on one CPU, opened together, so that one system call reads them all at the same moment.
type perfGroup struct {
	pmu    *pmu
	events []*pmuEvent
	at     perfPlace
	fds    []int // leader first; none: it is not open
	buf    []byte
	values []int64 // microjoules, from some start of the kernel's

	have  bool // what follows is of the last read that saw the events enabled
	times groupTimes
	since time.Duration // clock after it

	behind time.Duration // of the time since the read before, for how long the kernel did not count
	off    bool          // and it does not any more
}

// rateSlack is the part of a time that two clocks may differ by: half a thousandth is the most that one is made to run faster. Where the TSC is not
// stable, the kernel's clock for events goes by ticks besides, of up to 10 ms, which is slack.
const rateSlack = 1000

func newPerfGroup(u *pmu, events []*pmuEvent, at perfPlace) *perfGroup {
	return &perfGroup{pmu: u, events: events, at: at, buf: make([]byte, 8*(headWords+len(events))), values: make([]int64, len(events))}
}

// open starts the events on their CPU; failed is the index of the event that cannot be opened.
func (g *perfGroup) open(c *perfCalls) (failed int, err error) {
	leader := -1
	for i, e := range g.events {
		attr := unix.PerfEventAttr{Type: g.pmu.kind, Size: unix.PERF_ATTR_SIZE_VER1, Read_format: readFormat,
			Config: e.config[0], Ext1: e.config[1], Ext2: e.config[2]}
		fd, err := c.event(&attr, g.at.cpu, leader)
		if err != nil {
			g.close(c)
			return i, fmt.Errorf("open %s on CPU %d: %w", g.title(i), g.at.cpu, err)
		}
		g.fds = append(g.fds, fd)
		leader = g.fds[0]
	}
	g.have = false
	return 0, nil
}

// title is an event as perf calls it, such as power/energy-pkg/.
func (g *perfGroup) title(i int) string { return g.pmu.name + "/" + g.events[i].name + "/" }

func (g *perfGroup) isOpen() bool { return len(g.fds) > 0 }

func (g *perfGroup) close(c *perfCalls) {
	for _, fd := range g.fds {
		_ = c.close(fd)
	}
	g.fds = g.fds[:0]
}

// read fills values, behind and off. When a CPU goes offline, the events of the RAPL driver move to another CPU of the package, and are not enabled on
// the way, some 20 ms. Where there is no other, the kernel leaves the counts as they are and takes the group apart (kernel/events/core.c,
// __perf_event_exit_context): then the read fails, or the time that the events were enabled stands still for good. So that a slow reader is not taken
// for that, the time is counted from after the last read to before this one.
func (g *perfGroup) read(c *perfCalls) error {
	before := c.clock()
	times, err := g.fetch(c)
	if err != nil {
		return err
	}
	g.behind, g.off = 0, false
	enabled := times.enabled - g.times.enabled
	if g.have {
		whole := before - g.since
		g.behind = noticed(whole-enabled, slack+whole/rateSlack) + noticed(enabled-(times.running-g.times.running), refresh)
		g.off = enabled == 0 && whole >= stuckAfter
	}
	if enabled != 0 || !g.have {
		g.have, g.times, g.since = true, times, c.clock()
	}
	return nil
}

// fetch fills values.
func (g *perfGroup) fetch(c *perfCalls) (groupTimes, error) {
	n, err := c.read(g.fds[0], g.buf)
	for err == unix.EINTR {
		n, err = c.read(g.fds[0], g.buf)
	}
	if err != nil {
		return groupTimes{}, err
	}
	times, err := decode(g.buf[:max(0, min(n, len(g.buf)))], len(g.events))
	if err != nil {
		return times, err
	}
	for i, e := range g.events {
		if g.values[i], err = countMicrojoules(word(g.buf, headWords+i), e.joules); err != nil {
			return times, err
		}
	}
	return times, nil
}

// noticed is what is lacking; 0 where that may be nothing.
func noticed(lack, slack time.Duration) time.Duration {
	if lack > slack {
		return lack
	}
	return 0
}

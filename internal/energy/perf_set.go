package energy

import (
	"fmt"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// perfSet is domains that are read together: one group of events for a package and its memory, or a group for each core of a socket, whose
// counts are added up.
type perfSet struct {
	title  string // for marks: package-0
	groups []*perfGroup
	meters []meter // by event, as all that follow
	sums   []int64
	marks  []string
	spans  []time.Duration
}

func newPerfSet(title string, scopes []string, groups []*perfGroup) *perfSet {
	s := &perfSet{title: title, groups: groups, sums: make([]int64, len(scopes)), marks: make([]string, len(scopes)), spans: make([]time.Duration, len(scopes))}
	for _, scope := range scopes {
		s.meters = append(s.meters, newMeter(scope, 0)) // a count of 64 bits does not wrap: what goes back was reset
	}
	return s
}

// read never fails: what went wrong is in the marks.
func (s *perfSet) read(c *perfCalls, now moment) {
	mark := ""
	if now.slept > 0 {
		s.lose()
		mark = fmt.Sprintf("the machine slept %s, where the kernel may take a reset counter for energy: new baseline", seconds(now.slept))
	}
	err := s.count(c)
	if err == nil && s.live() > 0 {
		s.add(now)
	} else {
		s.clear()
	}
	if err != nil || s.needsRenewal() {
		mark = s.renew(c, now, err)
	} else if mark == "" {
		mark = s.behind()
	}
	if mark != "" {
		mark = s.title + ": " + mark
		for i := range s.marks {
			s.marks[i] = mark
		}
	}
}

// count reads the groups that are open and adds them up. After an error the sums are of no use, and that group is closed.
func (s *perfSet) count(c *perfCalls) error {
	clear(s.sums)
	var bad error
	for _, g := range s.groups {
		if !g.isOpen() {
			continue
		}
		if err := g.read(c); err != nil {
			g.close(c)
			if bad == nil {
				bad = fmt.Errorf("unreadable: %w", err)
			}
			continue
		}
		for i, v := range g.values {
			s.sums[i] += v
		}
	}
	return bad
}

func (s *perfSet) live() int {
	n := 0
	for _, g := range s.groups {
		if g.isOpen() {
			n++
		}
	}
	return n
}

func (s *perfSet) lose() {
	for i := range s.meters {
		s.meters[i].lose()
	}
}

func (s *perfSet) clear() {
	for i := range s.meters {
		s.marks[i], s.spans[i] = "", 0
	}
}

// add gives the sums to the meters.
func (s *perfSet) add(now moment) {
	for i := range s.meters {
		m := &s.meters[i]
		had, before := m.have, m.total
		s.marks[i] = m.add(s.sums[i], now)
		s.spans[i] = m.span
		if had && s.marks[i] == "" && missesWrap(m, m.total-before) {
			s.marks[i] = fmt.Sprintf("gap of %s: the kernel may have missed a wrap", seconds(m.span))
		}
		if s.marks[i] != "" {
			s.marks[i] = s.title + ": " + s.marks[i]
		}
	}
}

// smallestRange is that of a counter with steps of 2^-16 J, the finest that there are.
const smallestRange units.Microjoules = 65536e6

// missesWrap says that one more round of the counter would be plausible in that time. The kernel looks at it for itself as often as 200 W need, and
// takes a step of half the range or more for a step back (rapl_event_update): above 200 W, a reader that was away may be short by a round.
func missesWrap(m *meter, energy units.Microjoules) bool {
	return energy+smallestRange <= m.wrap.Over(m.span)
}

// needsRenewal says that events have gone off, or were off before.
func (s *perfSet) needsRenewal() bool {
	for _, g := range s.groups {
		if !g.isOpen() || g.off {
			return true
		}
	}
	return false
}

// behind says for how long the kernel did not count: the events moved to another CPU of the package, or others took their turn. What they would have
// counted is not made up.
func (s *perfSet) behind() string {
	for _, g := range s.groups {
		if g.behind > 0 {
			return fmt.Sprintf("the kernel did not count for %s", seconds(g.behind))
		}
	}
	return ""
}

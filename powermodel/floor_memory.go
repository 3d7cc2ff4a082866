package powermodel

import (
	"cmp"
	"slices"
)

// sample is one window.
type sample struct {
	power float64 // watts
	busy  float64 // busy CPUs
	dur   float64 // seconds, the weight
	at    float64 // clock at its end
}

const (
	ringSize  = 128        // recent windows
	keptSize  = 8          // quiet windows from before that
	quietPart = 0.25       // of the CPUs busy: worth keeping
	idlePart  = 0.10       // so quiet that no older window is needed
	keepFor   = 6 * 3600.0 // seconds that an old quiet window may still speak
)

// memory holds the recent windows and, so that hours of constant load do not forget a floor that was known, a few quiet
// ones from before them. A floor that drifts (fans, temperature) is followed because the ring forgets.
type memory struct {
	clock float64 // seconds of windows so far
	ring  [ringSize]sample
	next  int
	count int
	kept  [keptSize]sample
	keptN int

	byBusy [ringSize]sample // the ring's, the quietest first: to sort them for every fit took most of its time
}

func (m *memory) add(s sample, cpus float64) {
	if m.count == ringSize {
		was := m.ring[m.next]
		m.keep(was, cpus)
		i := m.place(was.busy)
		for m.byBusy[i] != was { // others are as busy
			i++
		}
		copy(m.byBusy[i:], m.byBusy[i+1:])
		m.count--
	}
	i := m.place(s.busy)
	copy(m.byBusy[i+1:], m.byBusy[i:m.count])
	m.byBusy[i] = s
	m.count++
	m.ring[m.next] = s
	m.next = (m.next + 1) % ringSize
}

// place is where in byBusy the first is that is as busy, or busier.
func (m *memory) place(busy float64) int {
	i, _ := slices.BinarySearchFunc(m.byBusy[:m.count], busy, func(s sample, busy float64) int { return cmp.Compare(s.busy, busy) })
	return i
}

// keep stores a window that leaves the ring if it is quiet, in the place of the one that is worth least: an hour of age
// weighs as much as being busier by 5 % of the CPUs.
func (m *memory) keep(s sample, cpus float64) {
	m.expire()
	if s.busy > quietPart*cpus {
		return
	}
	if m.keptN < keptSize {
		m.kept[m.keptN] = s
		m.keptN++
		return
	}
	cost := func(k sample) float64 { return (m.clock-k.at)/3600*0.05 + k.busy/cpus }
	worst := 0
	for i := range m.kept {
		if cost(m.kept[i]) > cost(m.kept[worst]) {
			worst = i
		}
	}
	if cost(s) <= cost(m.kept[worst]) {
		m.kept[worst] = s
	}
}

func (m *memory) expire() {
	n := 0
	for _, k := range m.kept[:m.keptN] {
		if m.clock-k.at <= keepFor {
			m.kept[n] = k
			n++
		}
	}
	m.keptN = n
}

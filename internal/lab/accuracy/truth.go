package main

import (
	"slices"
	"strings"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/ours"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/score"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/sim"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// counters is what zones and cards have counted by this laboratory's own sums.
type counters struct {
	zones []seen.Zone
	last  []uint64
	sums  []units.Microjoules
	cards []seen.GPU        // as they were last
	drawn units.Microjoules // by all cards
}

func (c *counters) add(now []uint64, gpus []seen.GPU) {
	for i := range min(len(c.cards), len(gpus)) {
		c.drawn += 1000 * units.Microjoules(gpus[i].EnergyMilliJoules-c.cards[i].EnergyMilliJoules)
	}
	c.cards = gpus
	if c.last == nil {
		c.sums = make([]units.Microjoules, len(now))
	} else {
		for i, v := range now {
			if v < c.last[i] {
				v += c.zones[i].Range
			}
			c.sums[i] += units.Microjoules(v - c.last[i])
		}
	}
	c.last = now
}

func (c *counters) sum(kind string) (e units.Microjoules) {
	if kind == cards {
		return c.drawn
	}
	for i := range c.sums {
		if name, _, _ := strings.Cut(c.zones[i].Name, "-"); name == kind {
			e += c.sums[i]
		}
	}
	return e
}

// off is how far what was booked is from what was counted, over all kinds of energy, without sign. Each kind that has no other within it must
// have been booked; of the others what was booked must be right.
func (c *counters) off(booked map[string]*ours.Kind) (off units.Microjoules) {
	kinds := map[string]bool{cards: len(c.cards) > 0}
	for i := range c.zones {
		kind, _, _ := strings.Cut(c.zones[i].Name, "-")
		kinds[kind] = kind == packages || kind == memory
	}
	for kind := range booked {
		kinds[kind] = true
	}
	for kind, must := range kinds {
		if !must {
			continue
		}
		e := c.sum(kind)
		if k := booked[kind]; k != nil {
			e -= k.Energy
		}
		off += max(e, -e)
	}
	return off
}

// truthOf adds up kinds of energy over their domains; nil: there is none.
func truthOf(t *sim.Truth, kinds []string, wall time.Duration, cpus int) *score.Truth {
	var which []int
	out := &score.Truth{Wall: wall, CPUs: cpus}
	for d, name := range t.Domains {
		if k, _, _ := strings.Cut(name, "-"); slices.Contains(kinds, k) {
			which = append(which, d)
			out.Total, out.Idle = out.Total+t.Total[d], append(out.Idle, t.Idle[d])
		}
	}
	if which == nil {
		return nil
	}
	byPID := map[int]score.Key{} // of the newest: a parent is older than its child
	roots := map[score.Key]score.Key{}
	for _, p := range t.Processes {
		q := score.Process{Key: score.Key{PID: p.PID, Start: p.Ticks()}, Comm: p.Comm, CPU: p.CPU, Exited: p.Exited}
		q.Root = q.Key
		if parent, ok := byPID[p.Parent]; ok && p.Parent != p.PID && !p.Kernel {
			q.Root = roots[parent]
		}
		byPID[p.PID], roots[q.Key] = q.Key, q.Root
		for _, d := range which {
			q.Active += p.Joules[d]
		}
		out.Processes = append(out.Processes, q)
	}
	return out
}

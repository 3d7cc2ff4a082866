package ours

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// cards are the simulated machine's GPUs as a source: their energy counters, and who had their multiprocessors.
type cards struct {
	domains []energy.Domain
	now     []seen.GPU
	base    []uint64 // EnergyMilliJoules of the first read
	at      time.Duration
	busy    []map[int]time.Duration // by card and pid, since the last read
	shares  []energy.Share
}

func newCards(n int) *cards {
	c := &cards{busy: make([]map[int]time.Duration, n)}
	for i := range n {
		c.domains = append(c.domains, energy.Domain{
			Name: fmt.Sprintf("gpu-%d", i), Socket: -1, Die: -1, Method: energy.Measured, Source: "nvml", Scope: energy.ScopeGPU, Shared: true,
		})
		c.busy[i] = map[int]time.Duration{}
	}
	return c
}

// add takes what the cards say at a moment of the run.
func (c *cards) add(now []seen.GPU, at time.Duration) {
	for i := range min(len(now), len(c.busy)) {
		for _, p := range now[i].Processes {
			c.busy[i][p.PID] += time.Duration(p.SMUtil / 100 * float64(at-c.at))
		}
	}
	c.now, c.at = now, at
}

func (c *cards) Domains() []energy.Domain { return c.domains }

// Read gives what the counters have counted since the first read.
func (c *cards) Read(edge energy.Edge, into []energy.Sample) {
	first := c.base == nil
	c.shares = c.shares[:0]
	for i := range min(len(into), len(c.domains)) {
		var value uint64
		if i < len(c.now) {
			value = c.now[i].EnergyMilliJoules
		}
		if first {
			c.base = append(c.base, value)
		}
		e := units.Microjoules(value-min(value, c.base[i])) * 1000
		into[i] = energy.Sample{At: edge.Time, Energy: e, Low: e, High: e}
		for _, pid := range slices.Sorted(maps.Keys(c.busy[i])) { // in an order that another run has too
			if busy := c.busy[i][pid]; !first && busy > 0 {
				c.shares = append(c.shares, energy.Share{Domain: i, PID: uint32(pid), Busy: busy})
			}
		}
		clear(c.busy[i])
	}
}

func (c *cards) Shares(into []energy.Share) []energy.Share { return append(into, c.shares...) }
func (c *cards) Close() error                              { return nil }

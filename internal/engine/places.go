package engine

import (
	"slices"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/host"
)

// places cuts the machine's CPUs into the smallest sets that share their domains: a socket, or a die of it.
type places struct {
	n       int
	ofCPU   []int
	domains [][]int // by domain: the places it pays for; nil: all
}

func newPlaces(topo host.Topology, domains []energy.Domain) places {
	type place struct{ socket, die int }
	index := map[place]int{}
	p := places{ofCPU: make([]int, len(topo)), domains: make([][]int, len(domains))}
	for cpu, c := range topo {
		at := place{c.Socket, c.Die}
		if _, ok := index[at]; !ok {
			index[at] = len(index)
		}
		p.ofCPU[cpu] = index[at]
	}
	p.n = max(1, len(index))
	for d, dom := range domains {
		if dom.Socket < 0 {
			continue
		}
		p.domains[d] = []int{}
		for at, i := range index {
			if at.socket == dom.Socket && (dom.Die < 0 || dom.Die == at.die) {
				p.domains[d] = append(p.domains[d], i)
			}
		}
		slices.Sort(p.domains[d])
	}
	return p
}

// of returns the place of a CPU; a CPU that the topology does not know counts with the first.
func (p *places) of(cpu int) int {
	if cpu < 0 || cpu >= len(p.ofCPU) {
		return 0
	}
	return p.ofCPU[cpu]
}

// sum adds up a domain's share of times by place.
func (p *places) sum(domain int, byPlace []time.Duration) time.Duration {
	var sum time.Duration
	if p.domains[domain] == nil {
		for _, t := range byPlace {
			sum += t
		}
	}
	for _, i := range p.domains[domain] {
		sum += byPlace[i]
	}
	return sum
}

// pays tells whether a domain pays for a place's CPUs.
func (p *places) pays(domain, place int) bool {
	return p.domains[domain] == nil || slices.Contains(p.domains[domain], place)
}

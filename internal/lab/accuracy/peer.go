package main

import (
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/ours"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/peers"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/sim"
)

// peer is one of them in a run.
type peer struct {
	peers.Peer
	zones   []seen.Zone
	first   []uint64 // values of the counters; nil: they are shown as they are
	wraps   bool     // it sees them wrap
	took    time.Duration
	windows int
	looked  int
}

// unwrap shows counters as if they had begun at 0. A counter wraps once in some hours, and ours here in each run: who makes wrong joules of
// that, as some do, would be wrong by thousands of times in each scenario for it, and nothing else could be seen.
func (p *peer) unwrap(s *seen.Sample) {
	if p.wraps {
		return
	}
	if p.first == nil {
		p.first = s.Zones
	}
	now := make([]uint64, len(s.Zones))
	for i, v := range s.Zones {
		if v < p.first[i] {
			v += p.zones[i].Range
		}
		now[i] = v - p.first[i]
	}
	s.Zones = now
}

// poll hands over a sample and takes the time.
func (p *peer) poll(s seen.Sample) {
	p.unwrap(&s)
	began := ours.ThreadTime()
	p.Poll(s)
	p.took += ours.ThreadTime() - began
	p.windows++
	p.looked += looked(p.Peer, &s)
}

// polls puts the peers into an observer, each at its own interval, and once more at the end of the run, as those do that end with a job:
// who sleeps then is woken.
func polls(o *sim.Observer, all []peers.Peer, duration time.Duration) (list []*peer) {
	byEvery := map[time.Duration][]*peer{}
	for _, p := range all {
		q := &peer{Peer: p}
		list = append(list, q)
		byEvery[p.Every()] = append(byEvery[p.Every()], q)
	}
	add := func(every, offset time.Duration, who []*peer) {
		o.Polls = append(o.Polls, sim.Poll{Every: every, Offset: offset, Skew: pollSkew, Do: func(s seen.Sample) {
			for _, p := range who {
				if sleeper, ok := p.Peer.(peers.Sleeper); ok && s.At >= duration {
					sleeper.Wake()
				}
				p.poll(s)
			}
		}})
	}
	for every, who := range byEvery {
		add(every, 0, who)
		if duration%every != 0 {
			add(duration, duration, who)
		}
	}
	return list
}

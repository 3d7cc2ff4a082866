package main

import (
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/peers"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/sim"
)

// sleeper notes when it is woken.
type sleeper struct {
	asked
	woken []time.Duration // by polls before
}

func (s *sleeper) Wake() { s.woken = append(s.woken, s.at[len(s.at)-1]) }

// Who sleeps at the end is woken for the last poll, and not before, whether or not that is one of its own.
func TestPollsWake(t *testing.T) {
	for every, before := range map[time.Duration]time.Duration{2 * time.Second: 6 * time.Second, 3 * time.Second: 6 * time.Second} {
		p := &sleeper{asked: asked{every: every}}
		s := sim.Scenario{Duration: 8 * time.Second, Machine: sim.Small()[0].Machine}
		var o sim.Observer
		polls(&o, []peers.Peer{p}, s.Duration)[0].zones = s.Machine.Seen().Zones
		s.Run(o)
		if len(p.woken) != 1 || p.woken[0] != before || p.at[len(p.at)-1] != s.Duration {
			t.Errorf("every %v: asked at %v, woken after %v", every, p.at, p.woken)
		}
	}
}

package sim

import (
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// TestCounters: what the counters moved by, wraps taken in, is the energy: less what is not shown yet, and what the driver rounds off.
func TestCounters(t *testing.T) {
	for _, name := range []string{"steady", "smt", "laptop"} {
		quiet := 0.0
		for _, noise := range []bool{false, true} {
			s := find(t, name)
			if !noise {
				s.Machine.Noise = 0
			}
			zones := s.Machine.Seen().Zones
			moved, wraps := make([]uint64, len(zones)), 0
			var before []uint64
			got := s.Run(Observer{Polls: []Poll{{Every: 500 * time.Millisecond, Do: func(x seen.Sample) {
				for z, now := range x.Zones {
					if now > zones[z].Range {
						t.Errorf("%s shows %d, more than its range", zones[z].Name, now)
					}
					if before == nil {
						continue
					}
					if now < before[z] {
						wraps++
						moved[z] += zones[z].Range
					}
					moved[z] += now - before[z]
				}
				before = x.Zones
			}}}})
			for z := range zones {
				joules, most := float64(moved[z])/1e6, 400.0*1.1e-3
				low, high := got.Total[z]*(1-4e-6)-most, got.Total[z]+4e-4
				if noise {
					low, high = low-got.Total[z]*2e-3, high+got.Total[z]*2e-3
				}
				if joules < low || joules > high {
					t.Errorf("%s, noise %v: %s moved by %v J, the truth is %v J", name, noise, zones[z].Name, joules, got.Total[z])
				}
				if z > 0 {
					continue
				}
				if noise && near(joules, quiet, 3e-6) {
					t.Errorf("%s: %s has no noise", name, zones[z].Name)
				}
				quiet = joules
			}
			if wraps != got.Wraps || wraps < len(zones)/2 {
				t.Errorf("%s: %d wraps seen, %d told", name, wraps, got.Wraps)
			}
		}
	}
}

// TestUnits: counters end where those of the kernel's driver do, and go on at 0.
func TestUnits(t *testing.T) {
	w := newWorld(find(t, "steady"), Observer{})
	for z, m := range w.meters {
		if top := m.microjoules(1<<32 - 1); top != w.seen.Zones[z].Range || m.microjoules(1<<32) != 0 || m.microjoules(1<<32+1000) != 1000*m.nano/1000 {
			t.Errorf("%s ends at %d, its range is %d", w.seen.Zones[z].Name, top, w.seen.Zones[z].Range)
		}
	}
}

// TestSteps: a counter stands still for about a ms, and two do not move at the same instants.
func TestSteps(t *testing.T) {
	w := newWorld(find(t, "smt"), Observer{})
	a, b := &w.meters[0], &w.meters[1]
	distinct, together, last := 0, 0, int64(0)
	for at := int64(10_000_000); at < 1_010_000_000; at += 10_000 {
		when := a.moved(at)
		if when > at || when < at-step-2*wobble || when < last {
			t.Fatalf("at %d ns it moved last at %d, before at %d", at, when, last)
		}
		if when != last {
			distinct++
			last = when
		}
		if b.moved(at) == when {
			together++
		}
	}
	if distinct < 1020 || distinct > 1028 {
		t.Errorf("%d steps in a second, want 1024", distinct)
	}
	if together > 100 {
		t.Errorf("both counters move together")
	}
}

// TestSkew: counters are read later than /proc where it is asked for.
func TestSkew(t *testing.T) {
	s := find(t, "idle")
	s.Machine.Noise = 0
	var plain, late []uint64
	var at time.Duration
	get := func(into *[]uint64) func(seen.Sample) {
		return func(x seen.Sample) {
			if x.At == time.Second {
				*into, at = x.Zones, x.At
			}
		}
	}
	s.Run(Observer{Polls: []Poll{{Every: time.Second, Do: get(&plain)}, {Every: time.Second, Skew: 50 * time.Millisecond, Do: get(&late)}}})
	// 20 W for 50 ms, and a step at each end.
	if more := float64(late[0]-plain[0]) / 1e6; at != time.Second || more < 0.97 || more > 1.03 {
		t.Errorf("50 ms later the counter shows %v J more, want 1", more)
	}
}

package peers

import (
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

const ms = time.Millisecond

// slice is a process's time on the first CPU; cycles are in thousands.
func slice(pid int, start int64, from, to time.Duration, cycles, misses uint64) seen.Slice {
	return seen.Slice{PID: pid, TID: pid, Start: time.Duration(start) * seen.Tick, From: from, To: to, Cycles: cycles * 1000, Misses: misses}
}

// after plays slices into a program.
func after(p Peer, slices ...seen.Slice) Peer {
	for _, s := range slices {
		p.Slice(s)
	}
	return p
}

var (
	ebpf0 = look(0, []float64{0, 0}, seen.CPUTimes{})
	ebpf3 = look(3, []float64{90, 6}, seen.CPUTimes{})
)

func TestKepler09(t *testing.T) {
	a, b := Key{7, 1}, Key{8, 2}
	first := []seen.Slice{slice(7, 1, 0, 100*ms, 1, 1), slice(8, 2, 0, 100*ms, 1, 1)} // puts them in the table, and no more
	for _, c := range []struct {
		name   string
		slices []seen.Slice
		want   joules
	}{
		{"by cycles, memory by misses", append(first[:2:2], slice(7, 1, 1*ms, 2*ms, 200, 10), slice(8, 2, 2*ms, 4*ms, 100, 50), slice(7, 1, 4*ms, 5*ms, 0, 0)),
			joules{a: {"package": 60, "dram": 1}, b: {"package": 30, "dram": 5}}},
		{"the first slice of a process in a window is lost", append(first[:2:2], slice(7, 1, 1*ms, 2*ms, 5, 5)),
			joules{a: {"package": 90, "dram": 6}, b: {}}},
		{"also where it begins in it, so a child of one slice has nothing", append(first[:2:2], slice(7, 1, 1*ms, 2*ms, 5, 5), slice(9, 9, 2*ms, 4*ms, 900, 900)),
			joules{a: {"package": 90, "dram": 6}, b: {}}},
		{"by time without cycles, memory equally without misses", append(first[:2:2], slice(7, 1, 1*ms, 3*ms, 0, 0), slice(8, 2, 3*ms, 4*ms, 0, 0)),
			joules{a: {"package": 60, "dram": 3}, b: {"package": 30, "dram": 3}}},
		{"nothing measured: equally", first, joules{a: {"package": 45, "dram": 3}, b: {"package": 45, "dram": 3}}},
		{"below 1 us is not there", append(first[:2:2], slice(7, 1, 1*ms, 2*ms, 5, 5), slice(8, 2, 2*ms, 2*ms+999, 900, 900)),
			joules{a: {"package": 90, "dram": 6}, b: {}}},
		{"half a millisecond is", append(first[:2:2], slice(7, 1, 1*ms, 2*ms, 5, 5), slice(8, 2, 2*ms, 2*ms+ms/2, 5, 5)),
			joules{a: {"package": 45, "dram": 3}, b: {"package": 45, "dram": 3}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := NewKepler09(pair())
			k.Poll(ebpf0)
			r := told(after(k, c.slices...), ebpf3)
			expect(t, r, c.want)
			expectDomains(t, "total", r.Total, Domains{"package": 90, "dram": 6})
		})
	}
}

func TestKepler09RoundsUp(t *testing.T) {
	k := NewKepler09(pair())
	k.Poll(ebpf0)
	for pid := range 3 {
		after(k, slice(pid+7, 1, 0, ms, 0, 0), slice(pid+7, 1, ms, 2*ms, 1, 1))
	}
	r := told(k, look(3, []float64{0.0100, 0.0099}, seen.CPUTimes{})) // 10 mJ for three are 4 each; 9.9 mJ are 9, and 3 each
	each := Domains{"package": 0.004, "dram": 0.003}
	expect(t, r, joules{{7, 1}: each, {8, 1}: each, {9, 1}: each})
}

// A window is what has ended in it; those that have ended keep what they have, and a pid that comes back is another.
func TestKepler09Windows(t *testing.T) {
	k := NewKepler09(pair())
	k.Poll(ebpf0)
	after(k, slice(7, 1, 0, ms, 1, 1), slice(7, 1, ms, 2*ms, 1, 1)).Poll(ebpf3)
	after(k, slice(7, 900, 0, ms, 1, 1), slice(7, 900, ms, 2*ms, 1, 1), slice(8, 2, 0, ms, 0, 0)).Poll(look(6, []float64{100, 6}, seen.CPUTimes{}))
	expect(t, k.Result(), joules{{7, 1}: {"package": 90, "dram": 6}, {7, 900}: {"package": 10}})
}

func TestKepler07(t *testing.T) {
	k := NewKepler07(pair())
	k.Poll(ebpf0)
	window := func(seconds, joules float64, long time.Duration) {
		from := time.Duration(seconds*1e9) - 3*time.Second
		after(k, slice(7, 1, from, from+long, 3, 0), slice(8, 2, from, from+long, 1, 0))
		k.Poll(look(seconds, []float64{joules, 0}, seen.CPUTimes{}))
	}
	window(3, 60, 1000*ms) // all of the first is idle: 30 each
	expect(t, k.Result(), joules{{7, 1}: {"package": 30}, {8, 2}: {"package": 30}})
	window(6, 60+100, 1500*ms) // 60 idle, 40 by cycles 3 : 1
	expect(t, k.Result(), joules{{7, 1}: {"package": 30 + 30 + 30}, {8, 2}: {"package": 30 + 30 + 10}})
	window(9, 160+50, 1500*ms) // less, but busier than when it was idle: nothing is learned, and nothing is above 60
	expect(t, k.Result(), joules{{7, 1}: {"package": 90 + 30}, {8, 2}: {"package": 70 + 30}})
	window(12, 210+20, 500*ms) // less, and less busy: 20 is idle from now on
	expect(t, k.Result(), joules{{7, 1}: {"package": 120 + 10}, {8, 2}: {"package": 100 + 10}})
	window(15, 230+24, 500*ms)
	expect(t, k.Result(), joules{{7, 1}: {"package": 130 + 10 + 3}, {8, 2}: {"package": 110 + 10 + 1}})
}

// After a window of 6 J with next to nothing, which is the idle energy from then on: one of 26 J, so 20 J by cycles and 6 J for all equally.
func TestKepler07Table(t *testing.T) {
	a, b, c := Key{7, 1}, Key{8, 2}, Key{9, 9}
	at := func(d time.Duration) time.Duration { return 3*time.Second + d }
	busy := slice(7, 1, at(0), at(9*ms), 300, 0)
	for _, test := range []struct {
		name   string
		slices []seen.Slice
		want   joules // of the second window
	}{
		{"the first slice of a process counts", []seen.Slice{busy, slice(8, 2, at(9*ms), at(19*ms), 100, 0)},
			joules{a: {"package": 15 + 3}, b: {"package": 5 + 3}}},
		{"so a child of one slice has its own", []seen.Slice{busy, exited(slice(9, 9, at(ms), at(3*ms), 100, 0))},
			joules{a: {"package": 15 + 3}, c: {"package": 5 + 3}}},
		{"what was on a CPU when the table was emptied is lost", []seen.Slice{busy, slice(8, 2, at(-ms), at(2*ms), 900, 0)},
			joules{a: {"package": 20 + 3}, b: {"package": 3}}},
		{"each such slice", []seen.Slice{slice(8, 2, at(-ms), at(2*ms), 900, 0), busy, slice(8, 2, at(-2*ms), at(4*ms), 900, 0)},
			joules{a: {"package": 20 + 3}, b: {"package": 3}}},
		{"not what follows", []seen.Slice{slice(8, 2, at(-ms), at(2*ms), 900, 0), busy, slice(8, 2, at(5*ms), at(9*ms), 100, 0)},
			joules{a: {"package": 15 + 3}, b: {"package": 5 + 3}}},
		{"nor what the process has while another of its threads was put there", []seen.Slice{busy, slice(8, 2, at(ms), at(2*ms), 60, 0),
			slice(8, 2, at(-ms), at(3*ms), 40, 0)}, joules{a: {"package": 15 + 3}, b: {"package": 5 + 3}}},
		{"cycles below a millisecond count", []seen.Slice{busy, slice(8, 2, at(0), at(ms-1), 100, 0)},
			joules{a: {"package": 15 + 3}, b: {"package": 5 + 3}}},
		{"time below one does not, where there is nothing else", []seen.Slice{slice(7, 1, at(0), at(3*ms-1), 0, 0), slice(8, 2, at(0), at(2*ms), 0, 0),
			slice(8, 2, at(4*ms), at(4*ms+ms/2), 0, 0)}, joules{a: {"package": 10 + 3}, b: {"package": 10 + 3}}},
		{"nor does what goes backwards", []seen.Slice{slice(7, 1, at(0), at(4*ms), 0, 0), slice(8, 2, at(0), at(4*ms), 0, 0),
			slice(8, 2, at(9*ms), at(5*ms), 0, 0)}, joules{a: {"package": 10 + 3}, b: {"package": 10 + 3}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			k := NewKepler07(pair())
			k.Poll(ebpf0)
			after(k, slice(5, 5, ms, 2*ms-1, 0, 0)).Poll(look(3, []float64{6, 0}, seen.CPUTimes{}))
			test.want[Key{5, 5}] = Domains{"package": 6}
			expect(t, told(after(k, test.slices...), look(6, []float64{6 + 26, 0}, seen.CPUTimes{})), test.want)
		})
	}
}

func TestKeplerEBPFUncoreAndCards(t *testing.T) {
	m := pair()
	m.Zones = []seen.Zone{{Name: "uncore", Range: 1e9}}
	k := NewKepler09(m)
	both := []seen.Process{proc(7, 1, 0), proc(8, 2, 0)}
	at := func(seconds float64, uncore float64, g seen.GPU) seen.Sample {
		return withCards(look(seconds, []float64{uncore}, seen.CPUTimes{}, both...), g)
	}
	k.Poll(at(0, 0, card(0, 0)))
	after(k, slice(7, 1, 0, ms, 0, 0), slice(7, 1, 0, 9*ms, 9, 9), slice(8, 2, 0, ms, 0, 0))
	k.Poll(at(3, 8, card(100_000, 0, seen.GPUProcess{PID: 7, SMUtil: 30}, seen.GPUProcess{PID: 8, SMUtil: 10})))
	expect(t, k.Result(), joules{{7, 1}: {"uncore": 4, gpu: 75}, {8, 2}: {"uncore": 4, gpu: 25}})
	after(k, slice(7, 1, 0, ms, 0, 0), slice(8, 2, 0, ms, 0, 0)) // no utilisation: each of the table an equal part
	k.Poll(at(6, 8, card(140_000, 0, seen.GPUProcess{PID: 7})))
	expect(t, k.Result(), joules{{7, 1}: {"uncore": 4, gpu: 75 + 20}, {8, 2}: {"uncore": 4, gpu: 25 + 20}})
}

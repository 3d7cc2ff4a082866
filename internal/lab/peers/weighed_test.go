package peers

import (
	"math"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// beside is a slice with the sibling busy for a part of it.
func beside(s seen.Slice, busy time.Duration) seen.Slice {
	s.Beside = busy
	return s
}

func exited(s seen.Slice) seen.Slice {
	s.Exited = true
	return s
}

func on(cpu int, s seen.Slice) seen.Slice {
	s.CPU = cpu
	return s
}

// many are as many switches of a process as make DEEP-mon read each second.
func many(n int) []seen.Slice {
	return make([]seen.Slice, n) // of no length
}

func TestDEEPmon(t *testing.T) {
	a, b := Key{7, 1}, Key{8, 2}
	for _, c := range []struct {
		name   string
		slices []seen.Slice
		want   joules
	}{
		{"by cycles, idle too, and no memory", []seen.Slice{slice(7, 1, 0, ms, 300, 0), slice(8, 2, 0, ms, 100, 9)},
			joules{a: {"package": 60}, b: {"package": 20}}},
		{"beside a sibling a cycle is 11/20", []seen.Slice{slice(7, 1, 0, 2*ms, 200, 0), beside(slice(8, 2, 0, 2*ms, 200, 0), ms)},
			joules{a: {"package": 80 * 200 / (200 + 155.0)}, b: {"package": 80 * 155 / (200 + 155.0)}}},
		{"the end of a process takes along its window", []seen.Slice{slice(7, 1, 0, ms, 300, 0), slice(8, 2, 0, ms, 100, 0), exited(slice(7, 1, ms, 2*ms, 50, 0))},
			joules{b: {"package": 80}}},
		{"but not that of the next with its pid", []seen.Slice{exited(slice(7, 1, 0, ms, 300, 0)), slice(7, 900, ms, 2*ms, 50, 0), slice(8, 2, 0, ms, 50, 0)},
			joules{{7, 900}: {"package": 40}, b: {"package": 40}}},
		{"without a PMU by time", []seen.Slice{slice(7, 1, 0, 3*ms, 0, 0), slice(8, 2, 0, ms, 0, 0)}, joules{a: {"package": 60}, b: {"package": 20}}},
		{"no such CPU", []seen.Slice{on(2, slice(7, 1, 0, ms, 300, 0)), on(-1, slice(7, 1, 0, ms, 300, 0)), slice(8, 2, 0, ms, 1, 0)}, joules{b: {"package": 80}}},
		{"nobody", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := NewDEEPmon(pair())
			d.Poll(look(0, []float64{10, 1}, seen.CPUTimes{}))
			r := told(after(d, c.slices...), look(1, []float64{90, 9}, seen.CPUTimes{}))
			expect(t, r, c.want)
			expectDomains(t, "total", r.Total, Domains{"package": 80, "dram": 8})
		})
	}
}

func TestDEEPmonSockets(t *testing.T) {
	m := twin()
	m.Zones = append(m.Zones, seen.Zone{Name: "core", Parent: 2, Socket: 1, Range: 1e9})
	d := NewDEEPmon(m)
	d.Poll(look(0, []float64{0, 0, 0, 0, 0}, seen.CPUTimes{}))
	after(d, on(0, slice(7, 1, 0, ms, 100, 0)), on(1, slice(7, 1, 0, ms, 100, 0)), on(1, slice(8, 2, 0, ms, 300, 0)))
	r := told(d, look(1, []float64{60, 0, 80, 0, 40}, seen.CPUTimes{}))
	expect(t, r, joules{{7, 1}: {"package": 60 + 20, "core": 10}, {8, 2}: {"package": 60, "core": 30}})
}

// A wrap at 2^32 uJ that is none leaves less than nothing; where the range is that, it is right.
func TestDEEPmonWraps(t *testing.T) {
	for before, want := range map[float64]float64{4290: 1<<32/1e6 - 4290 + 5, 5000: 0} {
		d := NewDEEPmon(pair())
		d.Poll(look(0, []float64{before, 0}, seen.CPUTimes{}))
		expect(t, told(after(d, slice(7, 1, 0, ms, 1, 0)), look(1, []float64{5, 0}, seen.CPUTimes{})), joules{{7, 1}: {"package": want}})
	}
}

// It reads after 4 s where there are fewer than 100 switches per second and CPU, 3 s below 200, 2 s below 300, and 1 s else.
func TestDEEPmonIntervals(t *testing.T) {
	d := NewDEEPmon(pair())
	reads := map[int]bool{}
	for at, switches := range []int{9999, 600, 598, 0, 4 * 199, 0, 0, 6 * 99, 0, 0, 0, 8 * 300, 599} {
		after(d, many(switches)...).Poll(look(float64(at), []float64{0, 0}, seen.CPUTimes{}))
		reads[at] = d.read == time.Duration(at)*time.Second
	}
	for at := range 13 {
		if want := at < 3 || at == 4 || at == 7 || at == 11 || at == 12; reads[at] != want {
			t.Errorf("it reads after %d s: %v", at, !want)
		}
	}
}

// Whoever is asleep at the end reads all the same, once, if it is woken.
func TestDEEPmonWakes(t *testing.T) {
	var p Sleeper = NewDEEPmon(pair())
	d := p.(*DEEPmon)
	at := func(seconds, joules float64, slices ...seen.Slice) Result {
		return told(after(d, slices...), look(seconds, []float64{joules, 0}, seen.CPUTimes{}))
	}
	at(0, 0)
	at(1, 8, slice(7, 1, 0, ms, 1, 0)) // with so few switches it sleeps for 4 s
	expect(t, at(3, 50, slice(7, 1, 0, ms, 1, 0)), joules{{7, 1}: {"package": 8}})
	p.Wake()
	expect(t, at(4, 68, slice(8, 2, 0, ms, 1, 0)), joules{{7, 1}: {"package": 8 + 30}, {8, 2}: {"package": 30}})
	expect(t, at(5, 99, slice(8, 2, 0, ms, 1, 0)), joules{{7, 1}: {"package": 38}, {8, 2}: {"package": 30}})
}

func TestEnergAt(t *testing.T) {
	resident := func(p seen.Process, megabytes int64) seen.Process {
		p.Resident = megabytes << 20
		return p
	}
	base := Options{Roots: []int{7}, BaseWatts: []float64{20, 2}}
	// user + system are 100 ticks
	second := seen.CPUTimes{User: 60, System: 40, Nice: 7, IRQ: 9, Idle: 84}
	start := look(0, []float64{0, 0}, seen.CPUTimes{}, resident(child(1, 7, 10), 100), child(7, 8, 20), resident(child(1, 9, 0), 300))
	for _, c := range []struct {
		name  string
		reads []seen.Sample
		want  Domains
	}{
		{"above base by a power of the part", []seen.Sample{start,
			look(1, []float64{80, 8}, second, resident(child(1, 7, 30), 100), child(7, 8, 30), resident(child(1, 9, 70), 300))},
			Domains{"package": 60 * math.Pow(0.3, 0.3), "dram": 6 * math.Pow(0.25, 0.2)}},
		{"who is born in the interval counts from the next", []seen.Sample{start,
			look(1, []float64{80, 2}, second, child(1, 7, 10), child(7, 8, 40), child(8, 10, 40)),
			look(2, []float64{160, 4}, times(2, second), child(1, 7, 10), child(7, 8, 40), child(8, 10, 50))},
			Domains{"package": 60*math.Pow(0.2, 0.3) + 60*math.Pow(0.1, 0.3)}},
		{"who ends in it does not", []seen.Sample{start, look(1, []float64{80, 2}, second, child(1, 7, 20))}, Domains{"package": 60 * math.Pow(0.1, 0.3)}},
		{"below base", []seen.Sample{start, look(1, []float64{19, 1}, second, child(1, 7, 20))}, nil},
		{"no more than all", []seen.Sample{start, look(1, []float64{80, 2}, second, child(1, 7, 900))}, Domains{"package": 60}},
		{"a counter that went back has used its range", []seen.Sample{
			look(0, []float64{990, 0}, seen.CPUTimes{}, child(1, 7, 0)), look(1, []float64{40, 0}, second, child(1, 7, 100))}, Domains{"package": 1000 - 20}},
		{"a socket that did nothing", []seen.Sample{start, look(1, []float64{80, 2}, seen.CPUTimes{Idle: 200}, child(1, 7, 10))},
			Domains{"package": 60 * math.Pow(1e-5, 0.3)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			expect(t, told(NewEnergAt(pair(), base), c.reads...), joules{{7, 7}: c.want})
		})
	}
	r := told(NewEnergAt(pair(), base), start, look(1, []float64{80, 8}, second))
	expectDomains(t, "idle", r.Idle, Domains{"package": 20, "dram": 2})
	expectDomains(t, "total", r.Total, Domains{"package": 80, "dram": 8})
	// two with half each have 1.62 of what there is, and without a base that is all
	r = told(NewEnergAt(pair(), Options{}), look(0, []float64{0, 0}, seen.CPUTimes{}, child(1, 7, 0), child(1, 8, 0)),
		look(1, []float64{80, 0}, second, child(1, 7, 50), child(1, 8, 50)))
	expect(t, r, joules{{7, 7}: {"package": 80 * math.Pow(0.5, 0.3)}, {8, 8}: {"package": 80 * math.Pow(0.5, 0.3)}})
}

func TestEnergAtSockets(t *testing.T) {
	busy := []seen.CPUTimes{{User: 100}, {User: 60}}
	read := func(seconds float64, joules []float64, cpus []seen.CPUTimes, ticks int64) seen.Sample {
		s := look(seconds, joules, seen.CPUTimes{}, child(1, 7, ticks))
		s.CPUs = cpus
		return s
	}
	start := read(0, []float64{0, 0, 0, 0}, make([]seen.CPUTimes, 2), 0)
	end := read(1, []float64{80, 0, 40, 0}, busy, 80)
	e := NewEnergAt(twin(), Options{})
	e.Poll(start)
	after(e, on(0, slice(7, 7, 0, 600*ms, 0, 0)), on(1, slice(7, 7, 600*ms, 800*ms, 0, 0)))
	expect(t, told(e, end), joules{{7, 7}: {"package": 80*math.Pow(60.0/100, 0.3) + 40*math.Pow(20.0/60, 0.3)}})
	// without switches it has been where the others were: 80 ticks go 100 : 60
	expect(t, told(NewEnergAt(twin(), Options{}), start, end), joules{{7, 7}: {"package": (80 + 40) * math.Pow(0.5, 0.3)}})
}

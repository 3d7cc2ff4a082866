package peers

import (
	"testing"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// cpu2 are two CPUs for 2 s: 400 ticks, of which user, nice and system are 200.
var cpu2 = seen.CPUTimes{User: 100, Nice: 20, System: 80, Idle: 150, IOWait: 20, IRQ: 10, SoftIRQ: 10, Steal: 10}

func TestScaphandre(t *testing.T) {
	a, b := Key{7, 1}, Key{8, 2}
	for _, c := range []struct {
		name  string
		reads []seen.Sample
		want  joules
	}{
		{"a part of all CPUs' time, with idle", []seen.Sample{
			look(0, []float64{5, 1}, seen.CPUTimes{}, proc(7, 1, 1000), proc(8, 2, 50)), look(2, []float64{85, 9}, cpu2, proc(7, 1, 1150), proc(8, 2, 60))},
			joules{a: {"package": 80 * 150.0 / 400, "dram": 8 * 150.0 / 400}, b: {"package": 80 * 10.0 / 400, "dram": 8 * 10.0 / 400}}},
		{"who is new is only looked at", []seen.Sample{
			look(0, []float64{0, 0}, seen.CPUTimes{}), look(2, []float64{80, 0}, cpu2, proc(7, 1, 150)), look(4, []float64{120, 0}, times(2, cpu2), proc(7, 1, 160))},
			joules{a: {"package": 40 * 10.0 / 400}}},
		{"and looked at again while it had used nothing", []seen.Sample{
			look(0, []float64{0, 0}, seen.CPUTimes{}, proc(7, 1, 0)), look(2, []float64{80, 0}, cpu2, proc(7, 1, 150)),
			look(4, []float64{120, 0}, times(2, cpu2), proc(7, 1, 160))},
			joules{a: {"package": 40 * 10.0 / 400}}},
		{"a wrap loses the sample for everyone, and only that", []seen.Sample{
			look(0, []float64{990, 1}, seen.CPUTimes{}, proc(7, 1, 1), proc(8, 2, 1)), look(2, []float64{40, 5}, cpu2, proc(7, 1, 100), proc(8, 2, 10)),
			look(4, []float64{80, 5}, times(2, cpu2), proc(7, 1, 140), proc(8, 2, 10))},
			joules{a: {"package": 40 * 40.0 / 400}}},
		{"who has ended keeps what it has, and its tail is nobody's", []seen.Sample{
			look(0, []float64{0, 0}, seen.CPUTimes{}, proc(7, 1, 1), proc(8, 2, 1)), look(2, []float64{80, 0}, cpu2, proc(7, 1, 101), proc(8, 2, 1)),
			look(4, []float64{160, 0}, times(2, cpu2), proc(8, 2, 101))},
			joules{a: {"package": 80 * 100.0 / 400}, b: {"package": 80 * 100.0 / 400}}},
		{"a pid that comes back is another process", []seen.Sample{
			look(0, []float64{0, 0}, seen.CPUTimes{}, proc(7, 1, 10)), look(2, []float64{80, 0}, cpu2, proc(7, 900, 110)),
			look(4, []float64{160, 0}, times(2, cpu2), proc(7, 900, 150))},
			joules{{7, 900}: {"package": 80 * 40.0 / 400}}},
		{"never more than the host", []seen.Sample{
			look(0, []float64{0, 0}, seen.CPUTimes{}, proc(7, 1, 10)), look(2, []float64{80, 0}, cpu2, proc(7, 1, 900))}, joules{a: {"package": 80}}},
	} {
		t.Run(c.name, func(t *testing.T) { expect(t, told(NewScaphandre(pair()), c.reads...), c.want) })
	}
	m := pair()
	m.Zones = append(m.Zones, seen.Zone{Name: "psys", Parent: -1, Socket: -1, Range: 1e9})
	r := told(NewScaphandre(m), look(0, []float64{0, 0, 0}, seen.CPUTimes{}, proc(7, 1, 1)), look(2, []float64{80, 8, 120}, cpu2, proc(7, 1, 101)))
	expect(t, r, joules{a: {"psys": 120 * 100.0 / 400}})
	expectDomains(t, "total", r.Total, Domains{"psys": 120})
}

func TestPowerJoular(t *testing.T) {
	a, b := Key{7, 1}, Key{8, 2}
	for _, c := range []struct {
		name  string
		reads []seen.Sample
		want  joules
	}{
		{"all energy to who is busy, and interrupts are not", []seen.Sample{
			look(0, []float64{5, 1}, seen.CPUTimes{}, proc(7, 1, 1000), proc(8, 2, 50)), look(2, []float64{85, 9}, cpu2, proc(7, 1, 1150), proc(8, 2, 60))},
			joules{a: {"package": 80 * 150.0 / 200, "dram": 8 * 150.0 / 200}, b: {"package": 80 * 10.0 / 200, "dram": 8 * 10.0 / 200}}},
		{"each counter's wrap", []seen.Sample{
			look(0, []float64{990, 995}, seen.CPUTimes{}, proc(7, 1, 0)), look(1, []float64{40, 1}, cpu2, proc(7, 1, 100))},
			joules{a: {"package": 50 * 100.0 / 200, "dram": 6 * 100.0 / 200}}},
		{"it ends with its process, and so does who is started for the next of that pid", []seen.Sample{
			look(0, []float64{0, 0}, seen.CPUTimes{}, proc(7, 1, 100)), look(1, []float64{80, 0}, cpu2, proc(7, 1, 200)),
			look(2, []float64{160, 0}, times(2, cpu2), proc(7, 900, 300)), look(3, []float64{240, 0}, times(3, cpu2), proc(7, 900, 350))},
			joules{a: {"package": 80 * 100.0 / 200}, {7, 900}: {"package": 80 * 50.0 / 200}}},
		{"nobody busy", []seen.Sample{
			look(0, []float64{0, 0}, seen.CPUTimes{}, proc(7, 1, 0)), look(1, []float64{80, 0}, seen.CPUTimes{Idle: 200}, proc(7, 1, 1))}, nil},
	} {
		t.Run(c.name, func(t *testing.T) { expect(t, told(NewPowerJoular(pair()), c.reads...), c.want) })
	}
	// the second socket is not there
	r := told(NewPowerJoular(twin()), look(0, []float64{0, 0, 0, 0}, seen.CPUTimes{}, proc(7, 1, 0)), look(1, []float64{80, 8, 500, 50}, cpu2, proc(7, 1, 100)))
	expect(t, r, joules{a: {"package": 40, "dram": 4}})
	expectDomains(t, "total", r.Total, Domains{"package": 80, "dram": 8})
	// psys stands for all where there is one socket
	for m, want := range map[int]joules{1: {a: {"psys": 60}}, 2: {a: {"package": 40, "dram": 4}}} {
		machine := pair()
		if m == 2 {
			machine = twin()
		}
		machine.Zones = append(machine.Zones[:2:2], seen.Zone{Name: "psys", Parent: -1, Socket: -1, Range: 1e9})
		p := NewPowerJoular(machine)
		r := told(p, look(0, []float64{0, 0, 0}, seen.CPUTimes{}, proc(7, 1, 0)),
			withCards(look(1, []float64{80, 8, 120}, cpu2, proc(7, 1, 100)), card(0, 30_000), card(0, 40_000)))
		expect(t, r, want)
		if r.Total[gpu] != 70 {
			t.Errorf("cards: %v J of the machine's, want 70", r.Total[gpu])
		}
	}
}

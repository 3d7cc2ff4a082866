package peers

import (
	"testing"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// cpu5 are two CPUs for 5 s: 1000 ticks, of which half is active. Interrupts and stolen time are, iowait is not.
var cpu5 = seen.CPUTimes{User: 300, Nice: 50, System: 50, IRQ: 30, SoftIRQ: 20, Steal: 50, Idle: 400, IOWait: 100}

// times is n such intervals.
func times(n int64, c seen.CPUTimes) seen.CPUTimes {
	return seen.CPUTimes{User: n * c.User, Nice: n * c.Nice, System: n * c.System, Idle: n * c.Idle,
		IOWait: n * c.IOWait, IRQ: n * c.IRQ, SoftIRQ: n * c.SoftIRQ, Steal: n * c.Steal}
}

func TestKepler(t *testing.T) {
	a, b := Key{7, 1}, Key{8, 2}
	start := look(0, []float64{10, 1}, seen.CPUTimes{}, proc(7, 1, 100), proc(8, 2, 50))
	end := look(5, []float64{110, 9}, cpu5, proc(7, 1, 400), proc(8, 2, 150))
	half := joules{ // half of 100 J and of 8 J is active, and goes 300 : 100
		a: {"package": 100 * 0.5 * 300 / 400, "dram": 8 * 0.5 * 300 / 400},
		b: {"package": 100 * 0.5 * 100 / 400, "dram": 8 * 0.5 * 100 / 400},
	}
	for _, c := range []struct {
		name  string
		reads []seen.Sample
		want  joules
	}{
		{"two processes", []seen.Sample{start, end}, half},
		{"a wrap is range - before + now", []seen.Sample{
			look(0, []float64{990, 1}, seen.CPUTimes{}, proc(7, 1, 0)), look(5, []float64{40, 1}, cpu5, proc(7, 1, 1))},
			joules{a: {"package": (1000 - 990 + 40) * 0.5}}},
		{"who ended has the last snapshot, and the survivor the rest", []seen.Sample{start, end, look(10, []float64{210, 9}, times(2, cpu5), proc(8, 2, 150+100))},
			joules{a: half[a], b: {"package": half[b]["package"] + 100*0.5, "dram": half[b]["dram"]}}},
		{"whom no scan meets has nothing: 400 of 500 ticks are in nobody that lives, and their energy is the survivor's", []seen.Sample{
			start, end, look(10, []float64{210, 9}, times(2, cpu5), proc(7, 1, 400), proc(8, 2, 150+100))},
			joules{a: half[a], b: {"package": half[b]["package"] + 100*0.5, "dram": half[b]["dram"]}}},
		{"who is new has all of its time in the window", []seen.Sample{
			look(0, []float64{0, 0}, seen.CPUTimes{}, proc(7, 1, 0)), look(5, []float64{100, 0}, cpu5, proc(7, 1, 150), proc(8, 2, 50))},
			joules{a: {"package": 100 * 0.5 * 150 / 200}, b: {"package": 100 * 0.5 * 50 / 200}}},
		{"a pid that comes back is its predecessor", []seen.Sample{
			look(0, []float64{0, 0}, seen.CPUTimes{}, proc(7, 1, 0), proc(8, 2, 200)),
			look(5, []float64{100, 0}, cpu5, proc(7, 1, 100), proc(8, 900, 50)),               // 50 - 200: below 0
			look(10, []float64{200, 0}, times(2, cpu5), proc(7, 1, 200), proc(8, 900, 350)),   // 300
			look(15, []float64{300, 0}, times(3, cpu5), proc(7, 1, 200), proc(8, 1500, 400))}, // 400 - 350
			joules{a: {"package": 50 + 100*0.5*100/400}, {8, 900}: {"package": 100 * 0.5 * 300 / 400}, {8, 1500}: {"package": 100 * 0.5}}},
		{"less than a tick is nothing", []seen.Sample{
			look(0, []float64{0, 0}, seen.CPUTimes{}, proc(7, 1, 3), proc(8, 2, 0)), look(5, []float64{100, 0}, cpu5, proc(7, 1, 4), proc(8, 2, 0))},
			joules{a: {"package": 50}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			expect(t, told(NewKepler(pair()), c.reads...), c.want)
		})
	}
	r := told(NewKepler(pair()), start, end)
	expectDomains(t, "total", r.Total, Domains{"package": 100, "dram": 8})
	expectDomains(t, "idle", r.Idle, Domains{"package": 50, "dram": 4})
}

func TestKeplerAddsSocketsUp(t *testing.T) {
	r := told(NewKepler(twin()), look(0, []float64{0, 0, 0, 0}, seen.CPUTimes{}), look(5, []float64{30, 3, 70, 5}, cpu5, proc(7, 1, 9)))
	expect(t, r, joules{{7, 1}: {"package": (30 + 70) * 0.5, "dram": (3 + 5) * 0.5}})
}

func card(millijoules, milliwatts uint64, on ...seen.GPUProcess) seen.GPU {
	return seen.GPU{EnergyMilliJoules: millijoules, PowerMilliWatts: milliwatts, Processes: on}
}

func withCards(s seen.Sample, cards ...seen.GPU) seen.Sample {
	s.GPUs = cards
	return s
}

func TestKeplerCards(t *testing.T) {
	none := []float64{0, 0}
	both := []seen.Process{proc(7, 1, 0), proc(8, 2, 0)}
	at := func(seconds float64, g seen.GPU) seen.Sample {
		return withCards(look(seconds, none, seen.CPUTimes{}, both...), g)
	}
	busy := []seen.GPUProcess{{PID: 7, SMUtil: 60}, {PID: 7, SMUtil: 20}, {PID: 8, SMUtil: 20}}
	quiet := []seen.GPUProcess{{PID: 7}, {PID: 8}}
	a, b := Key{7, 1}, Key{8, 2}
	for _, c := range []struct {
		name  string
		reads []seen.Sample
		want  joules
		idle  float64
	}{
		{"power above the lowest without a process, by the highest utilisation", []seen.Sample{at(0, card(0, 50_000)), at(5, card(900_000, 250_000, busy...))},
			joules{a: {gpu: 200 * 5 * 60.0 / 80}, b: {gpu: 200 * 5 * 20.0 / 80}}, 900 * 50.0 / 250},
		{"no idle power was seen", []seen.Sample{at(0, card(0, 50_000, busy...)), at(5, card(900_000, 250_000, busy...))},
			joules{a: {gpu: 250 * 5 * 60.0 / 80}, b: {gpu: 250 * 5 * 20.0 / 80}}, 0},
		{"equal parts without utilisation", []seen.Sample{at(0, card(0, 50_000)), at(5, card(900_000, 250_000, quiet...))},
			joules{a: {gpu: 200 * 5 / 2}, b: {gpu: 200 * 5 / 2}}, 900 * 50.0 / 250},
		{"a lower idle power holds, a higher one does not", []seen.Sample{
			at(0, card(0, 50_000)), at(5, card(0, 40_000)), at(10, card(0, 90_000)), at(15, card(0, 250_000, busy...))},
			joules{a: {gpu: 210 * 5 * 60.0 / 80}, b: {gpu: 210 * 5 * 20.0 / 80}}, 0},
		{"who was not there at the last scan has nothing yet", []seen.Sample{
			withCards(look(0, none, seen.CPUTimes{}, both[0]), card(0, 50_000)), at(5, card(900_000, 250_000, busy...))},
			joules{a: {gpu: 200 * 5 * 60.0 / 80}}, 900 * 50.0 / 250},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := told(NewKepler(pair()), c.reads...)
			expect(t, r, c.want)
			expectDomains(t, "idle", r.Idle, Domains{gpu: c.idle})
		})
	}
}

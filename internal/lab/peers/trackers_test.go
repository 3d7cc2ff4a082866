package peers

import (
	"math"
	"testing"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// cpu10 are two CPUs for 10 s: 2000 ticks, half of them busy.
var cpu10 = seen.CPUTimes{User: 600, System: 300, IRQ: 50, Steal: 50, Idle: 900, IOWait: 100}

func TestCodeCarbonMachine(t *testing.T) {
	// 32 GB are taken for 4 modules of 5 W.
	job := child(1, 7, 0)
	reads := []seen.Sample{
		withCards(look(0, []float64{990, 1}, seen.CPUTimes{}, job), card(1000, 0)),
		withCards(look(1, []float64{40, 9}, times(1, cpu10), job, child(7, 8, 0)), card(31_000, 0)),
		withCards(look(3, []float64{60, 9}, times(2, cpu10), job, child(7, 8, 0), child(1, 9, 0)), card(31_000, 0)),
		withCards(look(4, []float64{90, 9}, times(3, cpu10), child(1, 9, 0)), card(30_000, 0)), // a card's counter began anew
	}
	want := joules{
		{7, 7}: {"package": 50 + 20, "dram": 20 * 3, gpu: 30},
		{8, 8}: {"package": 20, "dram": 20 * 2}, // is started when it is seen
		{9, 9}: {"package": 30, "dram": 20 * 1}, // and ends with its job
	}
	r := told(NewCodeCarbonMachine(pair(), Options{}), reads...)
	expect(t, r, want)
	expectDomains(t, "total", r.Total, Domains{"package": 50 + 20 + 30, "dram": 20 * 4, gpu: 30})
	expect(t, told(NewCodeCarbonMachine(pair(), Options{Roots: []int{7}}), reads...), joules{{7, 7}: want[Key{7, 7}]})
	// both sockets, and no other zone
	r = told(NewCodeCarbonMachine(twin(), Options{Roots: []int{7}}),
		look(0, []float64{0, 0, 0, 0}, cpu10, job), look(1, []float64{30, 5, 70, 5}, times(2, cpu10), job))
	expect(t, r, joules{{7, 7}: {"package": 30 + 70, "dram": 20}})
	// no counter of packages: 100 W at half load are 100 x (0.1 + 0.9/8); 85 W where the CPU is not known
	for tdp, per := range map[float64]float64{100: 100, 0: 85} {
		m := pair()
		m.Zones, m.TDPWatts = nil, tdp
		r = told(NewCodeCarbonMachine(m, Options{}), look(0, nil, seen.CPUTimes{}, job), look(2, nil, cpu10, job))
		expect(t, r, joules{{7, 7}: {"package": per * (0.1 + 0.9*0.5*0.5*0.5) * 2, "dram": 20 * 2}})
	}
}

func TestCodeCarbonProcess(t *testing.T) {
	resident := func(p seen.Process, gigabytes int64) seen.Process {
		p.Resident = gigabytes << 30
		return p
	}
	reads := []seen.Sample{
		look(0, []float64{0, 0}, seen.CPUTimes{}, resident(child(1, 7, 100), 1), child(7, 8, 50)),
		look(1, []float64{500, 0}, times(1, cpu10), resident(child(1, 7, 140), 1), child(7, 8, 110), child(8, 9, 30)), // 9 is looked at
		look(2, []float64{600, 0}, times(2, cpu10), resident(child(1, 7, 150), 100), child(8, 9, 50)),                 // 8 is gone, 9 init's
		look(3, []float64{700, 0}, times(3, cpu10), resident(child(1, 7, 150), 1), child(7, 8, 20)),                   // 8 is looked at again
		look(4, []float64{800, 0}, times(4, cpu10), resident(child(1, 7, 170), 1), child(7, 8, 5)),                    // another 8, with less time
	}
	thread := proc(2, 0, 9)
	thread.Kernel = true
	for i := range reads {
		thread.Sys++
		reads[i].Processes = append(reads[i].Processes, thread)
	}
	for i := range reads[2].Processes {
		if reads[2].Processes[i].PID == 9 {
			reads[2].Processes[i].PPID = 1
		}
	}
	// TDP is 100 W for two CPUs: 0.5 J a tick. 100 GB are taken for 8 modules.
	r := told(NewCodeCarbonProcess(pair(), Options{Roots: []int{7}}), reads...)
	expect(t, r, joules{{7, 7}: {"package": 0.5 * (40 + 60 + 10 + 20), "dram": 10 + (4*5 + 4*4.5) + 10 + 10}})
	expectDomains(t, "total", r.Total, nil)
	// a kernel thread has no tracker in it
	r = told(NewCodeCarbonProcess(pair(), Options{}), reads...)
	if _, ok := r.Joules[keyOf(&thread)]; ok {
		t.Error("a kernel thread is a job")
	}
	// two sockets have two such CPUs in them
	r = told(NewCodeCarbonProcess(twin(), Options{Roots: []int{7}}), reads[:2]...)
	expect(t, r, joules{{7, 7}: {"package": 0.5 * 2 * (40 + 60), "dram": 10}})
	// a pid that comes back is no job of ours
	r = told(NewCodeCarbonProcess(pair(), Options{Roots: []int{7}}), reads[0],
		look(1, nil, cpu10, proc(7, 900, 200)), look(2, nil, times(2, cpu10), proc(7, 900, 300)))
	expect(t, r, nil)
}

func TestModules(t *testing.T) {
	for gigabytes, want := range map[float64]float64{
		0: 10, 2: 10, 16: 10, 17: 20, 64: 20, 65: 38, 128: 38, 129: 38 + 1*4, 1000: 70, 1024: 38, 3000: 70 + 8*3.5, 1e9: 70 + 16*3.5,
		math.Inf(1): 70 + 16*3.5, math.NaN(): 10, -1: 10,
	} {
		if got := moduleWatts(gigabytes); math.Abs(got-want) > 1e-9 {
			t.Errorf("%v GB: %v W, want %v", gigabytes, got, want)
		}
	}
}

func TestEco2AI0312(t *testing.T) {
	big := child(1, 7, 500)
	big.Resident = 8 << 30
	later := big
	later.User += 200
	kernel := proc(2, 0, 5)
	kernel.Kernel = true
	busier := kernel
	busier.Sys += 100
	e := NewEco2AI0312(pair())
	// TDP is 100 W for two CPUs: 0.5 J a tick. 8 GB are 3 W. A child's time is not the parent's, and who is new has all of its own.
	r := told(e, look(0, []float64{0, 0}, seen.CPUTimes{}, big, kernel),
		withCards(look(10, []float64{500, 0}, cpu10, later, child(7, 8, 60), busier), card(0, 20_000), card(0, 30_000)))
	want := joules{{7, 7}: {"package": 0.5 * 200, "dram": 3 * 10, gpu: 50 * 10}, {8, 8}: {"package": 0.5 * 60}}
	expect(t, r, want)
	want[Key{7, 900}] = Domains{"package": 0.5 * 50} // a pid that comes back; who has ended keeps what it had
	expect(t, told(e, look(20, []float64{600, 0}, times(2, cpu10), proc(7, 900, 50))), want)
	m := twin()
	m.TDPWatts = 0
	r = told(NewEco2AI0312(m), look(0, nil, seen.CPUTimes{}, child(1, 7, 0)), look(10, nil, cpu10, child(1, 7, 100)))
	expect(t, r, joules{{7, 7}: {"package": 100.1 * 2 * 1 / 2}}) // 100.1 W x 2 sockets, 1 s of 2 CPUs
}

func TestEco2AI0313(t *testing.T) {
	job := func(own int64) seen.Process {
		p := child(1, 7, own)
		p.Resident = 4 << 30
		return p
	}
	start := look(0, []float64{10, 1}, seen.CPUTimes{}, job(100), child(7, 8, 500))
	end := look(10, []float64{410, 9}, cpu10, job(300), child(7, 8, 700), child(8, 9, 100))
	for _, c := range []struct {
		name  string
		reads []seen.Sample
		cpu   float64
		n     float64 // intervals
	}{
		{"the tree's part of all CPUs' time, with idle", []seen.Sample{start, end}, 400 * (200 + 200 + 100) / 2000.0, 1},
		{"a child that ends takes its time along", []seen.Sample{start, end, look(20, []float64{810, 9}, times(2, cpu10), job(1300), child(7, 8, 700))},
			400*500/2000.0 + 400*(1000-100)/2000.0, 2},
		{"and where it had used more, the interval", []seen.Sample{start, end, look(20, []float64{810, 9}, times(2, cpu10), job(400)),
			look(30, []float64{910, 9}, times(3, cpu10), job(500))}, 400*500/2000.0 + 0 + 100*100/2000.0, 3},
		{"a wrap is nothing, and its time is with the next", []seen.Sample{start, look(10, []float64{5, 1}, cpu10, job(300)),
			look(20, []float64{105, 1}, times(2, cpu10), job(1000))}, 100 * (1000 - 600) / 4000.0, 2},
		{"never more than all", []seen.Sample{start, look(10, []float64{410, 1}, cpu10, job(9000))}, 400, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := told(NewEco2AI0313(pair(), Options{Roots: []int{7}}), c.reads...)
			expect(t, r, joules{{7, 7}: {"package": c.cpu, "dram": 1.5 * 10 * c.n}})
		})
	}
	both := told(NewEco2AI0313(twin(), Options{Roots: []int{7}}),
		look(0, []float64{0, 0, 0, 0}, seen.CPUTimes{}, job(0)), look(10, []float64{30, 5, 70, 5}, cpu10, job(500)))
	expect(t, both, joules{{7, 7}: {"package": 100 * 500 / 2000.0, "dram": 15}})
	expectDomains(t, "total", both.Total, Domains{"package": 100})
	// every process is the root of its own tree; cards are those of whose tree one has a context
	cards := func(s seen.Sample, more uint64) seen.Sample {
		return withCards(s, card(1000+more, 0, seen.GPUProcess{PID: 9}), card(1000+2*more, 0, seen.GPUProcess{PID: 66}))
	}
	r := told(NewEco2AI0313(pair(), Options{}), cards(start, 0), cards(end, 50_000))
	expect(t, r, joules{{7, 7}: {"package": 100, "dram": 15, gpu: 50}, {8, 8}: {"package": 400 * (200 + 100) / 2000.0, gpu: 50}, {9, 9}: {}})
}

//go:build cgo

package nvml

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/eco2-bpf/eco2-bpf/internal/energy"
)

const ms = time.Millisecond

// want fails unless the shares are these, to a microsecond, and no GPU worked longer than the window.
func (r *rig) want(window time.Duration, got []energy.Share, want ...energy.Share) {
	r.Helper()
	total := map[int]time.Duration{}
	for _, s := range got {
		total[s.Domain] += s.Busy
		if s.Busy <= 0 || s.Domain < 0 || s.Domain >= len(r.cards) || total[s.Domain] > window {
			r.Errorf("at %v: %+v of a window of %v", r.now, got, window)
		}
	}
	same := slices.EqualFunc(got, want, func(a, b energy.Share) bool {
		d := a.Busy - b.Busy
		return a.Domain == b.Domain && a.PID == b.PID && d > -time.Microsecond && d < time.Microsecond
	})
	if !same {
		r.Errorf("at %v: %+v, want %+v", r.now, got, want)
	}
}

func TestTwoProcessesOnOneGPU(t *testing.T) {
	r := newRig(t, 1)
	r.open()
	c := r.cards[0]
	for range 5 {
		c.works(r.now, r.now+time.Second, 80)
		c.proc(5, r.now+time.Second, 20)
		c.proc(4, r.now+time.Second, 50)
		r.want(time.Second, r.edge(time.Second), energy.Share{PID: 4, Busy: 500 * ms}, energy.Share{PID: 5, Busy: 200 * ms}, energy.Share{PID: 0, Busy: 100 * ms})
	}
	r.want(time.Second, r.edge(time.Second)) // idle: the driver's buffer has nothing new
}

// Several samples of one process in a window are each for the time since the one before.
func TestSeveralSamples(t *testing.T) {
	r := newRig(t, 1)
	r.open()
	r.cards[0].works(0, time.Second, 100)
	r.cards[0].proc(4, time.Second, 30)
	r.cards[0].proc(4, 500*ms, 10)
	r.want(time.Second, r.edge(time.Second), energy.Share{PID: 4, Busy: 200 * ms}, energy.Share{PID: 0, Busy: 800 * ms})
}

// Samples of the load come in any order, and each is for the time since the one before; what does not fit into the caller's slice is left out.
func TestLoad(t *testing.T) {
	r := newRig(t, 2)
	r.open()
	for _, c := range r.cards {
		c.load = []gonvml.Sample{sample(time.Second, 0), sample(200*ms, 100), sample(500*ms, 50)}
	}
	r.want(time.Second, r.edge(time.Second), energy.Share{Domain: 0, PID: 0, Busy: 350 * ms}, energy.Share{Domain: 1, PID: 0, Busy: 350 * ms})
	r.out = r.out[:1]
	r.cards[0].loadNow, r.cards[1].loadNow = 10, 10
	r.want(time.Second, r.edge(time.Second), energy.Share{Domain: 0, PID: 0, Busy: 100 * ms})
}

// Processes that claim more than the device did get as much of it as they claim of all: it may run kernels of two at a time.
func TestClaimsOfMoreThanAll(t *testing.T) {
	r := newRig(t, 1)
	r.open()
	r.cards[0].works(0, time.Second, 80)
	r.cards[0].proc(4, time.Second, 80)
	r.cards[0].proc(5, time.Second, 40)
	r.want(time.Second, r.edge(time.Second), energy.Share{PID: 4, Busy: 533333 * time.Microsecond}, energy.Share{PID: 5, Busy: 266666 * time.Microsecond})
}

// However long the rest, a driver is not asked for its mean over it, which it would give for a last timestamp of long ago or of 0.
func TestLastSeen(t *testing.T) {
	r := newRig(t, 1)
	r.open()
	for i := range 100 {
		if i%40 == 0 {
			r.cards[0].proc(4, r.now+time.Second, 10)
		}
		before := r.now
		r.edge(time.Second)
		if last := r.cards[0].lastSeen; last[len(last)-1] < stamp(before-late) || last[len(last)-1] > stamp(before) {
			t.Fatalf("edge %d: asked for %d, the last edge was at %d", i, last[len(last)-1], stamp(before))
		}
	}
}

// A driver that gives all it has, whatever it is asked for.
func TestSamplesAgain(t *testing.T) {
	r := newRig(t, 1)
	r.open()
	c := r.cards[0]
	c.merge = func([]gonvml.ProcessUtilizationSample, uint64) []gonvml.ProcessUtilizationSample {
		return slices.Clone(c.procs)
	}
	c.proc(4, time.Second, 50)
	c.works(0, time.Second, 50)
	r.want(time.Second, r.edge(time.Second), energy.Share{PID: 4, Busy: 500 * ms})
	for range 3 {
		r.want(time.Second, r.edge(time.Second))
	}
	c.proc(4, 5*time.Second, 10)
	c.loadNow = 100
	// After a rest it is the mean of this window and of what could not be seen yet at the last edge.
	r.want(time.Second, r.edge(time.Second), energy.Share{PID: 4, Busy: 200 * ms}, energy.Share{PID: 0, Busy: 800 * ms})
}

// A machine whose processes live for one window each: they are not all remembered.
func TestManyProcesses(t *testing.T) {
	r := newRig(t, 1)
	r.open()
	c := r.cards[0]
	for i := range uint32(3 * maxProcesses) {
		c.load, c.procs = c.load[:0], c.procs[:0]
		c.works(r.now, r.now+time.Second, 50)
		c.proc(10+i, r.now+time.Second, 50)
		r.want(time.Second, r.edge(time.Second), energy.Share{PID: 10 + i, Busy: 500 * ms})
	}
	if n := len(r.src.devices[0].load.table); n > maxProcesses+1 {
		t.Errorf("%d are remembered", n)
	}
}

func TestOneProcessOnTwoGPUs(t *testing.T) {
	r := newRig(t, 3)
	r.open()
	for i, percent := range []uint32{30, 0, 90} {
		r.cards[i].works(0, time.Second, percent)
		if percent > 0 {
			r.cards[i].proc(4, time.Second, percent)
		}
	}
	r.want(time.Second, r.edge(time.Second), energy.Share{Domain: 0, PID: 4, Busy: 300 * ms}, energy.Share{Domain: 2, PID: 4, Busy: 900 * ms})
}

// A process that ended in the window has its share up to its last sample; a new one from the last edge on.
func TestExitInMidWindow(t *testing.T) {
	r := newRig(t, 1)
	r.open()
	c := r.cards[0]
	c.works(0, time.Second, 100)
	c.proc(4, time.Second, 100)
	r.want(time.Second, r.edge(time.Second), energy.Share{PID: 4, Busy: time.Second})
	c.works(time.Second, 1400*ms, 100)
	c.works(1400*ms, 2*time.Second, 0)
	c.proc(4, 1400*ms, 100)
	r.want(time.Second, r.edge(time.Second), energy.Share{PID: 4, Busy: 400 * ms})
	r.want(time.Second, r.edge(time.Second))
}

// What is in the driver's buffer from before the first edge, or was read before, does not count: timestamps are kept by device and process.
func TestSamplesCountOnce(t *testing.T) {
	r := newRig(t, 2)
	r.cards[0].works(-10*time.Second, 0, 100)
	for at := -10 * time.Second; at <= 0; at += time.Second {
		r.cards[0].proc(4, at, 100)
	}
	r.open()
	r.want(time.Second, r.edge(time.Second))
	for _, c := range r.cards {
		c.works(time.Second, 2*time.Second, 100)
	}
	// Two processes whose samples have other times, on one device; the other device has a clock of its own.
	r.cards[0].proc(4, 1200*ms, 50)
	r.cards[0].proc(5, 1900*ms, 10)
	r.cards[1].proc(4, 1100*ms, 100)
	got, busy := r.edge(time.Second), map[[2]uint32]time.Duration{}
	for _, s := range got {
		busy[[2]uint32{uint32(s.Domain), s.PID}] = s.Busy
	}
	// After a rest of two windows a sample may be for all the time since it: at most a second (late) before the window.
	for key, most := range map[[2]uint32]time.Duration{{0, 4}: 600 * ms, {0, 5}: 95 * ms * 2, {1, 4}: time.Second} {
		if busy[key] <= 0 || busy[key] > most {
			t.Errorf("%v: %v", key, busy[key])
		}
	}
	for range 8 { // the driver's buffers stay as they are
		if rest := r.edge(time.Second); len(rest) != 0 {
			t.Errorf("counted again at %v: %+v", r.now, rest)
		}
	}
}

// Samples of more than a window come at once where the driver takes one a second or less: nothing of them is lost, and no window is overfull.
func TestLateSamples(t *testing.T) {
	r := newRig(t, 1)
	r.open()
	c := r.cards[0]
	c.loadNow = 100
	total := time.Duration(0)
	for i := range 100 {
		if i%10 == 9 {
			c.proc(4, r.now+80*ms, 100)
		}
		got := r.edge(100 * ms)
		for _, s := range got {
			if s.Busy > 100*ms {
				t.Fatalf("%+v", got)
			}
			if s.PID == 4 {
				total += s.Busy
			}
		}
	}
	if total < 9000*ms || total > 9200*ms { // of 10 s the last 0.9 are still to come
		t.Errorf("%v", total)
	}
}

func TestNonsense(t *testing.T) {
	const all = math.MaxUint32
	for name, c := range map[string]struct {
		give func(c *card, at time.Duration)
		mark string
	}{
		"utilisation over 100": {func(c *card, at time.Duration) { c.proc(9, at, all); c.proc(9, at, 101) }, "makes no sense"},
		"no timestamp": {func(c *card, at time.Duration) {
			c.procs = append(c.procs, gonvml.ProcessUtilizationSample{Pid: 9, SmUtil: 50})
		}, "makes no sense"},
		"a timestamp far ahead": {func(c *card, at time.Duration) { c.proc(9, at+time.Hour, 50) }, ""},
		"the last timestamp": {func(c *card, at time.Duration) {
			c.procs = append(c.procs, gonvml.ProcessUtilizationSample{Pid: 9, SmUtil: 50, TimeStamp: math.MaxUint64})
		}, "makes no sense"},
		"a timestamp long ago": {func(c *card, at time.Duration) { c.proc(9, -time.Hour, 50) }, ""},
		"process 0":            {func(c *card, at time.Duration) { c.proc(0, at, 20) }, ""},
		"places not used": {func(c *card, at time.Duration) {
			c.procs = append(c.procs, make([]gonvml.ProcessUtilizationSample, 98)...)
		}, ""},
		"a hundred of garbage": {func(c *card, at time.Duration) {
			for i := range uint32(100) {
				c.proc(i*0x01010101, at, 1000+i)
			}
		}, "makes no sense"},
		"load over 100": {func(c *card, at time.Duration) { c.load = append(c.load, sample(at-50*ms, all)) }, ""},
		"load's timestamp far off": {func(c *card, at time.Duration) {
			c.load = append(c.load, sample(at+time.Hour, 1), gonvml.Sample{TimeStamp: math.MaxUint64})
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 1)
			r.open()
			for i := range 3 {
				end := r.now + time.Second
				r.cards[0].works(r.now, end, 80)
				r.cards[0].proc(4, end, 50)
				if i == 1 {
					c.give(r.cards[0], end)
				}
				r.cards[0].millijoules += 100_000
				r.want(time.Second, r.edge(time.Second), energy.Share{PID: 4, Busy: 500 * ms}, energy.Share{PID: 0, Busy: 300 * ms})
				r.cards[0].procs = slices.DeleteFunc(r.cards[0].procs, func(s gonvml.ProcessUtilizationSample) bool { return s.Pid != 4 })
				if mark := r.out[0].Mark; (mark != "") != (c.mark != "" && i == 1) || i == 1 && !strings.Contains(mark, c.mark) {
					t.Errorf("mark %q", mark)
				}
			}
		})
	}
}

// The driver's clock is set, forwards or back: some windows are nobody's, none is overfull, and then it is as before. Its load is told in between
// by its latest reading, which is another here.
func TestClockIsSet(t *testing.T) {
	for name, set := range map[string]struct {
		by    time.Duration
		wall  bool // it is the wall clock
		told  int  // windows until the work of a process is told again
		again int  // windows until all is as before
	}{
		"forwards":               {time.Hour, true, 1, 4},
		"back":                   {-time.Hour, true, 3, 5},
		"to the time since boot": {-time.Duration(stamp(-time.Minute)) * time.Microsecond, false, 7, 7},
	} {
		r := newRig(t, 1)
		r.open()
		c, off := r.cards[0], time.Duration(0)
		const round = 20
		for i := range 3 * round {
			if i%round == 3 && (i < round || set.wall) {
				off += set.by
				if set.wall {
					r.src.wall = func() time.Time { return bootTime.Add(r.now + off) }
				}
			}
			c.works(r.now+off, r.now+off+time.Second, 80)
			c.proc(4, r.now+off+time.Second, 50)
			c.loadNow = 83
			c.load, c.procs = c.load[max(0, len(c.load)-30):], c.procs[max(0, len(c.procs)-3):] // the driver's buffer ends somewhere
			got, since := r.edge(time.Second), i%round-3
			if since < 0 || since >= set.again || i > round && !set.wall {
				r.want(time.Second, got, energy.Share{PID: 4, Busy: 500 * ms}, energy.Share{PID: 0, Busy: 300 * ms})
				continue
			}
			nobody := energy.Share{PID: 0, Busy: 830 * ms}
			if since >= set.told {
				nobody.Busy = 330 * ms
			}
			if len(got) == 0 || got[len(got)-1].Busy > nobody.Busy {
				t.Errorf("%s, edge %d: %+v, want %+v at most", name, i, got, nobody)
			}
		}
	}
}

// Without utilisation of processes, one that is alone at both edges gets the device's work; that of several is nobody's.
func TestByList(t *testing.T) {
	r := newRig(t, 1)
	c := r.cards[0]
	c.fault["GetProcessUtilization"] = gonvml.ERROR_NOT_SUPPORTED
	c.compute, c.graphics, c.loadNow = []uint32{4}, []uint32{4}, 50
	r.open()
	nobody, alone := energy.Share{PID: 0, Busy: 500 * ms}, energy.Share{PID: 4, Busy: 500 * ms}
	r.want(time.Second, r.edge(time.Second), alone)
	c.graphics = []uint32{5}
	r.want(time.Second, r.edge(time.Second), nobody)
	r.want(time.Second, r.edge(time.Second), nobody)
	c.graphics = nil
	r.want(time.Second, r.edge(time.Second), nobody) // 5 was there
	r.want(time.Second, r.edge(time.Second), alone)
	c.fault["GetGraphicsRunningProcesses"] = gonvml.ERROR_UNKNOWN // somebody may be there
	r.want(time.Second, r.edge(time.Second), nobody)
	delete(c.fault, "GetGraphicsRunningProcesses")
	c.compute = nil
	r.want(time.Second, r.edge(time.Second), nobody)
	c.loadNow = 101
	r.want(time.Second, r.edge(time.Second))
	if !strings.Contains(r.out[0].Mark, "load unreadable") {
		t.Errorf("%+v", r.out[0])
	}
}

// A GPU that tells only half of who uses it does not tell who is alone.
func TestByHalfAList(t *testing.T) {
	for _, call := range []string{"GetComputeRunningProcesses", "GetGraphicsRunningProcesses"} {
		r := busyRig(t)
		c := r.cards[0]
		c.compute, c.graphics = []uint32{7}, []uint32{7}
		c.fault["GetProcessUtilization"], c.fault[call] = gonvml.ERROR_NOT_SUPPORTED, gonvml.ERROR_NOT_SUPPORTED
		if reasons := r.open(); count(reasons, "nor which ones use it") != 1 {
			t.Errorf("%s: %+v", call, reasons)
		}
		checkBusy(t, r.next(), 0, false, true)
	}
}

// Process utilisation that is refused in mid-run is told once; so is MIG mode.
func TestRefusedInMidRun(t *testing.T) {
	for mode, mark := range map[int]string{0: "process utilisation is not supported any more", 1: "MIG mode was turned on"} {
		r := newRig(t, 1)
		c := r.cards[0]
		c.loadNow = 50
		r.open()
		c.millijoules += 9_000
		c.proc(4, time.Second, 50)
		r.want(time.Second, r.edge(time.Second), energy.Share{PID: 4, Busy: 500 * ms})
		c.millijoules += 9_000
		c.fault["GetProcessUtilization"], c.mig = gonvml.ERROR_NOT_SUPPORTED, mode
		r.edge(time.Second)
		if !strings.Contains(r.out[0].Mark, mark) {
			t.Errorf("%+v", r.out[0])
		}
		c.millijoules += 9_000
		if got := r.edge(time.Second); r.out[0].Mark != "" || r.out[0].Energy != 27e6 || slices.ContainsFunc(got, func(s energy.Share) bool { return s.PID != 0 }) || len(got) != 1-mode {
			t.Errorf("%+v, %+v", got, r.out[0])
		}
	}
}

// In instances, energy is of the card, and nobody's.
func TestMIG(t *testing.T) {
	r := newRig(t, 2)
	r.cards[0].mig = 1
	for _, c := range r.cards {
		c.loadNow = 70
		c.proc(4, time.Second, 50)
		c.compute = []uint32{4}
		c.fault["GetProcessUtilization"] = gonvml.ERROR_NOT_SUPPORTED
	}
	reasons := r.open()
	if !strings.Contains(r.src.Domains()[0].Detail, "MIG") || strings.Contains(r.src.Domains()[1].Detail, "MIG") {
		t.Errorf("%+v", r.src.Domains())
	}
	if d := r.src.Domains(); d[0].Shared || !d[1].Shared || d[1].Refresh == 0 {
		t.Errorf("who used it is told, they say: %+v", d)
	}
	if n := count(reasons, "MIG"); n != 1 {
		t.Errorf("named %d times: %+v", n, reasons)
	}
	if n := count(reasons, "the utilisation of processes"); n != 1 { // of the other: what is not asked for is not told to be missing
		t.Errorf("%d lack the utilisation of processes: %+v", n, reasons)
	}
	r.cards[0].millijoules += 50_000
	r.want(time.Second, r.edge(time.Second), energy.Share{Domain: 1, PID: 4, Busy: 700 * ms})
	if r.out[0].Energy != 50e6 || r.out[0].Mark != "" {
		t.Errorf("%+v", r.out[0])
	}
}

func TestVirtualGPUs(t *testing.T) {
	for mode, want := range map[gonvml.GpuVirtualizationMode]int{
		gonvml.GPU_VIRTUALIZATION_MODE_NONE: 0, gonvml.GPU_VIRTUALIZATION_MODE_PASSTHROUGH: 0, gonvml.GPU_VIRTUALIZATION_MODE_VGPU: 1,
		gonvml.GPU_VIRTUALIZATION_MODE_HOST_VGPU: 1, gonvml.GPU_VIRTUALIZATION_MODE_HOST_VSGA: 1,
	} {
		r := newRig(t, 1)
		r.cards[0].virtualization = mode
		if n := count(r.open(), "vGPU"); n != want || strings.Contains(r.src.Domains()[0].Detail, "vGPU") != (want > 0) {
			t.Errorf("mode %d: named %d times, %+v", mode, n, r.src.Domains())
		}
	}
}

// The server of MPS works for others: it is named when it is there at the start, and once when it comes later.
func TestMPS(t *testing.T) {
	r := newRig(t, 1)
	r.names[4], r.names[5] = "/usr/bin/nvidia-cuda-mps-server", "/usr/bin/python3"
	r.cards[0].compute = []uint32{4}
	if n := count(r.open(), mpsServer); n != 1 || r.out[0].Mark != "" {
		t.Errorf("named %d times, %+v", n, r.out[0])
	}
	r = newRig(t, 1)
	r.names[4], r.names[5] = "nvidia-cuda-mps-server", "/usr/bin/python3"
	if n := count(r.open(), mpsServer); n != 0 {
		t.Errorf("named %d times", n)
	}
	for i, pid := range []uint32{5, 4, 4, 5} {
		r.cards[0].proc(pid, r.now+time.Second, 50)
		r.edge(time.Second)
		if strings.Contains(r.out[0].Mark, mpsServer) != (i == 1) {
			t.Errorf("edge %d: %+v", i, r.out[0])
		}
	}
}

func count(reasons []energy.Reason, text string) (n int) {
	for _, r := range reasons {
		if strings.Contains(r.Text, text) {
			n++
			if r.OK {
				n = 1000
			}
		}
	}
	return n
}

// A GPU falls off the bus: its window is marked and nobody's, the other goes on; when it is back, its counter has what it missed.
func TestLostInMidRun(t *testing.T) {
	r := busyRig(t)
	r.open()
	r.next()
	lost := r.cards[0]
	lost.fault["GetTotalEnergyConsumption"] = gonvml.ERROR_GPU_IS_LOST
	asked := len(lost.asked)
	for range 3 {
		shares := r.next()
		checkBusy(t, shares, 1, true, true)
		checkBusy(t, shares, 0, false, false)
		if r.out[0].Energy != 300e6 || !strings.Contains(r.out[0].Mark, "GPU_IS_LOST") || r.out[1].Mark != "" {
			t.Errorf("%+v", r.out)
		}
	}
	if r.out[1].Energy != 1200e6 || len(lost.asked) != asked+3 {
		t.Errorf("%+v; a lost GPU was asked %d times", r.out[1], len(lost.asked)-asked)
	}
	delete(lost.fault, "GetTotalEnergyConsumption")
	got := r.next()
	if s := r.out[0]; s.Energy != 1500e6 || s.Span != 4*time.Second || !strings.Contains(s.Mark, "covers 4 s") {
		t.Errorf("%+v", s)
	}
	checkBusy(t, got, 0, false, false) // a baseline
	checkBusy(t, r.next(), 0, true, true)
}

// Without permission for it, process utilisation is as if it were not there, and says what would help.
func TestNoPermission(t *testing.T) {
	r := busyRig(t)
	r.cards[0].fault["GetProcessUtilization"] = gonvml.ERROR_NO_PERMISSION
	if reasons := r.open(); !slices.ContainsFunc(reasons, func(r energy.Reason) bool { return !r.OK && strings.Contains(r.Next, "run as root") }) {
		t.Errorf("%+v", reasons)
	}
	checkBusy(t, r.next(), 0, false, true)
}

// go-nvml cuts its buffer to the length that a driver gives, which may be longer.
func TestBufferOverrun(t *testing.T) {
	r := busyRig(t)
	r.open()
	overrun := true
	r.cards[0].merge = func(s []gonvml.ProcessUtilizationSample, _ uint64) []gonvml.ProcessUtilizationSample {
		if overrun {
			return s[:cap(s)+1]
		}
		return s
	}
	shares := r.next()
	checkBusy(t, shares, 0, false, true)
	checkBusy(t, shares, 1, true, true)
	if !strings.Contains(r.out[0].Mark, "process utilisation unreadable") {
		t.Errorf("%+v", r.out[0])
	}
	overrun = false
	checkBusy(t, r.next(), 0, true, true)
}

// A process whose samples come when the device rests is not paid later, at another's cost.
func TestTooLate(t *testing.T) {
	r := newRig(t, 1)
	r.open()
	c := r.cards[0]
	c.works(0, time.Second, 0)
	c.proc(4, time.Second, 100)
	r.want(time.Second, r.edge(time.Second))
	c.works(time.Second, 2*time.Second, 60)
	c.proc(5, 2*time.Second, 60)
	r.want(time.Second, r.edge(time.Second), energy.Share{PID: 5, Busy: 600 * ms})
}

// A call that fails now and then is told, and is tried again.
func TestUnreadableForAWindow(t *testing.T) {
	for call, mark := range map[string]string{
		"GetProcessUtilization": "process utilisation unreadable", "GetTotalEnergyConsumption": "counter unreadable", "GetAccountingPids": "accounting unreadable",
		"GetSamples(load)": "", "GetUtilizationRates": "",
	} {
		r := busyRig(t)
		r.open()
		r.next()
		r.cards[0].fault[call] = gonvml.ERROR_UNKNOWN
		r.next()
		if m := r.out[0].Mark; !strings.Contains(m, mark) || (mark == "") != (m == "") || r.out[1].Mark != "" {
			t.Errorf("%s: %+v", call, r.out)
		}
		if r.next(); call == "GetAccountingPids" && r.out[0].Mark != "" {
			t.Errorf("told again: %+v", r.out[0])
		}
		delete(r.cards[0].fault, call)
		r.next()
		checkBusy(t, r.next(), 0, true, true)
		if r.out[0].Energy != 1500e6 || r.out[0].Mark != "" {
			t.Errorf("%s: %+v", call, r.out[0])
		}
	}
}

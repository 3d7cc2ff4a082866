//go:build cgo

package nvml

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/eco2-bpf/eco2-bpf/internal/energy"
)

// This machine may have a driver or not: either answer must be whole.
func TestOpenHere(t *testing.T) {
	src, reasons, err := Open("/sys")
	if len(reasons) == 0 || (err == nil) == (src == nil) {
		t.Fatalf("%v, %+v, %v", src, reasons, err)
	}
	if err == nil {
		src.Read(energy.Edge{}, make([]energy.Sample, len(src.Domains())))
		err = src.Close()
	} else if errors.Is(err, energy.ErrAbsent) {
		err = nil
	}
	if err != nil {
		t.Error(err)
	}
}

func TestOpenWithout(t *testing.T) {
	for name, c := range map[string]struct {
		init   gonvml.Return
		gpus   int
		absent bool
		next   string
	}{
		"no library":        {gonvml.ERROR_LIBRARY_NOT_FOUND, 1, true, ""},
		"driver not loaded": {gonvml.ERROR_DRIVER_NOT_LOADED, 1, true, ""},
		"no GPU":            {gonvml.SUCCESS, 0, true, ""},
		"updated driver":    {gonvml.ERROR_LIB_RM_VERSION_MISMATCH, 1, false, "reboot"},
		"no permission":     {gonvml.ERROR_NO_PERMISSION, 1, false, "/dev/nvidiactl"},
		"anything else":     {gonvml.ERROR_UNKNOWN, 1, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, c.gpus)
			r.server.InitFunc = func() gonvml.Return { return c.init }
			src, reasons, err := open(r.server, r.sysfs)
			if src != nil || errors.Is(err, energy.ErrAbsent) != c.absent || len(reasons) != 1 || reasons[0].OK != c.absent || !strings.Contains(reasons[0].Next, c.next) {
				t.Errorf("%v, %+v, %v", src, reasons, err)
			}
			onBus(t, r.sysfs, "0000:01:00.0", map[string]string{"vendor": "0x10de\n", "class": "0x030200\n"})
			if _, reasons, _ := open(r.server, r.sysfs); c.absent && (reasons[0].OK || reasons[0].Next == "") {
				t.Errorf("with a GPU on the bus: %+v", reasons)
			}
			if n := len(r.server.ShutdownCalls()); (c.init == gonvml.SUCCESS) != (n == 2) {
				t.Errorf("shut down %d times", n)
			}
		})
	}
}

func TestOpenCounts(t *testing.T) {
	for _, n := range []int{-1, 1e9} {
		r := newRig(t, 1)
		r.server.DeviceGetCountFunc = func() (int, gonvml.Return) { return n, gonvml.SUCCESS }
		if src, reasons, err := open(r.server, r.sysfs); src != nil || err == nil || errors.Is(err, energy.ErrAbsent) || len(reasons) != 1 {
			t.Errorf("%d GPUs: %+v, %v", n, reasons, err)
		}
	}
}

func TestDomains(t *testing.T) {
	r := newRig(t, 2)
	r.cards[1].accounting = true
	reasons := r.open()
	want := energy.Domain{Name: "gpu-1", Socket: -1, Die: -1, Method: energy.Measured, Source: "nvml", Scope: energy.ScopeGPU,
		Detail: "Mock NVIDIA A100-SXM4-40GB, GPU-b, PCI 0000:02:00.0", Shared: true, Refresh: refresh}
	if d := r.src.Domains(); len(d) != 2 || d[1] != want || d[0].Name != "gpu-0" {
		t.Errorf("%+v", d)
	}
	part := energy.Part{Name: "gpu-1", Scope: energy.ScopeGPU, Counted: true}
	if !slices.ContainsFunc(reasons, func(r energy.Reason) bool { return r.OK && r.Part == part }) {
		t.Errorf("%+v", reasons)
	}
	for _, reason := range reasons {
		if !reason.OK {
			t.Errorf("all is well, but %+v", reason)
		}
		if strings.Contains(reason.Text, "accounting mode off") != strings.HasPrefix(reason.Next, "nvidia-smi") {
			t.Errorf("%+v", reason)
		}
	}
	if err := r.src.Close(); err != nil || len(r.server.ShutdownCalls()) != 1 {
		t.Error(err)
	}
}

// calls are all that are made to a GPU: what reason each gives when it is not supported, and what is left.
var calls = map[string]struct {
	symbols []string
	reason  string // empty: nothing is lost
	method  string
	gone    bool // no domain
	claimed bool // the work of process 7, of two at work, is told
	unclaim bool // and what nobody claims
}{
	"DeviceGetHandleByIndex":     {[]string{"nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetHandleByIndex"}, "cannot be opened", "", true, false, false},
	"GetName":                    {[]string{"nvmlDeviceGetName"}, "", energy.Measured, false, true, true},
	"GetUUID":                    {[]string{"nvmlDeviceGetUUID"}, "", energy.Measured, false, true, true},
	"GetPciInfo":                 {[]string{"nvmlDeviceGetPciInfo_v3", "nvmlDeviceGetPciInfo_v2", "nvmlDeviceGetPciInfo"}, "", energy.Measured, false, true, true},
	"GetEnforcedPowerLimit":      {[]string{"nvmlDeviceGetEnforcedPowerLimit"}, "does not tell its power limit", energy.Measured, false, true, true},
	"GetTotalEnergyConsumption":  {[]string{"nvmlDeviceGetTotalEnergyConsumption"}, "has no energy counter", energy.Integrated, false, true, true},
	"GetSamples(power)":          {nil, "", energy.Measured, false, true, true},
	"GetPowerUsage":              {[]string{"nvmlDeviceGetPowerUsage"}, "", energy.Measured, false, true, true},
	"GetMigMode":                 {[]string{"nvmlDeviceGetMigMode"}, "", energy.Measured, false, true, true},
	"GetVirtualizationMode":      {[]string{"nvmlDeviceGetVirtualizationMode"}, "", energy.Measured, false, true, true},
	"GetSamples(load)":           {[]string{"nvmlDeviceGetSamples"}, "has no samples of its load", energy.Measured, false, true, true},
	"GetUtilizationRates":        {[]string{"nvmlDeviceGetUtilizationRates"}, "", energy.Measured, false, true, true},
	"GetProcessUtilization":      {[]string{"nvmlDeviceGetProcessUtilization"}, "does not tell the utilisation of processes", energy.Measured, false, false, true},
	"GetComputeRunningProcesses": {[]string{"nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2", "nvmlDeviceGetComputeRunningProcesses"}, "", energy.Measured, false, true, true},
	"GetGraphicsRunningProcesses": {[]string{"nvmlDeviceGetGraphicsRunningProcesses_v3", "nvmlDeviceGetGraphicsRunningProcesses_v2", "nvmlDeviceGetGraphicsRunningProcesses"},
		"", energy.Measured, false, true, true},
	"GetAccountingMode":    {[]string{"nvmlDeviceGetAccountingMode"}, "has no accounting mode", energy.Measured, false, true, true},
	"GetAccountingPids":    {[]string{"nvmlDeviceGetAccountingPids"}, "", energy.Measured, false, true, true},
	"GetAccountingStats":   {[]string{"nvmlDeviceGetAccountingStats"}, "", energy.Measured, false, true, true},
	"SystemGetProcessName": {[]string{"nvmlSystemGetProcessName"}, "the names of processes are not told", energy.Measured, false, true, true},
}

// busyRig has two GPUs with all that a driver tells: processes 7 and 8 use 60 and 20 % of each, and 10 % are nobody's.
func busyRig(t *testing.T) *rig {
	r := newRig(t, 2)
	for _, c := range r.cards {
		c.accounting, c.milliwatts, c.loadNow = true, 300_000, 90
		c.compute, c.graphics = []uint32{7, 8}, []uint32{8}
		c.stats[7] = gonvml.AccountingStats{IsRunning: 1}
		c.power = []gonvml.Sample{sample(-50*time.Millisecond, 300_000)}
	}
	return r
}

// next gives all that a driver tells of one more second.
func (r *rig) next() []energy.Share {
	for _, c := range r.cards {
		c.millijoules += 300_000
		c.works(r.now, r.now+time.Second, 90)
		for at := 100 * time.Millisecond; at <= time.Second; at += 100 * time.Millisecond {
			c.power = append(c.power, sample(r.now+at-50*time.Millisecond, 300_000))
		}
		c.proc(7, r.now+time.Second, 60)
		c.proc(8, r.now+time.Second, 20)
	}
	return r.edge(time.Second)
}

// Each call in turn is not supported by one GPU, or not known to an old library: what is lost is told, and the other goes on.
func TestCallsMissing(t *testing.T) {
	whole := busyRig(t)
	whole.open()
	whole.next()
	for _, call := range whole.cards[0].asked {
		if _, ok := calls[call]; !ok {
			t.Errorf("%s is not in the table", call)
		}
	}
	for call, want := range calls {
		for _, old := range []bool{false, true} {
			if old && want.symbols == nil { // its symbol is another row's
				continue
			}
			t.Run(fmt.Sprintf("%s/old=%t", call, old), func(t *testing.T) {
				r := busyRig(t)
				both := old || call == "SystemGetProcessName" // what the library lacks, it lacks for both
				switch {
				case old:
					r.missing = want.symbols
				case call == "SystemGetProcessName":
					r.server.SystemGetProcessNameFunc = func(int) (string, gonvml.Return) { return "", gonvml.ERROR_NOT_SUPPORTED }
				case call == "DeviceGetHandleByIndex":
					byIndex := r.server.DeviceGetHandleByIndexFunc
					r.server.DeviceGetHandleByIndexFunc = func(i int) (gonvml.Device, gonvml.Return) {
						if i == 0 {
							return nil, gonvml.ERROR_NOT_SUPPORTED
						}
						return byIndex(i)
					}
				default:
					r.cards[0].fault[call] = gonvml.ERROR_NOT_SUPPORTED
				}
				if old && want.gone {
					src, reasons, err := open(r.server, r.sysfs)
					if src != nil || err == nil || errors.Is(err, energy.ErrAbsent) || len(reasons) != 2 || !strings.Contains(reasons[0].Text, want.reason) {
						t.Errorf("%+v, %v", reasons, err)
					}
					return
				}
				reasons := r.open()
				for d := range 2 {
					has := slices.ContainsFunc(reasons, func(r energy.Reason) bool {
						return strings.Contains(r.Text, fmt.Sprintf("gpu-%d ", d)) && strings.Contains(r.Text, want.reason)
					})
					if want.reason != "" && has != (both || d == 0) {
						t.Errorf("gpu-%d: %+v", d, reasons)
					}
				}
				r.next()
				shares := r.next()
				domains := r.src.Domains()
				if want.gone {
					if len(domains) != 1 || domains[0].Name != "gpu-1" {
						t.Fatalf("%+v", domains)
					}
				} else {
					if domains[0].Method != want.method {
						t.Errorf("%+v", domains[0])
					}
					checkBusy(t, shares, 0, want.claimed, want.unclaim)
				}
				last := len(domains) - 1
				checkBusy(t, shares, last, !both || want.claimed, !both || want.unclaim)
				for i, s := range r.out {
					if s.Energy != 600e6 && domains[i].Method == energy.Measured || s.Energy < 580e6 || s.Energy > 600e6 {
						t.Errorf("%s: %+v", domains[i].Name, s)
					}
				}
			})
		}
	}
}

// checkBusy checks a second of busyRig.
func checkBusy(t *testing.T, shares []energy.Share, domain int, claimed, unclaimed bool) {
	t.Helper()
	got := map[uint32]time.Duration{}
	for _, s := range shares {
		if s.Domain == domain {
			got[s.PID] += s.Busy
		}
	}
	want := map[uint32]time.Duration{}
	if claimed {
		want[7], want[8] = 600*time.Millisecond, 200*time.Millisecond
	}
	if unclaimed {
		want[0] = 900*time.Millisecond - want[7] - want[8]
	}
	for _, pid := range []uint32{0, 7, 8} {
		if d := got[pid] - want[pid]; d < -time.Microsecond || d > time.Microsecond {
			t.Errorf("domain %d, process %d: %v, want %v", domain, pid, got[pid], want[pid])
		}
	}
}

// A GPU that tells neither energy nor power is no domain; one that is lost at the start neither. The others are.
func TestOneCannotBeRead(t *testing.T) {
	for name, faults := range map[string]map[string]gonvml.Return{
		"nothing told": {"GetTotalEnergyConsumption": gonvml.ERROR_NOT_SUPPORTED, "GetSamples(power)": gonvml.ERROR_NOT_SUPPORTED, "GetPowerUsage": gonvml.ERROR_NOT_SUPPORTED},
		"lost":         {"GetTotalEnergyConsumption": gonvml.ERROR_GPU_IS_LOST, "GetSamples(power)": gonvml.ERROR_GPU_IS_LOST, "GetPowerUsage": gonvml.ERROR_GPU_IS_LOST},
	} {
		r := busyRig(t)
		r.cards[0].fault = faults
		reasons := r.open()
		if d := r.src.Domains(); len(d) != 1 || d[0].Name != "gpu-1" {
			t.Errorf("%s: %+v", name, d)
		}
		if !slices.ContainsFunc(reasons, func(r energy.Reason) bool { return !r.OK && strings.HasPrefix(r.Text, "gpu-0 cannot be read") }) {
			t.Errorf("%s: %+v", name, reasons)
		}
		r.next()
		checkBusy(t, r.next(), 0, true, true)
	}
}

func TestSleepersAreNamed(t *testing.T) {
	r := busyRig(t)
	onBus(t, r.sysfs, "0000:01:00.0", map[string]string{"power/control": "auto\n"})
	onBus(t, r.sysfs, "0000:02:00.0", map[string]string{"power/control": "on\n"})
	n := 0
	for _, reason := range r.open() {
		if strings.Contains(reason.Text, "keeps it awake") {
			n++
			if !strings.HasPrefix(reason.Text, "gpu-0 ") || !reason.OK || reason.Next == "" {
				t.Errorf("%+v", reason)
			}
		}
	}
	if n != 1 {
		t.Errorf("named %d times", n)
	}
}

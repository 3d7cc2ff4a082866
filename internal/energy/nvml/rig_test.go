//go:build cgo

package nvml

import (
	"encoding/binary"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"
	mockgpus "github.com/NVIDIA/go-nvml/pkg/nvml/mock/gpus"
	"github.com/NVIDIA/go-nvml/pkg/nvml/mock/server"

	"github.com/eco2-bpf/eco2-bpf/internal/energy"
)

// bootTime is the wall clock at the rig's time 0.
var bootTime = time.Unix(1_700_000_000, 0)

// stamp is the driver's timestamp of a time of the rig.
func stamp(d time.Duration) uint64 { return uint64(bootTime.Add(d).UnixMicro()) }

// card is what one mocked GPU says.
type card struct {
	fault             map[string]gonvml.Return // by call
	millijoules       uint64
	milliwatts, limit uint32
	power, load       []gonvml.Sample
	loadNow           uint32
	procs             []gonvml.ProcessUtilizationSample
	compute, graphics []uint32
	accounting        bool
	stats             map[uint32]gonvml.AccountingStats
	mig               int
	virtualization    gonvml.GpuVirtualizationMode
	asked             []string
	lastSeen          []uint64                                                                                        // that the samples of processes were asked for by
	merge             func(samples []gonvml.ProcessUtilizationSample, since uint64) []gonvml.ProcessUtilizationSample // what the driver makes of procs
	width             gonvml.ValueType
}

// rig is a machine with mocked GPUs: go-nvml's mock server, with the calls that it lacks.
type rig struct {
	testing.TB
	server  *server.Server
	cards   []*card
	missing []string // symbols that the library lacks
	names   map[int]string
	sysfs   string
	now     time.Duration
	src     *gpus
	out     []energy.Sample
}

func newRig(t testing.TB, n int) *rig {
	s, err := server.New(server.WithGPUs(slices.Repeat([]mockgpus.Config{mockgpus.A100_SXM4_40GB}, n)...), server.WithDriverVersion("550.54.15"))
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{TB: t, server: s, names: map[int]string{}, sysfs: t.TempDir()}
	s.LookupSymbolFunc = func(symbol string) error {
		if slices.Contains(r.missing, symbol) {
			return errors.New("undefined symbol: " + symbol)
		}
		return nil
	}
	s.SystemGetProcessNameFunc = func(pid int) (string, gonvml.Return) {
		if name, ok := r.names[pid]; ok {
			return name, gonvml.SUCCESS
		}
		return "", gonvml.ERROR_NOT_FOUND
	}
	for i, d := range s.Devices {
		c := &card{fault: map[string]gonvml.Return{}, limit: 400_000, stats: map[uint32]gonvml.AccountingStats{}, width: gonvml.VALUE_TYPE_UNSIGNED_INT}
		r.cards = append(r.cards, c)
		c.plug(d.(*server.Device), i)
	}
	return r
}

// is notes a call and gives what it answers.
func (c *card) is(call string) gonvml.Return {
	c.asked = append(c.asked, call)
	return c.fault[call]
}

func newer(all []gonvml.Sample, since uint64) (out []gonvml.Sample) {
	for _, s := range all {
		if s.TimeStamp > since {
			out = append(out, s)
		}
	}
	return out
}

func (c *card) plug(d *server.Device, i int) {
	d.UUID = "GPU-" + string(rune('a'+i))
	pci := gonvml.PciInfo{Bus: uint32(i + 1)}
	name, uuid := d.GetNameFunc, d.GetUUIDFunc
	d.GetNameFunc = func() (string, gonvml.Return) { n, _ := name(); return n, c.is("GetName") }
	d.GetUUIDFunc = func() (string, gonvml.Return) { n, _ := uuid(); return n, c.is("GetUUID") }
	d.GetPciInfoFunc = func() (gonvml.PciInfo, gonvml.Return) { return pci, c.is("GetPciInfo") }
	d.GetTotalEnergyConsumptionFunc = func() (uint64, gonvml.Return) { return c.millijoules, c.is("GetTotalEnergyConsumption") }
	d.GetPowerUsageFunc = func() (uint32, gonvml.Return) { return c.milliwatts, c.is("GetPowerUsage") }
	d.GetEnforcedPowerLimitFunc = func() (uint32, gonvml.Return) { return c.limit, c.is("GetEnforcedPowerLimit") }
	d.GetMigModeFunc = func() (int, int, gonvml.Return) { return c.mig, c.mig, c.is("GetMigMode") }
	d.GetVirtualizationModeFunc = func() (gonvml.GpuVirtualizationMode, gonvml.Return) {
		return c.virtualization, c.is("GetVirtualizationMode")
	}
	d.GetSamplesFunc = func(kind gonvml.SamplingType, since uint64) (gonvml.ValueType, []gonvml.Sample, gonvml.Return) {
		call, all := "GetSamples(power)", c.power
		if kind == gonvml.GPU_UTILIZATION_SAMPLES {
			call, all = "GetSamples(load)", c.load
		}
		ret := c.is(call)
		found := newer(all, since)
		if ret == gonvml.SUCCESS && len(found) == 0 {
			ret = gonvml.ERROR_NOT_FOUND
		}
		if ret != gonvml.SUCCESS {
			return 0, nil, ret
		}
		return c.width, found, ret
	}
	d.GetUtilizationRatesFunc = func() (gonvml.Utilization, gonvml.Return) {
		return gonvml.Utilization{Gpu: c.loadNow}, c.is("GetUtilizationRates")
	}
	d.GetProcessUtilizationFunc = func(since uint64) (out []gonvml.ProcessUtilizationSample, ret gonvml.Return) {
		c.lastSeen = append(c.lastSeen, since)
		if ret = c.is("GetProcessUtilization"); ret != gonvml.SUCCESS {
			return nil, ret
		}
		for _, s := range c.procs {
			if s.TimeStamp > since || s.TimeStamp == 0 {
				out = append(out, s)
			}
		}
		if c.merge != nil {
			out = c.merge(out, since)
		}
		if len(out) == 0 {
			return nil, gonvml.ERROR_NOT_FOUND
		}
		return out, ret
	}
	infos := func(pids []uint32) (out []gonvml.ProcessInfo) {
		for _, p := range pids {
			out = append(out, gonvml.ProcessInfo{Pid: p})
		}
		return out
	}
	d.GetComputeRunningProcessesFunc = func() ([]gonvml.ProcessInfo, gonvml.Return) {
		return infos(c.compute), c.is("GetComputeRunningProcesses")
	}
	d.GetGraphicsRunningProcessesFunc = func() ([]gonvml.ProcessInfo, gonvml.Return) {
		return infos(c.graphics), c.is("GetGraphicsRunningProcesses")
	}
	d.GetAccountingModeFunc = func() (gonvml.EnableState, gonvml.Return) {
		mode := gonvml.FEATURE_DISABLED
		if c.accounting {
			mode = gonvml.FEATURE_ENABLED
		}
		return mode, c.is("GetAccountingMode")
	}
	d.GetAccountingPidsFunc = func() (out []int, ret gonvml.Return) {
		for pid := range c.stats {
			out = append(out, int(pid))
		}
		slices.Sort(out)
		return out, c.is("GetAccountingPids")
	}
	d.GetAccountingStatsFunc = func(pid uint32) (gonvml.AccountingStats, gonvml.Return) {
		s, ok := c.stats[pid]
		if ret := c.is("GetAccountingStats"); ret != gonvml.SUCCESS || ok {
			return s, ret
		}
		return s, gonvml.ERROR_NOT_FOUND
	}
}

// open opens the GPUs and takes the first edge, which is a baseline.
func (r *rig) open() []energy.Reason {
	r.Helper()
	src, reasons, err := open(r.server, r.sysfs)
	if err != nil {
		r.Fatalf("%v, %+v", err, reasons)
	}
	src.since = func(time.Time) time.Duration { return 0 }
	src.wall = func() time.Time { return bootTime.Add(r.now) }
	r.src, r.out = src, make([]energy.Sample, len(src.domains))
	src.Read(energy.Edge{Time: r.now}, r.out)
	if s := src.Shares(nil); len(s) != 0 {
		r.Errorf("shares of the first edge: %+v", s)
	}
	return reasons
}

// edge is the next edge, some time after the last.
func (r *rig) edge(after time.Duration) []energy.Share {
	r.now += after
	r.src.Read(energy.Edge{Time: r.now}, r.out)
	return r.src.Shares(nil)
}

func sample(at time.Duration, v uint32) gonvml.Sample {
	s := gonvml.Sample{TimeStamp: stamp(at)}
	binary.NativeEndian.PutUint32(s.SampleValue[:], v)
	return s
}

// works adds samples of the device's load, every 100 ms up to a time.
func (c *card) works(from, to time.Duration, percent uint32) {
	for at := from + 100*time.Millisecond; at <= to; at += 100 * time.Millisecond {
		c.load = append(c.load, sample(at, percent))
	}
}

func (c *card) proc(pid uint32, at time.Duration, percent uint32) {
	c.procs = append(c.procs, gonvml.ProcessUtilizationSample{Pid: pid, TimeStamp: stamp(at), SmUtil: percent})
}

// onBus puts a PCI device into the rig's sysfs.
func onBus(t testing.TB, sysfs, address string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		write(t, filepath.Join(sysfs, "bus", "pci", "devices", address, name), text)
	}
}

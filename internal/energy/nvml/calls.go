//go:build cgo

package nvml

import (
	"runtime"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"
)

// library is the driver's library, of any age.
type library struct {
	api  gonvml.Interface
	have map[string]bool // by symbol
}

// has tells whether the library has one of the symbols, which are versions of one function.
func (l *library) has(symbols ...string) bool {
	for _, s := range symbols {
		have, known := l.have[s]
		if !known {
			have = l.api.Extensions().LookupSymbol(s) == nil
			l.have[s] = have
		}
		if have {
			return true
		}
	}
	return false
}

// ask makes a call, unless the library is too old for it: go-nvml binds a symbol at its first call, and a missing one ends the process.
func ask[T any](l *library, call func() (T, gonvml.Return), symbols ...string) (v T, ret gonvml.Return) {
	if !l.has(symbols...) {
		return v, gonvml.ERROR_FUNCTION_NOT_FOUND
	}
	defer func() {
		switch r := recover().(type) {
		case nil:
		case runtime.Error: // go-nvml cuts its buffers to a length that the driver gives
			ret = gonvml.ERROR_UNKNOWN
		default:
			panic(r)
		}
	}()
	return call()
}

// lacks tells that a call will never work on this device, or with this library.
func lacks(ret gonvml.Return) bool {
	return ret == gonvml.ERROR_NOT_SUPPORTED || ret == gonvml.ERROR_FUNCTION_NOT_FOUND
}

func (d *device) askEnergy() (millijoules uint64, ret gonvml.Return) {
	return ask(d.lib, d.handle.GetTotalEnergyConsumption, "nvmlDeviceGetTotalEnergyConsumption")
}

func (d *device) askPower() (milliwatts uint32, ret gonvml.Return) {
	return ask(d.lib, d.handle.GetPowerUsage, "nvmlDeviceGetPowerUsage")
}

func (d *device) askPowerLimit() (milliwatts uint32, ret gonvml.Return) {
	return ask(d.lib, d.handle.GetEnforcedPowerLimit, "nvmlDeviceGetEnforcedPowerLimit")
}

// askSamples takes from the driver's buffer what is newer than a timestamp; none is no error. Its values are 32 bits wide.
func (d *device) askSamples(kind gonvml.SamplingType, since uint64) ([]gonvml.Sample, gonvml.Return) {
	samples, ret := ask(d.lib, func() ([]gonvml.Sample, gonvml.Return) {
		width, s, ret := d.handle.GetSamples(kind, since)
		if ret == gonvml.SUCCESS && len(s) > 0 && width != gonvml.VALUE_TYPE_UNSIGNED_INT {
			return nil, gonvml.ERROR_NOT_SUPPORTED
		}
		return s, ret
	}, "nvmlDeviceGetSamples")
	if ret == gonvml.ERROR_NOT_FOUND {
		return nil, gonvml.SUCCESS
	}
	return samples, ret
}

func (d *device) askUtilization() (gonvml.Utilization, gonvml.Return) {
	return ask(d.lib, d.handle.GetUtilizationRates, "nvmlDeviceGetUtilizationRates")
}

// askProcesses takes the samples of processes that are newer than a timestamp; none is no error.
func (d *device) askProcesses(since uint64) ([]gonvml.ProcessUtilizationSample, gonvml.Return) {
	samples, ret := ask(d.lib, func() ([]gonvml.ProcessUtilizationSample, gonvml.Return) {
		return d.handle.GetProcessUtilization(since)
	}, "nvmlDeviceGetProcessUtilization")
	if ret == gonvml.ERROR_NOT_FOUND || ret == gonvml.ERROR_INSUFFICIENT_SIZE && len(samples) == 0 { // the latter is go-nvml's answer to a count of 0
		return nil, gonvml.SUCCESS
	}
	return samples, ret
}

func (d *device) askCompute() ([]gonvml.ProcessInfo, gonvml.Return) {
	return ask(d.lib, d.handle.GetComputeRunningProcesses,
		"nvmlDeviceGetComputeRunningProcesses_v3", "nvmlDeviceGetComputeRunningProcesses_v2", "nvmlDeviceGetComputeRunningProcesses")
}

func (d *device) askGraphics() ([]gonvml.ProcessInfo, gonvml.Return) {
	return ask(d.lib, d.handle.GetGraphicsRunningProcesses,
		"nvmlDeviceGetGraphicsRunningProcesses_v3", "nvmlDeviceGetGraphicsRunningProcesses_v2", "nvmlDeviceGetGraphicsRunningProcesses")
}

func (d *device) askAccountingMode() (gonvml.EnableState, gonvml.Return) {
	return ask(d.lib, d.handle.GetAccountingMode, "nvmlDeviceGetAccountingMode")
}

func (d *device) askAccountingPIDs() ([]int, gonvml.Return) {
	return ask(d.lib, d.handle.GetAccountingPids, "nvmlDeviceGetAccountingPids")
}

func (d *device) askAccounting(pid uint32) (gonvml.AccountingStats, gonvml.Return) {
	return ask(d.lib, func() (gonvml.AccountingStats, gonvml.Return) { return d.handle.GetAccountingStats(pid) }, "nvmlDeviceGetAccountingStats")
}

// askMIG tells whether the device is cut into instances now.
func (d *device) askMIG() (bool, gonvml.Return) {
	return ask(d.lib, func() (bool, gonvml.Return) {
		current, _, ret := d.handle.GetMigMode()
		return ret == gonvml.SUCCESS && current == gonvml.DEVICE_MIG_ENABLE, ret
	}, "nvmlDeviceGetMigMode")
}

func (d *device) askVirtualization() (gonvml.GpuVirtualizationMode, gonvml.Return) {
	return ask(d.lib, d.handle.GetVirtualizationMode, "nvmlDeviceGetVirtualizationMode")
}

func (l *library) askName(pid uint32) (string, gonvml.Return) {
	return ask(l, func() (string, gonvml.Return) { return l.api.SystemGetProcessName(int(pid)) }, "nvmlSystemGetProcessName")
}

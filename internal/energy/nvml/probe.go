//go:build cgo

package nvml

import (
	"fmt"
	"path/filepath"
	"strings"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/eco2-bpf/eco2-bpf/internal/energy"
)

// openDevice makes each call once that Read will make, to say what this GPU with this driver tells. An error means that it is no domain.
func (s *gpus) openDevice(index int) (*device, []energy.Reason, error) {
	handle, ret := ask(s.lib, func() (gonvml.Device, gonvml.Return) { return s.lib.api.DeviceGetHandleByIndex(index) },
		"nvmlDeviceGetHandleByIndex_v2", "nvmlDeviceGetHandleByIndex")
	d := newDevice(s.lib, handle, index)
	r := reasons{d: d}
	if ret != gonvml.SUCCESS {
		err := fmt.Errorf("cannot be opened: %w", ret)
		r.add(false, err.Error(), nextStep(ret))
		return nil, r.all, err
	}
	address := d.describe()
	if err := d.probeEnergy(&r); err != nil {
		return nil, r.all, err
	}
	if control := filepath.Join("bus", "pci", "devices", address, "power"); address != "" && attribute(filepath.Join(s.sysfs, control), "control") == "auto" {
		r.add(true, "may sleep when nobody uses it, and reading it keeps it awake", "leave it out where that matters (--domains)")
	}
	d.probeModes(&r)
	if !d.mig {
		d.probeLoad(s, &r)
	}
	return d, r.all, nil
}

// describe fills in what people know the GPU by, and returns its address on the PCI bus; what cannot be had is left out.
func (d *device) describe() (address string) {
	var parts []string
	if name, ret := ask(d.lib, d.handle.GetName, "nvmlDeviceGetName"); ret == gonvml.SUCCESS {
		parts = append(parts, name)
	}
	if uuid, ret := ask(d.lib, d.handle.GetUUID, "nvmlDeviceGetUUID"); ret == gonvml.SUCCESS {
		parts = append(parts, uuid)
	}
	if pci, ret := ask(d.lib, d.handle.GetPciInfo, "nvmlDeviceGetPciInfo_v3", "nvmlDeviceGetPciInfo_v2", "nvmlDeviceGetPciInfo"); ret == gonvml.SUCCESS {
		address = fmt.Sprintf("%04x:%02x:%02x.0", pci.Domain, pci.Bus, pci.Device)
		parts = append(parts, "PCI "+address)
	}
	d.domain.Detail = strings.Join(parts, ", ")
	return address
}

// probeEnergy chooses how energy is got. The values that it reads are not used.
func (d *device) probeEnergy(r *reasons) error {
	most, ret := d.most()
	if ret != gonvml.SUCCESS {
		r.add(true, fmt.Sprintf("does not tell its power limit (%v): up to %.0f W are believed", ret, float64(most)), nextStep(ret))
	}
	_, noCounter := d.askEnergy()
	if noCounter == gonvml.SUCCESS {
		d.counter = &counter{most: most}
		d.domain.Method, d.domain.Refresh = energy.Measured, refresh
		r.counted("is read from its energy counter")
		return nil
	}
	d.power.gauge.most = most
	d.domain.Method = energy.Integrated
	if samples, ret := d.askSamples(gonvml.TOTAL_POWER_SAMPLES, 0); ret == gonvml.SUCCESS && len(samples) > 0 {
		d.power.buffered = true
		r.add(false, fmt.Sprintf("has no energy counter (%v): the driver's samples of its power are integrated", noCounter), "")
		r.counted("is read from samples of its power")
		return nil
	}
	if _, ret = d.askPower(); ret == gonvml.SUCCESS {
		r.add(false, fmt.Sprintf("has no energy counter (%v) and no samples of its power: the power at each edge is integrated", noCounter), "")
		r.counted("is read from its power at each edge")
		return nil
	}
	err := fmt.Errorf("cannot be read: energy counter: %w; power: %w", noCounter, ret)
	next := nextStep(noCounter)
	if next == "" {
		next = nextStep(ret)
	}
	r.add(false, err.Error(), next)
	return err
}

// probeModes names what hides processes from the driver.
func (d *device) probeModes(r *reasons) {
	if d.mig, _ = d.askMIG(); d.mig {
		d.domain.Detail += ", in MIG mode: the energy is of the whole card"
		r.add(false, "is in MIG mode: its energy is of the whole card, and the driver does not tell which process or instance used it", "")
	}
	switch mode, ret := d.askVirtualization(); {
	case ret != gonvml.SUCCESS:
	case mode == gonvml.GPU_VIRTUALIZATION_MODE_HOST_VGPU, mode == gonvml.GPU_VIRTUALIZATION_MODE_HOST_VSGA:
		d.domain.Detail += ", shared by virtual machines (vGPU)"
		r.add(false, "is shared by virtual machines (vGPU): what happens in a guest counts as the process that runs it, or as nobody's", "")
	case mode == gonvml.GPU_VIRTUALIZATION_MODE_VGPU:
		d.domain.Detail += ", a part of a card (vGPU)"
		r.add(false, "is a part of a card (vGPU): what its host says of its energy may be of the whole card", "")
	}
}

const unseen = "the work of processes that live for less than a sample (1/6 to 1 s) is nobody's"

// probeLoad finds out how the device's load and the work of processes are told.
func (d *device) probeLoad(s *gpus, r *reasons) {
	_, ret := d.askSamples(gonvml.GPU_UTILIZATION_SAMPLES, uint64(s.wall().UnixMicro()))
	d.loads = !lacks(ret)
	_, rates := d.askUtilization()
	switch d.rates = !lacks(rates); {
	case d.loads:
	case d.rates:
		r.add(false, fmt.Sprintf("has no samples of its load (%v): the latest at each edge stands for all of a window", ret), nextStep(ret))
	default:
		r.add(false, fmt.Sprintf("does not tell its load (%v): work that no process claims does not show", rates), nextStep(rates))
	}
	if _, ret := d.askProcesses(uint64(s.wall().UnixMicro())); lacks(ret) || ret == gonvml.ERROR_NO_PERMISSION {
		d.split = byList
		_, compute := d.askCompute()
		_, graphics := d.askGraphics()
		what := "a process that is alone on it gets all of its work, that of several is nobody's"
		if lacks(compute) || lacks(graphics) {
			d.split, what = byNobody, "nor which ones use it: all of its work is nobody's"
		}
		r.add(false, fmt.Sprintf("does not tell the utilisation of processes (%v): %s", ret, what), nextStep(ret))
	}
	switch mode, ret := d.askAccountingMode(); {
	case ret == gonvml.SUCCESS && mode == gonvml.FEATURE_ENABLED:
		d.accounts = &accounting{ended: map[uint32]bool{}}
	case ret == gonvml.SUCCESS:
		r.add(true, "has accounting mode off: "+unseen, "nvidia-smi --accounting-mode=1")
	default:
		r.add(true, fmt.Sprintf("has no accounting mode (%v): %s", ret, unseen), nextStep(ret))
	}
	// Without a load nothing could be told from idling: then all of its energy is nobody's.
	d.domain.Shared = d.loads || d.rates
	if d.look(d.running(nil)); len(d.notes) > 0 {
		r.add(false, strings.Join(d.notes, "; "), "")
		d.notes = nil
	}
}

// reasons are those of one device.
type reasons struct {
	d   *device
	all []energy.Reason
}

func (r *reasons) add(ok bool, text, next string) {
	r.all = append(r.all, energy.Reason{Source: source, OK: ok, Text: r.d.domain.Name + " " + text, Next: next})
}

// counted is the one reason of a domain that has its part.
func (r *reasons) counted(text string) {
	r.add(true, text, "")
	r.all[len(r.all)-1].Part = energy.Part{Name: r.d.domain.Name, Scope: energy.ScopeGPU, Counted: true}
}

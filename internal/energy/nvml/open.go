//go:build cgo

package nvml

import (
	"errors"
	"fmt"
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/eco2-bpf/eco2-bpf/internal/energy"
)

// maxGPUs bounds what a library may say.
const maxGPUs = 256

// gpus reads the NVIDIA GPUs of a machine. It is for one goroutine.
type gpus struct {
	lib     *library
	sysfs   string
	domains []energy.Domain
	devices []*device
	shares  []energy.Share
	began   time.Time
	since   func(time.Time) time.Duration
	wall    func() time.Time
}

// Open finds the NVIDIA GPUs. The reasons say for each how its energy and the work of processes are told, or why they are not. Below
// sysfs (usually /sys) it looks for GPUs whose driver is missing.
func Open(sysfs string) (energy.Source, []energy.Reason, error) {
	s, reasons, err := open(gonvml.New(), sysfs)
	if err != nil {
		return nil, reasons, err
	}
	return s, reasons, nil
}

func open(api gonvml.Interface, sysfs string) (*gpus, []energy.Reason, error) {
	switch ret := api.Init(); ret {
	case gonvml.SUCCESS:
	case gonvml.ERROR_LIBRARY_NOT_FOUND:
		reasons, err := absent(sysfs, "no NVIDIA driver (there is no libnvidia-ml.so.1)",
			"install NVIDIA's driver; in a container: run it with NVIDIA's runtime, and the driver capability utility")
		return nil, reasons, err
	case gonvml.ERROR_DRIVER_NOT_LOADED:
		reasons, err := absent(sysfs, "the NVIDIA driver is not loaded", "modprobe nvidia")
		return nil, reasons, err
	default:
		return broken(fmt.Errorf("start NVML: %w", ret), nextStep(ret))
	}
	s := &gpus{sysfs: sysfs, lib: &library{api: api, have: map[string]bool{}}, began: time.Now(), since: time.Since, wall: time.Now}
	n, ret := ask(s.lib, api.DeviceGetCount, "nvmlDeviceGetCount_v2", "nvmlDeviceGetCount")
	if ret != gonvml.SUCCESS || n < 0 || n > maxGPUs {
		_ = s.Close()
		return broken(fmt.Errorf("count NVIDIA GPUs: %d, %w", n, ret), nextStep(ret))
	}
	if n == 0 {
		_ = s.Close()
		reasons, err := absent(sysfs, "the NVIDIA driver has no GPU", "look into dmesg: the driver may have refused it; a container must be given its device files")
		return nil, reasons, err
	}
	var reasons []energy.Reason
	for i := range n {
		d, more, err := s.openDevice(i)
		reasons = append(reasons, more...)
		if err != nil {
			continue
		}
		s.domains, s.devices = append(s.domains, d.domain), append(s.devices, d)
	}
	if len(s.devices) == 0 {
		_ = s.Close()
		return nil, reasons, errors.New("no NVIDIA GPU can be read: see the reasons")
	}
	return s, reasons, nil
}

// broken is the answer where there is a driver, and it does not work.
func broken(err error, next string) (*gpus, []energy.Reason, error) {
	return nil, []energy.Reason{{Source: source, Text: err.Error(), Next: next}}, err
}

func nextStep(ret gonvml.Return) string {
	switch ret {
	case gonvml.ERROR_LIB_RM_VERSION_MISMATCH:
		return "the driver was updated while the old one is loaded: reboot, or load its modules again"
	case gonvml.ERROR_NO_PERMISSION:
		return "run as root, or get access to /dev/nvidiactl and /dev/nvidia0"
	case gonvml.ERROR_GPU_IS_LOST, gonvml.ERROR_RESET_REQUIRED:
		return "the GPU needs a reset: see nvidia-smi and dmesg"
	case gonvml.ERROR_FUNCTION_NOT_FOUND:
		return "update NVIDIA's driver"
	}
	return ""
}

func (s *gpus) Domains() []energy.Domain { return s.domains }

// Read asks each GPU for its energy, then for whose work that was. At is the edge's time plus what has passed in here.
func (s *gpus) Read(edge energy.Edge, into []energy.Sample) {
	began := s.since(s.began)
	s.shares = s.shares[:0]
	for i, d := range s.devices {
		if i >= len(into) {
			return
		}
		at := edge.Time + s.since(s.began) - began
		sample, lost := d.read(at)
		if lost { // every call to a GPU that is off the bus may take long
			d.primed = false
		} else {
			s.shares = d.share(i, at, s.wall(), s.shares)
		}
		sample.Mark = d.mark(sample.Mark)
		into[i] = sample
	}
}

func (s *gpus) Shares(into []energy.Share) []energy.Share { return append(into, s.shares...) }

func (s *gpus) Close() error {
	if ret := s.lib.api.Shutdown(); ret != gonvml.SUCCESS {
		return fmt.Errorf("shut NVML down: %w", ret)
	}
	return nil
}

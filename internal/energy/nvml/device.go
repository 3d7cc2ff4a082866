//go:build cgo

package nvml

import (
	"fmt"
	"strings"
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// split is how the load of a device is told apart by process.
type split int

const (
	bySamples split = iota // utilisation samples of each process
	byList                 // the list of processes: only one that is alone can be told
	byNobody               // not at all
)

// device is one GPU.
type device struct {
	lib    *library
	handle gonvml.Device
	domain energy.Domain

	counter  *counter // nil: power is integrated
	power    power
	mig      bool
	loads    bool // the driver keeps samples of the device's load
	rates    bool // or tells the latest
	busyAt   cursor
	split    split
	load     load
	accounts *accounting // nil: accounting mode is off
	list     []uint32    // processes at the last edge, where the split is by list

	primed bool
	at     time.Duration // of the last edge
	told   map[string]bool
	notes  []string // for the mark of this window
}

func newDevice(lib *library, handle gonvml.Device, index int) *device {
	return &device{lib: lib, handle: handle, told: map[string]bool{}, load: load{table: map[uint32]*process{}},
		domain: energy.Domain{Name: fmt.Sprintf("gpu-%d", index), Socket: -1, Die: -1, Source: source, Scope: energy.ScopeGPU}}
}

// most is the power above which a reading is not believed, from the limit that is set for the GPU.
func (d *device) most() (units.Watts, gonvml.Return) {
	milliwatts, ret := d.askPowerLimit()
	if ret != gonvml.SUCCESS || milliwatts == 0 {
		return mostWatts, ret
	}
	return min(mostWatts, overLimit*units.Watts(milliwatts)/1000), ret
}

// read takes the energy at an edge; lost tells that nothing else needs to be asked.
func (d *device) read(at time.Duration) (s energy.Sample, lost bool) {
	if d.counter == nil {
		s, ret := d.power.read(d, at)
		return s, ret == gonvml.ERROR_GPU_IS_LOST
	}
	mark := ""
	value, ret := d.askEnergy()
	if ret == gonvml.SUCCESS {
		mark = d.counter.add(value, at)
	} else {
		d.counter.miss()
		mark = "counter unreadable: " + ret.Error()
	}
	return d.counter.sample(at, mark), ret == gonvml.ERROR_GPU_IS_LOST
}

// note adds to the mark of this window.
func (d *device) note(text string) { d.notes = append(d.notes, text) }

// noteOnce adds to a mark once in the life of the device.
func (d *device) noteOnce(text string) {
	if !d.told[text] {
		d.told[text] = true
		d.note(text)
	}
}

// mark joins what the energy's mark says with the notes of the window.
func (d *device) mark(mark string) string {
	if mark != "" {
		d.notes = append([]string{mark}, d.notes...)
	}
	if len(d.notes) == 0 {
		return ""
	}
	text := d.domain.Name + ": " + strings.Join(d.notes, "; ")
	d.notes = d.notes[:0]
	return text
}

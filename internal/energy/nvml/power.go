//go:build cgo

package nvml

import (
	"cmp"
	"encoding/binary"
	"slices"
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/eco2-bpf/eco2-bpf/internal/energy"
)

// silentAfter is how long the driver's buffer of power may have nothing new before its clock is taken to have been set back.
const silentAfter = 2 * time.Second

// power reads the energy of a GPU without a counter of it. The driver keeps the readings of some seconds in a buffer, 20 to 100 ms apart:
// that is better than what one reading at each edge tells, and needs no goroutine of our own. Older drivers give the latter only.
type power struct {
	gauge    gauge
	buffered bool
	last     uint64        // timestamp of the newest reading in the buffer that was seen
	fresh    time.Duration // of the edge that saw it
}

func (p *power) read(d *device, at time.Duration) (energy.Sample, gonvml.Return) {
	ret := gonvml.SUCCESS
	if p.buffered {
		ret = p.drain(d, at)
	} else {
		var milliwatts uint32
		if milliwatts, ret = d.askPower(); ret == gonvml.SUCCESS {
			now := uint64(max(0, at).Microseconds())
			if p.gauge.have && now < p.gauge.at {
				p.gauge.restart("time went backwards: new baseline")
			}
			p.gauge.add(now, uint64(milliwatts))
		}
	}
	if ret != gonvml.SUCCESS {
		p.gauge.miss("power unreadable: " + ret.Error())
	}
	return p.gauge.sample(at), ret
}

// drain integrates what is new in the driver's buffer. At the first edge that is a baseline: only the newest counts.
func (p *power) drain(d *device, at time.Duration) gonvml.Return {
	samples, ret := d.askSamples(gonvml.TOTAL_POWER_SAMPLES, p.last)
	if ret != gonvml.SUCCESS {
		return ret
	}
	slices.SortFunc(samples, byTime)
	first, last := p.last, p.last+micros(at-p.fresh+ahead)
	if p.last == 0 {
		last = maxStamp
		samples = samples[max(0, len(samples)-1):]
	}
	for _, s := range samples {
		if s.TimeStamp > first && s.TimeStamp <= last {
			p.gauge.add(s.TimeStamp, uint64(value(s)))
			p.last, p.fresh = s.TimeStamp, at
		}
	}
	if at-p.fresh > silentAfter {
		p.gauge.restart("no power reading for " + seconds(at-p.fresh) + ": new baseline")
		p.last, p.fresh = 0, at
	}
	return gonvml.SUCCESS
}

func byTime(a, b gonvml.Sample) int { return cmp.Compare(a.TimeStamp, b.TimeStamp) }

// value is a sample's value: of the union, the 32 bits that power and utilisation use.
func value(s gonvml.Sample) uint32 { return binary.NativeEndian.Uint32(s.SampleValue[:4]) }

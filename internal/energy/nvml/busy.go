//go:build cgo

package nvml

import (
	"slices"
	"time"

	gonvml "github.com/NVIDIA/go-nvml/pkg/nvml"
)

// busy is how long the device worked in a window: the mean of its load's samples since the last edge, or the latest that the driver has.
func (d *device) busy(at, window time.Duration) (busy time.Duration, known bool) {
	if d.loads {
		samples, ret := d.askSamples(gonvml.GPU_UTILIZATION_SAMPLES, d.busyAt.since(at, window))
		if percent, ok := d.busyAt.mean(samples, at, window); ret == gonvml.SUCCESS && ok {
			return time.Duration(percent / 100 * float64(window)), true
		}
		if at-d.busyAt.at >= lostAfter {
			d.busyAt.lose(at)
		}
	}
	if d.rates {
		if u, ret := d.askUtilization(); ret == gonvml.SUCCESS && u.Gpu <= 100 {
			return window / 100 * time.Duration(u.Gpu), true
		}
	}
	if d.loads || d.rates {
		d.note("load unreadable: what no process claims is not told")
	}
	return 0, false
}

// mean weighs each sample by the time since the one before.
func (c *cursor) mean(samples []gonvml.Sample, at, window time.Duration) (percent float64, ok bool) {
	slices.SortFunc(samples, byTime)
	since, until := c.since(at, window), c.until(at)
	from, sum, span := since, 0.0, uint64(0)
	for _, s := range samples {
		if s.TimeStamp <= from || s.TimeStamp > until || value(s) > 100 {
			continue
		}
		if since > 0 { // else it is a baseline
			sum += float64(s.TimeStamp-from) * float64(value(s))
			span += s.TimeStamp - from
		}
		from = s.TimeStamp
	}
	if from > since {
		c.move(from, at)
	}
	if span == 0 {
		return 0, false
	}
	return sum / float64(span), true
}

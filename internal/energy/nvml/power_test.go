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
	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// gaugeRig has a GPU without energy counter, whose power is samples of a buffer or, without these, its latest reading.
func gaugeRig(t *testing.T, buffered bool) (*rig, *card) {
	r := newRig(t, 1)
	c := r.cards[0]
	c.fault["GetTotalEnergyConsumption"] = gonvml.ERROR_NOT_SUPPORTED
	if buffered {
		c.power = []gonvml.Sample{sample(-70*ms, 900_000), sample(-20*ms, 100_000)}
	}
	return r, c
}

// reads checks one edge: what it adds, and its mark.
func (r *rig) reads(want, low, high units.Microjoules, span time.Duration, mark string) {
	r.Helper()
	before := r.out[0]
	r.edge(time.Second)
	s := r.out[0]
	if s.Energy-before.Energy != want || s.Low-before.Low != low || s.High-before.High != high || s.Span != span {
		r.Errorf("at %v: %v J (%v to %v), %+v; want %v J (%v to %v), %v", r.now, s.Energy-before.Energy, s.Low-before.Low, s.High-before.High, s, want, low, high, span)
	}
	if (mark == "") != (s.Mark == "") || !strings.Contains(s.Mark, mark) {
		r.Errorf("at %v: mark %q, want %q", r.now, s.Mark, mark)
	}
}

func TestPowerFromSamples(t *testing.T) {
	r, c := gaugeRig(t, true)
	reasons := r.open()
	if d := r.src.Domains()[0]; d.Method != energy.Integrated || !slices.ContainsFunc(reasons, func(r energy.Reason) bool { return !r.OK && strings.Contains(r.Text, "no energy counter") }) {
		t.Errorf("%+v, %+v", d, reasons)
	}
	c.power = append(c.power, sample(980*ms, 100_000), sample(480*ms, 300_000)) // 0.5 s from 100 to 300 W, 0.5 s back, not in order
	r.reads(200e6, 100e6, 300e6, time.Second, "")
	c.power = append(c.power, sample(1480*ms, 100_000))
	r.reads(50e6, 50e6, 50e6, 500*ms, "")
	r.reads(0, 0, 0, 0, "") // nothing new
	c.power = append(c.power, sample(3980*ms, 100_000), sample(3981*ms, math.MaxUint32))
	r.reads(250e6, 250e6, 250e6, 2500*ms, "power reading of 4294967 W: not counted")
	c.fault["GetSamples(power)"] = gonvml.ERROR_UNKNOWN
	r.reads(0, 0, 0, 0, "power unreadable")
	c.fault = map[string]gonvml.Return{"GetTotalEnergyConsumption": gonvml.ERROR_NOT_SUPPORTED}
	c.power = append(c.power, sample(5980*ms, 100_000))
	r.reads(200e6, 200e6, 200e6, 2*time.Second, "covers 2 s: the power was unreadable before")
	c.power = append(c.power, sample(6980*ms, 100_000))
	r.reads(100e6, 100e6, 100e6, time.Second, "")
}

// A driver's clock that is set invents nothing, is told, and costs some seconds.
func TestPowerClockIsSet(t *testing.T) {
	for name, by := range map[string]time.Duration{"forwards": time.Hour, "back": -time.Hour, "a little forwards": 4 * time.Second} {
		r, c := gaugeRig(t, true)
		r.open()
		off, marked := time.Duration(0), 0
		for i := range 20 {
			if i == 3 {
				off = by
			}
			before := r.out[0].Energy
			for at := 80 * ms; at < time.Second; at += 100 * ms {
				c.power = append(c.power, sample(r.now+off+at, 100_000))
			}
			c.power = c.power[max(0, len(c.power)-20):]
			r.edge(time.Second)
			s := r.out[0]
			if s.Energy-before > 101e6 || (i < 3 || i > 10) && (s.Energy-before != 100e6 || s.Mark != "") {
				t.Errorf("%s, edge %d: %v J, %+v", name, i, s.Energy-before, s)
			}
			if s.Mark != "" {
				marked++
			}
		}
		if s := r.out[0]; s.Energy < 1500e6 || s.Energy > 2000e6 || marked == 0 {
			t.Errorf("%s: %+v, marked %d times", name, s, marked)
		}
	}
}

func TestPowerAtTheEdge(t *testing.T) {
	r, c := gaugeRig(t, false)
	r.now, c.milliwatts = 5*time.Second, 100_000
	r.open()
	if d := r.src.Domains()[0]; d.Method != energy.Integrated {
		t.Errorf("%+v", d)
	}
	c.milliwatts = 300_000
	r.reads(200e6, 100e6, 300e6, time.Second, "")
	c.fault["GetPowerUsage"] = gonvml.ERROR_GPU_IS_LOST
	r.reads(0, 0, 0, 0, "power unreadable")
	delete(c.fault, "GetPowerUsage")
	r.reads(600e6, 600e6, 600e6, 2*time.Second, "covers 2 s")
	c.milliwatts = math.MaxUint32
	r.reads(0, 0, 0, 0, "not counted")
	c.milliwatts = 300_000
	r.now -= 4 * time.Second
	r.reads(0, 0, 0, 0, "time went backwards")
	r.reads(300e6, 300e6, 300e6, time.Second, "")
}

// Samples that are not of the width that is documented are not read as if they were.
func TestPowerOfAnotherWidth(t *testing.T) {
	r, c := gaugeRig(t, true)
	c.width, c.milliwatts = gonvml.VALUE_TYPE_DOUBLE, 50_000
	r.open()
	r.reads(50e6, 50e6, 50e6, time.Second, "")
}

// The limit that is set for a GPU bounds what is believed, and 20 kW where there is none, or a senseless one.
func TestPowerLimit(t *testing.T) {
	for limit, want := range map[uint32]units.Watts{400_000: 4000, 0: 20_000, math.MaxUint32: 20_000} {
		r := newRig(t, 1)
		r.cards[0].limit = limit
		r.open()
		if got := r.src.devices[0].counter.most; got != want {
			t.Errorf("%d mW: %v W, want %v", limit, got, want)
		}
	}
}

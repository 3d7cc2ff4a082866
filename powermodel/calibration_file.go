package powermodel

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"time"
)

const (
	maxCalibration = 1 << 20 // bytes of a model file; one of two sockets has about 3,000
	maxDomains     = 256
)

// The file's form: see docs/calibration.md.
type (
	calibrationWire struct {
		Schema     string            `json:"schema"`
		Created    time.Time         `json:"created"`
		Kernel     string            `json:"kernel"`
		CPU        cpuWire           `json:"cpu"`
		Conditions Conditions        `json:"conditions"`
		Ladder     LadderFacts       `json:"ladder"`
		Domains    []json.RawMessage `json:"domains"`
	}
	cpuWire struct {
		Name           string `json:"name"`
		Vendor         string `json:"vendor"`
		Family         int    `json:"family,omitempty"`
		Model          int    `json:"model,omitempty"`
		Stepping       int    `json:"stepping,omitempty"`
		Implementer    int    `json:"implementer,omitempty"`
		Part           int    `json:"part,omitempty"`
		Sockets        int    `json:"sockets"`
		Threads        int    `json:"threads"`
		ThreadsPerCore int    `json:"threads_per_core,omitempty"`
		Hypervisor     bool   `json:"hypervisor,omitempty"`
	}
	domainWire struct {
		Name      string    `json:"name"`
		Scope     string    `json:"scope"`
		Socket    int       `json:"socket"`
		Die       int       `json:"die"`
		Threads   int       `json:"threads"`
		Method    string    `json:"method"`
		Source    string    `json:"source"`
		IdleWatts float64   `json:"idle_watts"` // for people: the first of watts
		MaxWatts  float64   `json:"max_watts"`  // and the last
		Watts     []float64 `json:"watts"`
		Low       []float64 `json:"watts_low"`
		High      []float64 `json:"watts_high"`
		Windows   int       `json:"windows"`
		Residuals Residuals `json:"residuals"`
	}
)

// ReadCalibration reads a model file, which may hold anything: what it returns has curves that rise, ranges that hold them, and names that
// can be shown. Fields that it does not know are left alone.
func ReadCalibration(r io.Reader) (Calibration, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxCalibration+1))
	if err != nil {
		return Calibration{}, fmt.Errorf("read the model: %w", err)
	}
	if len(text) > maxCalibration {
		return Calibration{}, fmt.Errorf("read the model: over %d bytes: not a file of eco2-bpf calibrate", maxCalibration)
	}
	var w calibrationWire
	if err := json.Unmarshal(text, &w); err != nil {
		return Calibration{}, fmt.Errorf("read the model: not a file of eco2-bpf calibrate: %w", err)
	}
	if w.Schema != CalibrationSchema {
		return Calibration{}, fmt.Errorf("read the model: its schema is %.40q, this version reads %q", w.Schema, CalibrationSchema)
	}
	if len(w.Domains) > maxDomains {
		return Calibration{}, fmt.Errorf("read the model: over %d domains", maxDomains)
	}
	c := w.calibration()
	for i, raw := range w.Domains {
		var d domainWire
		if err := json.Unmarshal(raw, &d); err != nil {
			return Calibration{}, fmt.Errorf("read the model: domain %d: %w", i, err)
		}
		domain, err := d.domain()
		if err != nil {
			return Calibration{}, fmt.Errorf("read the model: domain %d: %w", i, err)
		}
		c.Domains = append(c.Domains, domain)
	}
	if err := c.check(); err != nil {
		return Calibration{}, fmt.Errorf("read the model: %w", err)
	}
	return c, nil
}

func (w calibrationWire) calibration() Calibration {
	shown := func(s string) string { return clean([]byte(s)) }
	w.Conditions = Conditions{Driver: shown(w.Conditions.Driver), Governor: shown(w.Conditions.Governor), Turbo: shown(w.Conditions.Turbo), SMT: shown(w.Conditions.SMT)}
	w.Ladder.Load, w.Ladder.BusySource = shown(w.Ladder.Load), shown(w.Ladder.BusySource)
	w.CPU.Name, w.CPU.Vendor = shown(w.CPU.Name), shown(w.CPU.Vendor)
	return Calibration{Created: w.Created.UTC(), Kernel: shown(w.Kernel), CPU: w.CPU.cpu(), Conditions: w.Conditions, Ladder: w.Ladder}
}

func (w cpuWire) cpu() CPU {
	return CPU{Vendor: w.Vendor, Family: w.Family, Model: w.Model, Stepping: w.Stepping, Implementer: w.Implementer, Part: w.Part, Name: w.Name,
		Threads: w.Threads, ThreadsPerCore: w.ThreadsPerCore, Sockets: w.Sockets, Hypervisor: w.Hypervisor}
}

func (w domainWire) domain() (CalibratedDomain, error) {
	d := CalibratedDomain{
		Name: clean([]byte(w.Name)), Scope: w.Scope, Socket: w.Socket, Die: w.Die, Method: clean([]byte(w.Method)), Source: clean([]byte(w.Source)),
		Threads: w.Threads, Windows: w.Windows, Residuals: w.Residuals,
	}
	for _, c := range []struct {
		name string
		from []float64
		to   *Curve
	}{{"watts", w.Watts, &d.Watts}, {"watts_low", w.Low, &d.Low}, {"watts_high", w.High, &d.High}} {
		if len(c.from) != len(c.to) {
			return d, fmt.Errorf("%s has %d values, not one for each of 0, 10, ... 100 %%", c.name, len(c.from))
		}
		copy(c.to[:], c.from)
	}
	return d, nil
}

// Encode writes a model file: always the same bytes for the same calibration, a domain on each line.
func (c Calibration) Encode() ([]byte, error) {
	c = c.rounded()
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("write the model: %w", err)
	}
	var b bytes.Buffer
	line := func(end, name string, value any) error {
		text, err := json.Marshal(value)
		if err != nil {
			return fmt.Errorf("write the model: %s: %w", name, err)
		}
		fmt.Fprintf(&b, " %s%s%s\n", name, text, end)
		return nil
	}
	p := c.CPU
	cpu := cpuWire{Name: p.Name, Vendor: p.Vendor, Family: p.Family, Model: p.Model, Stepping: p.Stepping, Implementer: p.Implementer, Part: p.Part,
		Sockets: p.Sockets, Threads: p.Threads, ThreadsPerCore: p.ThreadsPerCore, Hypervisor: p.Hypervisor}
	b.WriteString("{\n")
	for _, f := range []struct {
		name  string
		value any
	}{
		{"schema", CalibrationSchema}, {"created", c.Created}, {"kernel", c.Kernel}, {"cpu", cpu}, {"conditions", c.Conditions}, {"ladder", c.Ladder},
	} {
		if err := line(",", fmt.Sprintf("%q: ", f.name), f.value); err != nil {
			return nil, err
		}
	}
	b.WriteString(" \"domains\": [\n")
	for i, d := range c.Domains {
		end := ","
		if i == len(c.Domains)-1 {
			end = ""
		}
		w := domainWire{Name: d.Name, Scope: d.Scope, Socket: d.Socket, Die: d.Die, Threads: d.Threads, Method: d.Method, Source: d.Source,
			IdleWatts: d.Watts[0], MaxWatts: d.Watts[10], Watts: d.Watts[:], Low: d.Low[:], High: d.High[:], Windows: d.Windows, Residuals: d.Residuals}
		if err := line(end, " ", w); err != nil {
			return nil, err
		}
	}
	b.WriteString(" ]\n}\n")
	return b.Bytes(), nil
}

// rounded keeps milliwatts and hundredths of a percent: more is noise. Rounding changes no order.
func (c Calibration) rounded() Calibration {
	c.Created = c.Created.UTC().Truncate(time.Second)
	c.Domains = slices.Clone(c.Domains)
	for i := range c.Domains {
		d := &c.Domains[i]
		for _, curve := range []*Curve{&d.Watts, &d.Low, &d.High} {
			for k := range curve {
				curve[k] = math.Round(curve[k]*1e3) / 1e3
			}
		}
		r := &d.Residuals
		for _, v := range []*float64{&r.RungMedian, &r.RungP95, &r.HeldOutMedian, &r.HeldOutP95, &r.Hysteresis} {
			*v = math.Round(*v*1e4) / 1e4
		}
	}
	return c
}

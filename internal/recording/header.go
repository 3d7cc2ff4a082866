package recording

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/eco2-bpf/eco2-bpf/intensity"
	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/host"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
	"github.com/eco2-bpf/eco2-bpf/powermodel"
)

// Header is what does not change while a machine is recorded. Its JSON form begins the file, so a field keeps its name for ever.
type Header struct {
	Program    string // what wrote it: "eco2-bpf 1.2.3"
	Host       host.Host
	CPUs       int // that there can be
	Topology   host.Topology
	BootTime   time.Time
	BusySource string
	Domains    []energy.Domain
	Reasons    []energy.Reason  // why these domains
	Model      powermodel.Model // of packages, for idle power until that is learned
	Factor     intensity.Factor // what the recorder would have used
	PUE        float64
	Users      map[uint32]string
	Processes  int // as many as are remembered at a time
	// What a split can go by beside CPU time. A replay cannot have what was not read.
	Siblings     bool          // usages tell of time beside a busy sibling
	Frequency    string        // where the CPUs' frequencies are read; empty: they are not
	OneFrequency bool          // no CPU can run at another than the next
	Counter      string        // the event that usages count; empty: none
	Resident     bool          // usages tell of the memory that their process holds
	Reserved     bool          // what cgroups reserve is read
	DRAM         string        // how the recorder would have split the energy of memory behind a package; empty: as an engine does unasked
	Tick         time.Duration // of the scheduler; 0: not known

	Selected bool // only processes that were followed were asked for
	Threads  bool // usages are of threads
}

var errHeader = errors.New("the header makes no sense")

// decodeHeader reads a header and holds it to what a machine can be.
func decodeHeader(text []byte) (*Header, error) {
	h := &Header{}
	if err := json.Unmarshal(text, h); err != nil {
		return nil, fmt.Errorf("%w: %w", errHeader, err)
	}
	if err := h.check(); err != nil {
		return nil, fmt.Errorf("%w: %w", errHeader, err)
	}
	h.BootTime = h.BootTime.Local()
	h.clean()
	return h, nil
}

func (h *Header) check() error {
	switch {
	case h.CPUs < 1 || h.CPUs > maxCPUs:
		return fmt.Errorf("%d CPUs", h.CPUs)
	case len(h.Topology) > h.CPUs:
		return fmt.Errorf("a topology of %d CPUs, of %d", len(h.Topology), h.CPUs)
	case h.Host.CPUs < 0 || h.Host.CPUs > h.CPUs || h.Host.Sockets < 0 || h.Host.Sockets > h.CPUs:
		return fmt.Errorf("a host of %d CPUs in %d sockets, of %d", h.Host.CPUs, h.Host.Sockets, h.CPUs)
	case h.Host.MemoryBytes < 0 || h.Host.MemoryBytes > 1<<50:
		return fmt.Errorf("%d bytes of memory", h.Host.MemoryBytes)
	case len(h.Domains) < 1 || len(h.Domains) > maxDomains:
		return fmt.Errorf("%d energy domains", len(h.Domains))
	case len(h.Users) > maxUsers || len(h.Reasons) > maxReasons:
		return fmt.Errorf("%d users, %d reasons", len(h.Users), len(h.Reasons))
	case h.BootTime.Year() < 1970 || h.BootTime.Year() > 2200:
		return fmt.Errorf("a boot time of %v", h.BootTime)
	case h.Processes < 0:
		return fmt.Errorf("room for %d processes", h.Processes)
	case h.Tick < 0 || h.Tick > maxTick:
		return fmt.Errorf("a tick of %v", h.Tick)
	}
	for i, c := range h.Topology {
		if c.Sibling < 0 || c.Sibling > len(h.Topology) || c.Sibling == i+1 {
			return fmt.Errorf("CPU %d and a sibling %d, of %d", i, c.Sibling-1, len(h.Topology))
		}
	}
	names := map[string]bool{}
	for _, d := range h.Domains {
		if d.Name == "" || names[d.Name] {
			return fmt.Errorf("an energy domain %.40q that is not the only one of its name", d.Name)
		}
		names[d.Name] = true
		if d.Refresh < 0 || d.Refresh > time.Hour {
			return fmt.Errorf("an energy domain that is %v old", d.Refresh)
		}
	}
	if f := h.Factor.GramsPerKWh; !(f >= 0 && f <= 10_000) {
		return fmt.Errorf("a factor of %g g/kWh", f)
	}
	if err := intensity.CheckPUE(h.PUE); err != nil {
		return err
	}
	return checkModel(&h.Model)
}

// checkModel refuses figures that would make powers of machines without end.
func checkModel(m *powermodel.Model) error {
	for _, r := range []powermodel.Range{m.Idle, m.Max} {
		for _, w := range []units.Watts{r.Value, r.Low, r.High} {
			if !(w >= 0 && w <= 1e6) {
				return fmt.Errorf("a model of %g W", w)
			}
		}
	}
	for _, c := range []powermodel.Curve{m.Curve, m.CurveLow, m.CurveHigh} {
		for _, share := range c {
			if !(math.Abs(share) <= 10) {
				return fmt.Errorf("a model's curve through %g", share)
			}
		}
	}
	return nil
}

// clean takes control characters out of the texts that views show as the machine's own words.
func (h *Header) clean() {
	for _, s := range []*string{
		&h.Program, &h.Host.Name, &h.Host.Kernel, &h.BusySource, &h.Model.Key, &h.Model.Microarch, &h.Model.How, &h.Model.Scope,
		&h.Model.CurveKey, &h.Factor.Region, &h.Factor.Name, &h.Factor.Source, &h.Factor.Basis, &h.Factor.Method, &h.Factor.How, &h.Factor.Note,
		&h.Frequency, &h.Counter, &h.DRAM,
	} {
		*s = printable(*s)
	}
	for i := range h.Domains {
		d := &h.Domains[i]
		for _, s := range []*string{&d.Name, &d.Method, &d.Source, &d.Scope, &d.Detail} {
			*s = printable(*s)
		}
	}
	for i := range h.Reasons {
		r := &h.Reasons[i]
		for _, s := range []*string{&r.Source, &r.Text, &r.Next, &r.Part.Name, &r.Part.Scope, &r.Part.Inside} {
			*s = printable(*s)
		}
	}
}

func printable(s string) string {
	if len(s) > maxText {
		s = s[:maxText]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

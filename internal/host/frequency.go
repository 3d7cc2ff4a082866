package host

import (
	"errors"
	"fmt"
)

// ErrNoFrequency: the kernel tells no frequency of any CPU, as in most guests.
var ErrNoFrequency = errors.New("the kernel tells no frequency of the CPUs")

// How a Frequency is read.
const (
	// FrequencyCounted is the mean over the time that a CPU was busy, by its counters of cycles.
	FrequencyCounted = "aperf/mperf"
	// FrequencyGauge is the mean of what cpufreq told at both ends of a step.
	FrequencyGauge = "cpufreq"
)

// maxKHz is above any frequency: what is told beyond it is not one.
const maxKHz = 20_000_000

// Frequency reads how fast each CPU ran. It is for one goroutine.
type Frequency struct {
	How  string // FrequencyCounted or FrequencyGauge
	Why  string // why the counters are not read; empty: they are
	cpus []cpuFrequency
	// cycles is where the counters are opened; nil: nowhere.
	cycles *cyclesPMU
	online *Online
}

// cpuFrequency is one CPU. The gauge stands in while the counters are away: they are gone for good after their CPU was offline, where the privilege
// to open them was dropped meanwhile.
type cpuFrequency struct {
	cycles *cycles // nil: there are none
	gauge  gauge
}

// OpenFrequency finds what SYSFS tells of each CPU's frequency, and takes the first reading. Counters take CAP_PERFMON here, none later.
// Nothing at all is ErrNoFrequency, with the reasons.
func OpenFrequency(sysfs string, topo Topology) (*Frequency, error) {
	return openFrequency(sysfs, topo, kernelEvents)
}

func openFrequency(sysfs string, topo Topology, calls eventCalls) (*Frequency, error) {
	f := &Frequency{How: FrequencyCounted, cpus: make([]cpuFrequency, len(topo)), online: WatchOnline(sysfs)}
	pmu, err := findCycles(sysfs, calls)
	if err == nil {
		err = f.openCycles(pmu, topo)
	}
	if err != nil {
		f.How, f.Why = FrequencyGauge, err.Error()
	}
	told := f.cycles != nil
	for i := range f.cpus {
		g := &f.cpus[i].gauge
		told = g.init(cpuDir(sysfs, i)) || told
		if f.cycles == nil {
			g.read()
		}
	}
	if !told {
		return nil, errors.Join(fmt.Errorf("%w: no cpufreq below %s, and %s", ErrNoFrequency, sysfs, f.Why), f.Close())
	}
	return f, nil
}

// openCycles counts on all CPUs that are online, or on none: a machine that is counted in part would be weighed in part.
func (f *Frequency) openCycles(pmu *cyclesPMU, topo Topology) error {
	counted := 0
	for i := range topo {
		f.cpus[i].cycles = &cycles{fd: closedCycles}
		if !topo[i].Online {
			continue
		}
		switch err := f.cpus[i].cycles.open(pmu, i); {
		case err == nil:
			counted++
		case !errors.Is(err, errOffline):
			f.closeCycles(pmu)
			return err
		}
	}
	if counted == 0 {
		return errNoCPU
	}
	f.cycles = pmu
	return nil
}

func (f *Frequency) closeCycles(pmu *cyclesPMU) {
	for i := range f.cpus {
		if c := f.cpus[i].cycles; c != nil {
			c.close(pmu)
		}
		f.cpus[i].cycles = nil
	}
}

// Close closes what it reads.
func (f *Frequency) Close() error {
	if f.cycles != nil {
		f.closeCycles(f.cycles)
	}
	for i := range f.cpus {
		f.cpus[i].gauge.close()
	}
	if f.online.f != nil {
		return f.online.f.Close()
	}
	return nil
}

var errNoCPU = errors.New("no CPU is online to count cycles on")

var errFrequencyGone = errors.New("read the frequency of the CPUs: none tells it any more")

// Read fills into with each CPU's mean frequency since the last Read, in kHz; 0: not known, or the CPU did next to nothing. Counters tell the mean
// while it was busy; that interrupts each CPU once. The gauge is a guess at it: it knows both ends of the step alone, and of a CPU that idles there
// some drivers tell the lowest. Of an offline CPU the gauge may be that of those that share its clock.
func (f *Frequency) Read(into []int64) error {
	clear(into)
	changed := f.online.Changed()
	alive := false
	for i := range f.cpus {
		c := &f.cpus[i]
		var kHz int64
		var told bool
		if c.cycles != nil {
			if changed && c.cycles.away() {
				c.cycles.renew(f.cycles, i)
			} else {
				kHz, told = c.cycles.read(f.cycles, i)
			}
			alive = alive || !c.cycles.away()
		}
		if told {
			c.gauge.last = 0
		} else {
			if changed {
				c.gauge.open()
			}
			kHz, told = c.gauge.read()
		}
		alive = alive || told
		if i < len(into) {
			into[i] = kHz
		}
	}
	if !alive {
		return errFrequencyGone
	}
	return nil
}

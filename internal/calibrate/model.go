package calibrate

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/eco2-bpf/eco2-bpf/powermodel"
)

// Facts are what a model file says beside watts.
type Facts struct {
	Created    time.Time
	Kernel     string
	CPU        powermodel.CPU
	Conditions powermodel.Conditions
	BusySource string
}

// Fitted is a climbed ladder's fit in one domain.
type Fitted struct {
	Domain
	powermodel.LoadFit
}

// Fit makes a model of what was seen.
func (c *Climbed) Fit(f Facts) (powermodel.Calibration, []Fitted, error) {
	cal := powermodel.Calibration{Created: f.Created, Kernel: f.Kernel, CPU: f.CPU, Conditions: f.Conditions, Ladder: powermodel.LadderFacts{
		Steps: c.Ladder.Steps, HoldSeconds: c.Ladder.Hold.Seconds(), SettleSeconds: c.Ladder.Settle.Seconds(), WindowSeconds: c.Ladder.Window.Seconds(),
		Load: LoadMix, BusySource: f.BusySource,
	}}
	var fits []Fitted
	for _, d := range c.Domains {
		if len(d.Windows) == 0 {
			return cal, nil, fmt.Errorf("fit %s: none of the %d windows had all of its energy and busy time: %s", d.Name, d.Dropped, d.Mark)
		}
		fit, err := powermodel.FitLoad(c.Ladder.Steps, d.Windows)
		if err != nil {
			if d.Dropped > 0 {
				err = fmt.Errorf("%w; %d windows were left out: %s", err, d.Dropped, d.Mark)
			}
			return cal, nil, fmt.Errorf("fit %s: %w", d.Name, err)
		}
		fits = append(fits, Fitted{d, fit})
		cal.Domains = append(cal.Domains, powermodel.CalibratedDomain{
			Name: d.Name, Scope: d.Scope, Socket: d.Socket, Die: d.Die, Method: d.Method, Source: d.Source, Threads: len(d.CPUs),
			Watts: fit.Watts, Low: fit.Low, High: fit.High, Residuals: fit.Residuals, Windows: fit.Windows,
		})
	}
	return cal, fits, nil
}

// ReadConditions reads the settings that change what a load costs. What a machine does not say stays empty.
func ReadConditions(sysfs string, cpus []int) powermodel.Conditions {
	dir := filepath.Join(sysfs, "devices/system/cpu")
	var governors []string
	for _, cpu := range cpus {
		g := readWord(filepath.Join(dir, "cpu"+strconv.Itoa(cpu), "cpufreq/scaling_governor"))
		if g != "" && !slices.Contains(governors, g) && len(governors) < 8 {
			governors = append(governors, g)
		}
	}
	slices.Sort(governors)
	c := powermodel.Conditions{Governor: strings.Join(governors, ",")}
	if len(cpus) > 0 {
		c.Driver = readWord(filepath.Join(dir, "cpu"+strconv.Itoa(cpus[0]), "cpufreq/scaling_driver"))
	}
	onOff := func(file, on, off string) string {
		switch readWord(filepath.Join(dir, file)) {
		case on:
			return "on"
		case off:
			return "off"
		}
		return ""
	}
	if c.Turbo = onOff("intel_pstate/no_turbo", "0", "1"); c.Turbo == "" {
		c.Turbo = onOff("cpufreq/boost", "1", "0")
	}
	c.SMT = onOff("smt/active", "1", "0")
	return c
}

// readWord reads a short file of sysfs. Anything but a word of the kernel's is nothing.
func readWord(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	b := make([]byte, 64)
	n, _ := f.Read(b) // an unreadable setting is one that is not told
	word := strings.TrimSpace(string(b[:n]))
	if n == len(b) || strings.Trim(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-") != "" {
		return ""
	}
	return word
}

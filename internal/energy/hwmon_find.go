package energy

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Kinds of a chip's channels (Documentation/hwmon/sysfs-interface.rst), by the names of their files.
const (
	channelEnergy = "energy" // energyN_input, in microjoules
	channelPower  = "power"  // powerN_average or powerN_input, in microwatts
	channelRail   = "rail"   // inN_input and currN_input, in millivolts and milliamperes
)

// maxEntries bounds what is read of a folder: a chip with a counter for each of 512 CPUs has some 1100 files.
const maxEntries = 4096

// chip is one hwmon device.
type chip struct {
	id     string // hwmon3
	name   string // amdgpu
	dir    zoneDir
	device string  // what it is a part of: a PCI address, an I2C address, an ACPI name; its id where that is not told
	pci    string  // the device's PCI number (0x74a0); empty: it has none
	power  zoneDir // the device's folder of power management; its path is empty where it has none
	label  string
	supply bool            // a power supply shows itself here too
	has    map[string]bool // files
}

// channel is one thing that a chip measures.
type channel struct {
	*chip
	kind  string
	index int
	label string
}

// id is the channel's, for people and for the containment table.
func (c *channel) id() string {
	kind := c.kind
	if kind == channelRail {
		kind = "in"
	}
	return fmt.Sprintf("%s/%s%d", c.chip.id, kind, c.index)
}

// findChips lists the chips under a class folder by number. A chip that cannot be looked at is a reason.
func findChips(class string, f files) ([]*chip, []Reason, error) {
	ids, err := list(class)
	if err != nil {
		return nil, nil, err
	}
	var chips []*chip
	var reasons []Reason
	for _, id := range ids {
		rest, ok := strings.CutPrefix(id, "hwmon")
		if _, num := parseIndex(rest); !ok || !num {
			continue
		}
		c, err := openChip(filepath.Join(class, id), id, f)
		if err != nil {
			err = fmt.Errorf("%s: %w", id, err)
			reasons = append(reasons, Reason{Source: sourceHwmon, Text: err.Error(), Next: nextStep(err), Part: Part{Name: id}})
			continue
		}
		chips = append(chips, c)
	}
	slices.SortFunc(chips, func(a, b *chip) int { return cmp.Or(len(a.id)-len(b.id), strings.Compare(a.id, b.id)) })
	return chips, reasons, nil
}

// openChip looks at a chip. Drivers that register by the old interface have its files one folder up, in the device's (acpi_power_meter until 2025).
// The path is the device's own, so that another chip that is given the number later is never taken for this one.
func openChip(path, id string, f files) (*chip, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	c := &chip{id: id, device: id, supply: strings.Contains(real, "/power_supply/"), has: map[string]bool{}}
	if device, err := filepath.EvalSymlinks(filepath.Join(real, "device")); err == nil {
		c.device = filepath.Base(device)
		c.power = zoneDir{id: id + "/device/power", path: filepath.Join(device, "power")}
		c.pci = optionalText(f, zoneDir{id: id, path: device}, "device")
		if _, err := os.Stat(filepath.Join(real, "name")); errors.Is(err, os.ErrNotExist) {
			real = device
		}
	}
	c.dir = zoneDir{id: id, path: real}
	if c.name, err = readText(f, c.dir, "name"); err != nil {
		return nil, fmt.Errorf("name: %w", err)
	}
	names, err := list(real)
	if err != nil {
		return nil, err
	}
	for _, n := range names {
		c.has[n] = true
	}
	c.label = optionalText(f, c.dir, "label")
	return c, nil
}

func list(dir string) ([]string, error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names, err := d.Readdirnames(maxEntries)
	if err != nil && !errors.Is(err, io.EOF) && len(names) == 0 { // an empty folder is one
		return nil, fmt.Errorf("list %s: %w", filepath.Base(dir), err)
	}
	return names, nil
}

// channels are what the chip measures of power and energy, by kind and number.
func (c *chip) channels(f files) []*channel {
	var out []*channel
	for file := range c.has {
		for _, p := range []struct{ kind, prefix, suffix, label string }{
			{channelEnergy, "energy", "_input", "energy%d_label"},
			{channelPower, "power", "_average", "power%d_label"},
			{channelPower, "power", "_input", "power%d_label"},
			{channelRail, "in", "_input", "in%d_label"},
		} {
			rest, ok := strings.CutPrefix(file, p.prefix)
			rest, end := strings.CutSuffix(rest, p.suffix)
			n, num := parseIndex(rest)
			switch {
			case !ok || !end || !num:
				continue
			case p.kind == channelPower && p.suffix == "_input" && c.has[fmt.Sprintf("power%d_average", n)]:
				continue // the mean sees what happens between two readings
			case p.kind == channelRail && !c.has[fmt.Sprintf("curr%d_input", n)]:
				continue
			}
			label := optionalText(f, c.dir, fmt.Sprintf(p.label, n))
			if label == "" && p.kind == channelPower { // the ACPI meter has what it measures there
				label = optionalText(f, c.dir, fmt.Sprintf("power%d_oem_info", n))
			}
			if label == "" {
				label = c.label
			}
			out = append(out, &channel{chip: c, kind: p.kind, index: n, label: label})
		}
	}
	slices.SortFunc(out, func(a, b *channel) int { return cmp.Or(strings.Compare(a.kind, b.kind), a.index-b.index) })
	return out
}

// runtimeStatus is the file that tells whether the device sleeps, where the kernel may put it to sleep; else nil
// (Documentation/ABI/testing/sysfs-devices-power).
func (c *channel) runtimeStatus(f files) *counterFile {
	if c.power.path == "" || optionalText(f, c.power, "control") != "auto" || optionalText(f, c.power, "runtime_status") == "unsupported" {
		return nil // auto is the default, also of devices whose driver lets nothing sleep
	}
	status := newCounterFile(f, c.power, "runtime_status")
	if _, err := status.reopen(); err != nil {
		return nil
	}
	return status
}

func (c *channel) file(f files, format string) *counterFile {
	return newCounterFile(f, c.dir, fmt.Sprintf(format, c.index))
}

// inexact is how far off a meter's readings can be, of themselves, as power1_accuracy tells (95.0%); 0: not told.
func (c *channel) inexact(f files) float64 {
	text := optionalText(f, c.dir, fmt.Sprintf("power%d_accuracy", c.index))
	percent, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	if err != nil || !(percent > 0 && percent <= 100) {
		return 0
	}
	return 1 - percent/100
}

// milliseconds reads a file that says how old or how long a mean a reading is; def where it does not say.
func (c *channel) milliseconds(f files, file string, def time.Duration) time.Duration {
	file = strings.ReplaceAll(file, "N", fmt.Sprint(c.index))
	if !c.has[file] {
		return def
	}
	p := newCounterFile(f, c.dir, file)
	if _, err := p.reopen(); err != nil {
		return def
	}
	defer p.close()
	ms, err := p.read()
	if err != nil || ms <= 0 || ms > int64(bridge/time.Millisecond) {
		return def
	}
	return time.Duration(ms) * time.Millisecond
}

package energy

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Bounds of what sysfs may say. The kernel knows at most 8,192 CPUs; a scale is the size of one count in joules, of which the coarsest is psys on
// Sapphire Rapids, 1 J.
const (
	maxCPU   = 1 << 16
	maxScale = 1
	minScale = 1e-18
)

// eventConfig is what names an event to perf_event_open: config, config1 and config2.
type eventConfig [3]uint64

// configField is where a term of an event goes: bits of one of the three words, lowest first.
type configField struct {
	word int
	bits []int
}

// parseCPUs takes the kernel's list form, "0,24" or "0-3,8", in the order of the numbers.
func parseCPUs(text string) ([]int, error) {
	var cpus []int
	for part := range strings.SplitSeq(text, ",") {
		lo, hi, isRange := strings.Cut(part, "-")
		first, ok := parseIndex(lo)
		last := first
		if ok && isRange {
			last, ok = parseIndex(hi)
		}
		if !ok || last < first || last >= maxCPU || (len(cpus) > 0 && first <= cpus[len(cpus)-1]) {
			return nil, fmt.Errorf("not a list of CPUs: %.40q", text)
		}
		for cpu := first; cpu <= last; cpu++ {
			cpus = append(cpus, cpu)
		}
	}
	return cpus, nil
}

// parseScale takes joules per count, such as 2.3283064365386962890625e-10.
func parseScale(text string) (float64, error) {
	if strings.Trim(text, "0123456789.eE+-") != "" { // nor hexadecimal, nor "inf"
		return 0, fmt.Errorf("not a number: %.40q", text)
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return 0, fmt.Errorf("not a number: %.40q", text)
	}
	if !(v >= minScale && v <= maxScale) {
		return 0, fmt.Errorf("scale %g is none of an energy counter", v)
	}
	return v, nil
}

// parseUnit knows joules alone: there is no other unit to take for them.
func parseUnit(text string) error {
	if text != "Joules" {
		return fmt.Errorf("unit %.40q is not Joules", text)
	}
	return nil
}

// parseEvent takes "event=0x02" or "config=0x2,config1=7". format gives the text of format/TERM, which says where a term's bits go.
func parseEvent(text string, format func(term string) (string, error)) (eventConfig, error) {
	var config eventConfig
	for term := range strings.SplitSeq(text, ",") {
		name, digits, hasValue := strings.Cut(term, "=")
		if !isTerm(name) {
			return config, fmt.Errorf("not an event: %.40q", text)
		}
		value, err := uint64(1), error(nil) // a bare term is a flag
		if hasValue {
			value, err = parseBits(digits)
		}
		if err != nil {
			return config, fmt.Errorf("not an event: %.40q", text)
		}
		field, whole := wholeWord(name)
		if !whole {
			where, err := format(name)
			if err != nil {
				return config, fmt.Errorf("format/%s: %w", name, err)
			}
			if field, err = parseField(where); err != nil {
				return config, fmt.Errorf("format/%s: %w", name, err)
			}
		}
		if err := config.put(field, value); err != nil {
			return config, fmt.Errorf("%s: %w", name, err)
		}
	}
	return config, nil
}

func (c *eventConfig) put(f configField, value uint64) error {
	if len(f.bits) < 64 && value>>len(f.bits) != 0 {
		return fmt.Errorf("%#x does not fit into %d bits", value, len(f.bits))
	}
	for i, bit := range f.bits {
		c[f.word] |= (value >> i & 1) << bit
	}
	return nil
}

// wholeWord is for the terms that need no format file.
func wholeWord(name string) (configField, bool) {
	word := slices.Index(configWords[:], name)
	if word < 0 {
		return configField{}, false
	}
	f := configField{word: word}
	for bit := range 64 {
		f.bits = append(f.bits, bit)
	}
	return f, true
}

var configWords = [3]string{"config", "config1", "config2"}

// parseField takes "config:0-7" or "config1:0-7,32".
func parseField(text string) (configField, error) {
	bad := fmt.Errorf("not a field: %.40q", text)
	name, list, ok := strings.Cut(text, ":")
	word := slices.Index(configWords[:], name)
	if !ok || word < 0 {
		return configField{}, bad
	}
	bits, err := parseCPUs(list) // the same form
	if err != nil || bits[len(bits)-1] > 63 {
		return configField{}, bad
	}
	return configField{word, bits}, nil
}

func isTerm(name string) bool {
	return name != "" && len(name) <= maxName && strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == ""
}

func parseBits(digits string) (uint64, error) {
	base := 10
	if hex, ok := strings.CutPrefix(digits, "0x"); ok {
		base, digits = 16, hex
	}
	if strings.HasPrefix(digits, "+") {
		return 0, errGarbage
	}
	return strconv.ParseUint(digits, base, 64)
}

// errCount says that a count is more than any machine has used.
var errCount = errors.New("count is absurd")

// countMicrojoules is what a count is worth. The kernel adds signed steps, so a count may be below zero after a step that it got wrong; from there it goes on as ever.
// The limit is where a float has no microjoules any more: 9e9 J are some 300 years of 1 kW.
func countMicrojoules(count uint64, joules float64) (int64, error) {
	v := math.Floor(float64(int64(count)) * (joules * 1e6))
	if math.Abs(v) >= 1<<53 {
		return 0, errCount
	}
	return int64(v), nil
}

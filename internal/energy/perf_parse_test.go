package energy

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

func TestParseCPUs(t *testing.T) {
	for text, want := range map[string][]int{"0": {0}, "0,24": {0, 24}, "0-3,8": {0, 1, 2, 3, 8}, "5-5": {5},
		"": nil, ",": nil, "1,": nil, "3-1": nil, "0,0": nil, "1,0": nil, "0-3,2": nil, "-1": nil, "a": nil, "0x1": nil, "00": nil, "0-65536": nil, "0-99999999": nil, " 0": nil} {
		got, err := parseCPUs(text)
		if !slices.Equal(got, want) && err == nil || (err != nil) != (want == nil) {
			t.Errorf("%q: %v %v, want %v", text, got, err, want)
		}
	}
}

func TestParseScale(t *testing.T) {
	for text, want := range map[string]float64{"2.3283064365386962890625e-10": 1.0 / (1 << 32), "1": 1, "6.103515625e-05": 1.0 / (1 << 14),
		"": 0, "0": 0, "-1e-10": 0, "nan": 0, "inf": 0, "1e400": 0, "0x1p-32": 0, "1_0": 0, "2": 0, "1e-300": 0, "1e-10 ": 0} {
		got, err := parseScale(text)
		if got != want && err == nil || (err != nil) != (want == 0) {
			t.Errorf("%q: %v %v, want %v", text, got, err, want)
		}
	}
}

func TestParseEvent(t *testing.T) {
	formats := map[string]string{"event": "config:0-7", "umask": "config:8-15", "split": "config1:0-3,60-63", "flag": "config2:5", "bad": "config3:1", "wide": "config:0-64"}
	format := func(term string) (string, error) {
		if f, ok := formats[term]; ok {
			return f, nil
		}
		return "", errEmpty
	}
	for text, want := range map[string]eventConfig{
		"event=0x02": {2}, "event=2": {2}, "config=0x2": {2}, "config=0xffffffffffffffff": {math.MaxUint64}, "event=0x02,umask=0x1": {0x102},
		"split=0xa5": {0, 0xa<<60 | 5}, "flag": {0, 0, 32}, "flag=1,config1=7": {0, 7, 32}, "event=0": {},
	} {
		if got, err := parseEvent(text, format); err != nil || got != want {
			t.Errorf("%q: %x %v, want %x", text, got, err, want)
		}
	}
	for _, text := range []string{"", "=1", "event=", "event=0x", "event=-1", "event=+1", "event=1,", "event=0x100", "flag=2", "event=0x1ffffffffffffffff",
		"none=1", "bad=1", "wide=1", "../type=1", "event=1\n", "event=1_0", "config=?"} {
		if got, err := parseEvent(text, format); err == nil {
			t.Errorf("%q passes as %x", text, got)
		}
	}
}

func TestCountMicrojoules(t *testing.T) {
	const unit = 1.0 / (1 << 32)
	for _, c := range []struct {
		count uint64
		want  int64
		bad   bool
	}{{0, 0, false}, {1 << 32, 1e6, false}, {5 << 31, 2.5e6, false}, {1, 0, false}, {4295, 1, false}, {1<<64 - 1<<32, -1e6, false},
		{1 << 62, 1 << 30 * 1e6, false}} {
		got, err := countMicrojoules(c.count, unit)
		if got != c.want || (err != nil) != c.bad {
			t.Errorf("%d: %d %v, want %d", c.count, got, err, c.want)
		}
	}
	if v, err := countMicrojoules(1<<40, 1); !errors.Is(err, errCount) {
		t.Errorf("%d %v", v, err)
	}
}

// Whatever sysfs says: no panic, no event that its format does not hold, no scale that is none.
func FuzzPerfTexts(f *testing.F) {
	for _, s := range []string{"event=0x02", "config=7,config1", "0-3,8", "config:0-7,9", "2.3283064365386962890625e-10", "Joules", "nan", "0-65535"} {
		f.Add(s, "config:0-7")
	}
	f.Fuzz(func(t *testing.T, s, format string) {
		if cpus, err := parseCPUs(s); err == nil && (len(cpus) == 0 || !slices.IsSorted(cpus) || cpus[0] < 0 || cpus[len(cpus)-1] >= maxCPU) {
			t.Errorf("%q: %v", s, cpus)
		}
		if v, err := parseScale(s); err == nil && !(v > 0 && v <= 1) {
			t.Errorf("%q: %v", s, v)
		}
		if err := parseUnit(s); (err == nil) != (s == "Joules") {
			t.Errorf("%q is taken for joules", s)
		}
		if field, err := parseField(s); err == nil && (field.word > 2 || len(field.bits) == 0 || len(field.bits) > 64) {
			t.Errorf("%q: %v", s, field)
		}
		config, err := parseEvent(s, func(string) (string, error) { return format, nil })
		if err != nil {
			return
		}
		// The words can be told from the text again where it is a single number.
		if digits, ok := strings.CutPrefix(s, "config="); ok {
			if v, err := strconv.ParseUint(digits, 0, 64); err == nil && config != (eventConfig{v}) && !(len(digits) > 1 && digits[0] == '0' && digits[1] != 'x') {
				t.Errorf("%q: %x", s, config)
			}
		}
	})
}

// Whatever the kernel answers: no panic, the sum never goes down, no window has more than the limits.
func FuzzPerfRead(f *testing.F) {
	f.Add([]byte("\x02\x00\x00\x00\x00\x00\x00\x00aaaaaaaabbbbbbbbccccccccdddddddd"))
	f.Add(make([]byte, 400))
	pmu := newFakePMU(f, "perf-two-sockets") // one tree for all: writing it takes longer than the rest
	f.Fuzz(func(t *testing.T, data []byte) {
		p, _, err := openPerf(pmu.root, pmu.calls())
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		p.calls.read = func(_ int, p []byte) (int, error) {
			n := copy(p, data)
			data = data[n:]
			return n, nil
		}
		totals := make([]units.Microjoules, 4)
		for i := 0; i < 20 && len(data) > 0; i++ {
			for j, s := range pmu.samples(p, time.Second) {
				if s.Energy < totals[j] || s.Low != s.Energy || s.High != s.Energy || strings.Contains(s.Mark, "\n") {
					t.Fatalf("from %d: %+v", totals[j], s)
				}
				if limit := stepPackage.Over(time.Duration(i+2) * time.Second); s.Energy > limit {
					t.Fatalf("%d uJ in %d s", s.Energy, i+1)
				}
				totals[j] = s.Energy
			}
		}
	})
}

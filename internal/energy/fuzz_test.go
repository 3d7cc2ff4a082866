package energy

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// The parser must agree with strconv on exactly the texts that the kernel can write, and refuse the rest.
func FuzzParseCounter(f *testing.F) {
	for _, s := range []string{"", "\n", "0\n", "12\n", "12", "-1\n", "9223372036854775807\n", "9223372036854775808\n", "1e3\n", "1\n2\n", "\x00\n"} {
		f.Add([]byte(s))
	}
	kernel := regexp.MustCompile(`\A[0-9]+\n\z`)
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := parseCounter(b)
		want, wantErr := strconv.ParseInt(strings.TrimSuffix(string(b), "\n"), 10, 64)
		if ok := kernel.Match(b) && wantErr == nil; ok != (err == nil) || (ok && v != want) {
			t.Errorf("%q: %d %v, want %d %v", b, v, err, want, wantErr)
		}
	})
}

func FuzzNames(f *testing.F) {
	for _, s := range []string{"package-0\n", "package-1-die-2", "dram", "psys-1", "package-0-die-0-die-0", "intel-rapl:0:1", "a:b", ":0", "\x1b[31m"} {
		f.Add(s)
	}
	safe := regexp.MustCompile(`\A[a-z0-9-]{1,64}\z`)
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := parseName(s); err == nil {
			if !safe.MatchString(n.text) || strings.TrimSuffix(s, "\n") != n.text {
				t.Errorf("%q passes as %q", s, n.text)
			}
			if n.kind == kindPackage { // one zone has one spelling
				want := "package-" + strconv.Itoa(n.socket)
				if n.die >= 0 {
					want += "-die-" + strconv.Itoa(n.die)
				}
				if want != n.text {
					t.Errorf("%q is taken for %q", n.text, want)
				}
			}
		}
		if control, index, ok := parseZoneID(s); ok {
			for _, i := range index {
				control += ":" + strconv.Itoa(i)
			}
			if control != s {
				t.Errorf("%q is taken for %q", s, control)
			}
		}
	})
}

// Whatever the counter and the clock say: no panic, the sum never goes down, no window has more than the limits, a mark is one line.
func FuzzMeter(f *testing.F) {
	f.Add(int64(pkgRange), []byte("0123456789abcdef0123456789abcdef"))
	f.Add(int64(0), []byte("\xff\xff\xff\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x7f"))
	f.Fuzz(func(t *testing.T, rng int64, data []byte) {
		m := newMeter(kindPackage, max(rng, 0))
		for ; len(data) >= 16; data = data[16:] {
			v := int64(binary.LittleEndian.Uint64(data) >> 1)
			at := time.Duration(int64(binary.LittleEndian.Uint64(data[8:])) >> 8) // up to two years, both signs
			before, moved := m.total, m.last.moved
			if m.doubt { // then a step may be counted from the value before
				moved = min(moved, m.before.moved)
			}
			mark := m.add(v, moment{at: at})
			if m.total < before || strings.Contains(mark, "\n") {
				t.Fatalf("%d to %d, mark %q", before, m.total, mark)
			}
			if span := max(at-moved, 0) + 2*slack; m.total-before > m.step.Over(span) {
				t.Fatalf("%d uJ in %v", m.total-before, span)
			}
		}
	})
}

// Whatever the gauge and the clock say: no panic, sums that never go down and hold each other, no window with more than the device can draw in what it covers.
func FuzzGauge(f *testing.F) {
	f.Add(int64(time.Second), []byte("0123456789abcdef0123456789abcdef0123456789abcdef"))
	f.Add(int64(0), []byte("\xff\xff\xff\xff\xff\xff\xff\x7f\xff\xff\xff\xff\xff\xff\xff\x7f"))
	f.Fuzz(func(t *testing.T, lag int64, data []byte) {
		g := gauge{most: mostMachine, lag: time.Duration(min(max(lag, 0), int64(bridge)))}
		var before Sample
		for ; len(data) >= 16; data = data[16:] {
			bits := binary.LittleEndian.Uint64(data[8:])
			at := time.Duration(int64(bits) >> 8) // up to two years, both signs
			now := moment{at: at, slept: time.Duration(bits & 1)}
			switch bits >> 1 & 7 {
			case 0:
				g.miss(errEmpty)
			case 1:
				g.pause("on mains")
			case 2: // any number
				g.add(units.Watts(math.Float64frombits(binary.LittleEndian.Uint64(data))), now)
			default: // one that is plausible
				g.add(units.Watts(binary.LittleEndian.Uint16(data)), now)
			}
			s := g.sample(at)
			if s.Energy < before.Energy || s.Low < before.Low || s.High < before.High || s.Low > s.Energy || s.High < s.Energy || s.Span < 0 || strings.Contains(s.Mark, "\n") {
				t.Fatalf("%+v after %+v", s, before)
			}
			if most := g.most.Over(s.Span) + 1; s.Energy-before.Energy > most {
				t.Fatalf("%d uJ in %v", s.Energy-before.Energy, s.Span)
			}
			before = s
		}
	})
}

// Whatever a chip's and a battery's files say: no panic, and nothing that a terminal would obey.
func FuzzGaugeFiles(f *testing.F) {
	for _, s := range [][3]string{{"amdgpu\n", "PPT\n", "5000000\n"}, {"power_meter\n", "Grace Power Socket 1\n", "-1\n"}, {"ina3221\n", "VDD_IN\n", "9999999999999999999\n"},
		{"amd_energy\n", "Esocket0\n", "\n"}, {"xe\n", "pkg\n", "1"}, {"Battery\n", "Discharging\n", "--5\n"}, {"x\x1b[2J", "\xff", "\x00"}} {
		f.Add(s[0], s[1], s[2])
	}
	f.Fuzz(func(t *testing.T, name, label, value string) {
		root := t.TempDir()
		for path, text := range map[string]string{
			"class/hwmon/hwmon0/name": name, "class/hwmon/hwmon0/power1_average": value, "class/hwmon/hwmon0/power1_label": label, "class/hwmon/hwmon0/energy1_input": value,
			"class/hwmon/hwmon0/energy1_label": label, "class/hwmon/hwmon0/in2_input": value, "class/hwmon/hwmon0/curr2_input": value, "class/hwmon/hwmon0/in2_label": label,
			"class/hwmon/hwmon0/power1_average_interval": value, "class/power_supply/BAT0/type": "Battery\n", "class/power_supply/BAT0/status": label,
			"class/power_supply/BAT0/power_now": value, "class/power_supply/B/type": name, "class/power_supply/B/online": value,
		} {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(root, path)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(root, path), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for _, open := range []func(string, files) (*gauges, []Reason, error){openHwmon, openSupply} {
			src, reasons, err := open(root, kernelFiles)
			if (src == nil) != (err != nil) {
				t.Fatalf("%v %v", src, err)
			}
			for _, r := range reasons {
				if strings.ContainsFunc(r.Text+r.Part.Name+r.Part.Inside, func(c rune) bool { return c < ' ' || c > '~' }) {
					t.Errorf("%q", r.Text)
				}
			}
			if err != nil {
				continue
			}
			src.tick = 0 // what runs between edges is not the input's doing
			out := make([]Sample, len(src.Domains()))
			for i := range 3 {
				src.Read(Edge{Time: time.Duration(i) * time.Second}, out)
				for _, s := range out {
					if s.Energy < 0 || s.Low < 0 || s.Low > s.Energy || s.High < s.Energy || strings.ContainsFunc(s.Mark, func(c rune) bool { return c < ' ' || c > '~' }) {
						t.Errorf("%+v", s)
					}
				}
			}
			src.Close()
		}
	})
}

func FuzzSigned(f *testing.F) {
	for _, s := range []string{"", "-", "-\n", "-0\n", "-5\n", "--5\n", "5\n", "-9223372036854775807\n", "-9223372036854775808\n", "+5\n"} {
		f.Add([]byte(s))
	}
	kernel := regexp.MustCompile(`\A-?[0-9]+\n\z`)
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := parseSigned(b)
		want, wantErr := strconv.ParseInt(strings.TrimSuffix(string(b), "\n"), 10, 64)
		if want == math.MinInt64 { // one number that is not worth a case
			return
		}
		if ok := kernel.Match(b) && wantErr == nil; ok != (err == nil) || ok && v != want {
			t.Errorf("%q: %d %v, want %d %v", b, v, err, want, wantErr)
		}
	})
}

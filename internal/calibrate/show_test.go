package calibrate

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/eco2-bpf/eco2-bpf/internal/energy"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
	"github.com/eco2-bpf/eco2-bpf/powermodel"
)

// shown is a fit of 20 W idle and 60 W full, with rungs that are off by 10 % at half load on the way down.
func shown(name string) Fitted {
	f := Fitted{Domain: Domain{Domain: energy.Domain{Name: name, Scope: energy.ScopePackage, Method: energy.Measured, Source: "powercap"}, CPUs: []int{0, 1}, Dropped: 3, Mark: "counter reset"}}
	for k := range f.Watts {
		w := 20 + 4*float64(k)
		f.Watts[k], f.Low[k], f.High[k] = w, 0.9*w, 1.1*w
	}
	for i, r := range []powermodel.LoadRung{{Asked: 0, Busy: 0.01}, {Asked: 50, Busy: 0.5}, {Asked: 100, Busy: 1}, {Asked: 50, Busy: 0.5, Down: true}} {
		r.Windows, r.Power = 8, units.Watts(f.Watts.At(r.Busy))
		if i == 3 {
			r.Power, r.Residual = 44, 0.10
		}
		f.Rungs = append(f.Rungs, r)
	}
	f.LoadFit.Windows = 32
	f.Residuals = powermodel.Residuals{RungMedian: 0.001, RungP95: 0.085, HeldOutMedian: 0.01, HeldOutP95: 0.02, HeldOut: 16, Hysteresis: 0.1}
	return f
}

func TestTable(t *testing.T) {
	var b strings.Builder
	WriteTable(&b, []Fitted{shown("package-0")})
	for _, want := range []string{
		`(?m)^package-0: scope package, 2 CPUs, measured by powercap; 32 windows, 3 left out \(counter reset\)$`,
		`(?m)^ +0% +1\.0% +20\.400 +\+0\.0% +- +- +- +20\.000$`,
		`(?m)^ +50% +50\.0% +40\.000 +\+0\.0% +50\.0% +44\.000 +\+10\.0% +40\.000$`,
		`(?m)^ +100% +100\.0% +60\.000 +\+0\.0% +- +- +- +60\.000$`,
		`(?m)^idle 20\.000 W \(18\.000 to 22\.000\), full 60\.000 W \(54\.000 to 66\.000\)$`,
		`rungs 0\.1 %, 8\.5 %; 16 windows that the curve was not made from 1\.0 %, 2\.0 %`,
		`the same load on the way down: \+10\.0 %`,
	} {
		if !regexp.MustCompile(want).MatchString(b.String()) {
			t.Errorf("no %s in:\n%s", want, &b)
		}
	}
	if strings.Contains(b.String(), "NOTE") {
		t.Errorf("a note on a good fit:\n%s", &b)
	}
	f := shown("package-0")
	f.Rungs, f.Residuals = f.Rungs[1:3], powermodel.Residuals{RungP95: 0.11}
	b.Reset()
	WriteTable(&b, []Fitted{f})
	for _, want := range []string{"NOTE: loads from 50 to 100 % were seen", "NOTE: a poor fit", "no rung on the way down", "too few windows"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in:\n%s", want, &b)
		}
	}
}

func TestPlot(t *testing.T) {
	var b strings.Builder
	WritePlot(&b, []Fitted{shown("package-0")})
	lines := strings.Split(b.String(), "\n")
	// 0 to 80 W in 15 rows: full power, 60 W, is in the middle of the upper half; the rung at half load on the way down is above the curve.
	for i, want := range map[int]string{
		0: `^package-0, W by busy share`, 1: `^ +80 \|$`, 8: `^ +40 \|.{29}\.\^\.`, 7: `^ +\|.{30}v`, 4: `^ +\| {60}\^$`, 11: `^ +\|\.\^\.+$`,
		15: `^ +0 \|$`, 16: `^ +\+-{61}$`, 17: `^ +0 % +50 % +100 %$`,
	} {
		if i >= len(lines) || !regexp.MustCompile(want).MatchString(lines[i]) {
			t.Errorf("line %d is not %s:\n%s", i, want, &b)
		}
	}
	both := shown("package-0")
	both.Rungs[3].Power = 40
	b.Reset()
	if WritePlot(&b, []Fitted{both}); !regexp.MustCompile(`(?m)^ +40 \|.{30}x`).MatchString(b.String()) {
		t.Errorf("no x where both ways are:\n%s", &b)
	}
	for i, l := range lines {
		if len(l) > 80 || strings.HasSuffix(l, " ") {
			t.Errorf("line %d: %q", i, l)
		}
	}
}

func TestNiceAbove(t *testing.T) {
	for v, want := range map[float64]float64{0: 1, -3: 1, 0.3: 0.3, 7: 8, 9: 10, 10: 10, 61: 80, 101: 200, 1999: 2000} {
		if got := niceAbove(v); got < 0.999999*want || got > 1.000001*want {
			t.Errorf("%v: %v, want %v", v, got, want)
		}
	}
}

// The drawing is XML whatever names are in it, and all of it is inside its frame.
func TestSVG(t *testing.T) {
	hostile := "<script>&\"'\x00\x1b[2J\xff"
	svg := SVG(hostile, []Fitted{shown("package-0"), shown(hostile)})
	d, elements, text := xml.NewDecoder(bytes.NewReader(svg)), map[string]int{}, ""
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in:\n%s", err, svg)
		}
		switch e := token.(type) {
		case xml.StartElement:
			elements[e.Name.Local]++
			for _, a := range e.Attr {
				inside(t, e.Name.Local, a)
			}
		case xml.CharData:
			text += string(e) + "\n"
		}
	}
	// A band and four rungs in each domain; a curve, and the lines of the frame.
	if elements["script"] != 0 || elements["polygon"] != 10 || elements["polyline"] != 2 || elements["svg"] != 1 || elements["title"] != 1 {
		t.Errorf("%v", elements)
	}
	for _, want := range []string{"<script>&\"'", "package-0: idle 20.000 W, full 60.000 W", "busy share of the domain's CPUs, %", "power, W", "80", "100"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in:\n%s", want, svg)
		}
	}
	if bytes.ContainsAny(svg, "\x00\x1b") || len(svg) > 16<<10 {
		t.Errorf("%d bytes:\n%s", len(svg), svg)
	}
	// 40 W of 80 at 50 %: the middle of the panel's axes.
	if want := "342.0,178.0"; !strings.Contains(string(svg), want) {
		t.Errorf("no point %s in:\n%s", want, svg)
	}
}

func inside(t *testing.T, element string, a xml.Attr) {
	t.Helper()
	numbers := regexp.MustCompile(`-?[0-9.]+`)
	switch a.Name.Local {
	case "x", "x1", "x2", "y", "y1", "y2", "points":
		for i, n := range numbers.FindAllString(a.Value, -1) {
			v, err := strconv.ParseFloat(n, 64)
			limit := float64(svgWidth)
			if a.Name.Local[0] == 'y' || i%2 == 1 {
				limit = svgHeight
			}
			if err != nil || v < 0 || v > limit {
				t.Errorf("%s %s: %s", element, a.Name.Local, a.Value)
			}
		}
	}
}

func TestReadConditions(t *testing.T) {
	write := func(t *testing.T, files map[string]string) string {
		dir := t.TempDir()
		for name, text := range files {
			path := filepath.Join(dir, "devices/system/cpu", name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  powermodel.Conditions
	}{
		"nothing": {nil, powermodel.Conditions{}},
		"intel": {map[string]string{"cpu0/cpufreq/scaling_governor": "powersave\n", "cpu1/cpufreq/scaling_governor": "powersave\n", "cpu0/cpufreq/scaling_driver": "intel_pstate\n",
			"intel_pstate/no_turbo": "0\n", "smt/active": "1\n"}, powermodel.Conditions{Driver: "intel_pstate", Governor: "powersave", Turbo: "on", SMT: "on"}},
		"no turbo": {map[string]string{"intel_pstate/no_turbo": "1\n", "cpufreq/boost": "1\n", "smt/active": "0\n"}, powermodel.Conditions{Turbo: "off", SMT: "off"}},
		"amd": {map[string]string{"cpu0/cpufreq/scaling_governor": "schedutil\n", "cpu1/cpufreq/scaling_governor": "performance\n", "cpufreq/boost": "0\n"},
			powermodel.Conditions{Governor: "performance,schedutil", Turbo: "off"}},
		"offline CPUs do not count": {map[string]string{"cpu2/cpufreq/scaling_governor": "performance\n"}, powermodel.Conditions{}},
		"nonsense": {map[string]string{"cpu0/cpufreq/scaling_governor": "a b\n", "cpu1/cpufreq/scaling_governor": strings.Repeat("a", 64), "cpu0/cpufreq/scaling_driver": "\x1b[2J",
			"cpufreq/boost": "2\n", "smt/active": ""}, powermodel.Conditions{}},
	} {
		if got := ReadConditions(write(t, c.files), []int{0, 1}); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	files, cpus := map[string]string{}, []int{}
	for i := range 20 {
		files[fmt.Sprintf("cpu%d/cpufreq/scaling_governor", i)], cpus = fmt.Sprint("g", i), append(cpus, i)
	}
	if g := ReadConditions(write(t, files), cpus).Governor; strings.Count(g, ",") != 7 {
		t.Errorf("governors %q", g)
	}
}

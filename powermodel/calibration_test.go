package powermodel

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
)

// ramp is a curve from idle to full, and its range of so much either way.
func ramp(idle, full, off float64) (value, low, high Curve) {
	for k := range value {
		value[k] = idle + (full-idle)*float64(k)/10
		low[k], high[k] = value[k]*(1-off), value[k]*(1+off)
	}
	return value, low, high
}

func calibrated(name, scope string, socket, threads int, idle, full float64) CalibratedDomain {
	d := CalibratedDomain{Name: name, Scope: scope, Socket: socket, Die: -1, Method: "measured", Source: "powercap", Threads: threads, Windows: 88,
		Residuals: Residuals{0.001, 0.01, 0.002, 0.02, 44, -0.003}}
	d.Watts, d.Low, d.High = ramp(idle, full, 0.05)
	for _, c := range []*Curve{&d.Watts, &d.Low, &d.High} {
		for k, w := range c {
			c[k] = math.Round(1000*w) / 1000
		}
	}
	return d
}

// twoSockets is a calibration of a machine of two sockets with 8 threads each.
func twoSockets() Calibration {
	return Calibration{
		Created: time.Date(2026, 11, 25, 14, 0, 0, 0, time.UTC), Kernel: "6.18.0",
		CPU:        CPU{Vendor: "GenuineIntel", Family: 6, Model: 85, Stepping: 7, Name: "Intel(R) Xeon(R) Platinum 8259CL CPU @ 2.50GHz", Threads: 16, ThreadsPerCore: 2, Sockets: 2},
		Conditions: Conditions{Driver: "intel_pstate", Governor: "performance", Turbo: "on", SMT: "on"},
		Ladder:     LadderFacts{Steps: []int{0, 50, 100, 50, 0}, HoldSeconds: 10, SettleSeconds: 2, WindowSeconds: 1, Load: "test", BusySource: "stat"},
		Domains: []CalibratedDomain{
			calibrated("package-0", "package", 0, 8, 30, 110), calibrated("dram-0", "dram", 0, 8, 4, 8),
			calibrated("package-1", "package", 1, 8, 34, 130), calibrated("dram-1", "dram", 1, 8, 6, 12),
		},
	}
}

func encoded(t *testing.T, c Calibration) []byte {
	t.Helper()
	b, err := c.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestCalibrationFile(t *testing.T) {
	c := twoSockets()
	text := encoded(t, c)
	back, err := ReadCalibration(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, c) {
		t.Errorf("read\n%+v\nwrote\n%+v", back, c)
	}
	if again := encoded(t, back); !bytes.Equal(again, text) {
		t.Errorf("written again:\n%s\nfirst:\n%s", again, text)
	}
	if len(text) > 4096 || bytes.Count(text, []byte("\n")) != 14 {
		t.Errorf("%d bytes:\n%s", len(text), text)
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil || fields["schema"] != "eco2-bpf/model/1" {
		t.Errorf("%v, %v", fields["schema"], err)
	}
	d := fields["domains"].([]any)[2].(map[string]any)
	if d["name"] != "package-1" || d["idle_watts"] != 34.0 || d["max_watts"] != 130.0 || len(d["watts"].([]any)) != 11 {
		t.Errorf("%v", d)
	}
}

// What is finer than a milliwatt is not written, and rounding breaks no range.
func TestCalibrationIsRounded(t *testing.T) {
	c := twoSockets()
	c.Domains[0].Watts, c.Domains[0].Low, c.Domains[0].High = ramp(1.0/3, 100.0/7, 1e-9)
	c.Created = c.Created.Add(123456789).In(time.FixedZone("X", 3600))
	back, err := ReadCalibration(bytes.NewReader(encoded(t, c)))
	if err != nil {
		t.Fatal(err)
	}
	if back.Domains[0].Watts[0] != 0.333 || back.Domains[0].Low[10] != 14.286 || !back.Created.Equal(twoSockets().Created) {
		t.Errorf("%+v", back.Domains[0])
	}
}

// Each edit of a good file makes one that is refused, or read without harm.
func TestReadCalibrationRefuses(t *testing.T) {
	good := string(encoded(t, twoSockets()))
	for _, c := range []struct{ old, new, want string }{
		{"", "", ""},
		{`"kernel"`, `"later": {"a": [1, 2]}, "kernel"`, ""}, // a field of a later version
		{`eco2-bpf/model/1`, `eco2-bpf/model/2`, "schema"},
		{`"schema": "eco2-bpf/model/1",`, ``, "schema"},
		{good, ``, "not a file of"}, {good, `null`, "schema"}, {good, `[]`, "not a file of"}, {good, strings.Repeat("[", 1<<19), "not a file of"},
		{"\n}\n", "\n}\n}", "not a file of"},
		{good[len(good)/2:], ``, "not a file of"},
		{`[30,38,`, `[NaN,38,`, "not a file of"},
		{`[30,38,`, `[1e999,38,`, "cannot unmarshal"},
		{`[30,38,`, `[-30,38,`, "watts has -30 W"},
		{`[30,38,`, `[30,29.9,`, "watts falls"},
		{`[30,38,`, `[31.6,38,`, "range does not hold"},
		{`[30,38,`, `[28.4,38,`, "range does not hold"},
		{`[30,38,`, `[30,`, "10 values"},
		{`[30,38,`, `[30,38,38,`, "12 values"},
		{`"watts":[30,38,46,54,62,70,78,86,94,102,110]`, `"watts":null`, "0 values"},
		{`"watts_high":[31.5,`, `"watts_high":[1e7,`, "watts_high has 1e+07 W"},
		{`"watts_low":[28.5,`, `"watts_low":[99,`, "watts_low falls"},
		{`"name":"package-0"`, `"name":""`, "no name"},
		{`"name":"package-0"`, `"name":" \u0001 "`, "no name"},
		{`"scope":"package"`, `"scope":"gpu"`, `scope "gpu"`},
		{`"scope":"dram"`, `"scope":"core"`, "hold the same joules"},
		{`"scope":"dram"`, `"scope":"psys"`, "hold the same joules"},
		{`"scope":"dram","socket":0`, `"scope":"dram","socket":-1`, "hold the same joules"},
		{`"socket":1,"die":-1`, `"socket":0,"die":-1`, "hold the same joules"},
		{`"socket":1,"die":-1`, `"socket":1,"die":0`, ""},
		{`"threads":8`, `"threads":0`, "threads, socket"}, {`"threads":8`, `"threads":1e9`, "cannot unmarshal"}, {`"threads":8`, `"threads":2000000`, "threads, socket"},
		{`"socket":0`, `"socket":-2`, "threads, socket"}, {`"die":-1`, `"die":-2`, "threads, socket"}, {`"windows":88`, `"windows":-1`, "threads, socket"},
		{`"threads":16`, `"threads":0`, "no CPU has"}, {`"family":6`, `"family":-6`, "no CPU has"}, {`"sockets":2`, `"sockets":-1`, "no CPU has"},
		{`"steps_percent":[0,`, `"steps_percent":[101,`, "a step of 101"},
		{`"hold_seconds":10`, `"hold_seconds":-10`, "a time of -10"}, {`"hold_seconds":10`, `"hold_seconds":1e300`, "a time of 1e+300"},
		{`"rung_p95":0.01`, `"rung_p95":1e300`, "residuals"}, {`"held_out_windows":44`, `"held_out_windows":-44`, "residuals"},
		{`"2026-11-25T14:00:00Z"`, `"yesterday"`, "not a file of"}, {`"2026-11-25T14:00:00Z"`, `"9999-12-31T23:59:59-01:00"`, "year 10000"},
	} {
		text := strings.Replace(good, c.old, c.new, 1)
		if text == good && c.old != "" {
			t.Errorf("%q is not in the file", c.old)
		}
		got, err := ReadCalibration(strings.NewReader(text))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.60q for %.60q: %v, want %q", c.new, c.old, err, c.want)
		}
		if err != nil && (len(got.Domains) > 4 || len(err.Error()) > 500) {
			t.Errorf("%.60q: %d domains, an error of %d bytes", c.new, len(got.Domains), len(err.Error()))
		}
	}
	empty := twoSockets()
	empty.Domains = nil
	if _, err := empty.Encode(); err == nil || !strings.Contains(err.Error(), "no domains") {
		t.Error(err)
	}
}

// A file is read only so far, however long it is and however many domains it lists.
func TestReadCalibrationIsBounded(t *testing.T) {
	good := string(encoded(t, twoSockets()))
	if _, err := ReadCalibration(io.MultiReader(strings.NewReader(good), forever{})); err == nil || !strings.Contains(err.Error(), "over 1048576 bytes") {
		t.Error(err)
	}
	before, _, _ := strings.Cut(good, "[\n  {")
	many := before + "[" + strings.Repeat("{},", 300_000) + "{}]}"
	if _, err := ReadCalibration(strings.NewReader(many)); err == nil || !strings.Contains(err.Error(), "over 256 domains") {
		t.Error(err)
	}
	if _, err := ReadCalibration(forever{errors.New("broken disk")}); err == nil || !strings.Contains(err.Error(), "broken disk") {
		t.Error(err)
	}
}

// forever is blanks, or an error.
type forever struct{ err error }

func (f forever) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), f.err
}

// Names of a file end on terminals.
func TestCalibrationNamesAreClean(t *testing.T) {
	text := strings.NewReplacer(`"6.18.0"`, `"6\u001b[2J"`, `"package-0"`, `"pack\u0007age"`, `"performance"`, `"perf\nrmance"`, `"stat"`, `"s\u202etat"`,
		`Intel(R)`, `\u001b]0;Intel`, `"powercap"`, `"power\u009bcap"`).Replace(string(encoded(t, twoSockets())))
	c, err := ReadCalibration(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range fmt.Sprintf("%+v", c) {
		if r < ' ' || r > '~' {
			t.Fatalf("%q in %+v", r, c)
		}
	}
}

func TestCalibratedWatts(t *testing.T) {
	d := calibrated("package-0", "package", 0, 8, 30, 110)
	for u, want := range map[float64]float64{0: 30, 0.5: 70, 0.25: 50, 1: 110, 2: 110, -1: 30, math.NaN(): 30} {
		r := d.At(u)
		if math.Abs(float64(r.Value)-want) > 1e-9 || math.Abs(float64(r.Low)-0.95*want) > 1e-9 || math.Abs(float64(r.High)-1.05*want) > 1e-9 {
			t.Errorf("at %g: %+v, want %g", u, r, want)
		}
	}
	if d.Idle().Value != 30 || d.Max().Value != 110 {
		t.Errorf("%+v %+v", d.Idle(), d.Max())
	}
}

// topology of so many threads on each socket.
func topology(threads ...int) ([]int, func(socket, die int) int) {
	var sockets []int
	all := 0
	for i, n := range threads {
		sockets = append(sockets, i)
		all += n
	}
	return sockets, func(socket, die int) int {
		switch {
		case die > 0:
			return 0
		case socket < 0:
			return all
		case socket < len(threads):
			return threads[socket]
		}
		return 0
	}
}

func TestZonesOfTheMachine(t *testing.T) {
	c := twoSockets()
	sockets, threads := topology(8, 8)
	zones, err := c.Zones(c.CPU, sockets, threads)
	if err != nil || len(zones) != 4 {
		t.Fatal(zones, err)
	}
	for i, z := range zones {
		d := c.Domains[i]
		if z.Name != d.Name || z.Scope != d.Scope || z.Socket != d.Socket || z.Die != -1 || z.Watts(0.3) != d.At(0.3) {
			t.Errorf("%+v of %+v", z, d)
		}
	}
	if want := "calibrated 2026-11-25: 30 to 110 W, 88 windows, held-out error 2.0 % at p95"; zones[0].Detail != want {
		t.Errorf("%q, want %q", zones[0].Detail, want)
	}
}

// Other numbers of threads, and guests, get their threads' part, and a wider range.
func TestZonesByThread(t *testing.T) {
	c := twoSockets()
	same := c.CPU
	guest := c.CPU
	guest.Hypervisor, guest.Threads, guest.Sockets, guest.Name = true, 4, 1, "Intel Xeon Processor"
	twin, renamed := c.CPU, c.CPU
	twin.Hypervisor = true
	renamed.Name = "Intel(R) Xeon(R) Gold 6252 CPU @ 2.10GHz"
	for name, k := range map[string]struct {
		cpu     CPU
		threads []int
		idle    []float64 // package and dram of each socket
	}{
		"a guest of 4 threads":        {guest, []int{4}, []float64{64 * 4 / 16.0, 10 * 4 / 16.0}},
		"a guest of the same size":    {guest, []int{8, 8}, []float64{32, 5, 32, 5}},
		"a guest of the same name":    {twin, []int{8, 8}, []float64{32, 5, 32, 5}},
		"another socket":              {same, []int{8, 8, 4}, []float64{32, 5, 32, 5, 16, 2.5}},
		"one socket":                  {same, []int{8}, []float64{32, 5}},
		"other sockets":               {same, []int{4, 12}, []float64{16, 2.5, 48, 7.5}},
		"a socket without CPUs":       {same, []int{8, 0}, []float64{32, 5}},
		"another part of that number": {renamed, []int{8, 8}, []float64{32, 5, 32, 5}},
	} {
		sockets, threads := topology(k.threads...)
		zones, err := c.Zones(k.cpu, sockets, threads)
		if err != nil || len(zones) != len(k.idle) {
			t.Fatalf("%s: %v %v", name, zones, err)
		}
		for i, z := range zones {
			r := z.Watts(0)
			if want := k.idle[i]; math.Abs(float64(r.Value)-want) > 1e-9 || float64(r.Low) > 0.5*want+1e-9 || float64(r.High) < 1.5*want-1e-9 {
				t.Errorf("%s: zone %d: %+v, want %g", name, i, r, want)
			}
			if scope := []string{"package", "dram"}[i%2]; z.Scope != scope || z.Name != fmt.Sprint(scope, "-", i/2) || z.Socket != i/2 || z.Die != -1 {
				t.Errorf("%s: %+v", name, z)
			}
			if !strings.Contains(z.Detail, "+-50 %") || strings.Contains(z.Detail, "named") != (k.cpu.Name != c.CPU.Name) {
				t.Errorf("%s: %q", name, z.Detail)
			}
		}
	}
	// Bounds that are wider already stay.
	c.Domains[0].Low, c.Domains[0].High = Curve{}, Curve{1e3, 1e3, 1e3, 1e3, 1e3, 1e3, 1e3, 1e3, 1e3, 1e3, 1e3}
	sockets, threads := topology(4)
	zones, err := c.Zones(guest, sockets, threads)
	if r := zones[0].Watts(0); err != nil || float64(r.High) < 250 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestOverlap(t *testing.T) {
	d := func(scope string, socket, die int) CalibratedDomain {
		return CalibratedDomain{Scope: scope, Socket: socket, Die: die}
	}
	for _, c := range []struct {
		a, b CalibratedDomain
		want bool
	}{
		{d("package", 0, -1), d("dram", 0, -1), false}, {d("package", 0, -1), d("package", 1, -1), false}, {d("core", 0, -1), d("uncore", 0, -1), false},
		{d("core", 0, -1), d("dram", 0, -1), false}, {d("package", 0, 0), d("package", 0, 1), false}, {d("package", 0, 0), d("core", 0, 1), false},
		{d("package", 0, -1), d("package", 0, -1), true}, {d("package", 0, -1), d("package", 0, 1), true}, {d("package", -1, -1), d("package", 0, -1), true},
		{d("package", 0, -1), d("core", 0, -1), true}, {d("package", 0, -1), d("uncore", 0, 0), true}, {d("dram", 0, -1), d("dram", 0, -1), true},
		{d("psys", 0, -1), d("psys", 1, -1), false}, {d("psys", 0, -1), d("psys", 0, -1), true}, {d("machine", -1, -1), d("machine", 0, -1), true},
		{d("psys", 0, -1), d("package", 1, -1), true}, {d("machine", -1, -1), d("dram", 0, -1), true}, {d("wall", -1, -1), d("server", -1, -1), true},
	} {
		if overlap(c.a, c.b) != c.want || overlap(c.b, c.a) != c.want {
			t.Errorf("%s %d %d and %s %d %d: want %v", c.a.Scope, c.a.Socket, c.a.Die, c.b.Scope, c.b.Socket, c.b.Die, c.want)
		}
	}
}

func TestZonesOfAnotherCPU(t *testing.T) {
	c := twoSockets()
	sockets, threads := topology(8, 8)
	for name, change := range map[string]func(p *CPU){
		"family": func(p *CPU) { p.Family = 15 }, "model": func(p *CPU) { p.Model = 84 }, "stepping": func(p *CPU) { p.Stepping = 4 },
		"vendor": func(p *CPU) { p.Vendor = "AuthenticAMD" }, "arm": func(p *CPU) { *p = CPU{Implementer: 0x41, Part: 0xd0c, Threads: 16} },
		"unknown": func(p *CPU) { *p = CPU{Threads: 16} },
	} {
		cpu := c.CPU
		change(&cpu)
		if zones, err := c.Zones(cpu, sockets, threads); !errors.Is(err, ErrOtherCPU) || zones != nil || !strings.Contains(err.Error(), "family 6 model 85 stepping 7") {
			t.Errorf("%s: %v, %v", name, zones, err)
		}
	}
	none := func(int, int) int { return 0 }
	if _, err := c.Zones(c.CPU, sockets, none); err == nil || errors.Is(err, ErrOtherCPU) {
		t.Error(err)
	}
	if _, err := c.Zones(c.CPU, nil, threads); err == nil {
		t.Error("no sockets")
	}
	// Where there are no numbers the names are compared, in one spelling; two CPUs of which nothing is known are not the same.
	c.CPU = CPU{Name: "Intel(R) Xeon(R) X1 CPU @ 2.10GHz", Threads: 16}
	if _, err := c.Zones(CPU{Name: "Intel Xeon X1", Threads: 16}, sockets, threads); err != nil {
		t.Error(err)
	}
	c.CPU = CPU{Threads: 16}
	if _, err := c.Zones(CPU{Threads: 16}, sockets, threads); !errors.Is(err, ErrOtherCPU) {
		t.Error(err)
	}
}

func TestConditionsDiffer(t *testing.T) {
	c := twoSockets().Conditions
	if d := c.Differs(c); d != nil {
		t.Error(d)
	}
	if d := c.Differs(Conditions{}); d != nil { // a guest does not tell
		t.Error(d)
	}
	if d := c.Differs(Conditions{Governor: "powersave", Turbo: "off", SMT: "on"}); len(d) != 2 || d[0] != "governor was performance, is powersave" || d[1] != "turbo was on, is off" {
		t.Error(d)
	}
	if s := c.String(); s != "frequency driver intel_pstate, governor performance, turbo on, SMT on" {
		t.Error(s)
	}
	if s := (Conditions{}).String(); !strings.Contains(s, "does not tell") {
		t.Error(s)
	}
}

// FuzzReadCalibration: whatever is read has curves that rise within their range, names that can be shown, and is written and read again unchanged.
func FuzzReadCalibration(f *testing.F) {
	one := twoSockets()
	one.Domains = one.Domains[:1]
	good, err := one.Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add([]byte(`{"schema":"eco2-bpf/model/1","cpu":{"threads":1},"domains":[{"name":"x","scope":"machine","socket":-1,"die":-1,"threads":1,` +
		`"watts":[0,0,0,0,0,0,0,0,0,0,0],"watts_low":[0,0,0,0,0,0,0,0,0,0,0],"watts_high":[0,0,0,0,0,0,0,0,0,0,1e6]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := ReadCalibration(bytes.NewReader(text))
		if err != nil {
			return
		}
		sockets, threads := topology(3, 5)
		for _, cpu := range []CPU{c.CPU, {Threads: 8}} {
			zones, err := c.Zones(cpu, sockets, threads)
			if err != nil {
				continue
			}
			for _, z := range zones {
				last := Range{}
				for _, u := range []float64{0, 0.03, 0.5, 1} {
					r := z.Watts(u)
					if !(r.Low >= 0 && r.Low <= r.Value && r.Value <= r.High && last.Value <= r.Value) || math.IsInf(float64(r.High), 0) {
						t.Fatalf("%+v at %v after %+v", r, u, last)
					}
					last = r
				}
			}
		}
		for _, r := range fmt.Sprintf("%+v", c) {
			if r < ' ' || r > '~' {
				t.Fatalf("%q in %+v", r, c)
			}
		}
		first, err := c.Encode()
		if err != nil {
			t.Fatalf("%v: %+v", err, c)
		}
		again, err := ReadCalibration(bytes.NewReader(first))
		if err != nil {
			t.Fatalf("%v: %s", err, first)
		}
		if second, err := again.Encode(); err != nil || !bytes.Equal(first, second) {
			t.Fatalf("%v:\n%s\n%s", err, first, second)
		}
	})
}

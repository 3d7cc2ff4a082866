package main

import (
	"encoding/json"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// wireReport is the schema eco2-bpf/1 as a stranger would read it: joules keep their digits.
type wireReport struct {
	Schema, Kind, By string
	Start, End       time.Time
	Seconds          float64
	Energy           []struct {
		Domain, Method, Source string
		Joules, Low, High      json.Number
	}
	Intensity struct {
		GPerKWh float64 `json:"g_per_kwh"`
		PUE     float64
	}
	Rows          []wireRow
	ProcessesSeen int `json:"processes_seen"`
	Losses        struct {
		Missed, Overflow, Breaches, Unfollowed, Events uint64
		UnknownProcesses                               uint64 `json:"unknown_processes"`
		UnknownCgroups                                 uint64 `json:"unknown_cgroups"`
	}
	Self struct {
		CPUSeconds float64 `json:"cpu_seconds"`
		RSSBytes   uint64  `json:"rss_bytes"`
	}
}

type wireRow struct {
	Kind, Comm, User, Cgroup string
	Group, Exe, Unit         string
	Args                     []string
	Container                *struct {
		ID, Name, Runtime, Image string
		Labels                   map[string]string
	}
	Ancestors []struct {
		PID  int
		Comm string
	}
	PID, PPID, TID int
	Processes      int
	CPUSeconds     float64 `json:"cpu_seconds"`
	Switches       uint64
	Joules         json.Number
	Low            json.Number                                `json:"joules_low"`
	High           json.Number                                `json:"joules_high"`
	ByDomain       map[string]json.Number                     `json:"joules_by_domain"`
	Ranges         map[string]struct{ Low, High json.Number } `json:"range_by_domain"`
	GCO2e          json.Number
}

func (r *wireReport) row(match func(*wireRow) bool) *wireRow {
	for i := range r.Rows {
		if match(&r.Rows[i]) {
			return &r.Rows[i]
		}
	}
	return nil
}

func (r *wireReport) pid(pid int) *wireRow {
	return r.row(func(w *wireRow) bool { return w.PID == pid })
}

// processSeconds is the CPU time of the rows that are processes.
func (r *wireReport) processSeconds() (sum float64) {
	for _, w := range r.Rows {
		if w.Kind == "process" {
			sum += w.CPUSeconds
		}
	}
	return sum
}

// jsonLines checks and returns each JSON line of an output; other lines are talk.
func jsonLines(t testing.TB, out string) []*wireReport {
	t.Helper()
	var all []*wireReport
	for line := range strings.Lines(out) {
		if strings.HasPrefix(line, "eco2-bpf: ") {
			continue
		}
		if !strings.HasSuffix(line, "\n") {
			t.Errorf("a line without its end: %q", line)
		}
		all = append(all, checkLine(t, line))
	}
	return all
}

// onlyTotal returns the one JSON line of an output.
func onlyTotal(t testing.TB, out string) *wireReport {
	t.Helper()
	all := jsonLines(t, out)
	if len(all) != 1 || all[0].Kind != "total" {
		t.Fatalf("want one total, got %d lines:\n%s", len(all), out)
	}
	return all[0]
}

var requiredKeys = map[string]string{
	"":          "schema kind by start end seconds host energy idle_policy idle intensity rows processes_seen losses self weights",
	"host":      "name cpus sockets kernel",
	"energy":    "domain joules method source low high",
	"idle":      "domain watts how low high",
	"intensity": "region g_per_kwh pue source basis how",
	"losses":    "missed overflow",
	"self":      "cpu_seconds rss_bytes edge_seconds",
	"rows":      "kind cpu_seconds switches joules joules_low joules_high joules_by_domain range_by_domain gco2e",
	"process":   "pid start comm user uid cgroup ppid",
}

func requireKeys(t testing.TB, where string, v any) {
	t.Helper()
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			requireKeys(t, where, e)
		}
	case map[string]any:
		for key := range strings.FieldsSeq(requiredKeys[where]) {
			if _, ok := v[key]; !ok {
				t.Errorf("%s lacks %q: %v", where, key, v)
			}
		}
		if where == "rows" && v["kind"] == "process" {
			requireKeys(t, "process", v)
		}
	default:
		t.Errorf("%s is %v", where, v)
	}
}

var sixDecimals = regexp.MustCompile(`^[0-9]+\.[0-9]{6}$`)

// micro reads joules as an integer of microjoules: no rounding on the way.
func micro(t testing.TB, n json.Number) int64 {
	t.Helper()
	if !sixDecimals.MatchString(n.String()) {
		t.Errorf("joules are %q: want six decimals", n)
	}
	v, err := strconv.ParseInt(strings.Replace(n.String(), ".", "", 1), 10, 64)
	if err != nil {
		t.Error(err)
	}
	return v
}

// checkLine checks one object against the schema, and law 1: rows add up to the energy.
func checkLine(t testing.TB, line string) *wireReport {
	t.Helper()
	var raw map[string]any
	if err := json.Unmarshal([]byte(line), &raw); err != nil {
		t.Fatalf("%v: %q", err, line)
	}
	requireKeys(t, "", raw)
	for where := range requiredKeys {
		if v, ok := raw[where]; ok {
			requireKeys(t, where, v)
		}
	}
	var r wireReport
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		t.Fatal(err)
	}
	if r.Schema != "eco2-bpf/1" {
		t.Errorf("schema %q", r.Schema)
	}
	if host, _ := os.Hostname(); raw["host"].(map[string]any)["name"] != host {
		t.Errorf("host %v, want %s", raw["host"], host)
	}
	for _, e := range r.Energy {
		used, sum := micro(t, e.Joules), int64(0)
		for _, w := range r.Rows {
			sum += micro(t, w.ByDomain[e.Domain])
		}
		// What memory and disks used comes with the window that has a look at all processes, at the latest with the last one.
		late := r.Kind == "window" && (e.Domain == "estimate:ram" || e.Domain == "estimate:storage")
		if sum != used || used < 0 || used == 0 && !late {
			t.Errorf("%s: rows add up to %d uJ of %d", e.Domain, sum, used)
		}
		if low, high := micro(t, e.Low), micro(t, e.High); low > used || high < used {
			t.Errorf("%s: %v is not in %v to %v", e.Domain, e.Joules, e.Low, e.High)
		}
	}
	if r.Losses.Breaches != 0 || len(r.Energy) == 0 {
		t.Errorf("%d breaches, %d domains", r.Losses.Breaches, len(r.Energy))
	}
	for _, w := range r.Rows {
		sum := int64(0)
		for _, j := range w.ByDomain {
			sum += micro(t, j)
		}
		if sum != micro(t, w.Joules) {
			t.Errorf("row %q: %v J, its domains %d uJ", w.Comm, w.Joules, sum)
		}
		if low, high := micro(t, w.Low), micro(t, w.High); low > sum || high < sum {
			t.Errorf("row %q: %v J is not in %v to %v", w.Comm, w.Joules, w.Low, w.High)
		}
		for domain, j := range w.ByDomain {
			if in := w.Ranges[domain]; micro(t, in.Low) > micro(t, j) || micro(t, in.High) < micro(t, j) {
				t.Errorf("row %q: %s: %v J is not in %v to %v", w.Comm, domain, j, in.Low, in.High)
			}
		}
		f, _ := w.Joules.Float64()
		g, err := w.GCO2e.Float64()
		if want := f / 3.6e6 * r.Intensity.GPerKWh * r.Intensity.PUE; err != nil || math.Abs(g-want) > 1e-9+1e-9*want {
			t.Errorf("row %q: %v g of %v J, want %v", w.Comm, w.GCO2e, w.Joules, want)
		}
	}
	return &r
}

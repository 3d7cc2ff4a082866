package output

import (
	"bytes"
	"encoding/json"
	"math/big"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/eco2-bpf/eco2-bpf/internal/snapshot"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// explainedSample is a total of two domains with the row of a process, one of nobody and the idle one explained. Its figures were worked out
// by hand: 12.345678 J of the package are 2 idle, 0.345678 earlier and 10 active, of which the process has 3/4.
func explainedSample() *snapshot.Snapshot {
	s := sample(snapshot.Total)
	s.Energy[1].Joules, s.Energy[1].Method, s.Energy[1].Low, s.Energy[1].High = 4_000_000, "estimated", 2_000_000, 9_000_000
	s.Idle[1] = snapshot.IdlePower{Domain: "dram-0", Watts: 1, How: "unused", Low: 0.5, High: 2.25}
	s.Weights = []snapshot.Weight{{Name: "frequency", Factor: 2, From: "cpufreq"}, {Name: "smt", Factor: 0.575, From: "the kernel's programs"}}
	s.Rows = []snapshot.Row{
		{Kind: "process", PID: 7, Comm: hostile, User: "a\x1bn", UID: 1000, Joules: 8_500_000, Low: 7_000_000, High: 11_000_000,
			ByDomain: []units.Microjoules{7_500_000, 1_000_000}, Ranges: []snapshot.Range{{Low: 6_000_000, High: 9_000_000}, {Low: 1_000_000, High: 2_000_000}}},
		{Kind: "unattributed", UID: -1, Joules: 2_845_678, Low: 345_678, High: 4_000_000, ByDomain: []units.Microjoules{2_845_678, 0}},
		{Kind: "idle", UID: -1, Joules: 5_000_000, Low: 4_000_000, High: 6_000_000, ByDomain: []units.Microjoules{2_000_000, 3_000_000}},
	}
	dram := snapshot.DomainExplanation{
		Domain: "dram-0", Method: "estimated", Source: "estimate", Energy: 4_000_000, Idle: 3_000_000, IdleHow: "unused", Active: 1_000_000,
		IdlePolicy: "separate", ActivePart: 1_000_000, Split: "resident_set", Unit: "KiB x 100 us", Steps: 1,
		Biggest: snapshot.StepExplanation{End: time.Unix(9, 0).UTC(), Seconds: 1, Energy: 4_000_000, Idle: 3_000_000, Shared: 1_000_000,
			Weight: 77, AllWeights: 77, Part: 1_000_000, CPUSeconds: 0.5, MeanWeight: 1},
		Low: 1_000_000, High: 2_000_000,
	}
	pack := snapshot.DomainExplanation{
		Domain: "package-0", Method: "measured", Source: "powercap", Energy: 12_345_678, Idle: 2_000_000, IdleHow: "learned", Earlier: 345_678,
		Active: 10_000_000, IdlePolicy: "separate", ActivePart: 7_500_000, Split: "cpu_time", Unit: "weighed ns", Steps: 5,
		Biggest: snapshot.StepExplanation{End: time.Unix(5, 250_000_000).UTC(), Seconds: 1.000123, Energy: 3_000_003, Idle: 400_000, Earlier: 100_000,
			Shared: 2_500_003, Weight: 499_999_999, AllWeights: 600_000_000, Nobody: 100_000_001, Part: 2_083_335, CPUSeconds: 0.6, MeanWeight: 0.833333},
		Low: 6_000_000, High: 9_000_000,
		Causes: []snapshot.Cause{
			{Name: "split", Low: 6_500_000, High: 8_200_000, Text: "another\nmix of instructions"},
			{Name: "edges", Low: 7_400_000, High: 7_600_000, Text: "0.2 ms between the clocks"},
		},
	}
	nobody := pack
	nobody.ActivePart, nobody.Low, nobody.High, nobody.Causes = 2_500_000, 345_678, 4_000_000, nil
	nobody.Biggest.Weight, nobody.Biggest.Part = 100_000_001, 416_668
	idle := pack
	idle.ActivePart, idle.IdlePart, idle.Biggest = 0, 2_000_000, snapshot.StepExplanation{AllWeights: 600_000_000}
	const perJoule = 1.2 * 44.18 / 3.6e6
	s.Explained = []snapshot.Explanation{
		{Row: 0, Domains: []snapshot.DomainExplanation{pack, dram}, Joules: 8_500_000, KWh: 8.5 / 3.6e6, PUE: 1.2, GPerKWh: 44.18, CO2e: 8.5 * perJoule},
		{Row: 1, Domains: []snapshot.DomainExplanation{nobody}, Joules: 2_845_678, KWh: 2.845678 / 3.6e6, PUE: 1.2, GPerKWh: 44.18, CO2e: 2.845678 * perJoule},
		{Row: 2, Domains: []snapshot.DomainExplanation{idle}, Joules: 5_000_000, KWh: 5 / 3.6e6, PUE: 1.2, GPerKWh: 44.18, CO2e: 5 * perJoule},
		{Row: 3}, // there is none: it says nothing
	}
	return s
}

func table(t *testing.T, s *snapshot.Snapshot) string {
	t.Helper()
	var b bytes.Buffer
	if err := (&Table{W: &b}).Show(s); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestExplanationInWords(t *testing.T) {
	want, err := os.ReadFile("testdata/explain.txt")
	if err != nil {
		t.Fatal(err)
	}
	if got := table(t, explainedSample()); got != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
	s := explainedSample()
	s.Kind = snapshot.Window // of these only the total has room
	if got := table(t, s); strings.Contains(got, "explained") {
		t.Error(got)
	}
}

// integer reads joules as microjoules.
func integer(t *testing.T, joules string) *big.Int {
	t.Helper()
	v, ok := new(big.Int).SetString(strings.Replace(joules, ".", "", 1), 10)
	if !ok {
		t.Fatalf("%q", joules)
	}
	return v
}

// Whoever does the sums again by what is printed comes to what is printed.
func TestExplanationAddsUp(t *testing.T) {
	out := table(t, explainedSample())
	active := regexp.MustCompile(`active: ([0-9.]+) - ([0-9.]+) - ([0-9.]+) = ([0-9.]+) J`).FindAllStringSubmatch(out, -1)
	step := regexp.MustCompile(`to share: ([0-9.]+) - ([0-9.]+) idle - ([0-9.]+) earlier = ([0-9.]+) J`).FindAllStringSubmatch(out, -1)
	if len(active) != 4 || len(step) != 3 {
		t.Fatalf("%d, %d: %s", len(active), len(step), out)
	}
	for _, m := range append(active, step...) {
		sum := integer(t, m[1])
		if sum.Sub(sum, integer(t, m[2])).Sub(sum, integer(t, m[3])).Cmp(integer(t, m[4])) != 0 {
			t.Errorf("%s", m[0])
		}
	}
	lines := regexp.MustCompile(`(\d+) uJ x (\d+) / (\d+) = (\d+) uJ, .* echo '(\d+)\*(\d+)/(\d+)' \| bc`).FindAllStringSubmatch(out, -1)
	if len(lines) != 3 {
		t.Fatalf("%d lines: %s", len(lines), out)
	}
	for _, m := range lines {
		if !slices.Equal(m[1:4], m[5:8]) {
			t.Errorf("two formulas: %s", m[0])
		}
		exact := integer(t, m[1])
		exact.Mul(exact, integer(t, m[2])).Div(exact, integer(t, m[3]))
		if off := exact.Sub(exact, integer(t, m[4])); off.CmpAbs(big.NewInt(1)) > 0 {
			t.Errorf("off by %v: %s", off, m[0])
		}
	}
}

func TestIdlePoliciesInWords(t *testing.T) {
	for policy, want := range map[string][]string{
		"separate":    {"policy separate: the row idle has it", "= 2.500003 J\n"},
		"equal":       {"policy equal: all that ran have the same part of it"},
		"reservation": {"policy reservation: each cgroup has what it reserved"},
		"active":      {"policy active: it is shared as the active part is", "of the active and the idle part together", "3.000003 - 0.100000 earlier = 2.900003 J, the idle part of 0.400000 J included"},
	} {
		s := explainedSample()
		d := &s.Explained[0].Domains[0]
		if d.IdlePolicy = policy; policy == "active" {
			d.Biggest.Shared = 2_900_003
		}
		for _, w := range want {
			if out := table(t, s); !strings.Contains(out, w) {
				t.Errorf("%s: no %q in:\n%s", policy, w, out)
			}
		}
	}
}

func TestSplitsInWords(t *testing.T) {
	for split, want := range map[string]string{
		"cpu_time": "CPU time on its CPUs (cpu_time)", "resident_set": "memory held", "block_io_bytes": "disks", "device_time": "device",
		"cache_misses": "by cache misses (cache_misses)", "resident_set_cpu_time": "CPU time times memory held (", "none": "nothing tells who used it", "": "nothing tells who used it",
		"a\x1bb": `shared by a\x1bb over`,
	} {
		s := explainedSample()
		s.Explained[0].Domains[0].Split = split
		if out := table(t, s); !strings.Contains(out, want) {
			t.Errorf("%q: no %q in:\n%s", split, want, out)
		}
	}
}

// All texts of an explanation may come from a recording, which anybody can write.
func TestHostileExplanations(t *testing.T) {
	s := explainedSample()
	s.Energy[0].Domain, s.Intensity.Name = hostile, hostile
	s.Weights[0].Name, s.Weights[1].From = hostile, hostile
	d := &s.Explained[0].Domains[0]
	d.Domain, d.Method, d.Source, d.IdleHow, d.IdlePolicy, d.Split, d.Unit = hostile, hostile, hostile, hostile, hostile, hostile, hostile
	d.Causes[0].Name, d.Causes[0].Text = hostile, hostile
	plain := table(t, explainedSample())
	out := table(t, s)
	if strings.Count(out, "\n") != strings.Count(plain, "\n") {
		t.Errorf("other lines:\n%s", out)
	}
	for _, c := range out {
		if c != '\n' && !unicode.IsPrint(c) {
			t.Fatalf("%q in:\n%q", c, out)
		}
	}
	s.Explained = append(s.Explained, snapshot.Explanation{Row: -1}, snapshot.Explanation{Row: 1 << 40}, snapshot.Explanation{Domains: []snapshot.DomainExplanation{{}}})
	_ = table(t, s)
}

func TestExplanationInJSON(t *testing.T) {
	s := explainedSample()
	s.Explained[1].Domains = nil
	var b bytes.Buffer
	if err := (JSON{&b}).Show(s); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "null") {
		t.Errorf("null in %s", b.String())
	}
	var out struct {
		Weights []struct {
			Name, From string
			Factor     float64
		}
		Rows []struct {
			Low     json.Number `json:"joules_low"`
			High    json.Number `json:"joules_high"`
			Domains map[string]struct {
				Low, High json.Number
			} `json:"range_by_domain"`
		}
		Explained []struct {
			Row     int
			Domains []struct {
				Domain  string
				Biggest struct {
					Weight, Nobody int64
					All            int64       `json:"all_weights"`
					Shared         json.Number `json:"shared_joules"`
				} `json:"biggest_step"`
				Causes []struct {
					Name string
					High json.Number
				}
			}
			CO2e json.Number `json:"gco2e"`
		}
	}
	if err := json.Unmarshal(b.Bytes(), &out); err != nil {
		t.Fatal(err)
	}
	if w := out.Weights; len(w) != 2 || w[0].Name != "frequency" || w[0].Factor != 2 || w[0].From != "cpufreq" {
		t.Errorf("%+v", w)
	}
	r := out.Rows[0]
	if r.Low != "7.000000" || r.High != "11.000000" || r.Domains["package-0"].Low != "6.000000" || r.Domains["dram-0"].High != "2.000000" {
		t.Errorf("%+v", r)
	}
	x := out.Explained[0]
	if len(out.Explained) != 4 || x.Row != 0 || x.CO2e != "0.000125177" || x.Domains[0].Domain != "package-0" || x.Domains[0].Biggest.All != 600_000_000 ||
		x.Domains[0].Biggest.Shared != "2.500003" || x.Domains[0].Causes[0].High != "8.200000" {
		t.Errorf("%+v", x)
	}
	if s.Explained[1].Domains != nil {
		t.Error("a snapshot was changed by showing it")
	}
}

package output

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/eco2-bpf/eco2-bpf/internal/snapshot"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

func sample(kind string) *snapshot.Snapshot {
	return &snapshot.Snapshot{
		Kind: kind, By: "process", IdlePolicy: "separate", Seconds: 1, End: time.Unix(0, 0).UTC(),
		Host: snapshot.Host{Name: "host", CPUs: 2, Sockets: 1, Kernel: "6.1"},
		Energy: []snapshot.Energy{
			{Domain: "package-0", Joules: 12_345_678, Method: "measured", Source: "powercap", Scope: "package", Split: "cpu_time"},
			{Domain: "dram-0", Joules: 1, Method: "measured", Source: "powercap", Marks: []string{"counter\nreset"}},
		},
		Idle:      []snapshot.IdlePower{{Domain: "package-0", Watts: 2, How: "learned", Low: 1, High: 3}, {Domain: "dram-0"}},
		Intensity: snapshot.Intensity{Region: "FR", Name: "France", GPerKWh: 44.18, PUE: 1.2, Source: "Ember", Year: 2024, Basis: "lifecycle", How: "given by --region"},
		Rows: []snapshot.Row{
			{Kind: "process", PID: 7, Start: time.Unix(5, 0).UTC(), Comm: hostile, User: "ann", UID: 1000, Cgroup: "/a\x1b[2Jb", Processes: 1,
				CPUSeconds: 0.5, Switches: 3, Joules: 10_345_679, ByDomain: []units.Microjoules{10_345_678, 1}, CO2e: 0.000127},
			{Kind: "idle", UID: -1, CPUSeconds: 1.5, Joules: 2_000_000, ByDomain: []units.Microjoules{2_000_000, 0}},
		},
		ProcessesSeen: 1,
		Losses:        snapshot.Losses{Missed: 3},
	}
}

const hostile = "a\x1b[31m\n\"\\\t\xff\u202e\u200b|"

func TestTableHoldsNoControlBytes(t *testing.T) {
	for _, by := range []string{"process", "command", "user", "cgroup"} {
		for _, kind := range []string{snapshot.Window, snapshot.Total} {
			var b bytes.Buffer
			s := sample(kind)
			s.By = by
			if by != "process" {
				s.Rows[0].Kind = snapshot.Group
			}
			if err := (&Table{W: &b}).Show(s); err != nil {
				t.Fatal(err)
			}
			if !utf8.Valid(b.Bytes()) {
				t.Errorf("by %s: invalid UTF-8:\n%q", by, b.String())
			}
			for _, r := range b.String() {
				if r != '\n' && (r < 0x20 || r == 0x7f || r == 0x202e || r == 0x200b) {
					t.Errorf("by %s: control character %U in:\n%s", by, r, b.String())
				}
			}
			// The head, 2 domains, a mark, carbon, the columns, 2 rows, losses, and a blank line.
			if n := strings.Count(b.String(), "\n"); n != 10 {
				t.Errorf("by %s: %d lines:\n%s", by, n, b.String())
			}
		}
	}
}

func TestTableSaysWhatAReaderNeeds(t *testing.T) {
	var b bytes.Buffer
	if err := (&Table{W: &b}).Show(sample(snapshot.Total)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"measured by powercap", "12.346 J", "learned", "France 44.18 g/kWh (2024), PUE 1.2", "incomplete: counter",
		"(idle)", "3 slices lost"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in:\n%s", want, b.String())
		}
	}
	s := sample(snapshot.Window)
	s.Energy[0].Method, s.Intensity.Guess = "estimated", true
	b.Reset()
	if err := (&Table{W: &b}).Show(s); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ESTIMATED", "a guess"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in:\n%s", want, b.String())
		}
	}
}

func TestRedrawLeavesNothingOfTheLastWindow(t *testing.T) {
	var b bytes.Buffer
	if err := (&Table{W: &b, Redraw: true}).Show(sample(snapshot.Window)); err != nil {
		t.Fatal(err)
	}
	if out := b.String(); !strings.HasPrefix(out, home) || !strings.HasSuffix(out, clearBelow) || strings.Count(out, clearLine) != strings.Count(out, "\n") {
		t.Errorf("%q", out)
	}
}

func TestRedrawFitsTheTerminal(t *testing.T) {
	for height, want := range map[int]int{0: 9, 6: 5, 9: 8, 10: 9, 2: 9} {
		var b bytes.Buffer
		if err := (&Table{W: &b, Redraw: true, Size: func() (int, int) { return 40, height }}).Show(sample(snapshot.Window)); err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(b.String(), "\n"); n != want || strings.Contains(b.String(), "more lines") != (want < 9) {
			t.Errorf("height %d: %d lines, want %d: %q", height, n, want, b.String())
		}
		for line := range strings.Lines(b.String()) {
			if n := utf8.RuneCountInString(strings.NewReplacer(home, "", clearLine, "", clearBelow, "", "\n", "").Replace(line)); n > 40 {
				t.Errorf("%d columns: %q", n, line)
			}
		}
	}
}

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	if err := (JSON{&b}).Show(sample(snapshot.Window)); err != nil {
		t.Fatal(err)
	}
	if strings.Count(b.String(), "\n") != 1 {
		t.Fatalf("not one line: %q", b.String())
	}
	var out struct {
		Schema, Kind string
		Energy       []struct{ Joules json.Number }
		Rows         []struct {
			Kind, Comm string
			UID        *int
			Joules     json.Number
			ByDomain   map[string]json.Number `json:"joules_by_domain"`
			CO2e       json.Number            `json:"gco2e"`
		}
	}
	if err := json.Unmarshal(b.Bytes(), &out); err != nil {
		t.Fatal(err)
	}
	if out.Schema != "eco2-bpf/1" || out.Kind != "window" || out.Energy[0].Joules != "12.345678" || out.Energy[1].Joules != "0.000001" {
		t.Errorf("%+v", out)
	}
	r := out.Rows[0]
	if r.ByDomain["package-0"] != "10.345678" || r.ByDomain["dram-0"] != "0.000001" || r.Joules != "10.345679" || r.CO2e != "0.000127000" {
		t.Errorf("%+v", r)
	}
	if want := strings.ToValidUTF8(hostile, "\ufffd"); r.Comm != want {
		t.Errorf("comm %q, want %q", r.Comm, want)
	}
	if out.Rows[1].UID != nil {
		t.Error("the idle row has a user")
	}
	if i := strings.Index(b.String(), `"package-0":10`); i < 0 || i > strings.Index(b.String(), `"dram-0":0`) {
		t.Error("domains are not in the order of energy")
	}
}

func TestEmptySnapshotIsValid(t *testing.T) {
	var b bytes.Buffer
	if err := (JSON{&b}).Show(&snapshot.Snapshot{Kind: snapshot.Total}); err != nil {
		t.Fatal(err)
	}
	if !json.Valid(b.Bytes()) || strings.Contains(b.String(), "null") {
		t.Errorf("%s", b.String())
	}
	b.Reset()
	if err := (&Table{W: &b}).Show(&snapshot.Snapshot{Kind: snapshot.Total, By: "process"}); err != nil {
		t.Fatal(err)
	}
	if s := bufio.NewScanner(&b); !s.Scan() {
		t.Error("nothing printed")
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestWriteErrorsAreErrors(t *testing.T) {
	for _, v := range []View{JSON{full{}}, &Table{W: full{}}} {
		if err := v.Show(sample(snapshot.Window)); err == nil {
			t.Errorf("%T: a failed write was ignored", v)
		}
	}
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", "café": "café", "a b": "a b", "\x1b[2J": `\x1b[2J`, "a\nb": `a\nb`, `a\b`: `a\\b`, "\xff\xfe": `\xff\xfe`,
		"\u202e": `\u202e`, "\u200b": `\u200b`, "": "", "\x00": `\x00`, "\ufffd": "\ufffd",
	} {
		if got := Clean(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func FuzzClean(f *testing.F) {
	f.Add(hostile)
	f.Fuzz(func(t *testing.T, s string) {
		out := Clean(s)
		if !utf8.ValidString(out) {
			t.Fatalf("%q gives invalid %q", s, out)
		}
		for _, r := range out {
			if r < 0x20 || r == 0x7f {
				t.Fatalf("%q gives %q", s, out)
			}
		}
		if c := fit(out, 18); utf8.RuneCountInString(c) != 18 {
			t.Fatalf("%q does not fit: %q", out, c)
		}
	})
}

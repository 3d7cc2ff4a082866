package output

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/eco2-bpf/eco2-bpf/internal/snapshot"
	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

func TestSpread(t *testing.T) {
	for _, tt := range []struct {
		joules, low, high units.Microjoules
		want              string
	}{
		{1_000_000, 1_000_000, 1_000_000, "0"},
		{1_000_000, 970_000, 1_030_000, "3"},
		{1_000_000, 980_000, 1_050_000, "+5-2"},
		{1_000_000, 999_999, 1_050_001, "+6-1"}, // a bound is not rounded away
		{1_000_000, 0, 1_000_000, "+0-100"},
		{1_000_000, 0, 2_000_000, "100"},
		{1_000_000, 0, 10_990_000, "+999-100"},
		{1_000_000, 0, 10_990_001, ">+999"},
		{1, 0, 1 << 60, ">+999"},
		{1_000_000, 0, 0, ""}, // not told
		{0, 0, 0, ""},
		{0, 0, 520, "≤0.00052"},
		{0, 0, 3_000_000, "≤3"},
		{0, 0, 1_234_000_000, "≤1.2e+03"},
		{1_000_000, 1_100_000, 900_000, "0"}, // no range at all: nothing below zero
		{1 << 62, 1 << 61, 1<<63 - 1, "+100-50"},
	} {
		r := snapshot.Row{Joules: tt.joules, Low: tt.low, High: tt.high}
		got := spread(&r)
		if got != tt.want {
			t.Errorf("%v in %v to %v: %q, want %q", tt.joules, tt.low, tt.high, got, tt.want)
		}
		if utf8.RuneCountInString(got) > 8 {
			t.Errorf("%q is too wide", got)
		}
	}
}

// A terminal of 80 columns shows a row whole, on a machine of a hundred CPUs that was measured for a day.
func TestRowsTakeEightyColumns(t *testing.T) {
	for _, by := range []string{"process", "thread", "command", "container", "cgroup"} {
		s := sample(snapshot.Total)
		s.By, s.Seconds = by, 86400
		for i := range s.Energy {
			s.Energy[i].CoversSeconds = 86400
		}
		s.Rows = []snapshot.Row{
			{Kind: "process", PID: 4194304, TID: 4194304, Comm: "fifteen-letters", Group: strings.Repeat("g", 90), User: "somebody-else", UID: 1, Processes: 54321,
				CPUSeconds: 99 * 86400, Joules: 86_400_000_000_000, Low: 0, High: 949_000_000_000_000, ByDomain: []units.Microjoules{86_400_000_000_000, 0}, CO2e: 12345.6789},
			{Kind: "process", PID: 1, Joules: 1, Low: 1, High: 1, CO2e: 2.3456e-10, ByDomain: []units.Microjoules{1, 0}, UID: -1},
			{Kind: "reserved", Cgroup: "/kubepods/burstable/pod12345678-1234-1234-1234-123456789abc", UID: -1, Joules: 2_000_000, Low: 1_000_000, High: 9_000_000},
			{Kind: "interrupts", UID: -1, CPUSeconds: 1234.5678, Joules: 1_999_999_999},
			{Kind: "unattributed", UID: -1, High: 999_999_999},
			{Kind: "others", UID: -1, Processes: 12345},
			{Kind: "idle", UID: -1, CPUSeconds: 29 * 86400, Joules: 9_999_999_949_999},
		}
		if by != "process" && by != "thread" {
			s.Rows[0].Kind, s.Rows[1].Kind = snapshot.Group, snapshot.Group
			s.Rows[0].Tenant.Container = &snapshot.Container{ID: s.Rows[0].Group}
		}
		out := table(t, s)
		_, rows, ok := strings.Cut(out, "  carbon ")
		if !ok {
			t.Fatal(out)
		}
		_, rows, _ = strings.Cut(rows, "\n")
		rows, _, _ = strings.Cut(rows, "  losses")
		if n := strings.Count(rows, "\n"); n != 1+len(s.Rows) {
			t.Fatalf("by %s: %d lines of rows:\n%s", by, n, out)
		}
		for line := range strings.Lines(rows) {
			if n := utf8.RuneCountInString(line) - 1; n != 80 {
				t.Errorf("by %s: %d columns: %q", by, n, line)
			}
		}
		for _, want := range []string{"(interrupts)", "+999-100", "2.3e-10", "(reserved) "} {
			if !strings.Contains(rows, want) {
				t.Errorf("by %s: no %q in:\n%s", by, want, rows)
			}
		}
	}
}

// A reservation is known by the end of its cgroup's path.
func TestReservedRows(t *testing.T) {
	s := sample(snapshot.Window)
	s.Rows = []snapshot.Row{
		{Kind: "reserved", Cgroup: "/a.slice", UID: -1}, {Kind: "reserved", Cgroup: "/system.slice/postgresql.service", UID: -1},
		{Kind: "reserved", Cgroup: "/x" + hostile, UID: -1},
	}
	out := table(t, s)
	for _, want := range []string{" (reserved) /a.slice     ", " (reserved) …esql.service ", `(reserved) …u202e\u200b|  `} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

func TestFitEnd(t *testing.T) {
	for _, tt := range []struct {
		in   string
		n    int
		want string
	}{
		{"(x) /abc", 8, "(x) /abc"},
		{"(x) /abc", 10, "(x) /abc  "},
		{"(x) /abc", 7, "(x) …bc"},
		{"(x) /äbc", 6, "(x) …c"},
		{"(x) /abc", 5, "(x) …"},
		{"(x)/abc", 4, "(x)…"},
		{"abcdef", 4, "abc…"},
	} {
		if got := fitEnd(tt.in, tt.n); got != tt.want {
			t.Errorf("%q in %d: %q, want %q", tt.in, tt.n, got, tt.want)
		}
	}
}

func TestDecimals(t *testing.T) {
	for _, tt := range []struct {
		v        float64
		n, width int
		want     string
	}{
		{0, 3, 7, "0.000"}, {999.9996, 3, 7, "1000.00"}, {12345.678, 3, 7, "12345.7"}, {123456, 3, 7, "123456"}, {12345678, 3, 7, "12345678"}, {99.96, 1, 5, "100.0"},
		{6400, 1, 5, "6400"},
	} {
		if got := decimals(tt.v, tt.n, tt.width); got != tt.want {
			t.Errorf("%g: %q, want %q", tt.v, got, tt.want)
		}
	}
}

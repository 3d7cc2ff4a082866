package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/eco2-bpf/eco2-bpf/internal/host"
)

// What processes call themselves, 15 bytes at most, and how a terminal may see it.
var hostileNames = []struct{ name, shown string }{
	{"\x1b[2Jcls", `\x1b[2Jcls`},
	{"\x1b]0;t\x07", `\x1b]0;t\a`},
	{"a\nb (idle)", `a\nb (idle)`},
	{"c\r\td", `c\r\td`},
	{`q"u'o`, `q"u'o`},
	{`back\slash`, `back\\slash`},
	{"bad\xff\xc3(", `bad\xff\xc3(`},
	{"rtl\u202egpj", `rtl\u202egpj`},
	{"z\u200bw\ufeff", `z\u200bw\ufeff`},
	{"c1\u009b2J", `c1\u009b2J`},
	{"\x7fdel", `\x7fdel`},
	{"<b>&amp;", `<b>&amp;`},
	{"{},\"x\":[", `{},"x":[`},
	{"cut\u20ac\u20ac\u20ac\u20ac\u20ac", "cut€€€€"}, // the kernel keeps 15 bytes
}

// harmless fails on any byte that a terminal could take for more than a letter.
func harmless(t *testing.T, out string) {
	t.Helper()
	if !utf8.ValidString(out) {
		t.Errorf("not UTF-8: %q", out)
	}
	for _, r := range out {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Errorf("%q in the output: %q", r, out)
			return
		}
	}
}

// hostileRun runs a process of each name, twice: once it took the name, once its program file has it.
func hostileRun(t *testing.T, flags ...string) string {
	t.Helper()
	e2eNeedKernel(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out")
	args := append(append([]string{"run", "-f", out, "-n", "0", "-i", "100ms"}, flags...), "--", self, t.TempDir())
	for _, n := range hostileNames {
		args = append(args, n.name)
	}
	cmd := eco2(t, args...)
	cmd.Env = e2eHelper("names")
	o := finish(t, cmd)
	b, err := os.ReadFile(out)
	if err != nil || o.code != 0 {
		t.Fatal(err, o)
	}
	return string(b)
}

func TestHostileNamesInTables(t *testing.T) {
	names := len(hostileNames)
	for _, by := range []string{"process", "command"} {
		out := hostileRun(t, "--by", by)
		harmless(t, out)
		_, table, ok := strings.Cut(out, "gCO2e\n")
		table = strings.TrimSuffix(table, "\n\n")
		rows, _, _ := strings.Cut(table, "\n  losses")
		lines, want := strings.Count(rows, "\n")+1, names*2+1+3 // the parent; others, unattributed, idle
		if by == "command" {
			want = names + 1 + 3
		}
		if !ok || lines != want {
			t.Errorf("--by %s: %d rows, want %d: %s", by, lines, want, out)
		}
		for _, n := range hostileNames {
			per := strings.Count(out, " "+n.shown+" ") + strings.Count(out, "\n"+n.shown+" ")
			if want := map[string]int{"process": 2, "command": 1}[by]; per != want {
				t.Errorf("--by %s: %q stands %d times, want %d: %s", by, n.shown, per, want, out)
			}
		}
	}
}

func TestHostileNamesInJSON(t *testing.T) {
	out := hostileRun(t, "-o", "json")
	total := onlyTotal(t, out)
	for _, n := range hostileNames {
		want := n.name
		if len(want) > 15 {
			want = want[:15]
		}
		want = strings.ToValidUTF8(want, "\ufffd")
		found := 0
		for _, r := range total.Rows {
			if squeeze(r.Comm) == squeeze(want) {
				found++
			}
		}
		if found != 2 {
			t.Errorf("%q has %d rows, want 2", want, found)
		}
	}
}

// squeeze makes a run of replacement characters one: how many stand for invalid bytes is the encoder's choice.
func squeeze(s string) string {
	return string(slices.CompactFunc([]rune(s), func(a, b rune) bool { return a == b && a == utf8.RuneError }))
}

// TestHostileCgroup: names of cgroups are as free, but for newlines.
func TestHostileCgroup(t *testing.T) {
	e2eNeedKernel(t)
	cg, err := host.ReadCgroups("/proc")
	if err != nil || cg.Mount == "" {
		t.Skip("need cgroups: none are mounted: ", err)
	}
	const name = "e\x1b[J\t\"\\\u202e\xff"
	dir := filepath.Join(cg.Mount, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		eventually(t, "remove the cgroup", func() error { return os.Remove(dir) })
	})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	run := func(flags ...string) string {
		out := filepath.Join(t.TempDir(), "out")
		cmd := eco2(t, append(append([]string{"run", "-f", out, "--by", "cgroup"}, flags...), "--", self, "in", "100ms", dir)...)
		cmd.Env = e2eHelper("named")
		o := finish(t, cmd)
		b, err := os.ReadFile(out)
		if err != nil || o.code != 0 {
			t.Fatal(err, o)
		}
		return string(b)
	}
	table := run()
	harmless(t, table)
	if shown := `/e\x1b[J\t"\\\u202e\xff `; !strings.Contains(table, shown) {
		t.Errorf("no row %s: %s", shown, table)
	}
	total := onlyTotal(t, run("-o", "json"))
	want := "/" + strings.ToValidUTF8(name, "\ufffd")
	if r := total.row(func(r *wireRow) bool { return r.Cgroup == want }); r == nil || r.CPUSeconds <= 0 {
		t.Errorf("cgroup %q: row %+v", want, r)
	}
}

// TestStormBeside: processes that come and go by the hundred never stop a window.
func TestStormBeside(t *testing.T) {
	e2eNeedKernel(t)
	storm := exec.Command("sh", "-c", "while :; do /bin/true & ( : ) & /bin/true & wait; done")
	if err := storm.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = storm.Process.Kill()
		_ = storm.Wait()
	}()
	o := succeed(t, "attach", "-o", "json", "-i", "100ms", "-d", "1500ms")
	all := jsonLines(t, o.stdout)
	windowsAddUp(t, all)
	total := all[len(all)-1]
	t.Logf("%d windows, %d processes", len(all)-1, total.ProcessesSeen)
	if len(all) < 6 || total.ProcessesSeen < 100 || total.Losses.Overflow != 0 {
		t.Errorf("%d windows of 15, %d processes, losses %+v", len(all)-1, total.ProcessesSeen, total.Losses)
	}
}

package energy

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/units"
)

// TestScripts plays every testdata/*.tree that has steps: what its files say over time, and the joules and marks that are expected. The lines are in testdata/README.md.
func TestScripts(t *testing.T) {
	trees, err := filepath.Glob("testdata/*.tree")
	if err != nil {
		t.Fatal(err)
	}
	played := 0
	for _, path := range trees {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "\nstep ") {
			continue
		}
		played++
		name := strings.TrimSuffix(filepath.Base(path), ".tree")
		t.Run(name, func(t *testing.T) {
			p := newPlayer(t, tree(t, name))
			for s := bufio.NewScanner(strings.NewReader(string(text))); s.Scan(); {
				p.line(s.Text())
			}
			if p.checked == 0 {
				t.Error("nothing was expected")
			}
		})
	}
	if played < 16 {
		t.Errorf("%d scripts", played)
	}
}

// player plays one tree on a clock of its own.
type player struct {
	*testing.T
	root         string
	src          Source
	at, slept    time.Duration
	out, before  []Sample
	window       time.Duration
	text         string // of the step
	checked, win int
}

func newPlayer(t *testing.T, root string) *player {
	p := &player{T: t, root: root}
	asleep := func() time.Duration { return p.slept }
	p.src = openTree(t, root, asleep)
	t.Cleanup(func() { p.src.Close() })
	p.out, p.before = make([]Sample, len(p.src.Domains())), make([]Sample, len(p.src.Domains()))
	return p
}

// openTree opens what a tree has, without readings between edges.
func openTree(t testing.TB, root string, asleep func() time.Duration) Source {
	t.Helper()
	has := func(class string) bool { _, err := os.Stat(filepath.Join(root, "class", class)); return err == nil }
	var g *gauges
	var reasons []Reason
	var err error
	switch {
	case has("powercap"):
		p := mustOpen(t, root)
		p.asleep = asleep
		return p
	case has("power_supply"):
		g, reasons, err = openSupply(root, kernelFiles)
	default:
		g, reasons, err = openHwmon(root, kernelFiles)
	}
	if err != nil {
		t.Fatal(err, reasons)
	}
	g.tick, g.sleep.asleep, g.since = 0, asleep, func(time.Time) time.Duration { return 0 }
	for _, c := range g.channels {
		c.sleep.asleep = asleep
	}
	return g
}

func (p *player) line(line string) {
	p.Helper()
	word, rest, _ := strings.Cut(line, " ")
	path, text, _ := strings.Cut(rest, " ")
	path = filepath.Join(p.root, path)
	var err error
	switch word {
	case "step":
		p.step(rest)
	case "put":
		err = os.WriteFile(path, []byte(text+"\n"), 0o644) // truncates in place: the open file sees it
	case "cut":
		err = os.WriteFile(path, []byte(text), 0o644)
	case "new":
		if err = os.MkdirAll(filepath.Dir(path), 0o755); err == nil {
			if err = os.WriteFile(path+".new", []byte(text+"\n"), 0o644); err == nil {
				err = os.Rename(path+".new", path)
			}
		}
	case "remove":
		err = os.RemoveAll(path)
	case "expect":
		p.expect(rest)
	}
	if err != nil {
		p.Fatalf("%q: %v", line, err)
	}
}

// step takes DURATION, or DURATION slept DURATION.
func (p *player) step(s string) {
	p.Helper()
	var dt, slept string
	n, err := fmt.Sscanf(s, "%s slept %s", &dt, &slept)
	if n == 0 {
		p.Fatalf("step %q: %v", s, err)
	}
	if n == 2 {
		p.slept += p.duration(slept)
	}
	p.window, p.text = p.duration(dt), s
	p.at += p.window
	copy(p.before, p.out)
	p.src.Read(Edge{Time: p.at}, p.out)
	p.win++
	for i, s := range p.out {
		b := p.before[i]
		if s.Energy < b.Energy || s.Low < b.Low || s.High < b.High || s.Low > s.Energy || s.High < s.Energy || strings.Contains(s.Mark, "\n") {
			p.Errorf("step %d (%s): %+v after %+v", p.win, p.text, s, b)
		}
	}
}

func (p *player) duration(s string) time.Duration {
	p.Helper()
	d, err := time.ParseDuration(s)
	if err != nil {
		p.Fatal(err)
	}
	return d
}

// expect takes DOMAIN MICROJOULES [LOW..HIGH] [over DURATION] [| MARK]: of the last window. Without a mark there must be none.
func (p *player) expect(s string) {
	p.Helper()
	p.checked++
	s, mark, _ := strings.Cut(s, " | ")
	f := strings.Fields(s)
	for i, d := range p.src.Domains() {
		if d.Name != f[0] {
			continue
		}
		got, b := p.out[i], p.before[i]
		if e := got.Energy - b.Energy; fmt.Sprintf("%d", int64(e)) != f[1] {
			p.Errorf("step %d (%s): %s used %d uJ, want %s; mark %q", p.win, p.text, d.Name, int64(e), f[1], got.Mark)
		}
		if (mark == "") != (got.Mark == "") || !strings.Contains(got.Mark, mark) {
			p.Errorf("step %d (%s): %s mark %q, want %q", p.win, p.text, d.Name, got.Mark, mark)
		}
		for j := 2; j < len(f); j++ {
			var low, high units.Microjoules
			if n, _ := fmt.Sscanf(f[j], "%d..%d", &low, &high); n == 2 && (got.Low-b.Low != low || got.High-b.High != high) {
				p.Errorf("step %d (%s): %s used %d to %d uJ, want %s", p.win, p.text, d.Name, int64(got.Low-b.Low), int64(got.High-b.High), f[j])
			}
			if f[j] == "over" {
				if want := p.duration(f[j+1]); got.Span.Round(time.Millisecond) != want { // powercap stamps each domain when it is read
					p.Errorf("step %d (%s): %s covers %v, want %v", p.win, p.text, d.Name, got.Span, want)
				}
			}
		}
		return
	}
	p.Errorf("no domain %s in %+v", f[0], p.src.Domains())
}

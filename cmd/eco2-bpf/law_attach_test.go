package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// lawMicro is an amount in microjoules, read from its decimal text without rounding.
type lawMicro int64

func (m *lawMicro) UnmarshalJSON(b []byte) error {
	whole, part, ok := strings.Cut(string(b), ".")
	if !ok || len(part) != 6 {
		return fmt.Errorf("joules are %s: not a decimal of six places", b)
	}
	v, err := strconv.ParseInt(whole+part, 10, 64)
	*m = lawMicro(v)
	return err
}

func (m lawMicro) joules() float64 { return float64(m) / 1e6 }

// lawSnapshot is what a reader of the schema sees; it shares no type with the program.
type lawSnapshot struct {
	Schema     string
	Kind       string
	Start, End time.Time
	Seconds    float64
	Energy     []struct {
		Domain            string
		Joules, Low, High lawMicro
		Method            string
		Marks             []string
	}
	Idle []struct {
		Domain string
		Watts  float64
		How    string
	}
	Rows   []lawRow
	Losses struct {
		Missed, Breaches uint64
		Unseen           float64 `json:"unseen_seconds"`
		Marked           int     `json:"marked_domains"`
	}
}

type lawRow struct {
	Kind     string
	PID      int
	PPID     int
	Start    string
	Comm     string
	UID      int
	Cgroup   string
	CgroupID uint64  `json:"cgroup_id"`
	CPU      float64 `json:"cpu_seconds"`
	Switches uint64
	Joules   lawMicro
	ByDomain map[string]lawMicro `json:"joules_by_domain"`
}

// key tells rows of different windows apart; a process may change its name.
func (r *lawRow) key() string {
	comm := ""
	if r.Kind == "group" {
		comm = r.Comm
	}
	return fmt.Sprint(r.Kind, r.PID, r.Start, r.UID, r.CgroupID, comm)
}

// lawAttach is the program while it measures.
type lawAttach struct {
	cmd    *exec.Cmd
	file   string
	stderr lawFile
}

// lawRunAttach starts `eco2-bpf attach` and returns when it has taken its baseline.
func lawRunAttach(t testing.TB, d time.Duration, args ...string) *lawAttach {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	a := &lawAttach{file: filepath.Join(dir, "out.json"), stderr: lawFile(filepath.Join(dir, "stderr"))}
	talk, err := os.Create(string(a.stderr))
	if err != nil {
		t.Fatal(err)
	}
	defer talk.Close()
	a.cmd = exec.Command(self, append([]string{"attach", "-i", "1s", "-o", "json", "-f", a.file, "-d", d.String()}, args...)...)
	a.cmd.Env = append(os.Environ(), lawHelperEnv+"="+lawProgram)
	a.cmd.Stderr = talk
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if a.cmd.ProcessState == nil {
			_ = a.cmd.Process.Kill() // it may just have ended
			_ = a.cmd.Wait()
		}
	})
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(2 * time.Millisecond) {
		if strings.Contains(a.stderr.String(), "carbon: ") { // it says where its factor is from after its baseline
			return a
		}
		// Signal 0 does not tell: a process that ended stays until it is waited for.
		if state, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", a.cmd.Process.Pid)); err != nil || bytes.Contains(state, []byte(") Z ")) || time.Now().After(end) {
			_ = a.cmd.Process.Kill()
			_ = a.cmd.Wait() // its state says it
			if a.cmd.ProcessState.ExitCode() == exitUnavailable {
				t.Skip("need bpf: ", a.stderr.String())
			}
			t.Fatalf("attach did not begin: %v: %s", a.cmd.ProcessState, a.stderr.String())
		}
	}
}

// lawFile is a file that is read while another process writes it.
type lawFile string

func (f lawFile) String() string {
	b, err := os.ReadFile(string(f))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// interrupt ends it as Ctrl-C does.
func (a *lawAttach) interrupt(t testing.TB) {
	t.Helper()
	if err := a.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
}

// wait returns the windows and the total, whose laws it has checked: conservation in each, and that the windows are the total.
func (a *lawAttach) wait(t testing.TB) (windows []lawSnapshot, total lawSnapshot) {
	t.Helper()
	if err := a.cmd.Wait(); err != nil {
		t.Fatalf("attach: %v: %s", err, a.stderr.String())
	}
	f, err := os.Open(a.file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []lawSnapshot
	for dec := json.NewDecoder(f); ; {
		var s lawSnapshot
		err := dec.Decode(&s)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	if len(all) < 2 || all[len(all)-1].Kind != "total" {
		t.Fatalf("%d snapshots without a total at the end: %s", len(all), a.stderr.String())
	}
	windows, total = all[:len(all)-1], all[len(all)-1]
	for i := range all {
		all[i].conserve(t)
	}
	for i, w := range windows {
		if w.Kind != "window" || i > 0 && !w.Start.Equal(windows[i-1].End) {
			t.Errorf("window %d is a %s from %v, the one before ended at %v", i, w.Kind, w.Start, windows[max(1, i)-1].End)
		}
	}
	return windows, total
}

// conserve checks that the rows of each domain add up to its energy, to the microjoule.
func (s *lawSnapshot) conserve(t testing.TB) {
	t.Helper()
	if s.Losses.Breaches != 0 {
		t.Errorf("%s from %v: the program itself saw %d breaches", s.Kind, s.Start, s.Losses.Breaches)
	}
	for _, e := range s.Energy {
		var sum lawMicro
		for i := range s.Rows {
			j := s.Rows[i].ByDomain[e.Domain]
			if sum += j; j < 0 {
				t.Errorf("%s from %v: %+v has less than nothing", s.Kind, s.Start, s.Rows[i])
			}
		}
		if sum != e.Joules {
			t.Errorf("%s from %v: rows of %s add up to %d uJ, its energy is %d uJ", s.Kind, s.Start, e.Domain, sum, e.Joules)
		}
		if e.Low > e.Joules || e.Joules > e.High {
			t.Errorf("%s from %v: %s has %d uJ, out of its bounds %d and %d", s.Kind, s.Start, e.Domain, e.Joules, e.Low, e.High)
		}
	}
	for _, r := range s.Rows {
		var sum lawMicro
		for _, j := range r.ByDomain {
			sum += j
		}
		if sum != r.Joules || len(r.ByDomain) != len(s.Energy) {
			t.Errorf("%s from %v: the domains of %+v add up to %d uJ", s.Kind, s.Start, r, sum)
		}
	}
}

// lawAddUp checks that the windows are the total: each domain, and each row to the microjoule and the switch.
func lawAddUp(t testing.TB, windows []lawSnapshot, total lawSnapshot) {
	t.Helper()
	rows := map[string]*lawRow{}
	for _, w := range windows {
		for _, r := range w.Rows {
			sum := rows[r.key()]
			if sum == nil {
				sum = &lawRow{ByDomain: map[string]lawMicro{}}
				rows[r.key()] = sum
			}
			sum.Switches += r.Switches
			for d, j := range r.ByDomain {
				sum.ByDomain[d] += j
			}
		}
	}
	for _, r := range total.Rows {
		sum := rows[r.key()]
		delete(rows, r.key())
		if sum == nil || sum.Switches != r.Switches {
			t.Errorf("row %+v of the total: in the windows it has %+v", r, sum)
			continue
		}
		for d, j := range r.ByDomain {
			if sum.ByDomain[d] != j {
				t.Errorf("row %+v of the total: in the windows %s has %d uJ", r, d, sum.ByDomain[d])
			}
		}
	}
	for key := range rows {
		t.Errorf("row %s is in a window, not in the total", key)
	}
	lawEnergyAddsUp(t, windows, total)
}

// lawEnergyAddsUp is that of the domains alone: what is folded away may differ from window to window.
func lawEnergyAddsUp(t testing.TB, windows []lawSnapshot, total lawSnapshot) {
	t.Helper()
	for i, e := range total.Energy {
		var sum lawMicro
		for _, w := range windows {
			sum += w.Energy[i].Joules
		}
		if sum != e.Joules {
			t.Errorf("%s: windows add up to %d uJ, the total is %d uJ", e.Domain, sum, e.Joules)
		}
	}
}

// sum adds up the rows that a function picks.
func (s *lawSnapshot) sum(pick func(*lawRow) bool) (row lawRow, n int) {
	row.ByDomain = map[string]lawMicro{}
	for i := range s.Rows {
		r := &s.Rows[i]
		if !pick(r) {
			continue
		}
		n++
		row.Joules, row.CPU = row.Joules+r.Joules, row.CPU+r.CPU
		for d, j := range r.ByDomain {
			row.ByDomain[d] += j
		}
	}
	return row, n
}

func lawKind(kinds ...string) func(*lawRow) bool {
	return func(r *lawRow) bool { return slices.Contains(kinds, r.Kind) }
}

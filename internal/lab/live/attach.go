package live

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// exitUnavailable is the program's exit code where this machine cannot measure.
const exitUnavailable = 3

// attachLimit is how long the program may take until it measures.
const attachLimit = time.Minute

// Attach is `eco2-bpf attach` while it measures.
type Attach struct {
	cmd  *exec.Cmd
	file string
	talk string // its standard error
}

// StartAttach starts a command that is the program, with what attach needs added, and returns when it has taken its baseline. What it writes
// goes to a directory. Where it cannot measure here the error is ErrUnable.
func StartAttach(cmd *exec.Cmd, dir string, args ...string) (*Attach, error) {
	a := &Attach{cmd: cmd, file: filepath.Join(dir, "out.json"), talk: filepath.Join(dir, "stderr")}
	talk, err := os.Create(a.talk)
	if err != nil {
		return nil, err
	}
	defer talk.Close()
	cmd.Args = append(cmd.Args, append([]string{"attach", "-o", "json", "-f", a.file}, args...)...)
	cmd.Stderr = talk
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start attach: %w", err)
	}
	for end := time.Now().Add(attachLimit); ; time.Sleep(2 * time.Millisecond) {
		if bytes.Contains(a.Talk(), []byte("carbon: ")) { // it says where its factor is from after its baseline
			return a, nil
		}
		// Signal 0 does not tell: a process that ended stays until it is waited for.
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
		if err == nil && !bytes.Contains(stat, []byte(") Z ")) && time.Now().Before(end) {
			continue
		}
		a.Kill()
		if cmd.ProcessState.ExitCode() == exitUnavailable {
			return nil, fmt.Errorf("need bpf: %s: %w", bytes.TrimSpace(a.Talk()), ErrUnable)
		}
		return nil, fmt.Errorf("attach did not begin: %v: %s", cmd.ProcessState, a.Talk())
	}
}

// Kill ends it, if it has not ended.
func (a *Attach) Kill() {
	if a.cmd.ProcessState == nil {
		_ = a.cmd.Process.Kill() // it may just have ended
		_ = a.cmd.Wait()         // its state says it
	}
}

// Talk is what it has said on its standard error.
func (a *Attach) Talk() []byte {
	b, err := os.ReadFile(a.talk)
	if err != nil {
		return []byte(err.Error())
	}
	return b
}

// Interrupt ends it as Ctrl-C does.
func (a *Attach) Interrupt() error { return a.cmd.Process.Signal(os.Interrupt) }

// PID is that of the program.
func (a *Attach) PID() int { return a.cmd.Process.Pid }

// Wait returns the windows and the total when it has ended. Each has conserved energy, and the windows follow each other, or there is an error,
// too.
func (a *Attach) Wait() (windows []Snapshot, total Snapshot, err error) {
	if err := a.cmd.Wait(); err != nil {
		return nil, total, fmt.Errorf("attach: %w: %s", err, a.Talk())
	}
	f, err := os.Open(a.file)
	if err != nil {
		return nil, total, err
	}
	defer f.Close()
	var all []Snapshot
	for dec := json.NewDecoder(f); ; {
		var s Snapshot
		err := dec.Decode(&s)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, total, fmt.Errorf("read what attach wrote: %w", err)
		}
		all = append(all, s)
	}
	if len(all) < 2 || all[len(all)-1].Kind != "total" {
		return nil, total, fmt.Errorf("%d snapshots without a total at the end: %s", len(all), a.Talk())
	}
	var wrong []error
	windows, total = all[:len(all)-1], all[len(all)-1]
	for i := range all {
		wrong = append(wrong, all[i].Conserved())
	}
	for i, w := range windows {
		if w.Kind != "window" || i > 0 && !w.Start.Equal(windows[i-1].End) {
			wrong = append(wrong, fmt.Errorf("window %d is a %s from %v, the one before ended at %v", i, w.Kind, w.Start, windows[max(1, i)-1].End))
		}
	}
	return windows, total, errors.Join(wrong...)
}

// AddUp is nil if the windows are the total: each domain, and each row to the microjoule and the switch.
func AddUp(windows []Snapshot, total Snapshot) error {
	var all []error
	rows := map[string]*Row{}
	for _, w := range windows {
		for _, r := range w.Rows {
			sum := rows[r.Key()]
			if sum == nil {
				sum = &Row{ByDomain: map[string]Micro{}}
				rows[r.Key()] = sum
			}
			sum.Switches += r.Switches
			for d, j := range r.ByDomain {
				sum.ByDomain[d] += j
			}
		}
	}
	for _, r := range total.Rows {
		sum := rows[r.Key()]
		delete(rows, r.Key())
		if sum == nil || sum.Switches != r.Switches {
			all = append(all, fmt.Errorf("row %+v of the total: in the windows it has %+v", r, sum))
			continue
		}
		for d, j := range r.ByDomain {
			if sum.ByDomain[d] != j {
				all = append(all, fmt.Errorf("row %+v of the total: in the windows %s has %d uJ", r, d, sum.ByDomain[d]))
			}
		}
	}
	for key := range rows {
		all = append(all, fmt.Errorf("row %s is in a window, not in the total", key))
	}
	return errors.Join(append(all, EnergyAddsUp(windows, total))...)
}

// EnergyAddsUp is that of the domains alone: what is folded away may differ from window to window.
func EnergyAddsUp(windows []Snapshot, total Snapshot) error {
	var all []error
	for i, e := range total.Energy {
		var sum Micro
		for _, w := range windows {
			sum += w.Energy[i].Joules
		}
		if sum != e.Joules {
			all = append(all, fmt.Errorf("%s: windows add up to %d uJ, the total is %d uJ", e.Domain, sum, e.Joules))
		}
	}
	return errors.Join(all...)
}

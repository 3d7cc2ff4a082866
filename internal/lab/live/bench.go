package live

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// experiment runs jobs on machines that are there at once.
func (o *Options) experiment(machines []*machine, jobs []Job) (report Report, err error) {
	if err := Able(); err != nil {
		return report, err
	}
	dir, err := os.MkdirTemp("", "eco2-bpf-lab-")
	if err != nil {
		return report, err
	}
	e := &bench{Options: o, dir: dir, jobs: jobs, machines: machines}
	defer func() { err = errors.Join(err, e.close(), os.RemoveAll(dir)) }()
	for _, step := range []func() error{e.startLoads, e.startGroups, e.startTrees, e.startOurs, e.measure, e.stop} {
		if err := step(); err != nil {
			return report, err
		}
	}
	return e.report(), nil
}

// bench is an experiment under way.
type bench struct {
	*Options
	dir      string
	jobs     []Job
	machines []*machine
	loads    []*Load // by jobs
	watch    watch
	from, to time.Time // of the quiet
}

func (e *bench) startLoads() error {
	for _, j := range e.jobs {
		l, err := StartLoad(j.Kind, j.work)
		if err != nil {
			return err
		}
		e.loads = append(e.loads, l)
	}
	return nil
}

// startGroups makes those of who will measure: a law tells of all groups that it follows from its start.
func (e *bench) startGroups() error {
	for _, m := range e.machines {
		m.ours = m.ways()
		for _, a := range m.ours {
			var err error
			if a.Group, err = NewGroup(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *bench) startTrees() error {
	whole, err := WholeUsage()
	if err != nil {
		return err
	}
	for _, m := range e.machines {
		l := Law{Sysfs: filepath.Join(e.dir, m.name), Zones: m.Zones, Whole: whole}
		for i, j := range e.jobs {
			factor := 1.0
			if m.mixed {
				factor = j.Factor
			}
			l.Groups = append(l.Groups, Counted{Usage: e.loads[i].Usage, Factor: factor})
		}
		for _, a := range m.ours {
			a.group = len(l.Groups)
			l.Groups = append(l.Groups, Counted{Usage: a.Usage, Factor: 1})
		}
		if m.Tree, err = NewTree(l); err != nil {
			return err
		}
	}
	return nil
}

func (e *bench) startOurs() error {
	for _, m := range e.machines {
		for i, a := range m.ours {
			dir := filepath.Join(e.dir, fmt.Sprint(m.name, i))
			if err := os.Mkdir(dir, 0o755); err != nil {
				return err
			}
			var err error
			flags := append([]string{"-i", "1s", "--sysfs", m.Sysfs, "--source", "rapl", "--dram", "cpu_time"}, a.flags...)
			if a.Attach, err = StartAttach(exec.Command(e.Program), dir, flags...); err != nil {
				return err
			}
			if err := a.Join(a.PID()); err != nil {
				return err
			}
		}
	}
	return nil
}

// measure lets the loads go after the quiet, while all watch, and returns when they have done their work and everybody has seen it.
func (e *bench) measure() error {
	if err := e.watch.start(e); err != nil {
		return err
	}
	e.from = time.Now()
	time.Sleep(e.Quiet)
	e.to = time.Now()
	for _, l := range e.loads {
		if err := l.Release(); err != nil {
			return err
		}
	}
	for i, l := range e.loads {
		if e.jobs[i].beside {
			continue
		}
		if err := l.Done(); err != nil {
			return err
		}
	}
	time.Sleep(20 * time.Millisecond) // the last switch of a child may still be under way when it has been waited for
	return e.watch.stop()
}

func (e *bench) stop() error {
	for _, m := range e.machines {
		for _, a := range m.ours {
			if err := a.Interrupt(); err != nil {
				return err
			}
		}
	}
	for _, m := range e.machines {
		var last time.Time
		for _, a := range m.ours {
			windows, total, err := a.Wait()
			if total.Kind != "total" {
				return err
			}
			a.total, a.breach = total, errors.Join(err, AddUp(windows, total))
			if total.End.After(last) {
				last = total.End
			}
			a.edges = append(a.edges, total.Start)
			for _, w := range windows {
				a.edges = append(a.edges, w.End)
			}
		}
		if err := m.ReadTo(last); err != nil {
			return err
		}
	}
	return nil
}

// close ends all that still runs, and removes the groups.
func (e *bench) close() error {
	var all []error
	e.watch.close()
	for _, m := range e.machines {
		for _, a := range m.ours {
			if a.Attach != nil {
				a.Kill()
			}
		}
		if m.Tree != nil {
			m.Close()
		}
	}
	for _, m := range e.machines {
		for _, a := range m.ours {
			if a.Group != nil {
				all = append(all, a.Remove())
			}
		}
	}
	for _, l := range e.loads {
		all = append(all, l.Close())
	}
	return errors.Join(all...)
}

package live

import (
	"errors"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/peers"
	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// watched is a formula that is run while others are.
type watched struct {
	peers.Peer
	next   time.Time
	looks  []time.Time
	before peers.Result  // by the first look: what a reader of its numbers takes off
	spent  time.Duration // CPU time of its other looks, and of itself
	files  int64
}

// watch looks at the machine for all who poll, each at its own pace.
type watch struct {
	reader   *Reader
	machines []*machine
	jobs     map[peers.Key]int // of each process that a look saw: the job whose cgroup it was in
	beat     time.Duration
	done     chan struct{} // closed: the last look may come
	ended    chan error
	once     sync.Once
}

// start takes everybody's first look.
func (w *watch) start(e *bench) error {
	var files []string
	for _, m := range e.machines {
		for i := range m.Zones {
			files = append(files, filepath.Join(m.dir(i), "energy_uj"))
		}
	}
	var err error
	if w.reader, err = NewReader(files...); err != nil {
		return err
	}
	w.machines, w.jobs, w.beat = e.machines, map[peers.Key]int{}, e.Beat
	roots := make([]int, len(e.loads))
	for i, l := range e.loads {
		roots[i] = l.PID()
	}
	for _, m := range w.machines {
		o := peers.Options{Roots: roots}
		for i := range m.Zones {
			o.BaseWatts = append(o.BaseWatts, m.Zones[i].Idle)
		}
		for _, p := range peers.All(m.seen(), o) {
			if !peers.NeedsSlices(p) {
				m.formulas = append(m.formulas, &watched{Peer: p})
			}
		}
	}
	groups := map[string]int{}
	for i, l := range e.loads {
		groups[l.Path] = i
	}
	w.done, w.ended = make(chan struct{}), make(chan error, 1)
	first := make(chan error)
	go func() {
		runtime.LockOSThread() // its CPU time is what a formula costs
		defer runtime.UnlockOSThread()
		at, err := w.look(groups, time.Time{}, true)
		first <- err
		if err == nil {
			w.ended <- w.run(groups, at)
		}
	}()
	return <-first
}

// run takes one look after another. The last one is at a beat, for everybody.
func (w *watch) run(groups map[string]int, began time.Time) error {
	for beat := began.Add(w.beat); ; {
		next := beat
		for _, m := range w.machines {
			for _, f := range m.formulas {
				if f.next.Before(next) {
					next = f.next
				}
			}
		}
		time.Sleep(time.Until(next))
		last := false
		if !beat.After(next) {
			beat = beat.Add(w.beat)
			select {
			case <-w.done:
				last = true
			default:
			}
		}
		if _, err := w.look(groups, next, last); err != nil || last {
			return err
		}
	}
}

// look takes one look for all whose time has come, or for all. It returns when it was taken.
func (w *watch) look(groups map[string]int, due time.Time, all bool) (time.Time, error) {
	spent, files := w.reader.Spent, w.reader.Files
	s, at, err := w.reader.Look()
	if err != nil {
		return at, err
	}
	spent, files = w.reader.Spent-spent, w.reader.Files-files
	for _, p := range s.Processes {
		if job, ok := groups[p.Cgroup]; ok {
			w.jobs[peers.Key{PID: p.PID, Start: p.Start}] = job
		}
	}
	counters := s.Zones
	for _, m := range w.machines {
		mine := counters[:len(m.Zones)]
		counters = counters[len(m.Zones):]
		for _, f := range m.formulas {
			if !all && f.next.After(due) {
				continue
			}
			s.Zones = append([]uint64(nil), mine...)
			f.look(s, at, due, spent, files-int64(len(w.reader.Counters)-len(mine)))
		}
	}
	return at, nil
}

func (f *watched) look(s seen.Sample, at, due time.Time, spent time.Duration, files int64) {
	began := threadTime()
	f.Poll(s)
	f.spent += threadTime() - began
	if f.looks == nil {
		f.before, due = f.Result(), at
	} else {
		f.files, f.spent = f.files+files, f.spent+spent
	}
	f.looks, f.next = append(f.looks, at), due.Add(max(f.Every(), minPause))
}

// minPause keeps a formula that names no pace from looking all the time.
const minPause = 100 * time.Millisecond

// stop lets the last look come, and waits for it.
func (w *watch) stop() error {
	if w.done == nil {
		return errors.New("nobody watches")
	}
	w.once.Do(func() { close(w.done) })
	return <-w.ended
}

// close ends it early: its last look is at the next beat.
func (w *watch) close() {
	if w.done != nil {
		w.once.Do(func() { close(w.done) })
	}
}

package peers

import (
	"math"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// KeplerEBPF is Kepler up to 0.9 (bpf/kepler.bpf.h, pkg/model/estimator/local/ratio.go, pkg/collector/stats/node_stats.go): a table of
// processes that the kernel fills at context switches and that is read and emptied every 3 s. A switch adds to the process that leaves only
// if that is in the table already.
//
// 0.9.0 (0.7.12 and 0.8.0 have the same file) puts it there after that, by the pid that leaves: the first slice of each process in each window
// is lost (derived). That it is this pid stands in the source of that version, and pull request 1693 is for it; the pid that comes is taken
// only where switches are skipped (EXPERIMENTAL_BPF_SAMPLE_RATE, off by default), and was between two releases in the summer of 2024.
//
// 0.7.8 looks from finish_task_switch, where the task that runs is the one that comes, and puts that there: a new process has its first
// slice, and lost is only what was on a CPU when the table was emptied (derived).
//
// A slice that goes over the window's edge is the later window's, if it is not lost. Ended processes keep what they have.
//
// Energy is in whole millijoules, each share rounded up, so that shares add up to more than there was.
//
// Read in its favour: cycles and cache misses are what it shares by, although the source of 0.9.0 goes back to CPU time, as it looks for that
// among the hardware's counters; with 0.7.8 each thread's slices are its process's; what is shared equally goes to those who ran in the window,
// although others that did so before, and live, have a part of it, too (pkg/collector/metric_collector.go); the table of 32,768 never
// overflows.
type KeplerEBPF struct {
	ledger
	clock
	counters
	boards
	name, words string
	unit        time.Duration // of run times, which are cut to whole ones
	atFinish    bool          // it looks from finish_task_switch, as 0.7.8 does
	tellsIdle   bool
	window      map[int]*used
	emptied     time.Duration
	floors      map[string]floor
}

// used is what the table has of a process that ran in a window.
type used struct {
	key                    Key
	there                  bool // in the table, so that a switch adds to it
	cycles, misses, micros float64
}

// floor is what one kind of energy is taken to be with nothing to do.
type floor struct{ millijoules, micros float64 }

// NewKepler09 is Kepler 0.9 as it comes: since October 2024 (pull request 1810) idle energy is not told apart, so it goes with the rest.
func NewKepler09(m seen.Machine) *KeplerEBPF {
	return newKeplerEBPF(m, "Kepler 0.9", time.Microsecond, false, false,
		"zone energy x own cycles / all processes' cycles, dram by cache misses, uncore equally (kepler.bpf.h, ratio.go)")
}

// NewKepler07 is Kepler 0.7.8 on a machine with energy counters: run times are in whole milliseconds, slice by slice, and idle energy is that
// of the least busy window so far, shared equally.
func NewKepler07(m seen.Machine) *KeplerEBPF {
	return newKeplerEBPF(m, "Kepler 0.7", time.Millisecond, true, true,
		"(zone energy - that of the least busy window) x own cycles / all processes' cycles, dram by misses, + idle / number of processes (ratio.go)")
}

func newKeplerEBPF(m seen.Machine, name string, unit time.Duration, atFinish, tellsIdle bool, words string) *KeplerEBPF {
	return &KeplerEBPF{ledger: newLedger(), counters: counters{zones: m.Zones}, name: name, words: words, unit: unit, atFinish: atFinish,
		tellsIdle: tellsIdle, window: map[int]*used{}, floors: map[string]floor{}}
}

// Name is its name.
func (k *KeplerEBPF) Name() string { return k.name }

// Words is its formula.
func (k *KeplerEBPF) Words() string { return k.words }

// Every is its sample period.
func (k *KeplerEBPF) Every() time.Duration { return 3 * time.Second }

// Slice is a switch from that task to another.
func (k *KeplerEBPF) Slice(s seen.Slice) {
	u := k.window[s.PID]
	if u == nil {
		u = &used{key: Key{s.PID, int64(s.Start / seen.Tick)}}
		k.window[s.PID] = u
	}
	if !u.there {
		u.there = !k.atFinish || s.From >= k.emptied
		if !k.atFinish || !u.there {
			return // it is put there after this one, or was before the table was emptied
		}
	}
	run := max((s.To-s.From)/k.unit, 0)
	if run == 0 && !k.atFinish {
		return // neither cycles nor misses, so that those fit the time; 0.7.8 adds them all the same
	}
	u.micros += float64(run * (k.unit / time.Microsecond))
	u.cycles += float64(s.Cycles)
	u.misses += float64(s.Misses)
}

// Poll reads the table and empties it.
func (k *KeplerEBPF) Poll(s seen.Sample) {
	if _, ok := k.clock.step(s.At); !ok {
		return
	}
	window := k.window
	k.window, k.emptied = map[int]*used{}, s.At
	steps, cards := k.counters.step(s.Zones, byRange), k.boards.step(s.GPUs)
	if steps == nil {
		return
	}
	var all used
	for _, u := range window {
		all.cycles += u.cycles
		all.misses += u.misses
		all.micros += u.micros
	}
	for name, joules := range k.counters.domains(steps) {
		whole := math.Floor(joules * 1e3)
		idle := k.floor(name, whole, all.micros)
		dynamic := max(whole-idle, 0)
		k.total[name] += joules
		for _, u := range window {
			mine := dynamic / float64(len(window)) // uncore always, the rest where nobody has any
			if part, of := usage(name, u, &all); of > 0 {
				mine = dynamic * part / of
			}
			k.add(u.key, name, (math.Ceil(mine)+math.Ceil(idle/float64(len(window))))/1e3)
		}
	}
	k.pollCards(&s, cards, window)
}

// usage is by what an energy is shared, and all processes' of it.
func usage(domain string, u, all *used) (own, of float64) {
	switch {
	case domain == "uncore":
		return 0, 0
	case domain == "dram":
		return u.misses, all.misses
	case domain == "psys", all.cycles <= 0: // a machine without hardware counters has time only
		return u.micros, all.micros
	}
	return u.cycles, all.cycles
}

// floor learns from a window and tells its idle energy: lower is believed from windows that were no busier, and it never goes up.
func (k *KeplerEBPF) floor(name string, millijoules, micros float64) float64 {
	if !k.tellsIdle || millijoules <= 0 {
		return 0
	}
	f, known := k.floors[name]
	if !known || micros <= f.micros && millijoules <= f.millijoules {
		f = floor{millijoules, micros}
		k.floors[name] = f
	}
	return f.millijoules
}

// pollCards shares what the cards used by SM utilisation; with none, everyone has an equal part, whether on a card or not.
func (k *KeplerEBPF) pollCards(s *seen.Sample, steps []float64, window map[int]*used) {
	joules := sum(steps)
	if joules <= 0 {
		return
	}
	k.total[gpu] += joules
	by, all := map[int]float64{}, 0.0
	for i := range s.GPUs {
		for _, p := range s.GPUs[i].Processes {
			by[p.PID] += positive(p.SMUtil)
			all += positive(p.SMUtil)
		}
	}
	if all <= 0 {
		for _, u := range window {
			k.add(u.key, gpu, math.Ceil(joules*1e3/float64(len(window)))/1e3)
		}
		return
	}
	for i := range s.Processes {
		if p := &s.Processes[i]; by[p.PID] > 0 {
			k.add(keyOf(p), gpu, math.Ceil(joules*1e3*by[p.PID]/all)/1e3)
		}
	}
}

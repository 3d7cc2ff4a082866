package bpf

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

// ledger keeps books of made-up records.
type ledger struct {
	books
	comms commCache
}

func newLedger() *ledger { return &ledger{books: newBooks(4096)} }

// look is a look that sees these records.
func (l *ledger) look(records ...eco2Holding) []Task {
	l.begin(100)
	var into []Task
	for _, h := range records {
		into = l.living(into, h, &l.comms)
	}
	return l.settle(into, 0)
}

const lateStart = 200 // ns since boot; the first look is at 100

func holds(tgid uint32, pages, read, written, cancelled uint64) eco2Holding {
	return eco2Holding{Tgid: tgid, Start: lateStart, Pages: pages, Read: read, Written: written, Cancelled: cancelled}
}

// as is a record of the same with other flags; a process's end is at 9 ns.
func as(h eco2Holding, flags eco2HoldingFlags) eco2Holding {
	if h.Flags = flags; flags == ended {
		h.Exited = 9
	}
	return h
}

// after is a record of the same when released threads had read so much.
func after(read uint64, h eco2Holding) eco2Holding {
	h.LeftRead = read
	return h
}

// early is a record of one that began before the first look.
func early(h eco2Holding) eco2Holding {
	h.Start = 50
	return h
}

const (
	ending = eco2HoldingFlagsHOLDING_ENDING
	ended  = eco2HoldingFlagsHOLDING_ENDED
)

// row is what a test compares of a Task.
type row struct {
	tgid          uint32
	pages         int64
	read, written uint64
	exited        bool
}

func TestBooks(t *testing.T) {
	type step struct {
		ends  []eco2Holding // told before the look
		lives []eco2Holding
		want  []row
	}
	for name, steps := range map[string][]step{
		"the first look is a baseline": {
			{lives: []eco2Holding{holds(1, 5, 100, 200, 0)}, want: []row{{1, 5, 0, 0, false}}},
			{lives: []eco2Holding{holds(1, 5, 101, 202, 0)}, want: []row{{1, 5, 1, 2, false}}},
			{lives: []eco2Holding{holds(1, 5, 101, 202, 0)}, want: []row{{1, 5, 0, 0, false}}},
		},
		"what ended before it is nobody's": {
			{ends: []eco2Holding{as(holds(1, 5, 100, 200, 0), ended), holds(2, 0, 10, 20, 0)}, lives: []eco2Holding{holds(2, 3, 1, 2, 0)}, want: []row{{2, 3, 0, 0, false}}},
			{lives: []eco2Holding{holds(2, 3, 1, 2, 0)}, want: []row{{2, 3, 0, 0, false}}},
		},
		"who comes later counts from 0": {
			{},
			{lives: []eco2Holding{holds(1, 5, 100, 200, 0)}, want: []row{{1, 5, 100, 200, false}}},
		},
		"all threads are one row, in any order": {
			{},
			{lives: []eco2Holding{holds(1, 0, 1, 10, 0), holds(2, 7, 0, 0, 0), holds(1, 5, 2, 20, 0), holds(1, 0, 4, 40, 0)},
				want: []row{{1, 5, 7, 70, false}, {2, 7, 0, 0, false}}},
		},
		"who holds nothing and moves nothing has no row": {
			{lives: []eco2Holding{holds(1, 0, 5, 5, 0), holds(2, 1, 0, 0, 0)}, want: []row{{2, 1, 0, 0, false}}},
			{lives: []eco2Holding{holds(1, 0, 5, 5, 0), holds(2, 1, 0, 0, 0)}, want: []row{{2, 1, 0, 0, false}}},
		},
		"a thread that ends is not lost and not told twice": {
			{},
			{lives: []eco2Holding{holds(1, 5, 10, 0, 0), holds(1, 0, 7, 0, 0)}, want: []row{{1, 5, 17, 0, false}}},
			{lives: []eco2Holding{holds(1, 5, 11, 0, 0), as(holds(1, 0, 0, 0, 0), ending)}, want: []row{{1, 5, 0, 0, false}}},
			{ends: []eco2Holding{holds(1, 0, 9, 0, 0)}, lives: []eco2Holding{holds(1, 5, 11, 0, 0)}, want: []row{{1, 5, 3, 0, false}}},
		},
		"a process that ends": {
			{lives: []eco2Holding{holds(1, 5, 10, 0, 0)}, want: []row{{1, 5, 0, 0, false}}},
			{ends: []eco2Holding{holds(1, 0, 3, 0, 0), as(holds(1, 8, 11, 2, 0), ended)}, want: []row{{1, 8, 4, 2, true}}},
			{},
		},
		"two last threads": {
			{},
			{ends: []eco2Holding{as(holds(1, 8, 1, 0, 0), ended), as(holds(1, 9, 2, 0, 0), ended)}, want: []row{{1, 9, 3, 0, true}}},
			{},
		},
		"one of them late": {
			{},
			{ends: []eco2Holding{as(holds(1, 8, 1, 0, 0), ended)}, want: []row{{1, 8, 1, 0, true}}},
			{ends: []eco2Holding{as(holds(1, 9, 2, 0, 0), ended)}, want: []row{{1, 0, 2, 0, true}}},
			{},
		},
		"what is thrown away at once was not written": {
			{},
			{lives: []eco2Holding{holds(1, 5, 0, 100, 60)}, want: []row{{1, 5, 0, 40, false}}},
			{lives: []eco2Holding{holds(1, 5, 0, 110, 1060)}, want: []row{{1, 5, 0, 0, false}}},
			{lives: []eco2Holding{holds(1, 5, 0, 150, 1060)}, want: []row{{1, 5, 0, 40, false}}},
		},
		"a lost end is found when the thread is released": {
			{},
			{lives: []eco2Holding{holds(1, 5, 10, 0, 0), holds(1, 0, 100, 0, 0)}, want: []row{{1, 5, 110, 0, false}}},
			{lives: []eco2Holding{holds(1, 5, 20, 0, 0)}, want: []row{{1, 5, 0, 0, false}}},
			{lives: []eco2Holding{after(101, holds(1, 5, 30, 0, 0))}, want: []row{{1, 5, 21, 0, false}}},
			{ends: []eco2Holding{holds(1, 0, 4, 0, 0)}, lives: []eco2Holding{after(101, holds(1, 5, 35, 0, 0))}, want: []row{{1, 5, 5, 0, false}}},
			{ends: []eco2Holding{after(105, as(holds(1, 5, 36, 0, 0), ended))}, want: []row{{1, 5, 5, 0, true}}},
		},
		"threads that ended before the baseline": {
			{lives: []eco2Holding{after(1000, holds(1, 5, 10, 0, 0)), holds(1, 0, 7, 0, 0)}, want: []row{{1, 5, 0, 0, false}}},
			{ends: []eco2Holding{holds(1, 0, 9, 0, 0), after(1009, as(holds(1, 5, 11, 0, 0), ended))}, want: []row{{1, 5, 3, 0, true}}},
		},
		"one that began before and was never seen": {
			{},
			{ends: []eco2Holding{early(as(after(50, holds(1, 8, 1000, 200, 0)), ended))}, want: []row{{1, 8, 0, 0, true}}},
			{},
		},
		"one that began before and had moved nothing": {
			{lives: []eco2Holding{early(holds(1, 8, 0, 0, 0))}, want: []row{{1, 8, 0, 0, false}}},
			{ends: []eco2Holding{early(as(holds(1, 8, 1000, 200, 0), ended))}, want: []row{{1, 8, 1000, 200, true}}},
		},
		"one that is released in the midst of a look": {
			{},
			{lives: []eco2Holding{holds(1, 5, 10, 0, 0), holds(1, 0, 7, 0, 0), after(7, holds(1, 0, 3, 0, 0))}, want: []row{{1, 5, 20, 0, false}}},
		},
		"absurd pages": {
			{},
			{lives: []eco2Holding{holds(1, 1<<63, 0, 0, 0)}, want: []row{{1, 1 << 40, 0, 0, false}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger()
			for i, s := range steps {
				for _, h := range s.ends {
					l.end(h, &l.comms)
				}
				var got []row
				for _, task := range l.look(s.lives...) {
					got = append(got, row{task.TGID, task.Resident / 4096, task.Read, task.Written, task.Exited != 0})
				}
				if !slices.Equal(got, s.want) {
					t.Errorf("look %d: %+v, want %+v", i, got, s.want)
				}
			}
		})
	}
}

// Processes whose ends were lost are forgotten; those that are about to end are not.
func TestBooksForget(t *testing.T) {
	const n = 5000
	l := newLedger()
	l.look()
	var all []eco2Holding
	for i := range uint32(n) {
		all = append(all, holds(i+1, 1, 10, 0, 0))
	}
	l.look(all...)
	l.look() // as when they are all just ending, or change their ids
	if got := l.look(all[0]); len(got) != 1 || got[0].Read != 0 {
		t.Errorf("%+v, want what was told not to be told again", got)
	}
	l.look(all...)
	slow := as(holds(n, 0, 0, 0, 0), ending) // it takes its time to give its memory back
	for range 10 {
		l.look(slow)
	}
	if len(l.known) != 1 {
		t.Errorf("%d are known", len(l.known))
	}
	l.end(as(holds(n, 2, 11, 0, 0), ended), &l.comms)
	if got := l.look(); len(got) != 1 || got[0].Read != 1 {
		t.Errorf("%+v, want 1 byte more than was told", got)
	}
	l.look()
	if len(l.known) != 0 {
		t.Errorf("%d are known", len(l.known))
	}
}

// modelThread is a model of the kernel's: it lives, begins to exit, tells its end, is gone.
type modelThread struct {
	of      *group
	moved   uint64
	exiting bool
	told    bool
}

type group struct {
	id    uint32
	live  int    // threads that have not begun to exit
	moved uint64 // by all
	ended bool   // one of its last threads has told its end

	released uint64 // moved by threads that are gone
	skipped  uint64 // by threads whose ends nobody was told
}

// kernel is all of them. Anything may happen between any two things that a look does.
type kernel struct {
	rng     *rand.Rand
	threads []*modelThread
	ring    []eco2Holding
	groups  []*group
	closing bool // nobody begins
}

func (k *kernel) step() {
	if !k.closing && len(k.threads) < 20 && k.rng.IntN(8) == 0 || len(k.threads) == 0 {
		if k.closing {
			return
		}
		g := &group{id: uint32(len(k.groups) + 1)}
		k.groups = append(k.groups, g)
		for range 1 + k.rng.IntN(4) {
			k.threads = append(k.threads, &modelThread{of: g})
			g.live++
		}
		return
	}
	i := k.rng.IntN(len(k.threads))
	th := k.threads[i]
	switch {
	case th.told:
		th.of.released += th.moved
		k.threads = slices.Delete(k.threads, i, i+1)
	case th.exiting:
		k.tell(th)
	case k.rng.IntN(4) == 0 || k.closing:
		th.exiting = true
		th.of.live--
	default:
		n := uint64(k.rng.IntN(3)) * 4096
		th.moved += n
		th.of.moved += n
	}
}

func (k *kernel) tell(th *modelThread) {
	th.told = true
	h := after(th.of.released, holds(th.of.id, 0, th.moved, 0, 0))
	if th.of.live > 0 && k.rng.IntN(20) == 0 {
		th.of.skipped += th.moved
		return
	}
	if th.of.live == 0 {
		h = as(h, ended)
		h.Pages, th.of.ended = 1, true
	} else if th.moved == 0 {
		return
	}
	k.ring = append(k.ring, h)
}

// late has those tell their ends whose process has told its own: no thread stays there for a whole window.
func (k *kernel) late() {
	for _, th := range k.threads {
		if th.exiting && !th.told && th.of.ended {
			k.tell(th)
		}
	}
}

// Whatever happens between the steps of a look, never is more told than was moved, and in the end all of it is told; of what threads
// moved whose ends were skipped, most.
func TestBooksAgainstAModel(t *testing.T) {
	var lost, skipped uint64
	for seed := range uint64(200) {
		k := &kernel{rng: rand.New(rand.NewPCG(seed, 1))}
		l := newLedger()
		l.look()
		told := map[uint32]uint64{}
		exits := map[uint32]int{}
		for turn := range 60 {
			if k.closing = turn > 40; k.closing && turn > 50 {
				for len(k.threads) > 0 {
					k.step()
				}
			}
			for range k.rng.IntN(30) {
				k.step()
			}
			for _, h := range k.ring {
				l.end(h, &l.comms)
			}
			k.ring = k.ring[:0]
			k.late()
			l.begin(100)
			var into []Task
			for _, th := range slices.Clone(k.threads) {
				if k.rng.IntN(2) == 0 {
					k.step()
				}
				if !slices.Contains(k.threads, th) {
					continue // released meanwhile
				}
				h := after(th.of.released, holds(th.of.id, 1, th.moved, 0, 0))
				if th.exiting {
					h = as(holds(th.of.id, 0, 0, 0, 0), ending)
				}
				into = l.living(into, h, &l.comms)
			}
			for _, task := range l.settle(into, 0) {
				told[task.TGID] += task.Read
				if task.Exited != 0 && task.Resident > 0 {
					exits[task.TGID]++
				}
				if g := k.groups[task.TGID-1]; told[task.TGID] > g.moved {
					t.Fatalf("seed %d: process %d moved %d, %d told", seed, g.id, g.moved, told[g.id])
				}
			}
		}
		for _, g := range k.groups {
			short := g.moved - told[g.id]
			lost, skipped = lost+short, skipped+g.skipped
			if short > g.skipped || exits[g.id] != 1 {
				t.Fatalf("seed %d: process %d moved %d, %d of it told to nobody, %d told; %d ends", seed, g.id, g.moved, g.skipped, told[g.id], exits[g.id])
			}
		}
		if len(l.known) != 0 {
			t.Fatalf("seed %d: %d are still known", seed, len(l.known))
		}
	}
	if t.Logf("%d lost of %d skipped", lost, skipped); lost > skipped/2 {
		t.Error("most of what was skipped is lost")
	}
}

// Records of any bytes give nothing negative.
func FuzzBooks(f *testing.F) {
	h := as(holds(1, 2, 3, 4, 5), ended)
	raw := unsafe.Slice((*byte)(unsafe.Pointer(&h)), holdingSize)
	f.Add(bytes.Repeat(raw, 3))
	f.Add(bytes.Repeat([]byte{255}, 4*holdingSize))
	f.Fuzz(func(t *testing.T, raw []byte) {
		l := newLedger()
		l.look()
		for i := 0; len(raw) >= holdingSize; i++ {
			h := decodeHolding(raw)
			raw = raw[holdingSize:]
			var tasks []Task
			if i%2 == 0 {
				l.end(h, &l.comms)
				tasks = l.look()
			} else {
				tasks = l.look(h)
			}
			for _, task := range tasks {
				if task.Resident < 0 || !task.holds() {
					t.Fatalf("%+v of %+v", task, h)
				}
			}
		}
	})
}

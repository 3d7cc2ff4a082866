package sim

import (
	"math/rand/v2"
	"time"

	"github.com/eco2-bpf/eco2-bpf/internal/lab/seen"
)

// boot is how long the machine has been up when a run begins.
const boot = 1000 * time.Second

// Sizes of the scheduler, as in a kernel of 250 Hz, in ns.
const (
	tick       = 4_000_000
	beat       = 10_000_000 // the governor's and the balancer's
	sliceLong  = 4_000_000
	sliceShort = 1_000_000
	never      = 1 << 62
)

// world is a machine at work. Times are ns since the run began.
type world struct {
	Scenario
	seen      seen.Machine
	obs       Observer
	now       int64
	events    events
	cpus      []cpu
	cores     []core
	sockets   []socket
	cards     []card
	contexts  []*context
	tasks     []*task
	procs     []*process
	live      []*process // by pid
	next      int        // number of the next pid
	taken     map[int]bool
	sources   []source
	meters    []meter
	looks     []*look
	queued    int // tasks that wait for a CPU
	beats     int
	missed    uint64
	slices    uint64
	random    *rand.Rand // what is done
	untraced  *rand.Rand // what is not traced
	wander    *rand.Rand // what counters show
	truth     Truth
	ended     bool
	open      int        // looks that are not given yet
	used      []*process // with uses
	interrupt []part     // by socket
}

// part is what one owner has used of one socket.
type part struct {
	time         int64
	cores, share float64 // J: of its cores, and of its maintenance power
	misses       float64
}

// process is one that lives or has lived.
type process struct {
	pid      int
	start    time.Duration // since boot
	job      *Job
	activity float64
	parent   *process // nil: one of the scenario's
	began    int64
	end      int64
	exited   bool
	threads  int
	sum      int64 // ns, as old as the tables
	beside   int64
	open     int64 // scratch of a look
	parts    []part
	cards    []float64 // J
	uses     []use     // since the last edge
	forked   int
	children int // that live
	waiting  *task
	tasks    []*task
	home     int // the CPU that children come from
}

// use is what a process has used of one CPU since the last edge.
type use struct {
	cpu          int
	time, beside int64
	misses       float64
	switches     uint64
}

// task is a thread.
type task struct {
	index, tid int
	proc       *process
	left       int64 // of its burst
	used       int64 // of its work
	cpu        int   // where it runs, waits, or was last
	socket     int   // the only one where it may run; -1: all
	state      int
	gen        int
}

const (
	asleep = iota
	queued
	running
	dead
)

// cpu is a thread of a core.
type cpu struct {
	core, sibling, socket int
	cur                   *task
	since                 int64 // cur's
	begun                 int64 // where cur's left counts from
	accounted             int64 // until where cur's time is in the tables
	sliceEnd              int64
	queue                 []*task
	gen                   int
	phase                 int64   // of its ticks
	in                    *source // the interrupt that it is in
	shareSeen             float64
	busy, user            int64 // ns in tasks, in the tables; user: of it
	irq, soft             int64
	slice, done, told     pending // of cur, since since: until the core was settled, in the tables, and in uses
	cycles                float64 // of slice
	busyKHz, busyTime     float64 // since the last edge
}

// pending is what cur has used.
type pending struct {
	time, beside int64
	misses       float64
}

// core has one CPU or two.
type core struct {
	kind             *Cores
	socket           int
	cpus             []int
	last             int64
	kHz              int64
	switching, leakW float64 // W at kHz; leakW: above what it leaks idle
	busy             int64   // ns of the beat
	load             float64 // of its time, lately
	joules           float64
	misses           float64
}

// socket is a package.
type socket struct {
	last    int64
	working int     // CPUs
	share   float64 // J: what a CPU would have had of the maintenance power, had it always worked
	wake    float64 // J
	cores   []int
}

// source of interrupts.
type source struct {
	Interrupt
	index int
	since int64
}

// newWorld sets up a machine with nothing on it.
func newWorld(s Scenario, o Observer) *world {
	w := &world{Scenario: s, seen: s.Machine.Seen(), obs: o, taken: map[int]bool{},
		random: rand.New(rand.NewPCG(s.Seed, 1)), untraced: rand.New(rand.NewPCG(s.Seed, 2)), wander: rand.New(rand.NewPCG(s.Seed, 3))}
	if w.PIDs == 0 {
		w.PIDs = 4 << 20
	}
	for i := range s.Machine.Sockets {
		w.sockets = append(w.sockets, socket{})
		for k := range s.Machine.Cores {
			kind := &s.Machine.Cores[k]
			for range kind.Count {
				w.addCore(i, kind)
			}
		}
	}
	w.interrupt = make([]part, len(w.sockets))
	for _, g := range s.Machine.GPUs {
		w.cards = append(w.cards, card{GPUSpec: g})
	}
	w.addMeters()
	return w
}

func (w *world) addCore(socket int, kind *Cores) {
	n := len(w.cores)
	w.cores = append(w.cores, core{kind: kind, socket: socket})
	w.sockets[socket].cores = append(w.sockets[socket].cores, n)
	for range kind.Threads {
		i := len(w.cpus)
		w.cpus = append(w.cpus, cpu{core: n, sibling: w.seen.CPUs[i].Sibling, socket: socket, phase: w.random.Int64N(tick)})
		w.cores[n].cpus = append(w.cores[n].cpus, i)
	}
	w.cores[n].set(kind.MinKHz, w.Machine.idleLeak(*kind))
}

// set changes a core's frequency. It must be settled.
func (c *core) set(kHz int64, idle float64) {
	c.kHz, c.switching, c.leakW = kHz, c.kind.switching(kHz), c.kind.leaking(kHz)-idle
}

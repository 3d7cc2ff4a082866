package sim

import "time"

// Scenario is a machine and what is done on it. The same one gives the same run, whoever looks.
type Scenario struct {
	Name, Words string
	Seed        uint64
	Duration    time.Duration
	Machine     MachineSpec
	Jobs        []Job
	Interrupts  []Interrupt
	Missed      float64 // of the slices: not traced
	PIDs        int     // pids are used again after that many; 0: 4 million
}

// Job is a process, with all that it starts.
type Job struct {
	Comm, Cgroup string
	Kernel       bool
	At, Until    time.Duration // Until 0: it is not killed
	Threads      int           // 0: 1
	Load         Load
	Children     *Children // nil: none
	GPU          *GPUJob   // nil: no context
}

// Load is what each thread does: it runs and sleeps, by turns, until it has used Work.
type Load struct {
	Run, Sleep time.Duration // mean lengths; Run 0: it never sleeps
	Steady     bool          // lengths do not vary
	Work       time.Duration // of CPU; 0: it does not end
	CPUs       []int         // where it may run; nil: everywhere
	Roam       time.Duration // moves to the next socket each so much time; 0: stays where the scheduler puts it
	Activity   float64       // of its instruction mix; 0: 1
	Misses     float64       // last-level misses per second of CPU
	Kernel     float64       // of its time: in kernel mode
	Resident   int64         // bytes
}

// Children are what a process starts: it forks, waits while Parallel of them live, and ends when the last of Count has.
type Children struct {
	Job      Job // At and Until do not count
	Parallel int // 0: 1
	Count    int // 0: it goes on
	Pause    time.Duration
	// Spread varies the children's activity evenly by so much up and down.
	Spread float64
}

// GPUJob is a context on a card.
type GPUJob struct {
	Card    int
	Util    float64       // of its SMs, 0 to 1, while it works; 0: a context only
	On, Off time.Duration // by turns; Off 0: always on
}

// Interrupt comes to a CPU about each Every and takes about Length.
type Interrupt struct {
	CPU           int
	Every, Length time.Duration
	Soft          bool
	Activity      float64 // 0: 1
}

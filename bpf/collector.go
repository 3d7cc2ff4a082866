// Package bpf attaches the accounting programs to the running kernel and drains what they counted. It is the only package that
// talks to BPF.
package bpf

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// Options say what the kernel side does, and how large it is. The zero value of a field takes its default.
type Options struct {
	Sizes                  // of the tables; of those that are 0 the default for Memory
	Memory    int64        // bytes that the kernel's tables may take; default DefaultMemory
	PIDMax    int          // the highest process id that there can be; default 32768, the kernel's own
	CgroupV1  bool         // cgroup ids are those of the v1 hierarchy that holds the cpu controller, not those of v2
	Hierarchy int          // that hierarchy's number, as in /proc/PID/cgroup: whose cgroups are told of in Events
	Follow    bool         // keep what FollowChildrenOf and Follow need
	Threads   bool         // tell threads apart: a slot for each, so it costs more
	Siblings  []int        // by CPU: the other CPU of its core, -1: none; nil: no time beside a busy sibling is counted. Costs a clock at each switch
	Counter   *Counter     // counts events by account; costs reading it at each switch; nil: none
	Look      bool         // keep what Look needs: each process's end costs a little more, a switch does not
	Events    func(*Event) // told of processes and cgroups that come and go, by a goroutine of the Collector, one at a time; nil: nobody is
	BTF       string       // where the kernel's type information must be; default /sys/kernel/btf/vmlinux
}

// Counter is an event that the processor, or the kernel, counts on each CPU, as perf_event_open(2) names it.
type Counter struct {
	Type   uint32 // PERF_TYPE_HARDWARE, ...
	Config uint64 // PERF_COUNT_HW_CACHE_MISSES, ...
}

// Account names who used the CPU: a process, refined by its cgroup; with Options.Threads a thread of it.
type Account struct {
	TGID   uint32
	TID    uint32        // 0 without Options.Threads
	Start  time.Duration // of its first thread, since boot, suspend included; 0: not known (see Usage)
	Cgroup uint64        // kernfs id
}

// Usage is what one account used on one CPU between two drains. An account may appear more than once.
// Start is 0 for a thread that outlived its leader's release: it belongs to the account of the same TGID.
type Usage struct {
	Account
	CPU      int
	Time     time.Duration // CPU time; user and kernel mode
	Beside   time.Duration // of Time: while the other CPU of the core was busy, too; with Options.Siblings
	Counted  uint64        // events of Options.Counter
	Resident int64         // bytes of memory in the process's page tables when it first ran on this CPU since the last drain; 0: none, or not known
	Switches uint64
	Execs    uint32 // grows with each exec: of two usages of one account, the higher one has the newer Comm
	Comm     string // bytes as the process chose them: not for a terminal as they are
	UID      uint32 // real user id
	PPID     uint32 // parent's TGID; 0: not known
	Kernel   bool   // a kernel thread
	Root     uint32 // what it was followed for (see Follow); 0: not followed
}

// Losses counts what the programs could not record, since Open.
type Losses struct {
	Missed           uint64        // slices whose beginning or end was not traced: dropped, nobody is charged
	Overflow         time.Duration // CPU time with no room in any table
	OverflowSwitches uint64        // the slices of that time
	Spilled          uint64        // accounts that went to the spill map: nothing is lost, it only costs more
	Unfollowed       uint64        // processes that the follow map had no room for
	Recursion        uint64        // runs that the kernel skipped because the program was already running on that CPU
	Events           uint64        // events that the ring had no room for, or that made no sense; all processes were looked at since
	Uncounted        uint64        // slices whose events could not be read: they ran on a CPU that came online after Open; nobody has their events
	Gone             uint64        // ends of processes, and of threads that had moved anything, that found no room: what they held is in no Task
}

// Collector holds the attached programs. Its methods are for one goroutine.
type Collector struct {
	coll     *ebpf.Collection
	links    []link.Link
	cpus     []cpuTable
	counters counters // nil without Options.Counter
	overflow overflow
	unmap    [][]byte
	events   *events // nil without Options.Events
	sizes    Sizes
	threads  bool
	drains   uint32
	self     uint32
	follow   *follower // nil without Options.Follow
	look     *looker   // nil without Options.Look
	counts   eco2Counted
	losses   Losses
	comms    commCache
	spill    spillBuffers
	edgeCtx  [2]uint64
}

// Open loads and attaches the programs. What ran before it returns is not counted.
// Errors: *UnavailableError when the kernel or the privileges do not allow it.
func Open(o Options) (*Collector, error) {
	if err := checkBTF(o.BTF); err != nil {
		return nil, err
	}
	ncpu, err := PossibleCPUs()
	if err != nil {
		return nil, err
	}
	sizes, err := o.sizes(ncpu)
	if err != nil {
		return nil, err
	}
	spec, err := o.spec(sizes, ncpu)
	if err != nil {
		return nil, err
	}
	if err := checkSiblings(o.Siblings, ncpu); err != nil {
		return nil, err
	}
	if err := allowMemlock(); err != nil {
		return nil, err
	}
	counters, err := openCounters(o.Counter, ncpu)
	if err != nil {
		return nil, err
	}
	coll, err := ebpf.NewCollection(spec)
	if err != nil {
		counters.close()
		return nil, explain("load the programs", err)
	}
	c := &Collector{coll: coll, sizes: sizes, threads: o.Threads, counters: counters}
	if o.Follow {
		c.follow = newFollower(coll.Maps[eco2MapFollowed])
	}
	if err := c.start(ncpu, &o); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// start maps the tables, attaches the programs and puts every CPU's running task on record.
func (c *Collector) start(ncpu int, o *Options) error {
	mem, err := c.mmap(eco2MapCpus)
	if err != nil {
		return err
	}
	c.overflow = newOverflow(ncpu)
	for cpu := range ncpu {
		c.cpus = append(c.cpus, newCPUTable(mem, cpu, c.sizes.Slots))
	}
	for cpu, sibling := range o.Siblings[:min(len(o.Siblings), ncpu)] {
		c.cpus[cpu].state.Sibling = uint32(sibling + 1)
	}
	if err := c.counters.give(c.coll.Maps[eco2MapCounters]); err != nil {
		return err
	}
	if err := c.learn(); err != nil {
		return err
	}
	if o.Events != nil {
		if c.events, err = openEvents(c.coll, o.Events); err != nil {
			return err
		}
	}
	if o.Look {
		if c.look, err = openLooker(c.coll); err != nil {
			return err
		}
	}
	for _, name := range []string{
		eco2ProgCgroupMkdir, eco2ProgCgroupRename, eco2ProgCgroupRmdir, eco2ProgTaskRename, eco2ProgSchedProcessFork, eco2ProgSchedProcessExec,
		eco2ProgSchedProcessExit, eco2ProgTellEnd, eco2ProgSchedSwitch, eco2ProgCostlySwitch,
	} {
		prog := c.coll.Programs[name]
		if prog == nil {
			continue
		}
		l, err := link.AttachTracing(link.TracingOptions{Program: prog})
		if err != nil {
			return explain("attach "+name, err)
		}
		c.links = append(c.links, l)
	}
	for cpu := range c.cpus {
		if err := c.edge(cpu, 0); err != nil {
			return err
		}
	}
	if c.events == nil {
		return nil
	}
	return c.events.find()
}

// mmap maps a table into this process, so that a drain needs no system call for it.
func (c *Collector) mmap(name string) ([]byte, error) {
	m := c.coll.Maps[name]
	size := int(m.ValueSize()+7) &^ 7 * int(m.MaxEntries())
	page := unix.Getpagesize()
	mem, err := unix.Mmap(m.FD(), 0, (size+page-1)&^(page-1), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, explain("map table "+name, err)
	}
	c.unmap = append(c.unmap, mem)
	return mem, nil
}

// edge charges the slice that is open on a CPU to the epoch of that parity. A CPU that is offline has none.
func (c *Collector) edge(cpu int, parity uint32) error {
	c.edgeCtx[0] = uint64(parity)
	_, err := c.coll.Programs[eco2ProgEdge].Run(&ebpf.RunOptions{
		Context: c.edgeCtx[:], CPU: uint32(cpu), Flags: unix.BPF_F_TEST_RUN_ON_CPU,
	})
	if errors.Is(err, unix.ENXIO) {
		c.cpus[cpu].showIdle()
		return nil
	}
	if err != nil {
		return explain(fmt.Sprintf("close the open slice of cpu %d", cpu), err)
	}
	return nil
}

// Drain ends a window: it appends to into what was used since the last Drain (or Open) and returns it. Nothing of it is counted
// again, nothing that runs meanwhile is lost. A running task's open slice is included up to its last timer tick; the rest comes
// with the next window.
func (c *Collector) Drain(into []Usage) ([]Usage, error) {
	ended := c.drains & 1
	c.drains++
	for cpu := range c.cpus {
		st := c.cpus[cpu].state
		// A full fence: a CPU that is seen idle below charges the new epoch from now on, since it reads the epoch after it has
		// put the task that ends its idling on record. (After a switch that was not traced it may be not idle at all; should it
		// then be in the midst of a switch just here, that slice comes two windows late or is lost.)
		atomic.StoreUint32(&st.Epoch, c.drains)
		if atomic.LoadUint32(&st.Pid) == 0 {
			continue // idle, offline, or no switch seen yet
		}
		if err := c.edge(cpu, ended); err != nil {
			return into, err
		}
	}
	var spilled uint64
	for cpu := range c.cpus {
		into = c.drainCPU(into, cpu, ended)
		st := c.cpus[cpu].state
		spilled += uint64(st.Spilled[ended])
		c.losses.OverflowSwitches += st.OverflowSwitches[ended]
		c.losses.Overflow += c.overflow.take(cpu, st, ended)
		st.Spilled[ended], st.OverflowSwitches[ended] = 0, 0
	}
	c.losses.Spilled += spilled
	if spilled > 0 {
		var err error
		if into, err = c.drainSpill(into, ended); err != nil {
			return into, err
		}
	}
	c.comms.endWindow()
	if err := c.look.collect(&c.comms); err != nil {
		return into, err
	}
	// After the tables: who is in them has begun before, and that has been told by now.
	if c.events != nil {
		if err := c.events.settle(c.variable(eco2VarEventsLost) + c.skipped()); err != nil {
			return into, err
		}
	}
	if c.follow == nil {
		return into, nil
	}
	if err := c.coll.Variables[eco2VarDrains].Set(c.drains); err != nil {
		return into, fmt.Errorf("count a drain: %w", err)
	}
	return into, c.follow.sweep(c.variable(eco2VarFollowAdded), c.drains)
}

// drainCPU empties the slots that one CPU filled, and only those.
func (c *Collector) drainCPU(into []Usage, cpu int, ended uint32) []Usage {
	t := c.cpus[cpu]
	slots := t.slots[ended]
	at := t.state.Head[ended]
	t.state.Head[ended] = 0
	for left := len(slots); at != 0 && left > 0; left-- {
		s := &slots[int(at-1)&(len(slots)-1)]
		into = append(into, c.usage(s, cpu))
		at = s.Next
		s.Id = 0
	}
	return into
}

func (c *Collector) usage(s *eco2Slot, cpu int) Usage {
	var tid uint32
	if c.threads {
		tid = s.Id
	}
	return Usage{
		Account: Account{TGID: s.Tgid, TID: tid, Start: time.Duration(s.LeaderStart), Cgroup: s.Cgroup},
		CPU:     cpu, Time: time.Duration(s.Ns), Beside: time.Duration(s.Beside), Counted: s.Counted, Switches: s.Switches,
		Comm: c.comms.intern(&s.Comm), Execs: s.Execs, UID: s.Uid, PPID: s.Ppid,
		Resident: int64(min(s.Pages, 1<<40)) * int64(os.Getpagesize()),
		Kernel:   s.Flags&eco2SlotFlagsSLOT_KTHREAD != 0, Root: s.Root,
	}
}

// Losses says what could not be recorded since Open.
func (c *Collector) Losses() Losses {
	l := c.losses
	for i := range c.cpus {
		st := c.cpus[i].state
		l.Missed += atomic.LoadUint64(&st.Missed)
		if c.counters != nil {
			l.Uncounted += atomic.LoadUint64(&st.Uncounted)
		}
	}
	l.Unfollowed = c.variable(eco2VarFollowLost)
	if c.look != nil {
		l.Gone = c.endsLost()
	}
	if c.events != nil {
		l.Events = c.variable(eco2VarEventsLost) + c.events.bad.Load()
	}
	l.Recursion = c.skipped()
	return l
}

// skipped counts the runs of all programs that the kernel left out: where a task can be preempted within one (seen on 7.3), the next
// task's event on that CPU is not told.
func (c *Collector) skipped() (n uint64) {
	for _, p := range c.coll.Programs {
		if st, err := p.Stats(); err == nil { // counted from 5.12 on
			n += st.RecursionMisses
		}
	}
	return n
}

// Self is this process's id as the programs see it: that of the initial pid namespace, like all that Usage and Follow have. In another
// namespace it differs from os.Getpid.
func (c *Collector) Self() int { return int(c.self) }

// Memory is what the tables take in the kernel, in bytes.
func (c *Collector) Memory() int64 { return c.sizes.Bytes(len(c.cpus)) }

// CPUs returns how many CPUs the tables hold: all that could ever come online.
func (c *Collector) CPUs() int { return len(c.cpus) }

// Close detaches the programs. The kernel does the same when the process dies, however it dies: nothing is pinned.
func (c *Collector) Close() error {
	var errs []error
	for _, l := range c.links {
		errs = append(errs, l.Close())
	}
	errs = append(errs, c.events.close(), c.look.close(), c.counters.close())
	for _, m := range c.unmap {
		errs = append(errs, unix.Munmap(m))
	}
	c.links, c.unmap, c.cpus, c.events, c.look, c.counters = nil, nil, nil, nil, nil, nil
	c.coll.Close()
	return errors.Join(errs...)
}

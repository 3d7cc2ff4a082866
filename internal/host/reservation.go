package host

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Reservation is the part of the machine that a cgroup has reserved for the tasks that are in it, and not in one below that has a part of
// its own.
type Reservation struct {
	Cgroup uint64 // kernfs id: the inode number of its directory
	Parts  int64  // of ReservedAll, rounded down; above 0
}

// ReservedAll is the whole machine, in parts.
const ReservedAll = 1_000_000

// Reservations tells what each cgroup has reserved of the CPUs: what requests and limits become on a Kubernetes node, CPUWeight and CPUQuota
// under systemd. It is the part that is left to it when all of them want all CPUs:
//
//   - The machine is shared among the cgroups of the first level, the part of each among those below it, and so on: by weight. That is
//     cpu.weight (v2, 100 where nobody set it) or cpu.shares (v1, 1024). cpu.idle makes it 3/1024 of the default, as in the kernel.
//   - A weight says nothing by itself, only against the others: one small cgroup alone has all that is there.
//   - Only those with tasks in them or below them count. The others' parts go to their siblings, as the kernel does it.
//   - A quota (v2 cpu.max, v1 cpu.cfs_quota_us and cpu.cfs_period_us) caps the part at quota/period CPUs of those that the machine has, for
//     the cgroup and all below it together. What a cap takes off is nobody's, and stays idle: a limit on one is no wish of the others'.
//   - Tasks beside cgroups in the same cgroup are one more of default weight, however many they are. The kernel has each that wants to run
//     compete for itself. But how many there are, or run, is no choice of whoever set weights, and a reservation holds while all sleep.
//   - Tasks in the root reserve nothing: nobody can set anything for them. On v2 they are kernel threads; on v1 also whatever was put
//     nowhere. Where all are there, all is idle.
//   - Where the cpu controller is not handed on (v2, cgroup.subtree_control), a cgroup has no weight, and its tasks are part of the nearest
//     one above that has: that one has the reservation. Where the root does not hand it on, nobody has.
//   - Parts are rounded down, so they never add up to more than all.
//
// cpu.weight.nice is another view of cpu.weight. Nice values, cpusets, real-time budgets, bursts and utilisation clamps are not looked at.
// On v1 a task that is not visible in this process's pid namespace is none.
type Reservations struct {
	root    int // directory of the hierarchy
	v1      bool
	cpus    int
	now     func() time.Duration
	changed atomic.Bool

	walked     bool
	at, cost   time.Duration // of the last walk: when it ended, how long it took
	last       []Reservation
	err        error
	nodes      []reserving
	buf        [8 << 10]byte
	troubles   int
	first      error // of troubles
	left       int   // cgroups that were too many
	maxCgroups int
}

// What a walk over all cgroups may cost: one every 10 s, or a second after the last one where Changed was called, and never more than a
// hundredth of the time. It looks at so many cgroups, those nearest to the root first: who makes many of its own does not hide others'.
const (
	reservationEvery   = 10 * time.Second
	reservationChanged = time.Second
	reservationShare   = 100
	reservationCgroups = 65536
)

// OpenReservations opens the hierarchy's root, which stays open until Close. cpus is how many this machine has online: a quota is held
// against them. Errors: no hierarchy is mounted, or it shows only a part of the machine.
func OpenReservations(c Cgroups, cpus int) (*Reservations, error) {
	if c.Mount == "" {
		return nil, errors.New("read what cgroups have reserved: no hierarchy is mounted; mount -t cgroup2 none /sys/fs/cgroup")
	}
	if cpus < 1 || cpus > 1<<20 {
		return nil, fmt.Errorf("read what cgroups have reserved: a machine of %d CPUs", cpus)
	}
	fd, err := unix.Open(c.Mount, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("read what cgroups have reserved: %w", &os.PathError{Op: "open", Path: c.Mount, Err: err})
	}
	if err := wholeHierarchy(fd); err != nil {
		return nil, errors.Join(fmt.Errorf("read what cgroups have reserved: %s: %w", c.Mount, err), unix.Close(fd))
	}
	return &Reservations{root: fd, v1: c.V1, cpus: cpus, now: Monotonic, maxCgroups: reservationCgroups}, nil
}

// wholeHierarchy refuses a directory that is the root only in a cgroup namespace: parts of it are no parts of the machine. In each
// hierarchy the kernel gives the root the first id.
func wholeHierarchy(fd int) error {
	var fs unix.Statfs_t
	var st unix.Stat_t
	if err := errors.Join(unix.Fstatfs(fd, &fs), unix.Fstat(fd, &st)); err != nil {
		return err
	}
	if (fs.Type == unix.CGROUP_SUPER_MAGIC || fs.Type == unix.CGROUP2_SUPER_MAGIC) && st.Ino != 1 {
		return errors.New("a cgroup namespace shows only a part of the machine; go where the host's is (docker run --cgroupns=host)")
	}
	return nil
}

// Close closes the directory.
func (r *Reservations) Close() error { return unix.Close(r.root) }

// Changed has the next Read look again, if the last look is a second old: a cgroup came or went. Any goroutine may call it.
func (r *Reservations) Changed() { r.changed.Store(true) }

// Read fills into, from its start, with what is reserved now, one entry for each cgroup that has a part. It looks when that is due, and
// else tells again what the last look found: without a system call but the clock's, and without an allocation where into has room. Cgroups
// that vanish meanwhile are none. The error is of the last look, and says what of it was odd: the entries are good for the rest.
func (r *Reservations) Read(into []Reservation) ([]Reservation, error) {
	if now := r.now(); r.due(now) {
		r.changed.Store(false) // before the look: what changes during it is looked at again
		r.look(now)
	}
	return append(slices.Grow(into[:0], len(r.last)), r.last...), r.err
}

func (r *Reservations) look(start time.Duration) {
	r.last, r.err = r.walk(r.last[:0])
	r.walked, r.at = true, r.now()
	r.cost = max(r.at-start, 0)
}

func (r *Reservations) due(now time.Duration) bool {
	wait := reservationEvery
	if r.changed.Load() {
		wait = reservationChanged
	}
	return !r.walked || now-r.at >= max(wait, r.cost*reservationShare)
}

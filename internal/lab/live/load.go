package live

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"
)

// Kinds of load.
const (
	Steady  = "steady"  // a burner
	Duty    = "duty"    // one that burns 30 ms of each 100 ms
	Storm   = "storm"   // children of StormChild each, one after another
	Build   = "build"   // pipelines of short programs, as a build has them
	Sleeper = "sleeper" // wakes ten times a second
	Hash    = "hash"    // a fixed amount of work
)

// buildScript is one step of a build: five processes that live some 10 to 100 ms.
const buildScript = `seq 30000 | sort -r | gzip -c | wc -c >/dev/null`

// hashBlock is the unit of a Hash load's work, in bytes.
const hashBlock = 64 << 10

// Work is what a load does when it is let go.
type Work struct {
	For    time.Duration
	Least  int // children of a Storm
	Blocks int // of a Hash
}

// run is the helper: it waits for a byte, works, tells its own CPU time for that and how many children it had, and stays until its input ends, so
// that who looks at processes from time to time can see all that it used.
func (w *Work) run(kind string) error {
	var b [1]byte
	fmt.Println("ready")
	if n, _ := os.Stdin.Read(b[:]); n == 0 {
		return errors.New("nobody has let it go")
	}
	before, children, err := ownTime(), 0, error(nil)
	switch kind {
	case Steady:
		burn(w.For)
	case Duty:
		every(100*time.Millisecond, w.For, func() { burn(30 * time.Millisecond) })
	case Sleeper:
		every(100*time.Millisecond, w.For, func() {})
	case Storm:
		children, err = storm(w.For, w.Least)
	case Build:
		for end := time.Now().Add(w.For); err == nil && time.Now().Before(end); children++ {
			err = exec.Command("sh", "-c", buildScript).Run()
		}
	case Hash:
		block := make([]byte, hashBlock)
		for range w.Blocks {
			sum := sha256.Sum256(block)
			copy(block, sum[:])
		}
	default:
		err = errors.New("no such load")
	}
	if err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	fmt.Println((ownTime() - before).Nanoseconds(), children)
	_, _ = os.Stdin.Read(b[:]) // its end
	return nil
}

func burn(d time.Duration) {
	for end := time.Now().Add(d); time.Now().Before(end); {
	}
}

func every(period, d time.Duration, do func()) {
	for end, next := time.Now().Add(d), time.Now(); time.Now().Before(end); time.Sleep(time.Until(next)) {
		do()
		next = next.Add(period)
	}
}

// Load is work in a cgroup of its own, by which its rows are known and its CPU time is read.
type Load struct {
	*Group
	Kind string
	// What it tells when it has done its work: the CPU time that its first process took for that, and how many children it had. Of a Build they
	// are pipelines.
	Own      time.Duration
	Children int
	*process
}

// StartLoad starts a load, which then waits to be let go.
func StartLoad(kind string, w Work) (*Load, error) {
	g, err := NewGroup()
	if err != nil {
		return nil, err
	}
	p, err := spawn(kind, g.dirs, w)
	if err != nil {
		return nil, errors.Join(err, g.Remove())
	}
	return &Load{Group: g, Kind: kind, process: p}, nil
}

// PID is that of the load's first process.
func (l *Load) PID() int { return l.cmd.Process.Pid }

// Release lets the load go.
func (l *Load) Release() error { return l.signal() }

// Done waits until it has done its work. Its first process stays.
func (l *Load) Done() error {
	var ns int64
	if _, err := fmt.Fscan(l.lines, &ns, &l.Children); err != nil {
		return fmt.Errorf("load %s: %w", l.Kind, err)
	}
	l.Own = time.Duration(ns)
	return nil
}

// End ends its processes and waits for the first one. Its group stays.
func (l *Load) End() error {
	if err := l.end(); err != nil {
		return fmt.Errorf("load %s: %w", l.Kind, err)
	}
	return nil
}

// Close ends its first process, whatever it does, and removes its group.
func (l *Load) Close() error {
	l.kill()
	return l.Remove()
}

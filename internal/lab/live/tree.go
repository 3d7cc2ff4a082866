package live

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"time"
)

// Point is what the kernel's counts were at a moment. Times are since the law began.
type Point struct {
	Wall   time.Time
	At     time.Duration
	Busy   time.Duration   // of the whole
	Groups []time.Duration // of Law.Groups
}

// recordBytes is the size of a Point in its file.
func recordBytes(groups int) int { return 8 * (3 + groups) }

// Tree is a sysfs whose energy counters follow a law.
type Tree struct {
	Law
	Points []Point       // after Read
	MaxGap time.Duration // between two of them
	*process
}

// NewTree makes one in a directory and drives it until Close.
func NewTree(l Law) (*Tree, error) {
	if l.Fault != "" && faults[l.Fault] == nil {
		return nil, fmt.Errorf("a counter has no fault %q", l.Fault)
	}
	if l.Fault == faultWrap {
		l.Zones[0].Start = counterRange - WrapAfter
	}
	for i, z := range l.Zones {
		if err := os.MkdirAll(l.dir(i), 0o755); err != nil {
			return nil, err
		}
		for file, text := range map[string]string{"name": z.Name + "\n", "enabled": "1\n", "max_energy_range_uj": fmt.Sprintln(counterRange)} {
			if err := os.WriteFile(filepath.Join(l.dir(i), file), []byte(text), 0o644); err != nil {
				return nil, err
			}
		}
	}
	p, err := spawn(driver, nil, l)
	if err != nil {
		return nil, err
	}
	return &Tree{Law: l, process: p}, nil
}

// Close ends the driver. The tree stays as it is.
func (t *Tree) Close() { t.kill() }

// Begin starts the clock of a fault.
func (t *Tree) Begin() error { return t.signal() }

// Read takes in what the law has said so far.
func (t *Tree) Read() error {
	b, err := os.ReadFile(t.points())
	if err != nil {
		return err
	}
	t.Points, t.MaxGap = t.Points[:0], 0
	word := func(i int) int64 { return int64(binary.NativeEndian.Uint64(b[8*i:])) }
	for size := recordBytes(len(t.Groups)); len(b) >= size; b = b[size:] {
		p := Point{Wall: time.Unix(0, word(0)), At: time.Duration(word(1)), Busy: time.Duration(word(2)), Groups: make([]time.Duration, len(t.Groups))}
		for i := range p.Groups {
			p.Groups[i] = time.Duration(word(3 + i))
		}
		if n := len(t.Points); n > 0 {
			t.MaxGap = max(t.MaxGap, p.At-t.Points[n-1].At)
		}
		t.Points = append(t.Points, p)
	}
	if len(t.Points) < 2 {
		return fmt.Errorf("the law said %d things: too few", len(t.Points))
	}
	if rate := t.Rate(); rate < minRate {
		return fmt.Errorf("the counters were updated %.0f times a second: too rarely for windows of 1 s", rate)
	}
	return nil
}

// ReadTo takes in what the law has said so far, once it has said something of a moment that is past.
func (t *Tree) ReadTo(wall time.Time) error {
	for end := time.Now().Add(lawLimit); ; time.Sleep(drivePeriod) {
		if err := t.Read(); err != nil {
			return err
		}
		last := t.Points[len(t.Points)-1].Wall
		if last.After(wall) {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("the law has ended at %v, before %v", last, wall)
		}
	}
}

// lawLimit is how long a law that lives may be silent.
const lawLimit = 2 * time.Second

// minRate is how many updates a second a law has at least.
const minRate = 100

// Rate is the mean number of updates in a second.
func (t *Tree) Rate() float64 { return float64(len(t.Points)) / t.Points[len(t.Points)-1].At.Seconds() }

// after returns the index of the first point after a moment.
func (t *Tree) after(wall time.Time) int {
	return sort.Search(len(t.Points), func(i int) bool { return t.Points[i].Wall.After(wall) })
}

// Last returns the last point up to a moment, which is what the counters showed then.
func (t *Tree) Last(wall time.Time) Point { return t.Points[max(t.after(wall)-1, 0)] }

// Microjoules is what a zone had used at a moment, as its counter showed it.
func (t *Tree) Microjoules(zone int, wall time.Time) int64 {
	p := t.Last(wall)
	return t.Zones[zone].Microjoules(p.At, t.weighed(p.Busy, p.Groups))
}

// between is the CPU time between two moments of whatever of says, as it grew steadily between two points.
func (t *Tree) between(from, to time.Time, of func(Point) time.Duration) time.Duration {
	return t.grown(to, of) - t.grown(from, of)
}

func (t *Tree) grown(wall time.Time, of func(Point) time.Duration) time.Duration {
	i := t.after(wall)
	if i == 0 || i == len(t.Points) {
		return of(t.Last(wall))
	}
	p, q := t.Points[i-1], t.Points[i]
	part := float64(wall.Sub(p.Wall)) / float64(q.Wall.Sub(p.Wall))
	return of(p) + time.Duration(part*float64(of(q)-of(p)))
}

// Busy is the CPU time of the whole between two moments.
func (t *Tree) Busy(from, to time.Time) time.Duration {
	return t.between(from, to, func(p Point) time.Duration { return p.Busy })
}

// Used is that of a group.
func (t *Tree) Used(group int, from, to time.Time) time.Duration {
	return t.between(from, to, func(p Point) time.Duration { return p.Groups[group] })
}

// Weighed is that of the whole by what the law counts.
func (t *Tree) Weighed(from, to time.Time) time.Duration {
	return t.between(from, to, func(p Point) time.Duration { return t.weighed(p.Busy, p.Groups) })
}
